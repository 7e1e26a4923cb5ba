//! A private copy of a database that cannot be opened where it stands, because that would write
//! there: with its journal and log, and only while no other process uses it.

use super::identity::{DatabaseFile, sibling_path};
use super::open_files::OpenFiles;
use super::preflight::Preflight;
use crate::error::{Attempt, Error, Kind, Result};
use rustix::fs::{FlockOperation, Mode, OFlags, fcntl_lock};
use rustix::process::{Flock, FlockType, fcntl_getlk};
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What is copied beside the main file. The index of the log (-shm) is made anew.
const COPIED: [&str; 2] = ["-wal", "-journal"];
/// What must stand still while it is copied.
const WATCHED: [&str; 4] = ["", "-wal", "-journal", "-shm"];

/// Copies the database that was found at `place` into a new folder under `scratch`; gives the
/// copy's path, too.
///
/// Must run while this process has no SQLite connection to it.
///
/// # Errors
/// `Locked` if another process has it in use, or changed it on the way.
pub(super) fn copy(
    place: &Preflight,
    found: &DatabaseFile,
    scratch: &Path,
) -> Result<(TempDir, PathBuf)> {
    let path = place.path.as_path();
    let files = OpenFiles::now();
    let mut main = open(path)?;
    lock(&main)?;
    let before = states(path);
    let siblings = COPIED.map(|suffix| (suffix, open(&sibling_path(path, suffix))));
    found.is_open(&files)?;
    let folder = TempDir::new_in(scratch).attempt("make a folder in", scratch.display())?;
    let to = folder.path().join("database");
    copy_file(&mut main, &to)?;
    for (suffix, sibling) in siblings {
        match sibling {
            Ok(mut sibling) => copy_file(&mut sibling, &sibling_path(&to, suffix))?,
            Err(error) if error.kind() == Kind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    if states(path) != before {
        return Err(Error::new(Kind::Locked, "copy", "it aside")
            .because("it was used by another process meanwhile")
            .hint("run icecore as the owner of the database, or as root"));
    }
    Ok((folder, to))
}

fn open(path: &Path) -> Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(std::io::Error::from);
    Ok(File::from(file.attempt("open", path.display())?))
}

/// Takes a read lock over all lock bytes of SQLite, which keeps every writer out, and makes sure
/// that nobody else holds any: a connection to a write-ahead log always holds one.
fn lock(main: &File) -> Result<()> {
    let in_use = || {
        Error::new(Kind::Locked, "copy", "it aside")
            .because(
                "it cannot be read in place without writing beside it, and another process has \
                 it in use",
            )
            .hint("run icecore as the owner of the database, or as root")
    };
    fcntl_lock(main, FlockOperation::NonBlockingLockShared).map_err(|_| in_use())?;
    let any = Flock::from(FlockType::WriteLock);
    match fcntl_getlk(main, &any).map_err(std::io::Error::from).attempt("examine locks of", "it")? {
        None => Ok(()),
        Some(_) => Err(in_use()),
    }
}

fn copy_file(from: &mut File, to: &Path) -> Result<()> {
    let mut copy = File::create_new(to).attempt("create", to.display())?;
    std::io::copy(from, &mut copy).attempt("copy it to", to.display())?;
    Ok(())
}

/// What `stat` says of the database and its siblings.
fn states(path: &Path) -> [Option<State>; 4] {
    WATCHED.map(|suffix| sibling_path(path, suffix).symlink_metadata().ok().map(|m| State::of(&m)))
}

#[derive(PartialEq, Eq)]
struct State {
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl State {
    fn of(metadata: &Metadata) -> Self {
        State {
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}
