//! Where a blob lies.

use crate::format::index::{IndexEntry, PackRow};
use crate::format::pack::Salt;
use crate::format::{BlobKind, Codec};
use crate::id::{BaseId, ChunkId, PackId};
use std::collections::HashSet;

/// Where one blob lies, and what it takes to read it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BlobLocation {
    /// The blob.
    pub id: ChunkId,
    /// What it holds.
    pub kind: BlobKind,
    /// Its pack.
    pub pack: PackId,
    /// First byte in the pack.
    pub offset: u32,
    /// Bytes in the pack.
    pub stored: u32,
    /// Bytes of plaintext.
    pub plain: u32,
    /// What it was sealed under.
    pub salt: Salt,
    /// How the plaintext became the payload.
    pub codec: Codec,
    /// 0 for a whole blob, else 1 + the greatest depth of its bases.
    pub depth: u8,
    /// Bases of a delta, in the order of the prefix.
    pub bases: Vec<BaseId>,
}

impl BlobLocation {
    /// Where an entry says that its blob lies, in a pack and under a salt that its rows name.
    pub(super) fn of(entry: IndexEntry, pack: &PackRow, salt: Salt) -> Self {
        let IndexEntry { id, offset, stored, plain, codec, depth, bases, .. } = entry;
        let PackRow { id: pack, kind, .. } = *pack;
        BlobLocation { id, kind, pack, offset, stored, plain, salt, codec, depth, bases }
    }

    /// What an index says of it; the rows of its pack and salt are still to be found.
    pub(super) fn into_entry(self) -> IndexEntry {
        let BlobLocation { id, offset, stored, plain, codec, depth, bases, .. } = self;
        IndexEntry { id, pack: 0, offset, stored, plain, salt: 0, codec, depth, bases }
    }
}

/// Entries, every field of which counts: one that lies hides no honest one of the same place.
pub(super) type Entries = HashSet<BlobLocation>;
