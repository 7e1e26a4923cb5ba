//! What the file system knows of an entry, as the format keeps it.

use super::generated::is_generated;
use super::logs::{Logged, same_file};
use super::owners::Owners;
use crate::env::Time;
use crate::error::{Attempt, Result};
use crate::format::directory::{FileTime, LinkGroup, Metadata, Stamp};
use crate::limits::XATTRS_MAX;
use crate::source::{SameFile, Together, Xattrs};
use rustix::fs::{AtFlags, CWD, FileType, Stat, StatxFlags, lgetxattr, llistxattr};
use rustix::io::Errno;
use serde_bytes::ByteBuf;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where a file's identity lies: device and inode.
pub(super) fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

/// Length in bytes.
pub(super) fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// What must be unchanged for the content to count as unchanged.
pub(super) fn stamp(stat: &Stat) -> Stamp {
    Stamp { size: size(stat), mtime: mtime(stat), ctime: ctime(stat), inode: stat.st_ino }
}

/// Owner, mode and times.
pub(super) fn metadata(stat: &Stat, owners: &Owners, xattrs: Xattrs) -> Metadata {
    Metadata {
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        user: owners.user(stat.st_uid),
        group: owners.group(stat.st_gid),
        mtime: mtime(stat),
        xattrs,
        link_group: None,
    }
}

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

/// How many names lead to it.
#[allow(clippy::useless_conversion, reason = "the width differs by machine")]
pub(super) fn names(stat: &Stat) -> u64 {
    u64::from(stat.st_nlink)
}

pub(super) fn mtime(stat: &Stat) -> FileTime {
    time(stat.st_mtime, stat.st_mtime_nsec)
}

fn ctime(stat: &Stat) -> FileTime {
    time(stat.st_ctime, stat.st_ctime_nsec)
}

/// No file system says more nanoseconds than a second has; if one does, it says nothing.
fn time(seconds: i64, nanoseconds: impl TryInto<u32>) -> FileTime {
    let nanoseconds = nanoseconds.try_into().unwrap_or(0);
    FileTime::try_from((seconds, nanoseconds)).unwrap_or(FileTime(seconds, 0))
}

/// Whether a stamp is old enough at `now` for any later change to show in it. Times that lie
/// ahead prove nothing.
pub(super) fn settled(stamp: &Stamp, now: Time, margin: i64) -> bool {
    let before = |time: FileTime| {
        let nanoseconds = i128::from(time.0) * i128::from(Time::SECOND) + i128::from(time.1);
        nanoseconds + i128::from(margin) <= i128::from(now.0)
    };
    before(stamp.mtime) && before(stamp.ctime)
}

/// How much older than now a time must be, in nanoseconds, on the file system of `fd`.
///
/// A file system of this machine stamps with this machine's clock, in steps of some
/// milliseconds: 2 s are plenty. Any other may have a clock of its own, which cannot be read
/// without writing, or coarse steps: an hour covers what clocks are usually off by. Where content
/// is made up when it is read no time proves anything.
pub(super) fn margin_of(fd: BorrowedFd<'_>) -> i64 {
    const LOCAL: [i64; 11] = [
        0xEF53,      // ext2, ext3, ext4
        0x5846_5342, // xfs
        0x9123_683E, // btrfs
        0x2FC1_2FC1, // zfs
        0xCA45_1A4E, // bcachefs
        0xF2F5_2010, // f2fs
        0x3153_464A, // jfs
        0x5265_4973, // reiserfs
        0x0102_1994, // tmpfs
        0x8584_58F6, // ramfs
        0x794C_7630, // overlayfs
    ];
    match rustix::fs::fstatfs(fd) {
        Ok(found) if LOCAL.contains(&found.f_type) => 2 * Time::SECOND,
        _ if is_generated(fd) => i64::MAX,
        _ => 3600 * Time::SECOND,
    }
}

/// Reads extended attributes, with buffers that are used again.
pub(super) struct XattrReader {
    names: Vec<u8>,
    value: Vec<u8>,
    path: Vec<u8>,
}

impl XattrReader {
    pub(super) fn new() -> Self {
        XattrReader { names: vec![0; 256], value: vec![0; 256], path: Vec::new() }
    }

    /// Those of `name` in the directory that `prefix` leads to; none where the file system
    /// has no such thing. ACLs are among them.
    pub(super) fn read(&mut self, prefix: &[u8], name: &[u8]) -> Result<Xattrs, String> {
        self.path.clear();
        self.path.extend_from_slice(prefix);
        self.path.extend_from_slice(name);
        let length = loop {
            match llistxattr(self.path.as_slice(), self.names.as_mut_slice()) {
                Ok(0) | Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::NOENT) => {
                    return Ok(Xattrs::new());
                }
                Ok(length) => break length,
                Err(Errno::RANGE) if self.names.len() < XATTRS_MAX => double(&mut self.names),
                Err(cause) => return Err(cause.to_string()),
            }
        };
        let names = self.names.get(..length).unwrap_or_default().to_vec();
        self.values_of(&names)
    }

    fn values_of(&mut self, names: &[u8]) -> Result<Xattrs, String> {
        let mut xattrs = Xattrs::new();
        let mut total = 0;
        for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            let Some(value) = self.value_of(name)? else { continue };
            total += name.len() + value.len();
            if total > XATTRS_MAX {
                return Err(format!("they take more than {XATTRS_MAX} bytes"));
            }
            xattrs.insert(ByteBuf::from(name), ByteBuf::from(value));
        }
        Ok(xattrs)
    }

    /// One value; none if it went away meanwhile.
    fn value_of(&mut self, name: &[u8]) -> Result<Option<Vec<u8>>, String> {
        loop {
            match lgetxattr(self.path.as_slice(), name, self.value.as_mut_slice()) {
                Ok(length) => return Ok(self.value.get(..length).map(<[u8]>::to_vec)),
                Err(Errno::NODATA | Errno::NOENT) => return Ok(None),
                Err(Errno::RANGE) if self.value.len() < XATTRS_MAX => double(&mut self.value),
                Err(cause) => {
                    return Err(format!("{}: {cause}", String::from_utf8_lossy(name)));
                }
            }
        }
    }
}

fn double(buffer: &mut Vec<u8>) {
    buffer.resize(buffer.len() * 2, 0);
}

/// What the names of a file have in common that has several: none for any other, nor for a folder.
/// It is `name` in `directory`.
pub(super) fn link_group(directory: BorrowedFd<'_>, name: &[u8], stat: &Stat) -> Option<LinkGroup> {
    if stat.st_nlink < 2 || FileType::from_raw_mode(stat.st_mode).is_dir() {
        return None;
    }
    let (device, inode) = identity(stat);
    let mask = StatxFlags::BTIME | StatxFlags::INO;
    let found = rustix::fs::statx(directory, name, AtFlags::SYMLINK_NOFOLLOW, mask).ok();
    // Another file may have taken the name since `stat`.
    let found = found.filter(|found| found.stx_ino == inode);
    let told = found.filter(|found| found.stx_mask & StatxFlags::BTIME.bits() != 0);
    let born = told.map(|found| time(found.stx_btime.tv_sec, found.stx_btime.tv_nsec));
    Some(LinkGroup { device, inode, born })
}
