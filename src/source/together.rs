//! What the sources of one backup must know of each other: which databases are captured as such,
//! so that nothing beside them is stored as a file, and what is never captured.

use super::files::{Logs, Scope};
use super::sqlite::database_of;
use parking_lot::Mutex;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// The sources of one backup. All of them share one, and tell it of themselves when they are made.
#[derive(Default)]
pub struct Together {
    /// Folders of this program, which are never captured: device and inode of each, and what it is.
    kept_out: Vec<((u64, u64), &'static str)>,
    /// Folders of servers whose databases are dumped.
    dumped: Mutex<Vec<(u64, u64)>>,
    scopes: Mutex<Vec<Arc<Scope>>>,
    logs: OnceLock<Logs>,
}

impl Together {
    /// What the repository is called that a backup goes to.
    pub const REPOSITORY: &str = "the repository itself";

    /// The same, and none of them captures this folder, which warnings call what it is.
    pub fn keeping_out(mut self, folder: &Path, what: &'static str) -> Self {
        let found = folder.metadata().ok();
        self.kept_out.extend(found.map(|found| ((found.dev(), found.ino()), what)));
        self
    }

    /// What lies in this folder is dumped by a server: no source captures it as files.
    pub fn add_dumped(&self, folder: &Path) {
        let found = folder.metadata().ok().map(|found| (found.dev(), found.ino()));
        self.dumped.lock().extend(found);
    }

    /// Whether a folder of this device and inode is one of those.
    pub(super) fn is_dumped(&self, identity: (u64, u64)) -> bool {
        self.dumped.lock().contains(&identity)
    }

    /// One more source captures this.
    pub(super) fn add(&self, scope: Arc<Scope>) {
        self.scopes.lock().push(scope);
    }

    /// What a folder of this device and inode is, however it was reached, if it is never captured.
    pub(super) fn kept_out(&self, identity: (u64, u64)) -> Option<&'static str> {
        self.kept_out.iter().find(|(folder, _)| *folder == identity).map(|(_, what)| *what)
    }

    /// What the folder is that lies at `real`, a path through no link, or around it, if it is never captured.
    pub fn kept_out_at(&self, real: &Path) -> Option<&'static str> {
        let what = |folder: &Path| {
            let found = folder.metadata().ok()?;
            self.kept_out((found.dev(), found.ino()))
        };
        if self.kept_out.is_empty() { None } else { real.ancestors().find_map(what) }
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
        self.scopes.lock().clone()
    }
}

/// The path of the database that a file at `path` would belong to by its name.
fn main_of(path: &Path) -> Option<PathBuf> {
    let main = database_of(path.file_name()?.as_bytes())?;
    Some(path.with_file_name(std::ffi::OsStr::from_bytes(main)))
}
