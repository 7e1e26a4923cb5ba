//! Nodes that lie side by side and are needed one after the other, read together.

use crate::format::BlobKind;
use crate::id::ChunkId;
use crate::repo::Reader;

/// Reads the nodes that come next, several at a time.
#[derive(Debug, Default)]
pub struct ReadAhead {
    /// How many of those that come were read already.
    left: usize,
}

impl ReadAhead {
    /// To be called before each node is read: `coming` are the nodes from that one on, those left
    /// out that will not be read.
    pub fn step(&mut self, reader: &Reader<'_>, coming: impl Iterator<Item = ChunkId>) {
        if self.left == 0 {
            self.left = reader.read_ahead(BlobKind::Meta, coming);
        }
        self.left = self.left.saturating_sub(1);
    }
}
