//! Values to bytes and back: pure, without I/O, keys or clock. One file for each chapter of
//! `format-spec/`, which is the promise that this room keeps.

pub mod config;
pub mod cursor;
pub mod database;
pub mod facts;
pub mod fault;
pub mod frame;
pub mod gc;
mod handle;
pub mod index;
pub mod list;
pub mod node;
pub mod note;
pub mod pack;
pub mod padme;
pub mod record;
pub mod slot;
pub mod snapshot;
pub mod writer;

pub use handle::Handle;

use crate::limits::{INDEX_MAX, OUTCOME_MAX, PACK_MAX, RECORD_MAX, SLOT_MAX};
use serde::{Deserialize, Serialize};
use std::fmt;

/// First bytes of every object.
pub const MAGIC: [u8; 4] = *b"icec";

/// Version of the format that this program writes, and the only one that it reads.
pub const VERSION: u16 = 3;

/// The kinds of object in a repository (chapter 2); the number stands in each frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ObjectKind {
    /// `config/<n>`
    Config = 1,
    /// `keys/<slot id>`
    Key = 2,
    /// `packs/<2 hex>/<pack id>`
    Pack = 3,
    /// `index/<index id>`
    Index = 4,
    /// `writers/<S>` and `writers/<S>.<k>`
    Writer = 5,
    /// `snapshots/<S>`
    Snapshot = 6,
    /// `forgotten/<S>`
    Forgotten = 7,
    /// `notes/<note id>`
    Note = 8,
    /// `gc/<n>` and `gc/<n>.verdict`
    Gc = 9,
}

impl ObjectKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [ObjectKind; 9] = [
        ObjectKind::Config,
        ObjectKind::Key,
        ObjectKind::Pack,
        ObjectKind::Index,
        ObjectKind::Writer,
        ObjectKind::Snapshot,
        ObjectKind::Forgotten,
        ObjectKind::Note,
        ObjectKind::Gc,
    ];

    /// The number that stands in frames.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The kind of this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// The most bytes that an object of this kind has.
    pub fn largest(self) -> usize {
        match self {
            ObjectKind::Pack => PACK_MAX,
            ObjectKind::Index => INDEX_MAX,
            ObjectKind::Snapshot => OUTCOME_MAX,
            ObjectKind::Key => SLOT_MAX,
            _ => RECORD_MAX,
        }
    }

    /// The folder that holds the objects of this kind.
    pub fn folder(self) -> &'static str {
        match self {
            ObjectKind::Config => "config",
            ObjectKind::Key => "keys",
            ObjectKind::Pack => "packs",
            ObjectKind::Index => "index",
            ObjectKind::Writer => "writers",
            ObjectKind::Snapshot => "snapshots",
            ObjectKind::Forgotten => "forgotten",
            ObjectKind::Note => "notes",
            ObjectKind::Gc => "gc",
        }
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.folder())
    }
}

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
