//! Collections (chapter 11, G2 to G7): what condemns packs, what becomes of them, and the index
//! segments that take the place of others. Each is written once, by the collector that comes first.

use super::{BlobLocation, Repository};
use crate::backend::{Handle, Listed};
use crate::error::Result;
use crate::format::ObjectKind;
use crate::format::cursor::length32;
use crate::format::gc::{Condemned, Reason, Verdict};
use crate::format::index::{IndexEntry, PackRow, Segment, SegmentBuilder};
use crate::format::pack::Salt;
use crate::id::{IndexId, PackId};
use crate::limits::INDEX_ENTRIES_MAX;
use std::collections::{BTreeSet, HashMap};

impl Repository {
    /// G2: begins collection `n`, after the verdict of the one before (C9); false if another collector has.
    /// Writers go on counting on these segments, which are alive.
    pub fn condemn(
        &self,
        generation: u64,
        packs: Vec<(PackId, Reason)>,
        segments: BTreeSet<IndexId>,
    ) -> Result<bool> {
        let condemned = Condemned { generation, packs, segments, at: self.env().now() };
        let handle = Handle::gc(generation);
        let bytes = self.seal_record(&handle, &condemned)?;
        self.put_same(&handle, &bytes)
    }

    /// What collection `n` condemned.
    pub fn condemned(&self, generation: u64) -> Result<Vec<(PackId, Reason)>> {
        Ok(self.get_record::<Condemned>(&Handle::gc(generation))?.0.packs)
    }

    /// G7: decides a collection; false if another collector has.
    pub fn decide(&self, verdict: &Verdict) -> Result<bool> {
        let handle = Handle::verdict(verdict.generation);
        let bytes = self.seal_record(&handle, verdict)?;
        self.put_exclusive(&handle, &bytes)
    }

    /// The index segments that are stored, and their lengths.
    pub fn segment_sizes(&self) -> Result<HashMap<IndexId, u64>> {
        let listed = self.backend().list(ObjectKind::Index)?;
        let sizes = listed.iter().map(|object| Some((object.handle.index_id()?, object.size)));
        Ok(sizes.flatten().collect())
    }

    /// Hands out segments as they are stored, read ahead, one in memory at a time.
    ///
    /// # Errors
    /// Those of `visit`.
    pub fn each_segment(
        &self,
        ids: &[IndexId],
        sizes: &HashMap<IndexId, u64>,
        visit: &mut dyn FnMut(IndexId, Result<Segment>) -> Result<()>,
    ) -> Result<()> {
        let size = |id: &IndexId| sizes.get(id).copied().unwrap_or_default();
        let listed = ids.iter().map(|id| Listed { handle: Handle::index(*id), size: size(id) });
        for (id, (_, bytes)) in ids.iter().zip(self.fetch_objects(listed)) {
            visit(*id, bytes.and_then(|bytes| self.segments().open(*id, &bytes)))?;
        }
        Ok(())
    }

    /// G6: takes entries of segments that are to go, or of packs that none names, and publishes them
    /// anew. What is published states to have read `generation`; of a collection that of the verdict
    /// before (C10).
    pub fn replace_segments(&self, generation: u64) -> Replacement<'_> {
        Replacement {
            repository: self,
            builder: SegmentBuilder { generation, ..SegmentBuilder::default() },
            salts: HashMap::new(),
            packs: HashMap::new(),
            names: Vec::new(),
            written: 0,
        }
    }
}

/// Segments that take the place of others.
pub struct Replacement<'r> {
    repository: &'r Repository,
    builder: SegmentBuilder,
    /// Rows of the builder, by what is in them.
    salts: HashMap<(u32, [u8; 32]), u16>,
    packs: HashMap<PackId, u32>,
    names: Vec<IndexId>,
    written: u64,
}

/// Salts of one segment: the builder goes through all of them for each that is new.
const SALTS: usize = 1 << 12;

impl Replacement<'_> {
    /// Takes the entries of a segment that do not lie in packs that are to go.
    pub fn add(&mut self, segment: &Segment, stays: impl Fn(&PackId) -> bool) -> Result<()> {
        for row in 0..segment.len() {
            let (Some(entry), Some(pack)) = (segment.entry(row), segment.pack_of(row)) else {
                continue;
            };
            let Some(salt) = segment.salts().get(usize::from(entry.salt)) else { continue };
            if stays(&pack.id) {
                self.add_entry(entry, *salt, *pack)?;
            }
        }
        Ok(())
    }

    /// Takes the entries of blobs in a pack of this length.
    pub fn add_places(&mut self, size: u64, places: Vec<BlobLocation>) -> Result<()> {
        for place in places {
            let size = u32::try_from(size).unwrap_or(u32::MAX);
            let (salt, pack) = (place.salt, PackRow { id: place.pack, size, kind: place.kind });
            self.add_entry(place.into_entry(), salt, pack)?;
        }
        Ok(())
    }

    /// Adds an entry, whose rows are found anew.
    fn add_entry(&mut self, mut entry: IndexEntry, salt: Salt, pack: PackRow) -> Result<()> {
        if self.builder.entries.len() >= INDEX_ENTRIES_MAX || self.builder.salts.len() >= SALTS {
            self.publish()?;
        }
        let key = (salt.epoch, salt.bytes);
        entry.salt = match self.salts.get(&key) {
            Some(row) => *row,
            None => {
                let row = self.builder.salt_row(salt)?;
                self.salts.insert(key, row);
                row
            }
        };
        let next = length32(self.builder.packs.len(), "index packs")?;
        entry.pack = *self.packs.entry(pack.id).or_insert(next);
        if entry.pack == next {
            self.builder.packs.push(pack);
        }
        self.builder.entries.push(entry);
        Ok(())
    }

    fn publish(&mut self) -> Result<()> {
        let next = SegmentBuilder { generation: self.builder.generation, ..Default::default() };
        let mut full = std::mem::replace(&mut self.builder, next);
        self.salts.clear();
        self.packs.clear();
        // Two segments may say the same, from two who replaced the same ones.
        full.entries.sort_by_key(|entry| (entry.id, entry.pack, entry.offset));
        full.entries.dedup();
        let (names, written) = self.repository.put_segments(full)?;
        self.names.extend(names);
        self.written += written;
        Ok(())
    }

    /// Publishes the rest: the names of all new segments, and their bytes.
    pub fn finish(mut self) -> Result<(Vec<IndexId>, u64)> {
        self.publish()?;
        Ok((self.names, self.written))
    }
}
