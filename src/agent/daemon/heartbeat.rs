//! The agent's sign of life: a file that it keeps locked, and touches each time that it looks for what is
//! due.

use crate::env::{Env, Time, state};
use crate::error::{Attempt, Error, Kind, Result};
use rustix::fs::{Timespec, Timestamps, UTIME_NOW, futimens};
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How long an agent that lives is silent, at most: some times longer than it waits for anything.
const SILENCE: i64 = 120;

/// The life of the one agent that keeps a state folder.
pub struct Heartbeat {
    folder: PathBuf,
    file: File,
}

impl Heartbeat {
    /// Begins it.
    ///
    /// # Errors
    /// `Locked` if another agent keeps the same folder.
    pub fn begin(folder: &Path) -> Result<Self> {
        let begun = lock(folder)?.map(|file| Heartbeat { folder: folder.to_owned(), file });
        begun.ok_or_else(|| {
            Error::new(Kind::Locked, "keep the schedules", "")
                .because("another agent is at work with the same state folder")
                .hint("`systemctl status icecore-agent` may show it")
        })
    }

    /// Gives a sign of it.
    pub fn beat(&mut self) {
        // Where the state folder was deleted, another agent could begin.
        if self.file.metadata().is_ok_and(|it| it.nlink() == 0)
            && let Ok(Some(file)) = lock(&self.folder)
        {
            self.file = file;
        }
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        // A file that is not touched fails the health check: so a disk that refuses this is noticed.
        let _ = futimens(&self.file, &Timestamps { last_access: now, last_modification: now });
    }
}

/// Fails unless an agent keeps this state folder, and has looked at what is due lately.
///
/// # Errors
/// `NotFound` if there is none, `Failed` if it has not.
pub fn check_alive(folder: &Path, env: &Env) -> Result<()> {
    let path = place(folder);
    let none = || {
        Error::new(Kind::NotFound, "find the agent of", folder.display())
            .hint("`icecore agent` starts one")
    };
    let found = match path.metadata() {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Err(none()),
        found => found.attempt("examine", path.display())?,
    };
    if !state::is_locked(&path)? {
        return Err(none().because("none is at work"));
    }
    // A clock that was set back is no silence.
    let silence = env.now().0.div_euclid(Time::SECOND).saturating_sub(found.mtime());
    match silence <= SILENCE {
        true => Ok(()),
        false => Err(Error::new(Kind::Failed, "hear of the agent of", folder.display())
            .because(format!("it is there, and has done nothing for {silence} s"))),
    }
}

fn lock(folder: &Path) -> Result<Option<File>> {
    state::private_folder(folder)?;
    state::try_lock(&place(folder))
}

fn place(folder: &Path) -> PathBuf {
    folder.join("agent.lock")
}
