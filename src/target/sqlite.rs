//! What a restored SQLite database needs beside its bytes: no -wal, -shm or -journal of another
//! database may stand there, since SQLite would replay it over the restored file.
//!
//! A database is always written beside its place and renamed, never patched. Into an empty
//! place: the siblings go first, then the new file appears. Over an old database: its lock is
//! taken; if it has siblings, its page 1 is made unreadable before they are removed, since
//! without its journal or log the old file may be torn; then the rename. So at each moment the
//! place holds the old database whole, or one that does not open, or the new one whole.

use crate::error::{Attempt, Error, Kind, Result};
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, fcntl_lock, fsync, openat, renameat};
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

/// Files that SQLite keeps beside a database and would replay over another. A super-journal
/// (-mj...) is not among them: it is looked up only by a -journal that names it, and removing
/// that of another set of databases would turn their commit into a rollback, or back.
const SIBLINGS: [&str; 3] = ["-journal", "-wal", "-shm"];

/// An existing database that no other process uses, until this is dropped.
///
/// The lock is a POSIX one: closing any other descriptor of the same file in this process drops
/// it, so nothing else may open the old file meanwhile.
#[derive(Debug)]
pub struct Guard {
    file: File,
}

impl Guard {
    /// The locked file, open for reading and writing.
    pub fn file(&self) -> &File {
        &self.file
    }
}

/// Puts the complete, synced file `written` into the place of `name`, both in `directory`:
/// after this either the whole restored database stands there with nothing beside it, on disk,
/// or the place is as it was. A last name component of `name` that is a link is replaced, never
/// followed.
///
/// # Errors
/// `Locked` if another process has the old database in use.
pub fn place(directory: impl AsFd, written: &[u8], name: &[u8]) -> Result<()> {
    let directory = directory.as_fd();
    let guard = lock_exclusively(directory, name)?;
    if has_siblings(directory, name)? {
        if let Some(guard) = &guard {
            invalidate(guard, name)?;
        }
        clear_siblings(directory, name)?;
    }
    let renaming = "put a restored database into the place of";
    errno(renameat(directory, text(written), directory, text(name)), renaming, name)?;
    sync(directory, name)
}

/// Removes -wal, -shm and -journal beside `name` in `directory` and syncs the directory; gives
/// how many there were. Links are removed, not followed.
///
/// Only for a place without a database, or with one that must not be opened any more.
///
/// # Errors
/// Those of removing and syncing.
pub fn clear_siblings(directory: impl AsFd, name: &[u8]) -> Result<usize> {
    let directory = directory.as_fd();
    let mut removed = 0;
    for suffix in SIBLINGS {
        let sibling = beside(name, suffix);
        match rustix::fs::unlinkat(directory, text(&sibling), AtFlags::empty()) {
            Ok(()) => removed += 1,
            Err(Errno::NOENT) => {}
            Err(error) => errno(Err(error), "remove", &sibling)?,
        }
    }
    if removed > 0 {
        sync(directory, name)?;
    }
    Ok(removed)
}

/// Takes every lock that SQLite knows on the file `name` in `directory`, without waiting; none
/// if no regular file stands there.
///
/// Connections to a write-ahead log hold a lock all the time. One to a rollback journal holds
/// none while it is idle, so processes that merely have the file open are looked for, too, as
/// far as this process may see them.
///
/// # Errors
/// `Locked` if another process has it in use.
pub fn lock_exclusively(directory: impl AsFd, name: &[u8]) -> Result<Option<Guard>> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(directory.as_fd(), text(name), flags, Mode::empty()) {
        Ok(file) => File::from(file),
        // Nothing, a link, a folder, or a socket: nothing that SQLite has open under this name.
        Err(Errno::NOENT | Errno::LOOP | Errno::ISDIR | Errno::NXIO) => return Ok(None),
        Err(error) => return errno(Err(error), "lock", name),
    };
    let metadata = file.metadata().attempt("examine", show(name))?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let in_use = |who: &str| {
        Error::new(Kind::Locked, "replace", show(name))
            .because(format!("{who} has it in use"))
            .hint("stop what uses the database, then restore again")
    };
    match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::AGAIN | Errno::ACCESS) => return Err(in_use("another process")),
        Err(error) => errno(Err(error), "lock", name)?,
    }
    match opened_by(metadata.dev(), metadata.ino()) {
        Some(process) => Err(in_use(&format!("process {process}"))),
        None => Ok(Some(Guard { file })),
    }
}

/// Makes SQLite refuse the file: no header, no database.
fn invalidate(guard: &Guard, name: &[u8]) -> Result<()> {
    guard.file.write_all_at(&[0xff; 100], 0).attempt("invalidate", show(name))?;
    guard.file.sync_all().attempt("sync", show(name))
}

fn has_siblings(directory: BorrowedFd<'_>, name: &[u8]) -> Result<bool> {
    for suffix in SIBLINGS {
        let sibling = beside(name, suffix);
        match rustix::fs::statat(directory, text(&sibling), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => return Ok(true),
            Err(Errno::NOENT) => {}
            Err(error) => errno(Err(error), "examine", &sibling)?,
        }
    }
    Ok(false)
}

/// Another process that has the file of these numbers open, found through /proc (proc(5)); none
/// where there is no /proc or no right to look.
fn opened_by(device: u64, inode: u64) -> Option<u32> {
    let me = std::process::id();
    let numbers = |name: OsString| name.to_str()?.parse::<u32>().ok();
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    processes.filter_map(|entry| numbers(entry.file_name())).filter(|process| *process != me).find(
        |process| {
            let folder = format!("/proc/{process}/fd");
            let open = std::fs::read_dir(Path::new(&folder)).into_iter().flatten().flatten();
            open.filter_map(|entry| std::fs::metadata(entry.path()).ok())
                .any(|found| (found.dev(), found.ino()) == (device, inode))
        },
    )
}

fn sync(directory: BorrowedFd<'_>, name: &[u8]) -> Result<()> {
    // A descriptor opened with O_PATH cannot be synced, the directory opened through it can.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let synced = openat(directory, ".", flags, Mode::empty()).and_then(fsync);
    errno(synced, "sync the directory of", name)
}

fn beside(name: &[u8], suffix: &str) -> Vec<u8> {
    [name, suffix.as_bytes()].concat()
}

fn text(name: &[u8]) -> &std::ffi::OsStr {
    std::ffi::OsStr::from_bytes(name)
}

fn show(name: &[u8]) -> String {
    OsString::from_vec(name.to_vec()).display().to_string()
}

fn errno<T>(result: rustix::io::Result<T>, attempted: &str, name: &[u8]) -> Result<T> {
    result.map_err(io::Error::from).attempt(attempted, show(name))
}
