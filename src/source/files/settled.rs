//! From when on a stamp proves that nothing has changed.

use super::generated::is_generated;
use crate::env::Time;
use crate::format::directory::{FileTime, Stamp};
use std::os::fd::BorrowedFd;

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
