//! What a reading child leaves behind when nobody wants its pages any more: nothing, at once.

use crate::error::{Attempt, Result};
use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;
use rustix::process::geteuid;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

/// Where private copies go: a folder of this process's own, made when one is needed.
#[derive(Clone, Debug)]
pub(super) struct Scratch {
    within: PathBuf,
    own: Arc<Mutex<Option<Private>>>,
}

/// A folder, and its lock, which ends with the process however that ends.
#[derive(Debug)]
struct Private {
    folder: TempDir,
    _lock: Option<OwnedFd>,
}

/// How the names of private folders begin.
const PREFIX: &str = "icecore-sqlite-";
/// How often another folder is tried where one cannot be locked.
const ATTEMPTS: u32 = 3;

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
        let mut own = self.own.lock();
        if let Some(own) = own.as_ref() {
            return Ok(own.folder.path().to_owned());
        }
        let mut attempts = 0..ATTEMPTS;
        let (folder, locked) = loop {
            let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(&self.within);
            let folder = folder.attempt("make a private folder in", self.within.display())?;
            let locked = lock(folder.path());
            // Another process may have swept it before it was locked, or nothing can be locked here.
            if locked.is_some() || attempts.next().is_none() {
                break (folder, locked);
            }
        };
        let path = folder.path().to_owned();
        *own = Some(Private { folder, _lock: locked });
        Ok(path)
    }

    /// Removes the folders of processes of this user that were killed. They hold copies of databases.
    pub(super) fn sweep(&self) {
        let Ok(entries) = std::fs::read_dir(&self.within) else { return };
        for entry in entries.flatten() {
            if entry.file_name().as_bytes().starts_with(PREFIX.as_bytes())
                && let Some(_locked) = lock(&entry.path())
            {
                // What cannot be removed now may be so the next time.
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }

    /// Removes the folder with all in it.
    pub(super) fn remove(&self) {
        drop(self.own.lock().take());
    }
}

/// Locks a private folder of this user until the result is dropped; none if another process, which
/// lives, has it locked, or it is gone.
fn lock(folder: &Path) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let locked = rustix::fs::open(folder, flags, Mode::empty()).ok()?;
    let found = rustix::fs::fstat(&locked).ok()?;
    if found.st_uid != geteuid().as_raw() {
        return None;
    }
    flock(&locked, FlockOperation::NonBlockingLockExclusive).ok()?;
    let named = rustix::fs::lstat(folder).ok()?;
    ((named.st_dev, named.st_ino) == (found.st_dev, found.st_ino)).then_some(locked)
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
