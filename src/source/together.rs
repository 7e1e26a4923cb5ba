//! What the sources of one backup must know of each other: which databases are captured as such,
//! so that nothing beside them is stored as a file, and what is never captured.

use super::files::{Logs, Scope};
use super::sqlite::database_of;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The sources of one backup. All of them share one, and tell it of themselves when they are made.
#[derive(Default)]
pub struct Together {
    /// The folders of the repositories that the backup goes to: device and inode of each.
    repositories: Vec<(u64, u64)>,
    /// Folders of servers whose databases are dumped.
    dumped: Mutex<Vec<(u64, u64)>>,
    scopes: Mutex<Vec<Arc<Scope>>>,
    logs: OnceLock<Logs>,
}

impl Together {
    /// The sources of a backup into the repository in `folder`, which none of them captures.
    pub fn keeping_out(folder: &Path) -> Self {
        Together::default().keeping_out_too(folder)
    }

    /// The same, and into this one later.
    pub fn keeping_out_too(mut self, folder: &Path) -> Self {
        self.repositories.extend(folder.metadata().ok().map(|found| (found.dev(), found.ino())));
        self
    }

    /// What lies in this folder is dumped by a server: no source captures it as files.
    pub fn add_dumped(&self, folder: &Path) {
        let found = folder.metadata().ok().map(|found| (found.dev(), found.ino()));
        self.dumped.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
    }

    /// Whether a folder of this device and inode is one of those.
    pub(super) fn is_dumped(&self, identity: (u64, u64)) -> bool {
        self.dumped.lock().unwrap_or_else(PoisonError::into_inner).contains(&identity)
    }

    /// One more source captures this.
    pub(super) fn add(&self, scope: Arc<Scope>) {
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner).push(scope);
    }

    /// Whether a folder of this device and inode is the repository, however it was reached.
    pub(super) fn is_repository(&self, identity: (u64, u64)) -> bool {
        self.repositories.contains(&identity)
    }

    /// Whether what lies at `real`, a path through no link, is the repository or in it.
    pub fn is_in_repository(&self, real: &Path) -> bool {
        !self.repositories.is_empty()
            && real.ancestors().any(|folder| {
                folder.metadata().is_ok_and(|found| self.is_repository((found.dev(), found.ino())))
            })
    }

    /// The database to which a file belongs as -wal, -shm, -journal or super-journal, if that is
    /// captured as a database by any of the sources. Such a file is never stored: what it holds of
    /// the database is in the database's own content, and of another moment beside it.
    ///
    /// `real` is where the file lies, through no link, and `stored` the path that it would have in
    /// the snapshot; with either it would stand beside the database after a restore.
    pub(super) fn database_of(&self, real: &Path, stored: &Path) -> Option<PathBuf> {
        let mains = (main_of(real), main_of(stored));
        if mains == (None, None) {
            return None;
        }
        self.scopes().iter().find_map(|scope| {
            let at = mains.0.as_ref().filter(|main| scope.captures_database_at(self, main));
            let by_name = || mains.1.as_ref().filter(|main| scope.stores_database_as(self, main));
            at.or_else(by_name).cloned()
        })
    }

    /// Where the logs of databases stand that have several names; looked up once.
    pub(super) fn logs(&self) -> &Logs {
        self.logs.get_or_init(|| Logs::search(&self.scopes(), self))
    }

    fn scopes(&self) -> Vec<Arc<Scope>> {
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The path of the database that a file at `path` would belong to by its name.
fn main_of(path: &Path) -> Option<PathBuf> {
    let main = database_of(path.file_name()?.as_bytes())?;
    Some(path.with_file_name(std::ffi::OsStr::from_bytes(main)))
}
