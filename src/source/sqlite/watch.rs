//! What a reading child leaves behind when nobody wants its pages any more: nothing, at once.

use crate::error::{Attempt, Result};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::TempDir;

/// Where private copies go: a folder of this process's own, made when one is needed.
#[derive(Clone, Debug)]
pub(super) struct Scratch {
    within: PathBuf,
    own: Arc<Mutex<Option<TempDir>>>,
}

impl Scratch {
    pub(super) fn new(within: PathBuf) -> Self {
        Scratch { within, own: Arc::default() }
    }

    /// The folder that it is made in.
    pub(super) fn within(&self) -> &Path {
        &self.within
    }

    /// The folder itself.
    pub(super) fn folder(&self) -> Result<PathBuf> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = own.as_ref() {
            return Ok(folder.path().to_owned());
        }
        let folder = tempfile::Builder::new().prefix("icecore-sqlite-").tempdir_in(&self.within);
        let folder = folder.attempt("make a private folder in", self.within.display())?;
        let path = folder.path().to_owned();
        *own = Some(folder);
        Ok(path)
    }

    /// Removes the folder with all in it.
    pub(super) fn remove(&self) {
        drop(self.own.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// A thread that ends this process as soon as nobody can read the other end of a pipe.
///
/// The kernel's signal for a parent's death would not do: it comes when the thread that started
/// the child ends. Nor would the next write: a check or a lock may keep the child from writing for hours.
pub(super) struct Watch {
    over: Arc<AtomicBool>,
}

impl Watch {
    /// Watches `pipe`. Anything else than a pipe or socket is never found without a reader.
    pub(super) fn start(pipe: OwnedFd, scratch: Scratch) -> Result<Self> {
        let over = Arc::new(AtomicBool::new(false));
        let ended = over.clone();
        let watch = move || {
            if nobody_reads(&pipe) && !ended.load(Ordering::SeqCst) {
                scratch.remove();
                // The transaction and all locks end with the process.
                std::process::exit(1);
            }
        };
        let thread = std::thread::Builder::new().name("watch".to_owned()).spawn(watch);
        thread.attempt("start a thread for", "the pipe")?;
        Ok(Watch { over })
    }

    /// From here on the reader may go: it is about to have everything.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }
}

/// Waits until nobody reads from `pipe`; false if that cannot be known.
fn nobody_reads(pipe: &OwnedFd) -> bool {
    let gone = PollFlags::ERR | PollFlags::HUP;
    loop {
        let mut pipes = [PollFd::new(pipe, PollFlags::empty())];
        match poll(&mut pipes, None) {
            Ok(_) if pipes.iter().any(|pipe| pipe.revents().intersects(gone)) => return true,
            Err(Errno::INTR) => {}
            _ => return false,
        }
    }
}
