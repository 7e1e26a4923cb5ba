//! Ids of blobs: keyed BLAKE3 of the plaintext, one key for content and one for metadata. And ids
//! of series: the same of their names, under a key of their own.

use super::keyring::{Key, Keyring, Purpose};
use crate::error::Result;
use crate::format::BlobKind;
use crate::format::record;
use crate::format::snapshot::SeriesName;
use crate::id::{ChunkId, SeriesId};

/// What the key of series is derived for.
const SERIES_CONTEXT: &str = "icecore 1 series";

/// Names blobs and series. Without the keys nobody can tell whether a repository holds known content.
pub struct Ids {
    data: Key,
    meta: Key,
    series: Key,
}

impl Ids {
    /// The ids of a repository.
    pub fn new(keyring: &Keyring) -> Result<Self> {
        let (data, meta) = (keyring.key(Purpose::DataId)?, keyring.key(Purpose::MetaId)?);
        let series = Key::new(blake3::derive_key(SERIES_CONTEXT, &*meta));
        Ok(Ids { data, meta, series })
    }

    /// The id of a plaintext.
    pub fn of(&self, kind: BlobKind, plain: &[u8]) -> ChunkId {
        let key = match kind {
            BlobKind::Data => &self.data,
            BlobKind::Meta => &self.meta,
        };
        ChunkId(*blake3::keyed_hash(key, plain).as_bytes())
    }

    /// The id of the series of this name.
    pub fn of_series(&self, name: &SeriesName) -> Result<SeriesId> {
        let hash = blake3::keyed_hash(&self.series, &record::encode(name)?);
        let mut id = [0; SeriesId::LEN];
        id.copy_from_slice(hash.as_bytes().split_at(SeriesId::LEN).0);
        Ok(SeriesId(id))
    }
}

impl std::fmt::Debug for Ids {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ids")
    }
}
