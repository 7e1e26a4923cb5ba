//! Databases of several names: SQLite looks for the write-ahead log or journal beside the name
//! that it is told, so such a database has to be read by the name that has one.

use super::metadata::{identity, mtime, stamp};
use super::scope::{Scope, is};
use crate::error::{Error, Kind, Result};
use crate::format::database::{DatabaseFacts, SIBLINGS, begins_as_sibling};
use crate::format::directory::{FileTime, LinkGroup, Stamp};
use crate::source::sqlite::may_be_index;
use crate::source::{ByteStream, FileProof, Got, SameFile, SameState, Together};
use rustix::fs::{FileType, Mode, OFlags, Stat};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What SQLite may have written beside a database that is not yet in it.
const LOGS: [&[u8]; 2] = [b"-wal", b"-journal"];

/// One name of a database, which has a log beside it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Logged {
    /// Path of the database by this name.
    pub(super) path: PathBuf,
    /// Device and inode of the folder that it lies in.
    folder: (u64, u64),
    age: Age,
}

/// Which of several logs counts: one that holds something, then the newest.
type Age = (bool, FileTime);

/// Of each database of several names, by device and inode, the name that has the log.
pub(crate) struct Logs(HashMap<(u64, u64), Logged>);

impl Logs {
    /// Looks through all that the sources capture.
    pub(crate) fn search(scopes: &[Arc<Scope>], together: &Together) -> Self {
        let mut logs = Logs(HashMap::new());
        for scope in scopes {
            each_file(scope, together, |folder, name| {
                let main = LOGS.iter().find_map(|log| name.as_bytes().strip_suffix(*log));
                if let Some(main) = main {
                    logs.note(&folder.join(OsStr::from_bytes(main)));
                }
            });
        }
        logs
    }

    fn note(&mut self, path: &Path) {
        let Ok(stat) = rustix::fs::lstat(path) else { return };
        if !is(&stat, FileType::RegularFile) || stat.st_nlink < 2 {
            return;
        }
        let Some(found) = Logged::beside(path) else { return };
        let known = self.0.entry(identity(&stat)).or_insert_with(|| found.clone());
        if known.age < found.age {
            *known = found;
        }
    }
}

impl Logged {
    /// The database at `path`, if there is a log beside it.
    fn beside(path: &Path) -> Option<Self> {
        let log = |suffix: &&[u8]| {
            let name = [path.as_os_str().as_bytes(), *suffix].concat();
            let stat = rustix::fs::lstat(name.as_slice()).ok()?;
            let holds = is(&stat, FileType::RegularFile).then_some(stat.st_size > 0)?;
            Some((holds, mtime(&stat)))
        };
        let age = LOGS.iter().filter_map(log).max()?;
        let folder = rustix::fs::stat(path.parent()?).ok()?;
        Some(Logged { path: path.to_owned(), folder: identity(&folder), age })
    }

    /// The name by which the database at `path` is read, which is that of `stat`: its own if a log
    /// stands beside it that holds something, else any that has one.
    pub(super) fn of(path: &Path, stat: &Stat, together: &Together) -> Option<Self> {
        let own = Logged::beside(path);
        if own.as_ref().is_some_and(|own| own.age.0) {
            return own;
        }
        let other = together.logs().0.get(&identity(stat)).filter(|other| {
            rustix::fs::lstat(&other.path).is_ok_and(|found| identity(&found) == identity(stat))
        });
        match (own, other) {
            (Some(own), Some(other)) if own.age >= other.age => Some(own),
            (own, other) => other.cloned().or(own),
        }
    }

    fn state(&self) -> SameState {
        let name = self.path.file_name().unwrap_or_default().as_bytes().to_vec();
        SameState::ReadBy(self.folder, name)
    }
}

/// Gives each file that a walk of the scope comes to, by its folder and its name; of a scope that is a file, those
/// beside it, too. Only listings are read. What is out of reach is left to the walk to report.
pub(super) fn each_file(scope: &Scope, together: &Together, mut visit: impl FnMut(&Path, &OsStr)) {
    let Some(real) = scope.real() else { return };
    let Ok(root) = rustix::fs::lstat(real) else { return };
    if !is(&root, FileType::Directory) {
        real.parent().into_iter().for_each(|folder| drop(list(folder, &mut visit)));
        return;
    }
    let mut open = vec![real.to_owned()];
    while let Some(folder) = open.pop() {
        let Ok(stat) = rustix::fs::lstat(&folder) else { continue };
        let found = identity(&stat);
        if scope.is_elsewhere(&stat, root.st_dev)
            || together.kept_out(found).is_some()
            || together.is_dumped(found)
        {
            continue;
        }
        let beneath = list(&folder, &mut visit);
        open.extend(beneath.into_iter().filter(|path| !scope.leaves_out_real(path)));
    }
}

/// Gives the files in a folder; returns the folders in it.
fn list(folder: &Path, visit: &mut impl FnMut(&Path, &OsStr)) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut beneath = Vec::new();
    for entry in entries.flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => beneath.push(entry.path()),
            Ok(kind) if kind.is_file() => visit(folder, &entry.file_name()),
            _ => {}
        }
    }
    beneath
}

/// A database of several names, read by one of them while no log stood beside any.
pub(crate) struct Unlogged {
    stream: Box<dyn ByteStream>,
    path: PathBuf,
    before: Stamp,
}

impl Unlogged {
    pub(crate) fn new(stream: Box<dyn ByteStream>, path: PathBuf, before: Stamp) -> Self {
        Unlogged { stream, path, before }
    }
}

impl ByteStream for Unlogged {
    fn read(&mut self, buffer: &mut [u8]) -> Result<Got> {
        self.stream.read(buffer)
    }

    /// A write-ahead log is locked through a file that is found by name: a process that opens another
    /// name meanwhile and writes pages back does not see that this one is being read.
    fn finish(self: Box<Self>) -> Result<FileProof> {
        let mut proof = self.stream.finish()?;
        let locked_by_name = matches!(
            &proof.database,
            Some(DatabaseFacts::Sqlite(facts)) if facts.journal_mode == "wal"
        );
        let after = rustix::fs::lstat(&self.path).map(|stat| stamp(&stat));
        if locked_by_name && after != Ok(self.before) && proof.changed.is_none() {
            let how = "it was written while it was read, perhaps under another of its names";
            proof.changed = Some(how.to_owned());
        }
        Ok(proof)
    }
}

/// What tells whether another name of the file was captured already. Without a time of birth, an
/// inode that was used again shows in a stamp that is old enough only.
pub(super) fn same_file(
    group: Option<LinkGroup>,
    names: u64,
    stamp: &Stamp,
    settled: bool,
    read_by: Option<&Logged>,
) -> Option<SameFile> {
    let group = group?;
    let state = match read_by {
        Some(logged) => logged.state(),
        None if settled || group.born.is_some() => SameState::Stamp(*stamp),
        None => return None,
    };
    Some(SameFile { group, names, state })
}

/// Whether a file that is named like what belongs to a database may be that. A super-journal has
/// no beginning of its own.
pub(super) fn is_log_alike(folder: BorrowedFd<'_>, name: &[u8]) -> bool {
    let Some(file) = open(folder, name) else { return true };
    if name.ends_with(b"-shm") {
        return may_be_index(&file);
    }
    match head(&file) {
        Some(head) if name.ends_with(b"-wal") => begins_as_sibling(name, &head),
        // Zeros may stand there once it has served.
        Some(head) if name.ends_with(b"-journal") => {
            begins_as_sibling(name, &head) || head == [0; 4]
        }
        _ => true,
    }
}

/// Whether SQLite wrote something beside the file `name`. If that is no database by its header, it is
/// an encrypted one, as far as this tells.
pub(super) fn has_siblings(folder: BorrowedFd<'_>, name: &[u8]) -> bool {
    SIBLINGS.iter().any(|suffix| {
        let name = [name, suffix.as_bytes()].concat();
        let head = open(folder, &name).and_then(|file| head(&file));
        head.is_some_and(|head| begins_as_sibling(&name, &head))
    })
}

fn open(folder: BorrowedFd<'_>, name: &[u8]) -> Option<fs::File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::openat(folder, name, flags, Mode::empty()).ok().map(fs::File::from)
}

fn head(file: &fs::File) -> Option<[u8; 4]> {
    let mut head = [0; 4];
    matches!(rustix::io::pread(file, &mut head, 0), Ok(4)).then_some(head)
}

/// What is said of a file that SQLite would take for a log.
pub(super) fn foreign_log(path: &Path) -> Error {
    Error::new(Kind::Refused, "capture", path.display())
        .because("it is named like what SQLite keeps beside the database there, and is none of it")
        .hint("rename it: SQLite would take it for its own, here or restored, and overwrite it")
}

/// What is said of a file that SQLite keeps something beside, and that is no database to see.
pub(super) fn looks_encrypted(path: &Path) -> String {
    format!(
        "{} looks like an encrypted SQLite database: it is captured as a plain file, which is right only \
         with the -wal and -journal beside it, and while nobody writes",
        path.display()
    )
}
