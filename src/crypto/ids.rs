//! Ids of blobs: keyed BLAKE3 of the plaintext, one key for content and one for metadata.

use super::keyring::{Key, Keyring, Purpose};
use crate::error::Result;
use crate::format::BlobKind;
use crate::id::ChunkId;

/// Names blobs. Without the keys nobody can tell whether a repository holds known content.
pub struct Ids {
    data: Key,
    meta: Key,
}

impl Ids {
    /// The ids of a repository.
    pub fn new(keyring: &Keyring) -> Result<Self> {
        Ok(Ids { data: keyring.key(Purpose::DataId)?, meta: keyring.key(Purpose::MetaId)? })
    }

    /// The id of a plaintext.
    pub fn of(&self, kind: BlobKind, plain: &[u8]) -> ChunkId {
        let key = match kind {
            BlobKind::Data => &self.data,
            BlobKind::Meta => &self.meta,
        };
        ChunkId(*blake3::keyed_hash(key, plain).as_bytes())
    }
}

impl std::fmt::Debug for Ids {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ids")
    }
}
