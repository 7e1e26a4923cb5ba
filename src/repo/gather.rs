//! The tables of an index, put together of what the local cache has and what is read from the store.
//! With a cache, memory holds a bounded number of segments at once, and the cache has a few tables at
//! the end: as in a log-structured merge tree, smaller ones are put together as they grow many.

use super::Generations;
use super::cache::{FileTable, LocalCache, NewSegment, Shown};
use super::segments::SegmentReader;
use super::table::Table;
use crate::backend::Listed;
use crate::error::{Error, Kind, Result};
use crate::format::cursor::length32;
use crate::format::index::{Segment, SegmentBuilder};
use crate::id::{IndexId, PackId};
use crate::limits::INDEX_ENTRIES_MAX;
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::sync::Arc;

/// Entries of segments that wait in memory to be written to the cache together.
const WAITING: usize = INDEX_ENTRIES_MAX;

/// Most rows of a table.
const ROWS_MOST: usize = u32::MAX as usize;

/// Smaller segments than this are merged in memory, so that few have to be searched.
const SMALL: usize = INDEX_ENTRIES_MAX / 4;

/// Salts of one merged segment: each writer brings its own.
const SALTS_TOGETHER: usize = 1 << 12;

/// The tables of an index.
pub(super) struct Gathered {
    /// The segments that are alive.
    pub(super) names: Vec<IndexId>,
    /// The others that are stored.
    pub(super) dead: Vec<IndexId>,
    pub(super) tables: Arc<[Table]>,
    /// Packs that no segment names which is certain to stay alive.
    pub(super) uncertain: HashSet<PackId>,
}

/// Tables that are being put together.
pub(super) struct Gather {
    /// None if there is no cache, or if it cannot be written to.
    cache: Option<Arc<LocalCache>>,
    reader: SegmentReader,
    tables: Vec<FileTable>,
    /// The segments in `tables`, and those to be in none.
    known: HashSet<IndexId>,
    lost: HashSet<IndexId>,
    /// Segments that are in no table yet.
    waiting: Vec<NewSegment>,
}

impl Gather {
    /// Begins with what the cache has of the segments that are stored.
    pub(super) fn begin(
        cache: Option<Arc<LocalCache>>,
        reader: SegmentReader,
        listed: &BTreeMap<IndexId, Listed>,
    ) -> Self {
        let mut known = HashSet::new();
        let mut tables = cache.as_ref().map(|cache| cache.tables()).unwrap_or_default();
        for table in &mut tables {
            table.show(|id, size| {
                let is_stored = listed.get(&id).is_some_and(|object| object.size == size);
                if is_stored && known.insert(id) { Shown::Living } else { Shown::Gone }
            });
        }
        tables.retain(|table| {
            let is_useful = table.living().next().is_some();
            if !is_useful {
                LocalCache::remove(table.path());
            }
            is_useful
        });
        let (lost, waiting) = (HashSet::new(), Vec::new());
        let mut gather = Gather { cache, reader, tables: Vec::new(), known, lost, waiting };
        tables.into_iter().for_each(|table| gather.push(table));
        gather
    }

    /// Whether a segment need not be read.
    pub(super) fn has(&self, id: &IndexId) -> bool {
        self.known.contains(id)
    }

    /// Takes a segment that was read from the store.
    pub(super) fn add(&mut self, id: IndexId, size: u64, segment: Segment) {
        if self.known.insert(id) {
            self.waiting.push(NewSegment { id, size, segment });
            if entries_of(&self.waiting) >= WAITING {
                self.write(&[]);
            }
        }
    }

    /// A segment turned out to be damaged in the store: what the cache has of it must not cover that up.
    pub(super) fn lose(&mut self, id: IndexId) {
        self.lost.insert(id);
    }

    /// The tables, in which all shows that is alive; and what is dead, if the `whole` index is wanted.
    pub(super) fn finish(mut self, generations: &Generations, whole: bool) -> Result<Gathered> {
        for table in &mut self.tables {
            if table.living().any(|(segment, _)| self.lost.contains(&segment.id)) {
                LocalCache::remove(table.path());
                table.judge(
                    |id, _| if self.lost.contains(&id) { Shown::Gone } else { Shown::Living },
                );
            }
        }
        self.settle();
        for table in &mut self.tables {
            table.judge(|id, generation| match generations.segment_lives(&id, generation) {
                true => Shown::Living,
                false => Shown::Dead,
            });
            if whole {
                table.show_dead();
            }
        }
        let Gather { waiting, tables, .. } = self;
        let (waiting, dead): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|new| generations.segment_lives(&new.id, new.segment.generation()));
        let uncertain = uncertain_packs(generations, &waiting, &tables);
        let mut names: Vec<IndexId> = waiting.iter().map(|new| new.id).collect();
        names.extend(tables.iter().flat_map(FileTable::living).map(|(segment, _)| segment.id));
        let dead_names = dead.iter().map(|new| new.id);
        let dead_names = dead_names.chain(tables.iter().flat_map(FileTable::dead)).collect();
        let files = tables.into_iter().map(|table| Table::File(Box::new(table)));
        let shown = dead.into_iter().filter(|_| whole).collect();
        let all = in_memory(waiting, true)?.chain(in_memory(shown, false)?).chain(files);
        Ok(Gathered { names, dead: dead_names, tables: all.collect(), uncertain })
    }

    /// Writes what waits, together with the tables that are small beside it or beside each other.
    fn settle(&mut self) {
        let merged = self.to_merge();
        let is_worth = !self.waiting.is_empty() || merged.len() > 1;
        let is_waste = |at: &usize| self.tables.get(*at).is_some_and(is_half_gone);
        if (is_worth || merged.iter().any(is_waste)) && !self.write(&merged) && !merged.is_empty() {
            // One of the tables may have been at fault.
            self.write(&[]);
        }
    }

    /// Which tables are put together: the largest run of the smallest of them in which the last has
    /// less than twice the rows of all others, and those of which half is gone.
    fn to_merge(&self) -> Vec<usize> {
        let mut by_size: Vec<usize> = (0..self.tables.len()).collect();
        let rows_of = |at: usize| self.tables.get(at).map_or(0, FileTable::rows);
        by_size.sort_by_key(|at| rows_of(*at));
        let (mut rows, mut merged) = (entries_of(&self.waiting), 0);
        for (count, at) in (1..).zip(&by_size) {
            if rows_of(*at) < rows.saturating_mul(2) {
                merged = count;
            }
            rows = rows.saturating_add(rows_of(*at));
            if rows > ROWS_MOST {
                break;
            }
        }
        let chosen = by_size.into_iter().enumerate().filter(|(order, at)| {
            *order < merged || self.tables.get(*at).is_some_and(is_half_gone)
        });
        chosen.map(|(_, at)| at).collect()
    }

    /// Writes what waits and these tables as one; whether that could be done.
    fn write(&mut self, merged: &[usize]) -> bool {
        let Some(cache) = &self.cache else { return false };
        if merged.is_empty() && self.waiting.is_empty() {
            return true;
        }
        let tables: Vec<&FileTable> = merged.iter().filter_map(|at| self.tables.get(*at)).collect();
        let Ok(table) = cache.write(&self.waiting, &tables) else {
            // Without a place to write to, everything stays in memory.
            self.cache = self.cache.take().filter(|_| !merged.is_empty());
            return false;
        };
        let mut at = 0..;
        self.tables.retain(|old| {
            let is_merged = at.next().is_some_and(|at| merged.contains(&at));
            if is_merged && old.path() != table.path() {
                LocalCache::remove(old.path());
            }
            !is_merged
        });
        self.waiting.clear();
        self.push(table);
        true
    }

    /// From now on a table is made anew from the store if a part of its file turns out to be wrong.
    fn push(&mut self, mut table: FileTable) {
        if let Some(cache) = self.cache.clone() {
            let reader = self.reader.clone();
            let (segments, mac) = (table.sources(), table.mac());
            let path = table.path().to_owned();
            table.rebuild_by(Box::new(move || {
                // Should it fail, the next to come begins without this table.
                rebuild(&cache, &reader, &segments, mac).inspect_err(|_| LocalCache::remove(&path))
            }));
        }
        self.tables.push(table);
    }
}

/// Packs of live segments that none names which is certain to stay alive.
fn uncertain_packs(
    generations: &Generations,
    segments: &[NewSegment],
    tables: &[FileTable],
) -> HashSet<PackId> {
    let is_certain = |id, generation| generations.segment_is_certain(id, generation);
    let (mut certain, mut others) = (HashSet::new(), HashSet::new());
    for NewSegment { id, segment, .. } in segments {
        let named = if is_certain(id, segment.generation()) { &mut certain } else { &mut others };
        named.extend(segment.packs().iter().map(|pack| pack.id));
    }
    for (segment, packs) in tables.iter().flat_map(FileTable::living) {
        let is_certain = is_certain(&segment.id, segment.generation);
        let named = if is_certain { &mut certain } else { &mut others };
        named.extend(packs.iter().map(|pack| pack.id));
    }
    &others - &certain
}

/// Makes the file of a table anew.
fn rebuild(
    cache: &Arc<LocalCache>,
    reader: &SegmentReader,
    segments: &[(IndexId, u64)],
    mac: [u8; 32],
) -> Result<Arc<File>> {
    let (known, lost, waiting) = (HashSet::new(), HashSet::new(), Vec::new());
    let (cache, reader) = (Some(Arc::clone(cache)), reader.clone());
    let mut gather = Gather { cache, reader, tables: Vec::new(), known, lost, waiting };
    for (id, size) in segments {
        gather.add(*id, *size, gather.reader.read(*id)?);
    }
    let all: Vec<usize> = (0..gather.tables.len()).collect();
    let is_written = gather.write(&all);
    match gather.tables.pop().filter(|table| is_written && table.mac() == mac) {
        Some(table) => Ok(table.into_file()),
        None => Err(Error::new(Kind::Unavailable, "make anew", "a file of the local cache")),
    }
}

fn entries_of(segments: &[NewSegment]) -> usize {
    segments.iter().map(|new| new.segment.len()).sum()
}

fn is_half_gone(table: &FileTable) -> bool {
    table.kept() < table.rows() / 2
}

/// Tables in memory, of segments that are alive or not.
fn in_memory(segments: Vec<NewSegment>, live: bool) -> Result<impl Iterator<Item = Table>> {
    let merged = merge_small(segments.into_iter().map(|new| new.segment).collect())?;
    Ok(merged.into_iter().map(move |segment| Table::Memory(segment, live)))
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
    let first = length32(builder.packs.len(), "index packs")?;
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
