//! Payloads back to plaintext, within bounds that the payload has no say in.

use super::{FRAME_START, context};
use crate::error::{Error, Kind, Result};
use crate::format::Codec;
use crate::limits::{BLOB_MAX, PREFIX_MAX};
use zstd_safe::{find_frame_compressed_size, get_error_name, get_frame_content_size};

/// The plaintext of `payload`, exactly `plain_len` bytes. `prefix` is what the delta was made
/// with: the plaintexts of its bases one after another; other codecs ignore it.
///
/// # Errors
/// `Damaged` for anything but one frame, as [`super::Encoder`] writes it, of just that length.
/// At most `plain_len` bytes are allocated, and none above [`BLOB_MAX`].
pub fn decode(codec: Codec, payload: &[u8], prefix: &[u8], plain_len: usize) -> Result<Vec<u8>> {
    if plain_len > BLOB_MAX || prefix.len() > PREFIX_MAX {
        return Err(damaged("its length is above the bound"));
    }
    if codec == Codec::Raw {
        if payload.len() != plain_len {
            return Err(damaged("its length is not the one recorded"));
        }
        return Ok(payload.to_vec());
    }
    check_frame(payload, plain_len)?;
    let mut plain = Vec::with_capacity(plain_len);
    let prefix = if codec == Codec::Delta { prefix } else { &[] };
    context::decompress(payload, prefix, &mut plain)
        .map_err(|code| failed(get_error_name(code)))?;
    if plain.len() != plain_len {
        return Err(damaged("its length is not the one recorded"));
    }
    Ok(plain)
}

/// One frame and nothing after it, a single segment (its window is its content), without
/// dictionary id and checksum, of the recorded length.
fn check_frame(payload: &[u8], plain_len: usize) -> Result<()> {
    const SINGLE_SEGMENT: u8 = 1 << 5;
    const SIZE_BYTES: u8 = 3 << 6;
    let descriptor = payload.get(FRAME_START - 1).copied().unwrap_or(0);
    if descriptor & !SIZE_BYTES != SINGLE_SEGMENT {
        return Err(damaged("its frame is of another form"));
    }
    let recorded = u64::try_from(plain_len).ok();
    if get_frame_content_size(payload).ok().flatten() != recorded {
        return Err(damaged("its frame states another length"));
    }
    if find_frame_compressed_size(payload) != Ok(payload.len()) {
        return Err(damaged("its frame does not end where it ends"));
    }
    Ok(())
}

/// Want of memory says nothing about what was decoded.
fn failed(reason: &str) -> Error {
    match reason.contains("not enough memory") {
        true => Error::new(Kind::Failed, "decode", "a chunk").because(reason),
        false => damaged(reason),
    }
}

fn damaged(reason: &str) -> Error {
    Error::damaged("decode", "a chunk", reason)
}
