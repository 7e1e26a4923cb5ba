//! Compression of chunks, whole or as deltas.

use super::context;
use crate::error::{Error, Kind, Result};
use crate::format::Codec;
use crate::limits::{BLOB_MAX, LEVEL_MAX, LEVEL_MIN, PREFIX_MAX};
use zstd_safe::{CParameter, compress_bound, get_error_name};

/// A payload, and how it came from its plaintext.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// How `bytes` is to be decoded.
    pub codec: Codec,
    /// The payload.
    pub bytes: Vec<u8>,
}

/// A zstd level between [`LEVEL_MIN`] and [`LEVEL_MAX`], or no compression of whole chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(i32);

impl Level {
    /// Whole chunks are stored as they are.
    pub const OFF: Level = Level(i32::MIN);
    /// The lowest level that makes good deltas: below it they grow several times over.
    const DELTA: Level = Level(3);

    /// A level, if zstd knows it and its memory stays modest.
    ///
    /// # Errors
    /// `InvalidInput` outside the bounds.
    pub fn new(level: i32) -> Result<Self> {
        if (LEVEL_MIN..=LEVEL_MAX).contains(&level) {
            return Ok(Level(level));
        }
        Err(Error::new(Kind::InvalidInput, "use the compression level", level)
            .because(format!("levels go from {LEVEL_MIN} to {LEVEL_MAX}")))
    }

    /// The number.
    pub fn number(self) -> i32 {
        self.0
    }
}

impl Default for Level {
    fn default() -> Self {
        Level(3)
    }
}

/// Compresses one chunk after another.
#[derive(Debug)]
pub struct Encoder {
    level: Level,
    scratch: Vec<u8>,
}

impl Encoder {
    /// An encoder for whole chunks at `level`; deltas are never made below level 3.
    pub fn new(level: Level) -> Self {
        Encoder { level, scratch: Vec::new() }
    }

    /// `plain` as a zstd frame, or raw where that would not shrink it clearly.
    ///
    /// # Errors
    /// `InvalidInput` above [`BLOB_MAX`], `Failed` if zstd runs out of memory.
    pub fn whole(&mut self, plain: &[u8]) -> Result<Encoded> {
        check_length("plaintext", plain.len(), BLOB_MAX)?;
        if self.level == Level::OFF {
            return Ok(Encoded { codec: Codec::Raw, bytes: plain.to_vec() });
        }
        let incompressible = looks_random(plain)
            && self.level > Level(1)
            && !shrinks(plain, self.compress(plain, &[], Level(1))?);
        if !incompressible && shrinks(plain, self.compress(plain, &[], self.level)?) {
            return Ok(Encoded { codec: Codec::Zstd, bytes: self.scratch.clone() });
        }
        Ok(Encoded { codec: Codec::Raw, bytes: plain.to_vec() })
    }

    /// `plain` as a zstd frame that refers to `prefix`, the plaintexts of the bases one after
    /// another, the best last. Whether it is worth keeping is for the caller to say.
    ///
    /// # Errors
    /// `InvalidInput` above [`BLOB_MAX`] or [`PREFIX_MAX`], `Failed` if zstd runs out of memory.
    pub fn delta(&mut self, plain: &[u8], prefix: &[u8]) -> Result<Encoded> {
        check_length("plaintext", plain.len(), BLOB_MAX)?;
        check_length("prefix", prefix.len(), PREFIX_MAX)?;
        self.compress(plain, prefix, self.level.max(Level::DELTA))?;
        Ok(Encoded { codec: Codec::Delta, bytes: self.scratch.clone() })
    }

    /// Compresses into the scratch buffer and returns the frame's length.
    fn compress(&mut self, plain: &[u8], prefix: &[u8], level: Level) -> Result<usize> {
        self.scratch.clear();
        self.scratch.reserve(compress_bound(plain.len()));
        let window = CParameter::WindowLog(window_log(plain.len() + prefix.len()));
        let parameters = [CParameter::CompressionLevel(level.0), window];
        context::compress(plain, prefix, parameters, &mut self.scratch).map_err(failed)
    }
}

/// The window that spans so many bytes, so that the whole prefix is in reach of the last byte and
/// the frame is a single segment.
fn window_log(bytes: usize) -> u32 {
    bytes.next_power_of_two().trailing_zeros().max(10)
}

/// Is the frame smaller by at least a thirty-second?
fn shrinks(plain: &[u8], frame: usize) -> bool {
    frame + plain.len() / 32 < plain.len()
}

/// A guess from the frequencies of some thousand bytes: encrypted and compressed data pass, text
/// and database pages do not. Costs a few microseconds.
fn looks_random(plain: &[u8]) -> bool {
    const RUN: usize = 64;
    const RUNS: usize = 64;
    if plain.len() < 2 * RUN * RUNS {
        return false;
    }
    let mut counts = [0_u32; 256];
    for block in plain.chunks_exact(plain.len() / RUNS) {
        for byte in block.iter().take(RUN) {
            if let Some(count) = counts.get_mut(usize::from(*byte)) {
                *count += 1;
            }
        }
    }
    // Of n random bytes the counts' squares sum to about n^2 / 256 + n.
    let squares: usize = counts.iter().map(|count| (*count as usize).pow(2)).sum();
    let sampled: usize = counts.iter().map(|count| *count as usize).sum();
    squares < sampled * sampled / 256 + 2 * sampled
}

fn check_length(what: &str, length: usize, bound: usize) -> Result<()> {
    if length <= bound {
        return Ok(());
    }
    Err(Error::new(Kind::InvalidInput, "encode a", what)
        .because(format!("{length} bytes are above the bound of {bound}")))
}

fn failed(code: usize) -> Error {
    Error::new(Kind::Failed, "compress", "a chunk").because(get_error_name(code))
}
