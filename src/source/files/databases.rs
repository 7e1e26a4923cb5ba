//! Databases that may be at work, found by names alone: they are read before any other file, so that no
//! row of them names a file that was not captured yet.

use super::content::Unopened;
use super::directory::{DIRECTORY, Directory};
use super::logs::each_file;
use super::metadata::{identity, names, size};
use super::open::is_regular;
use super::options::OpenDatabase;
use super::refused;
use super::scope::Scope;
use crate::format::directory::LinkGroup;
use crate::source::{Entry, FileAt, FileItem, SameFile, SameState, Together};
use rustix::fs::{AtFlags, CWD, Mode, Stat, statat};
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How SQLite's databases are called, of those that may be at work with nothing beside them.
const ENDINGS: [&[u8]; 6] = [b".db", b".db3", b".sqlite", b".sqlite3", b".s3db", b".sl3"];

/// The databases of one source that are read first.
pub(super) struct Databases {
    scope: Arc<Scope>,
    sqlite: OpenDatabase,
    /// Where those lie that were not given yet; none before anybody asks.
    left: Option<std::collections::btree_set::IntoIter<PathBuf>>,
    /// By device and inode, where each stood. Another file may get the inode of one that was deleted meanwhile.
    given: HashMap<(u64, u64), PathBuf>,
}

impl Databases {
    /// Those of a scope, which is not looked at yet.
    pub(super) fn new(scope: Arc<Scope>, sqlite: OpenDatabase) -> Self {
        Databases { scope, sqlite, left: None, given: HashMap::new() }
    }

    /// The next one. What cannot be opened here is left to the walk, which tells why.
    pub(super) fn next(&mut self, together: &Together) -> Option<FileAt> {
        loop {
            let left = self.left.get_or_insert_with(|| find(&self.scope, together).into_iter());
            let path = left.next()?;
            if let Some(file) = self.file(&path) {
                return Some(file);
            }
        }
    }

    /// What tells the walk that this file, which stands at `path` in the snapshot, was given here.
    pub(super) fn given(&self, stat: &Stat, path: &Path) -> Option<SameFile> {
        let place = self.given.get(&identity(stat))?;
        (place == path).then(|| read_first(stat))
    }

    fn file(&mut self, real: &Path) -> Option<FileAt> {
        let name = real.file_name()?.as_bytes().to_vec();
        let beneath = real.strip_prefix(self.scope.real()?).ok()?;
        let stored = self.scope.stored(beneath);
        let fd = rustix::fs::openat(CWD, real.parent()?, DIRECTORY, Mode::empty()).ok()?;
        let directory = Directory::new(fd, stored.parent()?.to_owned());
        let stat = statat(directory.fd(), &name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        // One of several names is read by that which has the log, and found under all of them.
        if !is_regular(&stat) || names(&stat) > 1 {
            return None;
        }
        self.given.insert(identity(&stat), stored.clone());
        let (length, same) = (size(&stat), read_first(&stat));
        // What else is known of it is told in its place.
        let entry = Entry { name: stored.file_name()?.as_bytes().to_vec(), ..Entry::default() };
        let sqlite = Some(self.sqlite.clone());
        let directory = Arc::new(directory);
        let unopened = Unopened { directory, name, stat, sqlite, read_by: None };
        let open = Box::new(move || refused::open(unopened));
        let file = FileItem::new(entry, Some(length), open);
        let folders = beneath.parent().unwrap_or(Path::new(""));
        let folder = folders.iter().map(|name| name.as_bytes().to_vec()).collect();
        Some(FileAt { folder, file: FileItem { same: Some(same), ..file } })
    }
}

/// Where the databases of a scope lie. One that keeps no log beside it, and is not called like one either,
/// is not among them.
fn find(scope: &Scope, together: &Together) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    each_file(scope, together, |folder, name| {
        let name = name.as_bytes();
        let logged = [&b"-wal"[..], b"-journal"].iter().find_map(|log| name.strip_suffix(*log));
        let named = || ENDINGS.iter().any(|ending| name.ends_with(ending)).then_some(name);
        found.extend(logged.or_else(named).map(|main| folder.join(OsStr::from_bytes(main))));
    });
    found.retain(|path| scope.captures_database_at(together, path));
    found
}

/// Two readings: this one, and its place in the walk.
fn read_first(stat: &Stat) -> SameFile {
    let (device, inode) = identity(stat);
    let group = LinkGroup { device, inode, born: None };
    SameFile { group, names: 2, state: SameState::ReadFirst }
}
