//! Finding similar chunks by content, where rows or pages moved and position is no help.

use crate::limits::SKETCHES_MAX;
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

/// Zeros among these bits of the gear hash end a sub-block: one byte in 256. They see 32 bytes.
const ENDS: u64 = 0xff << 24;
/// Least bytes of a sub-block, but for the last of a chunk.
const LEAST: usize = 32;
/// Most bytes of a sub-block.
const MOST: usize = 1024;
/// Bits of a sub-block's hash that must be zero, always: one in eight.
const SAMPLE_BITS: u32 = 3;

/// Remembers a sample of the sub-blocks of chunks, and which chunk had each last.
///
/// A chunk is divided into sub-blocks of about 280 bytes where its content says so, and those are
/// sampled by their hash: one in eight until the table is full, then ever fewer.
pub struct Sketches {
    chunk_of: HashMap<u32, u32, BuildHasherDefault<Spread>>,
    capacity: usize,
    /// Bits of a key that must be zero besides; one more each time that the table was full.
    thinned: u32,
    gear: [u64; 256],
}

impl fmt::Debug for Sketches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sketches").field("hashes", &self.chunk_of.len()).finish_non_exhaustive()
    }
}

impl Default for Sketches {
    /// Remembers [`SKETCHES_MAX`] hashes, in some 10 MB.
    fn default() -> Self {
        Self::with_capacity(SKETCHES_MAX)
    }
}

impl Sketches {
    /// Remembers at most so many hashes, but at least one.
    pub fn with_capacity(capacity: usize) -> Self {
        let gear = gear_table();
        Sketches { chunk_of: HashMap::default(), capacity: capacity.max(1), thinned: 0, gear }
    }

    /// Remembers the sub-blocks of `plain` as those of chunk `chunk_no`, whatever that counts.
    pub fn add(&mut self, chunk_no: u32, plain: &[u8]) {
        for key in self.sampled(plain) {
            self.chunk_of.insert(key, chunk_no);
            while self.chunk_of.len() > self.capacity {
                self.thin_out();
            }
        }
    }

    /// The at most `k` chunks that share most sampled sub-blocks with `plain`, the best last.
    pub fn votes(&self, plain: &[u8], k: usize) -> Vec<u32> {
        let keys = self.sampled(plain);
        let mut chunks: Vec<u32> =
            keys.iter().filter_map(|key| self.chunk_of.get(key).copied()).collect();
        chunks.sort_unstable();
        let runs = chunks.chunk_by(|a, b| a == b);
        let mut counted: Vec<(usize, u32)> =
            runs.filter_map(|run| Some((run.len(), *run.first()?))).collect();
        counted.sort_unstable();
        let rest = counted.len().saturating_sub(k);
        counted.into_iter().skip(rest).map(|(_, chunk)| chunk).collect()
    }

    /// Hashes that are remembered.
    #[cfg(feature = "testing")]
    pub fn remembered(&self) -> usize {
        self.chunk_of.len()
    }

    /// Halves the sample, and with it the table.
    fn thin_out(&mut self) {
        self.thinned = self.thinned << 1 | 1;
        let thinned = self.thinned;
        self.chunk_of.retain(|key, _| key & thinned == 0);
    }

    /// The keys of the sub-blocks of `plain` that are in the sample, each once: a page full of
    /// the same bytes has one say.
    fn sampled(&self, plain: &[u8]) -> Vec<u32> {
        let mut keys = Vec::new();
        let mut rest = plain;
        while !rest.is_empty() {
            let (block, after) = rest.split_at(self.block_length(rest));
            keys.extend(key_of(hash_of(block)).filter(|key| key & self.thinned == 0));
            rest = after;
        }
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    fn block_length(&self, data: &[u8]) -> usize {
        let mut hash = 0_u64;
        for (index, byte) in data.iter().take(MOST).enumerate() {
            let value = self.gear.get(usize::from(*byte)).copied().unwrap_or_default();
            hash = (hash << 1).wrapping_add(value);
            if hash & ENDS == 0 && index >= LEAST {
                return index + 1;
            }
        }
        data.len().min(MOST)
    }
}

/// The table's key for a sub-block, if it is in the sample.
fn key_of(hash: u64) -> Option<u32> {
    let [k0, k1, k2, k3, ..] = (hash >> SAMPLE_BITS).to_le_bytes();
    let sampled = hash.trailing_zeros() >= SAMPLE_BITS;
    sampled.then_some(u32::from_le_bytes([k0, k1, k2, k3]))
}

/// A quick hash, eight bytes a step; a collision costs one wrong vote.
fn hash_of(block: &[u8]) -> u64 {
    let (words, rest) = block.as_chunks::<8>();
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    let length = u64::try_from(block.len()).unwrap_or_default();
    let hash = words.iter().chain([&last]).fold(length, |hash, word| {
        (hash.rotate_left(5) ^ u64::from_le_bytes(*word)).wrapping_mul(ODD)
    });
    (hash ^ hash >> 32).wrapping_mul(ODD) >> 16
}

/// 2^64 divided by the golden ratio.
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Random values, the same in every run.
fn gear_table() -> [u64; 256] {
    let mut stream = blake3::Hasher::new().update(b"icecore sub-blocks").finalize_xof();
    [(); 256].map(|()| {
        let mut bytes = [0; 8];
        stream.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    })
}

/// Hashes keys that are hashes already: only spreads them over all bits.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn write_u32(&mut self, key: u32) {
        let spread = u64::from(key).wrapping_mul(ODD);
        self.0 = spread ^ spread >> 32;
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
