//! FastCDC with a secret gear table (chapter 10 of the format).

use crate::limits::{CHUNK_AVG, CHUNK_MAX, CHUNK_MIN, COARSE_AVG, COARSE_MAX, COARSE_MIN};
use fastcdc::v2020;
use std::fmt;

/// Sizes of chunks in bytes: all even, `avg` a power of two, `min < avg < max`, within the bounds of
/// [`v2020`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// Least, but for the last chunk of a stream.
    pub min: usize,
    /// Where cuts become likely; the mean lies some 15 % above it.
    pub avg: usize,
    /// Most.
    pub max: usize,
}

impl Params {
    /// Of streams that are not coarse.
    pub const ORDINARY: Params = Params { min: CHUNK_MIN, avg: CHUNK_AVG, max: CHUNK_MAX };
    /// Of very long streams.
    pub const COARSE: Params = Params { min: COARSE_MIN, avg: COARSE_AVG, max: COARSE_MAX };
}

/// Id of cuts that another repository made, with its own key: they are nobody's here.
pub const FOREIGN: u8 = 0;

/// Finds where chunks end. The same key and sizes always cut the same bytes at the same places.
pub struct Chunker {
    id: u8,
    params: Params,
    /// The mask below `avg`, which seldom matches, and the one from there on, which often does.
    strict: u64,
    loose: u64,
    gear: [u64; 256],
    gear_ls: [u64; 256],
}

impl fmt::Debug for Chunker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunker").field("params", &self.params).finish_non_exhaustive()
    }
}

impl Chunker {
    /// For all streams but the longest: 16 / 64 / 256 KiB, id 1.
    pub fn ordinary(gear_key: &[u8; 32]) -> Self {
        Self::new(1, Params::ORDINARY, gear_key)
    }

    /// For streams above [`crate::limits::COARSE_STREAM`]: 64 / 256 / 1024 KiB, id 2.
    pub fn coarse(gear_key: &[u8; 32]) -> Self {
        Self::new(2, Params::COARSE, gear_key)
    }

    /// Any sizes; `id` must name them, and nothing else, for as long as a repository lives.
    pub fn new(id: u8, params: Params, gear_key: &[u8; 32]) -> Self {
        let (strict, loose) = v2020::select_masks(params.avg, v2020::Normalization::Level2);
        let gear = gear_table(gear_key);
        Chunker { id, params, strict, loose, gear, gear_ls: gear.map(|value| value << 1) }
    }

    /// The number recorded with each stream: 1 ordinary, 2 coarse.
    pub fn id(&self) -> u8 {
        self.id
    }

    /// Most bytes of a chunk.
    pub fn max(&self) -> usize {
        self.params.max
    }

    /// Length of the first chunk of `data`, or `None` if more data is needed to tell: without the
    /// end of the stream at its end (`at_end`), it must be `max` bytes long.
    pub fn cut(&self, data: &[u8], at_end: bool) -> Option<usize> {
        if data.is_empty() || (!at_end && data.len() < self.params.max) {
            return None;
        }
        let Params { min, avg, max } = self.params;
        let (_, length) = v2020::cut_gear(
            data,
            min,
            avg,
            max,
            self.strict,
            self.loose,
            self.strict << 1,
            self.loose << 1,
            &self.gear,
            &self.gear_ls,
        );
        Some(length)
    }

    /// Would [`Chunker::cut`] end a chunk exactly where `chunk` ends, if `next` came after it, or
    /// the end of the stream? Only for a `chunk` that this chunker once cut, before whatever: it
    /// looks at the last 64 bytes.
    pub fn stands(&self, chunk: &[u8], next: Option<u8>) -> bool {
        let Params { min, max, .. } = self.params;
        let length = chunk.len();
        let Some(next) = next else { return (1..=max).contains(&length) };
        if length < min || length >= max {
            return length == max;
        }
        let tail = chunk.get(min.max(length.saturating_sub(64))..).unwrap_or_default();
        let before = tail.iter().fold(0, |hash, byte| self.roll(hash, *byte));
        // At the end of a stream of odd length the algorithm leaves the last byte untested. If
        // the chunk once stood there, its own last byte may cut now that others follow.
        let cut_before = length > min && before & self.mask(length - 1) == 0;
        !cut_before && self.roll(before, next) & self.mask(length) == 0
    }

    fn mask(&self, length: usize) -> u64 {
        if length < self.params.avg { self.strict } else { self.loose }
    }

    fn roll(&self, hash: u64, byte: u8) -> u64 {
        let value = self.gear.get(usize::from(byte)).copied().unwrap_or_default();
        (hash << 1).wrapping_add(value)
    }
}

fn gear_table(gear_key: &[u8; 32]) -> [u64; 256] {
    let mut hasher = blake3::Hasher::new_keyed(gear_key);
    hasher.update(b"icecore gear table 1");
    let mut stream = hasher.finalize_xof();
    [(); 256].map(|()| {
        let mut bytes = [0; 8];
        stream.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    })
}
