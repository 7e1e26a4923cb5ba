//! Plaintext to payload and back: as it is, as a zstd frame, or as a delta, which is a zstd frame
//! whose prefix is other plaintext (chapter 10 of the format).

mod context;
mod decode;
mod encode;

pub use decode::decode;
pub use encode::{Encoded, Encoder, Level};

/// Bytes of a zstd frame before its content size: magic number and descriptor.
const FRAME_START: usize = 5;
