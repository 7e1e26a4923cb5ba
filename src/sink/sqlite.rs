//! What a restored SQLite database needs beside its bytes: no -wal, -shm or -journal of another
//! moment may stand there, since SQLite would replay it over the restored file.
//!
//! A database is always written beside its place and renamed, never patched. What may be done
//! before what is settled in [`place`]. At each moment its place holds the old database with all that
//! stood beside it, or something that nobody can open, or the new one whole. If a step fails, those
//! before it are taken back.

use super::moves::{Moves, errno, show};
use crate::error::{Attempt, Error, Kind, Result};
use crate::format::database::{SIBLINGS, SQLITE, begins_as_sibling};
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, Stat, fcntl_lock, openat};
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

/// Whether what `file` begins with makes SQLite open it.
pub fn is_database(file: &File) -> io::Result<bool> {
    Ok(head(file)?.starts_with(SQLITE))
}

/// Whether a database stands at `name` in `directory`: a file that SQLite opens, or any beside which
/// there is something of SQLite's, as beside an encrypted one. A link does not count: the siblings of
/// what it leads to stand beside that.
///
/// # Errors
/// Those of opening and reading it.
pub fn stands(directory: impl AsFd, name: &[u8]) -> Result<bool> {
    match open_file(directory.as_fd(), name)? {
        Some(file) => Ok(is_database(&file).attempt("read", show(name))?
            || has_siblings(directory.as_fd(), name)?),
        None => Ok(false),
    }
}

/// Whether something of SQLite's stands beside `name` in `directory`, which belongs to what is there,
/// and would be replayed into anything that comes there.
///
/// # Errors
/// Those of opening and reading it.
pub fn has_siblings(directory: impl AsFd, name: &[u8]) -> Result<bool> {
    for suffix in SIBLINGS {
        let sibling = [name, suffix.as_bytes()].concat();
        if is_sibling(directory.as_fd(), &sibling, &sibling)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the file at `at` in `directory` is one that SQLite wrote under the name `name` beside a
/// database.
///
/// # Errors
/// Those of opening and reading it.
pub fn is_sibling(directory: impl AsFd, at: &[u8], name: &[u8]) -> Result<bool> {
    let Some(file) = open_file(directory.as_fd(), at)? else { return Ok(false) };
    Ok(begins_as_sibling(name, &head(&file).attempt("read", show(name))?))
}

/// A file that stands at `name`; none if it is anything else.
fn open_file(directory: BorrowedFd<'_>, name: &[u8]) -> Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(directory, name, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        // Nothing, a socket, a link, or a name too long for a file to have it.
        Err(Errno::NOENT | Errno::NXIO | Errno::LOOP | Errno::NAMETOOLONG) => return Ok(None),
        Err(error) => return errno(Err(error), "open", name),
    };
    let metadata = file.metadata().attempt("examine", show(name))?;
    Ok(metadata.is_file().then_some(file))
}

/// As much of how a file begins as it takes to know it.
fn head(file: &File) -> io::Result<Vec<u8>> {
    let mut head = vec![0; SQLITE.len()];
    let length = file.read_at(&mut head, 0)?;
    head.truncate(length);
    Ok(head)
}

/// An existing database that no other process uses, until this is dropped.
///
/// The lock is a POSIX one: closing any other descriptor of the same file in this process drops
/// it, so nothing else may open the old file meanwhile.
#[derive(Debug)]
pub struct Guard {
    file: File,
}

/// A complete, synced file under a temporary name, and the name that it is to get.
#[derive(Clone, Debug)]
pub struct Written {
    /// Where it is.
    pub at: Vec<u8>,
    /// Where it belongs.
    pub name: Vec<u8>,
}

/// Puts a restored database into its place in `directory`, with the siblings that it was stored
/// with: after this either these stand there and nothing else beside it, on disk, or the place is as
/// it was. A last component that is a link is replaced, never followed.
///
/// # Errors
/// `Locked` if another process has the old database in use; those of moving files.
pub fn place(directory: impl AsFd, database: &Written, siblings: &[Written]) -> Result<()> {
    let directory = directory.as_fd();
    // Held to the end.
    let guard = lock_exclusively(directory, &database.name)?;
    let mut moves = Moves::new(directory);
    match steps(&mut moves, directory, database, siblings, guard.as_ref()) {
        Ok(()) => {
            // The old is gone from its place; what is left of it may go.
            let synced = moves.sync(&database.name);
            moves.done();
            synced
        }
        Err(error) => Err(moves.take_back(error)),
    }
}

/// What may be done before what.
fn steps(
    moves: &mut Moves<'_>,
    directory: BorrowedFd<'_>,
    database: &Written,
    siblings: &[Written],
    guard: Option<&Guard>,
) -> Result<()> {
    let name = &database.name;
    let old_siblings = siblings_of(directory, name)?;
    let alone = old_siblings.is_empty() && siblings.is_empty();
    // 1. The old database gets a second name, so that it can come back whole.
    let kept = match guard.map(|_| moves.keep(name)).transpose() {
        Ok(kept) => kept,
        // A file system without hard links: one rename does it alone, or fails alone.
        Err(_) if alone => None,
        Err(error) => return Err(error),
    };
    // 2. Nobody can open it any more, since it is without its siblings from now on.
    let barred = !alone && kept.is_some();
    if let Some(kept) = kept.as_deref().filter(|_| barred) {
        let bar = bar(moves, directory, kept, name)?;
        moves.put(&bar, name, Some(kept))?;
        still_unused(guard, name)?;
    }
    // 3. Its siblings go.
    for sibling in &old_siblings {
        moves.aside(sibling)?;
    }
    if !alone {
        moves.sync(name)?;
    }
    // 4. The new ones come.
    for sibling in siblings {
        moves.put(&sibling.at, &sibling.name, None)?;
    }
    if let Some(stat) = examine(directory, name)?.filter(is_directory) {
        moves.remove_directory(name, Mode::from_raw_mode(stat.st_mode))?;
    }
    // 5. The new database comes.
    let before = kept.as_deref().filter(|_| !barred);
    moves.put(&database.at, name, before)?;
    if barred { Ok(()) } else { still_unused(guard.filter(|_| before.is_some()), name) }
}

/// What stands in the place of a database meanwhile, under a temporary name: a link that leads
/// nowhere, and makes nothing where it is opened. An empty or invalid file would not do: from a -wal
/// beside it SQLite would make a database of it.
fn bar(
    moves: &mut Moves<'_>,
    directory: BorrowedFd<'_>,
    kept: &[u8],
    name: &[u8],
) -> Result<Vec<u8>> {
    let says = format!("a restore was stopped here, run it again/the old one is {}", show(kept));
    let made = moves.make(|at| rustix::fs::symlinkat(says.as_str(), directory, at));
    made.attempt("bar", show(name))
}

/// Nobody can have opened the old database since its name leads elsewhere; has anybody before?
fn still_unused(guard: Option<&Guard>, name: &[u8]) -> Result<()> {
    let Some(guard) = guard else { return Ok(()) };
    let metadata = guard.file.metadata().attempt("examine", show(name))?;
    unused(&metadata, name)
}

fn unused(metadata: &std::fs::Metadata, name: &[u8]) -> Result<()> {
    match opened_by(metadata.dev(), metadata.ino()) {
        Some(process) => Err(in_use(&format!("process {process}"), name)),
        None => Ok(()),
    }
}

fn in_use(who: &str, name: &[u8]) -> Error {
    Error::new(Kind::Locked, "replace", show(name))
        .because(format!("{who} has it in use"))
        .hint("stop what uses the database, then restore again")
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
    let file = match openat(directory.as_fd(), name, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        // Nothing, a link, a folder, or a socket: nothing that SQLite has open under this name.
        Err(Errno::NOENT | Errno::LOOP | Errno::ISDIR | Errno::NXIO) => return Ok(None),
        Err(error) => return errno(Err(error), "lock", name),
    };
    let metadata = file.metadata().attempt("examine", show(name))?;
    if !metadata.is_file() {
        return Ok(None);
    }
    match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::AGAIN | Errno::ACCESS) => return Err(in_use("another process", name)),
        Err(error) => errno(Err(error), "lock", name)?,
    }
    unused(&metadata, name)?;
    Ok(Some(Guard { file }))
}

/// Siblings that stand beside `name`: files, and links, which SQLite follows. A folder, a pipe or a
/// device of such a name is none.
fn siblings_of(directory: BorrowedFd<'_>, name: &[u8]) -> Result<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    for suffix in SIBLINGS {
        let sibling = [name, suffix.as_bytes()].concat();
        let stat = examine(directory, &sibling)?;
        let file_type = stat.map(|stat| FileType::from_raw_mode(stat.st_mode));
        if file_type.is_some_and(|kind| kind.is_file() || kind.is_symlink()) {
            found.push(sibling);
        }
    }
    Ok(found)
}

fn examine(directory: BorrowedFd<'_>, name: &[u8]) -> Result<Option<Stat>> {
    match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        // No file of so long a name can be there.
        Err(Errno::NOENT | Errno::NAMETOOLONG) => Ok(None),
        Err(error) => errno(Err(error), "examine", name),
    }
}

fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode).is_dir()
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
