//! The index: where each blob lies, over all segments, and which entries are usable.

use super::location::Entries;
use super::standing::Standing;
use super::{BlobLocation, Generations, Repository};
use crate::backend::{Handle, Listed};
use crate::crypto::object;
use crate::error::{Error, Kind, Result};
use crate::format::index::{IndexEntry, PackRow, Segment, SegmentBuilder};
use crate::format::note::Damage;
use crate::format::{BlobKind, ObjectKind};
use crate::id::{BaseId, ChunkId, IndexId, PackId};
use crate::limits::{CLOSURE_READ_MAX, DEPTH_MAX, INDEX_ENTRIES_MAX};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap, HashSet};

/// All live segments, in memory.
#[derive(Debug, Default)]
pub struct Index {
    segments: Vec<Segment>,
    /// Which segments were read, by name.
    names: Vec<IndexId>,
    generations: Generations,
    standing: Standing,
    /// Packs that no segment names which is certain to stay alive (chapter 11, C3).
    uncertain: HashSet<PackId>,
    /// Segments and notes that are missing, and why.
    troubles: Vec<(Handle, Error)>,
}

/// Smaller segments than this are merged in memory, so that few have to be searched.
const SMALL: usize = INDEX_ENTRIES_MAX / 4;

/// Salts of one merged segment: each writer brings its own.
const SALTS_TOGETHER: usize = 1 << 12;

/// How often the index is read anew before a segment that is listed and not there is an error.
const LOADS_MOST: usize = 8;

/// Entries that are looked at before one is given up as unusable: a forged index may branch.
const VISITS_MAX: usize = 4 * CLOSURE_READ_MAX;

impl Repository {
    /// Reads the collection chain and then every live index segment, for whoever reads: entries of
    /// packs that are gone or damaged are in it, too. What a damaged segment named is just not
    /// known; [`Index::take_troubles`] tells of it.
    ///
    /// A segment that is gone when its turn comes was replaced by a collector: then everything is
    /// read again, a few times.
    pub fn load_index(&self) -> Result<Index> {
        let mut tries = 1;
        loop {
            match self.try_load_index() {
                Err(error) if error.kind() == Kind::NotFound && tries < LOADS_MOST => tries += 1,
                loaded => return loaded,
            }
        }
    }

    /// The same for whoever writes (chapter 11, W2): what counts is only what certain segments name,
    /// lies in packs that are listed with their length, and is not noted as damaged. What a store
    /// whose listings lag does not show yet is not counted on either.
    pub(super) fn load_index_to_write(&self) -> Result<Index> {
        let mut index = self.load_index()?;
        let listed = self.backend().list(ObjectKind::Pack)?;
        let sizes: HashMap<PackId, u64> = listed
            .into_iter()
            .filter_map(|object| Some((object.handle.pack_id()?, object.size)))
            .collect();
        let is_there = |pack: &PackRow| sizes.get(&pack.id) == Some(&u64::from(pack.size));
        index.standing.bar(&index.segments, is_there);
        index.standing.bar(&index.segments, |pack| !index.uncertain.contains(&pack.id));
        let mut noted = self.noted_damage()?;
        index.troubles.append(&mut noted.troubles);
        index.distrust(&noted.all());
        Ok(index)
    }

    fn segment_of(&self, id: IndexId, bytes: &[u8]) -> Result<Segment> {
        let handle = Handle::index(id);
        let (plain, hash) = self.opened(&handle, bytes)?;
        if hash != id.0 {
            return Err(Error::damaged("read", &handle, "its name is not its hash"));
        }
        Segment::decode(plain, &handle.to_string())
    }

    fn try_load_index(&self) -> Result<Index> {
        let generations = self.generations()?;
        let listed = self.backend().list(ObjectKind::Index)?;
        // Each once, though a listing may show it twice.
        let listed: BTreeMap<Handle, Listed> =
            listed.into_iter().map(|object| (object.handle.clone(), object)).collect();
        let listed: Vec<Listed> = listed.into_values().collect();
        let loaded: Vec<(IndexId, Result<Segment>)> = self
            .fetch_objects(listed)
            .filter_map(|(handle, bytes)| Some((handle.index_id()?, bytes)))
            .par_bridge()
            .map(|(id, bytes)| (id, bytes.and_then(|bytes| self.segment_of(id, &bytes))))
            .collect();
        let (mut names, mut segments, mut troubles) = (Vec::new(), Vec::new(), Vec::new());
        for (id, segment) in loaded {
            match segment {
                Ok(segment) if generations.segment_lives(&id, segment.generation()) => {
                    names.push(id);
                    segments.push(segment);
                }
                Ok(_) => {}
                // A newer program's segment must stop us; a damaged one costs what it named.
                Err(error) if error.kind() != Kind::Damaged => return Err(error),
                Err(error) => troubles.push((Handle::index(id), error)),
            }
        }
        let uncertain = generations.uncertain_packs(&names, &segments);
        let segments = merge_small(segments)?;
        let mut standing = Standing::of(&segments);
        standing.bar(&segments, |pack| !generations.is_condemned(&pack.id));
        Ok(Index { segments, names, generations, standing, uncertain, troubles })
    }

    /// One segment, as it is stored.
    pub fn load_segment(&self, id: IndexId) -> Result<Segment> {
        self.segment_of(id, &self.backend().get(&Handle::index(id), None)?)
    }

    /// Seals and creates segments of these entries, as many as it takes; bytes written.
    pub(crate) fn put_segments(&self, segment: SegmentBuilder) -> Result<u64> {
        let SegmentBuilder { generation, salts, packs, entries } = segment;
        let mut written = 0;
        for entries in entries.chunks(INDEX_ENTRIES_MAX) {
            let (salts, packs) = (salts.clone(), packs.clone());
            let part = SegmentBuilder { generation, salts, packs, entries: entries.to_vec() };
            // The name is a hash, so a fresh salt makes a fresh name: nothing can stand there.
            let salt = self.env().random()?;
            let repository = self.config().repository;
            let payload = part.encode()?;
            let (id, bytes) = object::seal_index(self.keys(), repository, &salt, 0, &payload)?;
            super::create(&**self.backend(), &Handle::index(id), &bytes)?;
            written += bytes.len() as u64;
        }
        Ok(written)
    }
}

impl Index {
    /// The generation that was read before this index.
    pub fn generation(&self) -> u64 {
        self.generations.newest()
    }

    /// The collection chain that was read before this index.
    pub fn generations(&self) -> &Generations {
        &self.generations
    }

    /// The segments that this index was read from.
    pub fn names(&self) -> &[IndexId] {
        &self.names
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.segments.iter().map(Segment::len).sum()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Segments and notes that could not be read, told once.
    pub fn take_troubles(&mut self) -> Vec<(Handle, Error)> {
        std::mem::take(&mut self.troubles)
    }

    /// An entry was read and is wrong: it stops being usable, and is to be noted.
    pub fn meet_damage(&self, place: BlobLocation) {
        self.standing.meet(place);
    }

    /// Entries that were read and are wrong.
    pub fn met_damage(&self) -> Vec<BlobLocation> {
        self.standing.met()
    }

    /// Entries stop being usable, for whatever reason.
    pub fn discount(&mut self, places: impl IntoIterator<Item = BlobLocation>) {
        self.standing.discount(places);
    }

    /// What is noted as damaged stops being usable.
    pub fn distrust(&mut self, damage: &Damage) {
        self.standing.note(&self.segments, damage);
    }

    /// What reads through another index have met, and will meet, counts no more here.
    pub(super) fn share_damage(&mut self, other: &Index) {
        self.standing.share(&other.standing);
    }

    /// Every entry, in no particular order.
    pub fn places(&self) -> impl Iterator<Item = BlobLocation> + '_ {
        self.segments.iter().flat_map(|segment| {
            (0..segment.len()).filter_map(move |row| place_of(segment, &segment.entry(row)?))
        })
    }

    /// The entries that count, though their bases may not.
    pub fn counting(&self) -> impl Iterator<Item = BlobLocation> + '_ {
        (0..).zip(&self.segments).flat_map(move |(at, segment)| {
            (0..segment.len()).filter_map(move |row| self.counted(at, segment, row))
        })
    }

    fn counted(&self, at: usize, segment: &Segment, row: usize) -> Option<BlobLocation> {
        let (pack, _) = segment.pack_row_of(row)?;
        let place = self.standing.pack_counts(at, pack).then(|| segment.entry(row))??;
        place_of(segment, &place).filter(|place| self.standing.counts(place))
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    pub(super) fn place(&self, segment: usize, row: usize) -> Option<BlobLocation> {
        let segment = self.segments.get(segment)?;
        place_of(segment, &segment.entry(row)?)
    }

    pub(super) fn id_of(&self, segment: usize, row: usize) -> Option<ChunkId> {
        self.segments.get(segment)?.id(row)
    }

    /// Every pack that entries name, and its length.
    pub fn packs(&self) -> HashMap<PackId, u32> {
        let rows = self.segments.iter().flat_map(Segment::packs);
        rows.map(|pack| (pack.id, pack.size)).collect()
    }

    /// The best usable entry of a blob.
    pub fn find(&self, kind: BlobKind, id: &ChunkId) -> Option<BlobLocation> {
        self.find_without(kind, id, &Entries::new())
    }

    /// The same, where the entries in `bad` do not count.
    pub(super) fn find_without(
        &self,
        kind: BlobKind,
        id: &ChunkId,
        bad: &Entries,
    ) -> Option<BlobLocation> {
        let mut found = self.candidates(kind, &id.base()).into_iter();
        found.find(|place| place.id == *id && self.is_usable(place, bad))
    }

    /// The best usable entry of a base.
    pub fn find_base(&self, kind: BlobKind, base: &BaseId) -> Option<BlobLocation> {
        self.candidates(kind, base).into_iter().find(|place| self.is_usable(place, &Entries::new()))
    }

    /// Whether the blob can be read from what is stored.
    pub fn knows(&self, kind: BlobKind, id: &ChunkId) -> bool {
        self.find(kind, id).is_some()
    }

    /// Whether there is any entry of the blob, usable or not.
    pub(super) fn names_blob(&self, id: &ChunkId) -> bool {
        let mut segments = self.segments.iter();
        segments.any(|of| of.find(&id.base()).any(|row| of.id(row).as_ref() == Some(id)))
    }

    /// The entries of a blob that count, the least depth first. Another kind is another blob.
    pub(super) fn candidates(&self, kind: BlobKind, base: &BaseId) -> Vec<BlobLocation> {
        let of_segment = |(at, segment): (usize, &Segment)| {
            let found = segment.find(base);
            found.filter_map(|row| self.counted(at, segment, row)).collect::<Vec<_>>()
        };
        let mut places: Vec<BlobLocation> =
            (0..).zip(&self.segments).flat_map(of_segment).collect();
        places.retain(|place| place.kind == kind);
        places.sort_by_key(|place| place.depth);
        places
    }

    /// An entry is usable if it counts and every base has a usable entry of smaller depth. So no
    /// cycle can carry anything.
    pub(super) fn is_usable(&self, place: &BlobLocation, bad: &Entries) -> bool {
        self.usable_within(place, bad, &mut HashMap::new())
    }

    /// Each entry is judged once, however many paths of shared bases lead to it. All of them are
    /// [`Index::candidates`], so that their packs count.
    fn usable_within(
        &self,
        place: &BlobLocation,
        bad: &Entries,
        judged: &mut HashMap<BlobLocation, bool>,
    ) -> bool {
        if bad.contains(place) || place.depth > DEPTH_MAX {
            return false;
        }
        if place.bases.is_empty() {
            return true;
        }
        if let Some(known) = judged.get(place) {
            return *known;
        }
        if judged.len() >= VISITS_MAX {
            return false;
        }
        let usable = place.bases.iter().all(|base| {
            let mut bases = self.candidates(place.kind, base).into_iter();
            bases.any(|found| found.depth < place.depth && self.usable_within(&found, bad, judged))
        });
        judged.insert(place.clone(), usable);
        usable
    }
}

fn place_of(segment: &Segment, entry: &IndexEntry) -> Option<BlobLocation> {
    let pack = segment.packs().get(usize::try_from(entry.pack).ok()?)?;
    Some(BlobLocation {
        id: entry.id,
        kind: pack.kind,
        pack: pack.id,
        offset: entry.offset,
        stored: entry.stored,
        plain: entry.plain,
        salt: *segment.salts().get(usize::from(entry.salt))?,
        codec: entry.codec,
        depth: entry.depth,
        bases: entry.bases.clone(),
    })
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
