//! What a restore that was killed has left under temporary names.
//!
//! A restore into a folder shares a lock on it (flock(2)) from before the first temporary file
//! to after the last. So a process that has the lock alone knows that no restore which made such a
//! file there is alive, in this container or in another. The lock does not reach other machines:
//! nothing is removed but on file systems of this one.

use super::Overwrite;
use super::report::Reporter;
use crate::env::file_system::is_of_this_machine;
use crate::sink::temporary::Holds;
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, RawDir, flock};
use rustix::io::Errno;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::Duration;

/// Most files that are removed of one folder at a time.
const REMOVED_MAX: usize = 10_000;

/// How often, and after how long, a lock is tried again that another process has for a moment.
const TRIES: u32 = 100;
const STEP: Duration = Duration::from_millis(10);

/// Removes what killed restores have left in a folder, and shares the lock on it, for as long as it
/// stays open.
pub(super) fn begin(folder: BorrowedFd<'_>, path: &Path, overwrite: Overwrite, to: &Reporter) {
    if overwrite != Overwrite::Never && is_of_this_machine(folder) {
        sweep(folder, path, to);
    }
    for _ in 0..TRIES {
        match flock(folder, FlockOperation::NonBlockingLockShared) {
            Err(Errno::WOULDBLOCK) => std::thread::sleep(STEP),
            // Locked, or not to be locked by anybody.
            _ => return,
        }
    }
    // Another process has locked it for another purpose, a script that runs this restore perhaps: while
    // that lasts nobody else removes anything here.
}

fn sweep(folder: BorrowedFd<'_>, path: &Path, to: &Reporter) {
    let Ok(names) = leftovers(folder) else { return };
    if names.is_empty() || flock(folder, FlockOperation::NonBlockingLockExclusive).is_err() {
        return;
    }
    let (mut removed, mut old) = (0, 0);
    for (name, holds) in names {
        match holds {
            Holds::New => {
                let gone = rustix::fs::unlinkat(folder, name, AtFlags::empty());
                removed += u64::from(gone.is_ok());
            }
            Holds::Old => old += 1,
        }
    }
    to.leftovers(path, removed, old);
}

/// The names of what restores have left in a folder, or are making there.
fn leftovers(folder: BorrowedFd<'_>) -> io::Result<Vec<(Vec<u8>, Holds)>> {
    let mut names = Vec::new();
    let mut buffer = Vec::with_capacity(32 << 10);
    // Its own place in the directory: others list it from the beginning, too.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let listed = rustix::fs::openat(folder, ".", flags, Mode::empty())?;
    let mut entries = RawDir::new(&listed, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let name = entry?.file_name().to_bytes().to_vec();
        if let Some(holds) = Holds::under(&name) {
            names.push((name, holds));
        }
        if names.len() >= REMOVED_MAX {
            break;
        }
    }
    Ok(names)
}
