//! From when on a stamp proves that nothing has changed.

use super::generated::is_generated;
use crate::env::Time;
use crate::env::file_system::is_of_this_machine;
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
/// milliseconds. But who writes to a page of a mapped file again, before the first write to it has gone to
/// the disk, leaves no new time, and that takes the kernel up to half a minute
/// (`vm.dirty_expire_centisecs`): a minute covers both. Any other may have a clock of its own, which cannot be read
/// without writing, or coarse steps: an hour covers what clocks are usually off by. Where content
/// is made up when it is read no time proves anything.
pub(super) fn margin_of(fd: BorrowedFd<'_>) -> i64 {
    match fd {
        _ if is_of_this_machine(fd) => 60 * Time::SECOND,
        _ if is_generated(fd) => i64::MAX,
        _ => 3600 * Time::SECOND,
    }
}
