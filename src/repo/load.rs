//! How an index is read: which segments are in it, and what in them counts, for whoever reads, for
//! whoever writes, and for whoever collects.

use super::Repository;
use super::index::Index;
use super::standing::Standing;
use crate::backend::{Handle, Listed};
use crate::crypto::object;
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::index::{PackRow, Segment, SegmentBuilder};
use crate::id::{IndexId, PackId};
use crate::limits::INDEX_ENTRIES_MAX;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};

/// Which of the segments that are stored are in an index.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// Those that are alive.
    Living,
    /// Dead ones too.
    All,
}

/// Smaller segments than this are merged in memory, so that few have to be searched.
const SMALL: usize = INDEX_ENTRIES_MAX / 4;

/// Salts of one merged segment: each writer brings its own.
const SALTS_TOGETHER: usize = 1 << 12;

/// How often the index is read anew before a segment that is listed and not there is an error.
const LOADS_MOST: usize = 8;

impl Repository {
    /// Reads the collection chain and then every live index segment, for whoever reads: entries of
    /// packs that are gone or damaged are in it, too, and those of condemned packs, which come last.
    /// What a damaged segment named is just not known; [`Index::take_troubles`] tells of it.
    ///
    /// A segment that is gone when its turn comes was replaced by a collector: then everything is
    /// read again, a few times.
    pub fn load_index(&self) -> Result<Index> {
        self.load(Wanted::Living)
    }

    /// The same with dead segments: for whoever deletes, and trusts no verdict.
    pub fn load_whole_index(&self) -> Result<Index> {
        self.load(Wanted::All)
    }

    /// The same for whoever writes (chapter 11, W2): what counts is only what certain segments name,
    /// lies in packs that are listed with their length, and is not condemned or noted as damaged. What
    /// a store whose listings lag does not show yet is not counted on either.
    pub(super) fn load_index_to_write(&self) -> Result<Index> {
        let mut index = self.load_index()?;
        let sizes = self.pack_sizes()?;
        let mut noted = self.noted_damage()?;
        let is_there = |pack: &PackRow| sizes.get(&pack.id) == Some(&u64::from(pack.size));
        index.count_only(is_there);
        let uncertain = std::mem::take(&mut index.uncertain);
        index.count_only(|pack| !uncertain.contains(&pack.id));
        index.distrust(&noted.all());
        index.add_troubles(&mut noted.troubles);
        Ok(index)
    }

    /// The packs that are stored, and their lengths.
    pub fn pack_sizes(&self) -> Result<HashMap<PackId, u64>> {
        let listed = self.backend().list(ObjectKind::Pack)?;
        let sizes = listed.iter().map(|object| Some((object.handle.pack_id()?, object.size)));
        Ok(sizes.flatten().collect())
    }

    fn load(&self, wanted: Wanted) -> Result<Index> {
        let mut tries = 1;
        loop {
            match self.try_load(wanted) {
                Err(error) if error.kind() == Kind::NotFound && tries < LOADS_MOST => tries += 1,
                loaded => return loaded,
            }
        }
    }

    fn try_load(&self, wanted: Wanted) -> Result<Index> {
        let generations = self.generations()?;
        let listed = self.backend().list(ObjectKind::Index)?;
        // Each once, though a listing may show it twice.
        let listed: BTreeMap<Handle, Listed> =
            listed.into_iter().map(|object| (object.handle.clone(), object)).collect();
        let loaded: Vec<(IndexId, Result<Segment>)> = self
            .fetch_objects(listed.into_values().collect::<Vec<_>>())
            .filter_map(|(handle, bytes)| Some((handle.index_id()?, bytes)))
            .par_bridge()
            .map(|(id, bytes)| (id, bytes.and_then(|bytes| self.segment_of(id, &bytes))))
            .collect();
        let (mut names, mut living, mut dead) = (Vec::new(), Vec::new(), Vec::new());
        let mut index = Index::default();
        for (id, segment) in loaded {
            match segment {
                Ok(segment) if generations.segment_lives(&id, segment.generation()) => {
                    names.push(id);
                    living.push(segment);
                }
                Ok(segment) => {
                    index.dead.push(id);
                    dead.extend((wanted == Wanted::All).then_some(segment));
                }
                // A newer program's segment must stop us; a damaged one costs what it named.
                Err(error) if error.kind() != Kind::Damaged => return Err(error),
                Err(error) => index.troubles.push((Handle::index(id), error)),
            }
        }
        index.uncertain = generations.uncertain_packs(&names, &living);
        let mut segments = merge_small(living)?;
        index.living = segments.len();
        segments.extend(merge_small(dead)?);
        index.standing = Standing::of(&segments);
        index.segments = segments.into();
        Ok(Index { names, generations, ..index })
    }

    pub(super) fn segment_of(&self, id: IndexId, bytes: &[u8]) -> Result<Segment> {
        let handle = Handle::index(id);
        let (plain, hash) = self.opened(&handle, bytes)?;
        if hash != id.0 {
            return Err(Error::damaged("read", &handle, "its name is not its hash"));
        }
        Segment::decode(plain, &handle.to_string())
    }

    /// One segment, as it is stored.
    pub fn load_segment(&self, id: IndexId) -> Result<Segment> {
        self.segment_of(id, &self.backend().get(&Handle::index(id), None)?)
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
            super::create(&**self.backend(), &Handle::index(id), &bytes)?;
            names.push(id);
            written += bytes.len() as u64;
        }
        Ok((names, written))
    }
}

/// Small segments put together, in memory alone, as far as one segment holds them.
fn merge_small(segments: Vec<Segment>) -> Result<Vec<Segment>> {
    let (small, mut merged): (Vec<_>, Vec<_>) = segments
        .into_iter()
        .partition(|segment| segment.len() < SMALL && segment.salts().len() <= SALTS_TOGETHER);
    if small.len() < 2 {
        merged.extend(small);
        return Ok(merged);
    }
    let mut builder = SegmentBuilder::default();
    for segment in &small {
        let full = builder.entries.len() + segment.len() > INDEX_ENTRIES_MAX
            || builder.packs.len() + segment.packs().len() > INDEX_ENTRIES_MAX
            || builder.salts.len() + segment.salts().len() > SALTS_TOGETHER;
        if full && !builder.entries.is_empty() {
            merged.push(finish(std::mem::take(&mut builder))?);
        }
        append(&mut builder, segment)?;
    }
    merged.push(finish(builder)?);
    Ok(merged)
}

fn finish(builder: SegmentBuilder) -> Result<Segment> {
    Segment::decode(builder.encode()?, "a merged index segment")
}

fn append(builder: &mut SegmentBuilder, segment: &Segment) -> Result<()> {
    let first = crate::format::cursor::length32(builder.packs.len(), "index packs")?;
    builder.packs.extend_from_slice(segment.packs());
    let salts =
        segment.salts().iter().map(|salt| builder.salt_row(*salt)).collect::<Result<Vec<_>>>()?;
    for row in 0..segment.len() {
        let Some(mut entry) = segment.entry(row) else { continue };
        entry.pack = entry.pack.saturating_add(first);
        entry.salt = salts.get(usize::from(entry.salt)).copied().unwrap_or_default();
        builder.entries.push(entry);
    }
    Ok(())
}
