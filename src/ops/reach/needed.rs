//! Blobs that something needs, and the bases that it takes to read them.

use crate::format::BlobKind;
use crate::id::ChunkId;
use crate::repo::{BlobLocation, BlobSet, Index};

/// Blobs that are needed, each told of once. Kept is a bit for each entry of the index.
pub struct Needed<'i> {
    index: &'i Index,
    blobs: BlobSet<'i>,
}

impl<'i> Needed<'i> {
    /// Nothing is needed yet.
    pub fn new(index: &'i Index) -> Self {
        Needed { index, blobs: BlobSet::new(index) }
    }

    /// Adds a blob and its bases. `tell` hears of those that are new where they lie, and of one that
    /// no usable entry provides.
    pub fn add(
        &mut self,
        kind: BlobKind,
        id: &ChunkId,
        tell: &mut dyn FnMut(Option<&BlobLocation>),
    ) {
        if !self.blobs.insert(&id.base()) {
            return;
        }
        let Some(place) = self.index.find(kind, id) else { return tell(None) };
        tell(Some(&place));
        let closure = self.index.closure(&place).unwrap_or_default();
        for base in closure.iter().skip(1) {
            if self.blobs.insert(&base.id.base()) {
                tell(Some(base));
            }
        }
    }
}
