//! What a table in the cache says of itself: which segments it holds, and the MACs of its blocks. It
//! stands behind the rows, followed by its own length and MAC.

use crate::crypto::CacheKeys;
use crate::error::{Attempt, Error, Result};
use crate::format::record::{from_cbor, to_cbor};
use crate::id::{IndexId, PackId};
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};
use std::fs::File;
use std::os::unix::fs::FileExt;

/// How a file ends; another form of it gets another one.
const MAGIC: [u8; 8] = *b"icetab 1";
/// Bytes after the head: its length, its MAC, the magic.
const TAIL: usize = 8 + 32 + MAGIC.len();
/// Longest head: that of a thousand million entries.
const HEAD_MAX: u64 = 1 << 30;

/// A table's head.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    /// In the order of their ids.
    pub segments: Vec<SegmentHead>,
    pub rows: u64,
    pub bases: u64,
    /// MACs of the blocks of rows, and of bases.
    pub row_macs: ByteBuf,
    pub base_macs: ByteBuf,
    /// Of each block of rows the first eight bytes of the first id.
    pub fences: ByteBuf,
    /// Length of the filter, and its MAC.
    pub filter: u64,
    pub filter_mac: ByteArray<16>,
}

/// A segment of the repository's index whose entries are in a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::repo) struct SegmentHead {
    pub id: IndexId,
    /// Length of the object.
    pub size: u64,
    pub generation: u64,
    /// Entries of it in the table: all, or none if it was dead by then.
    pub entries: u64,
    pub salts: Vec<(u32, ByteArray<32>)>,
    /// Id, length and kind.
    pub packs: Vec<(PackId, u32, u8)>,
}

impl Head {
    /// The head and all that follows.
    pub(super) fn encode(&self, keys: &CacheKeys) -> Result<Vec<u8>> {
        let mut bytes = to_cbor(self, SUBJECT)?;
        let (length, mac) = (bytes.len() as u64, keys.head(&bytes));
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(mac.as_bytes());
        bytes.extend_from_slice(&MAGIC);
        Ok(bytes)
    }

    /// The head of a file, where it begins, and its MAC.
    ///
    /// # Errors
    /// `Damaged` if another has written it, or another version of this program, or half of it is gone.
    pub(super) fn read(file: &File, keys: &CacheKeys) -> Result<(Self, u64, [u8; 32])> {
        let length = file.metadata().attempt("read", SUBJECT)?.len();
        let tail_at = length.checked_sub(TAIL as u64).ok_or_else(|| wrong("it is too short"))?;
        let mut tail = [0; TAIL];
        file.read_exact_at(&mut tail, tail_at).attempt("read", SUBJECT)?;
        let (length, rest) = tail.split_first_chunk::<8>().ok_or_else(|| wrong("no tail"))?;
        let (mac, magic) = rest.split_first_chunk::<32>().ok_or_else(|| wrong("no tail"))?;
        let start = tail_at.checked_sub(u64::from_le_bytes(*length)).filter(|_| magic == MAGIC);
        let start = start.filter(|start| tail_at - start <= HEAD_MAX);
        let start = start.ok_or_else(|| wrong("it does not end as it should"))?;
        let bytes = read(file, start, tail_at - start)?;
        // Hashes compare in constant time.
        if keys.head(&bytes) != *mac {
            return Err(wrong("its MAC does not match"));
        }
        Ok((from_cbor(&bytes, SUBJECT)?, start, *mac))
    }
}

/// So many bytes of a file.
pub(super) fn read(file: &File, start: u64, length: u64) -> Result<Vec<u8>> {
    let length = usize::try_from(length).map_err(|_| wrong("it is too long"))?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, start).attempt("read", SUBJECT)?;
    Ok(bytes)
}

pub(super) fn wrong(reason: &str) -> Error {
    Error::damaged("read", SUBJECT, reason)
}

const SUBJECT: &str = "a file of the local cache";
