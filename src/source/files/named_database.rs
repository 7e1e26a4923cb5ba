//! A database that is named by itself, as the file system knows it.

use super::logs::{Logged, same_file};
use super::metadata::{link_group, metadata, names, stamp};
use super::owners::Owners;
use super::xattrs::XattrReader;
use crate::error::{Attempt, Result};
use crate::format::directory::{Metadata, Stamp};
use crate::source::{SameFile, Together, Xattrs};
use rustix::fs::CWD;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A database that is named by itself.
pub(crate) struct NamedDatabase {
    /// Owner, mode and times.
    pub(crate) meta: Metadata,
    /// Its extended attributes, or why they cannot be had.
    pub(crate) xattrs: Result<Xattrs, String>,
    /// What tells whether another name of it was captured already.
    pub(crate) same: Option<SameFile>,
    /// The path by which it is read.
    pub(crate) read_by: PathBuf,
    /// Its stamp, if it has other names and no log beside any that is known.
    pub(crate) unlogged: Option<Stamp>,
}

impl NamedDatabase {
    /// The one at `path`, as the file system knows it.
    pub(crate) fn examine(path: &Path, together: &Together) -> Result<Self> {
        // The attributes must be those of the file, not of a link that leads to it.
        let real = path.canonicalize().attempt("find", path.display())?;
        let stat = rustix::fs::stat(&real).map_err(std::io::Error::from);
        let stat = stat.attempt("examine", real.display())?;
        let xattrs = XattrReader::new().read(b"", real.as_os_str().as_bytes());
        let mut meta = metadata(&stat, &Owners::of_this_machine(), Xattrs::new());
        meta.link_group = link_group(CWD, real.as_os_str().as_bytes(), &stat);
        let logged = meta.link_group.and_then(|_| Logged::of(&real, &stat, together));
        let same = same_file(meta.link_group, names(&stat), &stamp(&stat), false, logged.as_ref());
        let unlogged = meta.link_group.filter(|_| logged.is_none()).map(|_| stamp(&stat));
        let read_by = logged.map_or_else(|| path.to_owned(), |logged| logged.path);
        Ok(NamedDatabase { meta, xattrs, same, read_by, unlogged })
    }
}
