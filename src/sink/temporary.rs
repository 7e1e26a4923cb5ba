//! Names that nobody has: what is written, or put aside, until all is done.

use rustix::io::Errno;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// Names tried before giving up.
const TRIES: usize = 1000;

/// Numbers them, so that no two threads want the same.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// What stands under such a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// Something of the snapshot, which can be had again.
    New,
    /// Something that stood in the target before.
    Old,
}

impl Holds {
    fn ending(self) -> &'static str {
        match self {
            Holds::New => ".tmp",
            Holds::Old => ".old",
        }
    }

    /// What stands under a name; none under one that is not of this kind.
    pub(super) fn under(name: &[u8]) -> Option<Self> {
        let numbers = std::str::from_utf8(name).ok()?.strip_prefix(".icecore-")?;
        [Holds::New, Holds::Old].into_iter().find(|holds| {
            let numbers = numbers.strip_suffix(holds.ending()).and_then(|it| it.split_once('-'));
            numbers.is_some_and(|(process, number)| {
                process.parse::<u32>().is_ok() && number.parse::<u64>().is_ok()
            })
        })
    }
}

/// Lets `make` make something of the snapshot under a name that is new; gives the name.
pub(super) fn temporary(make: impl FnMut(&[u8]) -> Result<(), Errno>) -> io::Result<Vec<u8>> {
    new_name(Holds::New, make)
}

/// Lets `put` put something that stands in the target under a name that is new; gives the name.
pub(super) fn aside(put: impl FnMut(&[u8]) -> Result<(), Errno>) -> io::Result<Vec<u8>> {
    new_name(Holds::Old, put)
}

fn new_name(holds: Holds, mut make: impl FnMut(&[u8]) -> Result<(), Errno>) -> io::Result<Vec<u8>> {
    for _ in 0..TRIES {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!(".icecore-{}-{number}{}", std::process::id(), holds.ending());
        let name = name.into_bytes();
        match make(&name) {
            Ok(()) => return Ok(name),
            Err(Errno::EXIST) => {}
            Err(cause) => return Err(cause.into()),
        }
    }
    Err(io::Error::from(Errno::EXIST))
}
