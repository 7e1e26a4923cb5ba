//! What goes into a session, and what becomes of it.

use crate::format::BlobKind;
use crate::id::ChunkId;

/// A piece of plaintext that wants to be stored.
pub struct NewBlob<'a> {
    /// Data or metadata.
    pub kind: BlobKind,
    /// Its id.
    pub id: ChunkId,
    /// Its bytes.
    pub plain: &'a [u8],
    /// Chunks that may serve as bases, the best last.
    pub bases: Vec<ChunkId>,
}

/// Its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It was in the repository, or in this session, already.
    Known,
    /// It was stored whole, in so many bytes.
    Whole(u32),
    /// It was stored as a delta, in so many bytes.
    Delta(u32),
}
