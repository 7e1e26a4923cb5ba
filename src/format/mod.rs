//! Values to bytes and back: pure, without I/O, keys or clock. One file for each chapter of
//! `format-spec/`, which is the promise that this room keeps.

pub mod config;
pub mod content;
pub mod cursor;
pub mod database;
pub mod directory;
pub mod facts;
pub mod fault;
pub mod frame;
pub mod gc;
mod handle;
pub mod index;
pub mod note;
mod object;
pub mod pack;
pub mod padme;
pub mod record;
pub mod slot;
pub mod snapshot;
pub mod writer;

pub use handle::Handle;
pub use object::{Form, KindFacts, NameForm, ObjectKind, Payload, SealedBy};

use serde::{Deserialize, Serialize};

/// First bytes of every object.
pub const MAGIC: [u8; 4] = *b"icec";

/// Version of the format that this program writes, and the only one that it reads.
pub const VERSION: u16 = 3;

/// What a blob holds: content of files and databases, or lists and directories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum BlobKind {
    /// Content.
    Data = 0,
    /// Chunk lists and directories.
    Meta = 1,
}

impl BlobKind {
    /// The number that stands in pack headers and associated data.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The kind of this number.
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(BlobKind::Data),
            1 => Some(BlobKind::Meta),
            _ => None,
        }
    }
}

/// How a blob's plaintext was turned into its payload (chapter 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Codec {
    /// As it is.
    Raw = 0,
    /// One zstd frame.
    Zstd = 1,
    /// One zstd frame whose prefix is the plaintext of the bases, the last base nearest.
    Delta = 2,
}

impl Codec {
    /// The number that stands in entries and associated data.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The codec of this number.
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Codec::Raw),
            1 => Some(Codec::Zstd),
            2 => Some(Codec::Delta),
            _ => None,
        }
    }
}
