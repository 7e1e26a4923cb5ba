//! Segments of the index, one by one: from the store and into it.

use super::Repository;
use crate::backend::{Backend, Handle};
use crate::crypto::{Keyring, object};
use crate::error::{Error, Result};
use crate::format::index::{Segment, SegmentBuilder};
use crate::id::{IndexId, RepoId};
use crate::limits::INDEX_ENTRIES_MAX;
use std::sync::Arc;

impl Repository {
    /// Reads segments; outlives this.
    pub(super) fn segments(&self) -> SegmentReader {
        let (backend, keys) = (Arc::clone(self.backend()), Arc::clone(&self.keys));
        SegmentReader { backend, keys, repository: self.config().repository }
    }

    /// One segment, as it is stored.
    pub fn load_segment(&self, id: IndexId) -> Result<Segment> {
        self.segments().read(id)
    }

    /// The segment that an object of this name and these bytes holds.
    pub fn open_segment(&self, id: IndexId, bytes: &[u8]) -> Result<Segment> {
        self.segments().open(id, bytes)
    }

    /// Seals and creates segments of these entries, as many as it takes: their names, and the bytes
    /// of all.
    pub(crate) fn put_segments(&self, segment: SegmentBuilder) -> Result<(Vec<IndexId>, u64)> {
        let SegmentBuilder { generation, salts, packs, entries } = segment;
        let (mut names, mut written) = (Vec::new(), 0);
        for entries in entries.chunks(INDEX_ENTRIES_MAX) {
            let (salts, packs) = (salts.clone(), packs.clone());
            let part = SegmentBuilder { generation, salts, packs, entries: entries.to_vec() };
            // The name is a hash, so a fresh salt makes a fresh name: nothing can stand there.
            let salt = self.env().random()?;
            let repository = self.config().repository;
            let payload = part.encode()?;
            let (id, bytes) = object::seal_index(self.keys(), repository, &salt, 0, &payload)?;
            let handle = Handle::index(id);
            super::create(&**self.backend(), &handle, &bytes)?;
            if let Some(cache) = self.cache() {
                cache.keep_record(&handle, &bytes);
            }
            names.push(id);
            written += bytes.len() as u64;
        }
        Ok((names, written))
    }
}

/// Reads segments of the index from the store.
#[derive(Clone)]
pub(super) struct SegmentReader {
    backend: Arc<dyn Backend>,
    keys: Arc<Keyring>,
    repository: RepoId,
}

impl SegmentReader {
    /// The segment in an object's bytes.
    pub(super) fn open(&self, id: IndexId, bytes: &[u8]) -> Result<Segment> {
        let handle = Handle::index(id);
        let plain = object::open_object(&self.keys, &handle, self.repository, bytes)?;
        if *blake3::hash(bytes).as_bytes() != id.0 {
            return Err(Error::damaged("read", &handle, "its name is not its hash"));
        }
        Segment::decode(plain, &handle.to_string())
    }

    /// A segment, as it is stored.
    pub(super) fn read(&self, id: IndexId) -> Result<Segment> {
        self.open(id, &self.backend.get(&Handle::index(id), None)?)
    }
}
