//! Names that nobody has: what is written, or put aside, until all is done.

use rustix::io::Errno;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// Names tried before giving up.
const TRIES: usize = 1000;

/// Numbers them, so that no two threads want the same.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Lets `make` make something under a name that is new; gives the name.
pub(super) fn temporary(
    mut make: impl FnMut(&[u8]) -> Result<(), Errno>,
) -> Result<Vec<u8>, io::Error> {
    for _ in 0..TRIES {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!(".icecore-{}-{number}.tmp", std::process::id()).into_bytes();
        match make(&name) {
            Ok(()) => return Ok(name),
            Err(Errno::EXIST) => {}
            Err(cause) => return Err(cause.into()),
        }
    }
    Err(io::Error::from(Errno::EXIST))
}
