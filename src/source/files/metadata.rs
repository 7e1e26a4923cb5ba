//! What the file system knows of an entry, as the format keeps it.

use super::owners::Owners;
use crate::format::directory::{FileTime, LinkGroup, Metadata, Stamp};
use crate::source::Xattrs;
use rustix::fs::{AtFlags, FileType, Stat, StatxFlags};
use std::os::fd::BorrowedFd;

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
