//! Opens files without following links, without waiting and without a trace, and looks how they begin.

use crate::source::sqlite;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, statat};
use rustix::io::Errno;
use rustix::process::geteuid;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

/// Whether the entry `name` of a directory is an SQLite database.
pub(super) fn is_database(directory: BorrowedFd<'_>, name: &[u8]) -> bool {
    let Ok(stat) = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) else {
        return false;
    };
    is_regular(&stat)
        && open_regular(directory, name, &stat).is_ok_and(|fd| begins_as_database(&fd))
}

pub(super) fn is_regular(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode).is_file()
}

/// Opens without following a link, without waiting for the other end of a pipe, and without
/// a trace in the access time where that is allowed (to the owner and to root).
pub(super) fn open_regular(
    directory: BorrowedFd<'_>,
    name: &[u8],
    stat: &Stat,
) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    open_quietly(directory, name, flags, stat.st_uid)
}

/// `openat` without a trace in the access time where that is allowed.
pub(super) fn open_quietly(
    directory: BorrowedFd<'_>,
    name: &[u8],
    flags: OFlags,
    owner: u32,
) -> io::Result<OwnedFd> {
    let user = geteuid();
    if user.is_root() || user.as_raw() == owner {
        match rustix::fs::openat(directory, name, flags | OFlags::NOATIME, Mode::empty()) {
            Err(Errno::PERM) => {}
            result => return Ok(result?),
        }
    }
    Ok(rustix::fs::openat(directory, name, flags, Mode::empty())?)
}

/// Whether the file `name` begins with `header`; any file does with none.
pub(super) fn begins_with(directory: BorrowedFd<'_>, name: &[u8], header: Option<&[u8]>) -> bool {
    let Some(header) = header else { return true };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(fd) = rustix::fs::openat(directory, name, flags, Mode::empty()) else {
        return false;
    };
    let mut head = vec![0; header.len()];
    matches!(rustix::io::pread(&fd, &mut head, 0), Ok(read) if read == head.len() && head == header)
}

pub(super) fn begins_as_database(fd: &OwnedFd) -> bool {
    let mut head = [0; 16];
    matches!(rustix::io::pread(fd, &mut head, 0), Ok(16)) && sqlite::is_database(&head)
}
