//! An open directory, which entries are found in.

use super::metadata::identity;
use crate::error::{Attempt, Error, Kind, Result};
use rustix::fs::{Mode, OFlags};
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How directories are opened.
pub(super) const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// An open directory.
pub(super) struct Directory {
    fd: OwnedFd,
    pub(super) path: PathBuf,
    /// What stands before a name to reach its extended attributes, which no call takes
    /// relative to a directory.
    reach: Vec<u8>,
}

impl Directory {
    pub(super) fn new(fd: OwnedFd, path: PathBuf) -> Self {
        let reach = format!("/proc/self/fd/{}/", fd.as_raw_fd()).into_bytes();
        Directory { fd, path, reach }
    }

    /// What leads to the entry `name` for calls that take no descriptor of a directory.
    pub(super) fn reach(&self) -> &[u8] {
        &self.reach
    }

    /// Its descriptor.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Path of an entry.
    pub(super) fn join(&self, name: &[u8]) -> PathBuf {
        self.path.join(OsStr::from_bytes(name))
    }
}

/// The directory above `below`, if it is still the one that was left.
pub(super) fn reopen_above(below: &Directory, expected: (u64, u64)) -> Result<Directory> {
    let path = below.path.parent().unwrap_or(Path::new("/")).to_owned();
    let fd = rustix::fs::openat(&below.fd, "..", DIRECTORY, Mode::empty());
    let fd = fd.map_err(io::Error::from).attempt("open", path.display())?;
    let stat = rustix::fs::fstat(&fd).map_err(io::Error::from);
    if identity(&stat.attempt("read", path.display())?) != expected {
        return Err(Error::new(Kind::SourceChanged, "walk the rest of", path.display())
            .because("a folder in it was moved away meanwhile"));
    }
    Ok(Directory::new(fd, path))
}
