//! What every backend checks alike: that an object is not too large, and that a range lies in it.

use super::Handle;
use crate::error::{Error, Kind, Result};
use std::ops::Range;

/// Refuses to store what no reader would accept.
pub(super) fn storable(handle: &Handle, bytes: &[u8]) -> Result<()> {
    let most = handle.kind().largest();
    if bytes.len() > most {
        return Err(Error::new(Kind::InvalidInput, "store", handle)
            .because(format!("it has {} bytes, and at most {most} are allowed", bytes.len())));
    }
    Ok(())
}

/// Where to start and how much to read, all of it proved to lie in an object of `size` bytes.
pub(super) fn readable(
    handle: &Handle,
    range: Option<Range<u64>>,
    size: u64,
) -> Result<(u64, usize)> {
    let range = range.unwrap_or(0..size);
    let Some(length) = range.end.checked_sub(range.start) else {
        return Err(Error::new(Kind::InvalidInput, "read", handle)
            .because(format!("the range {} to {} runs backwards", range.start, range.end)));
    };
    if range.end > size {
        return Err(Error::damaged(
            "read",
            handle,
            format!("it ends at byte {size}, inside the range {} to {}", range.start, range.end),
        ));
    }
    let most = handle.kind().largest();
    match usize::try_from(length) {
        Ok(length) if length <= most => Ok((range.start, length)),
        _ => Err(Error::damaged(
            "read",
            handle,
            format!("{length} bytes are more than the {most} that an object of its kind can have"),
        )),
    }
}
