//! A table of index entries in a file of the local cache: sorted, searched in place. In memory are
//! its head and its filter, about a byte and a half an entry; rows are read when they are asked for.

use super::blocks::{Blocks, KeptBlocks, Layout};
use super::filter::Filter;
use super::head::{Head, SegmentHead, read, wrong};
use super::mend::{Mender, Rebuild};
use crate::crypto::CacheKeys;
use crate::error::{Attempt, Error, Result};
use crate::format::BlobKind;
use crate::format::index::{BASE_ROW, ENTRY, IndexEntry, PackRow, pack_of_row, partition};
use crate::format::pack::Salt;
use crate::id::{BaseId, ChunkId, IndexId, hex};
use serde_bytes::ByteBuf;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempPath;

/// Entries to a block, and bases.
pub(super) const ENTRIES: Layout = Layout { width: ENTRY, rows: 96 };
pub(super) const BASES: Layout = Layout { width: BASE_ROW, rows: 256 };

/// What becomes of a segment whose entries are in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::repo) enum Shown {
    /// Its entries are in the index.
    Living,
    /// It is dead and still stored: they are in the index for deletions alone.
    Dead,
    /// It is not stored any more, or shown by another table.
    Gone,
}

/// A table in a file.
pub(in crate::repo) struct FileTable {
    path: PathBuf,
    /// Of its head, and so of all of it.
    mac: [u8; 32],
    mender: Mender,
    segments: Vec<(SegmentHead, Shown)>,
    /// Whether dead segments are in the index too.
    whole: bool,
    packs: Vec<PackRow>,
    /// Of each row of `packs`: its segment.
    segment_of: Vec<u32>,
    entries: Blocks,
    bases: Blocks,
    /// Eight bytes of each block.
    fences: Vec<u8>,
    filter: Filter,
}

impl FileTable {
    /// Opens a file, of which everything but the rows is proved now.
    pub(super) fn open(
        path: &Path,
        file: File,
        keys: &CacheKeys,
        kept: &Arc<KeptBlocks>,
    ) -> Result<Self> {
        let (head, head_at, mac) = Head::read(&file, keys)?;
        let (rows, bases) = (length(head.rows)?, length(head.bases)?);
        let bases_at = (rows as u64).checked_mul(ENTRY as u64);
        let filter_at =
            bases_at.and_then(|at| at.checked_add(head.bases.checked_mul(BASE_ROW as u64)?));
        let ends = filter_at.and_then(|at| at.checked_add(head.filter)) == Some(head_at);
        let (Some(bases_at), Some(filter_at), true) = (bases_at, filter_at, ends) else {
            return Err(wrong("its parts do not fit"));
        };
        let filter = read(&file, filter_at, head.filter)?;
        if keys.block(&filter) != *head.filter_mac {
            return Err(wrong("its filter is not what was written"));
        }
        let Head { mut segments, row_macs, base_macs, fences, .. } = head;
        let blocks = |layout, start, rows, macs: ByteBuf| {
            Blocks::new(layout, start, rows, keys.clone(), macs.into_vec(), Arc::clone(kept))
        };
        let entries = blocks(ENTRIES, 0, rows, row_macs);
        let bases = blocks(BASES, bases_at, bases, base_macs);
        let filter = Filter::from_bytes(filter);
        let (Some(entries), Some(bases), Some(filter)) = (entries, bases, filter) else {
            return Err(wrong("its parts do not fit"));
        };
        let (packs, segment_of) = take_packs(&mut segments)?;
        Ok(FileTable {
            path: path.to_owned(),
            mac,
            mender: Mender::of(file),
            segments: segments.into_iter().map(|segment| (segment, Shown::Living)).collect(),
            whole: false,
            packs,
            segment_of,
            entries,
            bases,
            fences: fences.into_vec(),
            filter,
        })
    }

    /// Gives the file a name that says what is in it: another process that makes the same makes the same file.
    pub(super) fn keep(&mut self, temp: TempPath, folder: &Path, extension: &str) -> Result<()> {
        let name = hex(self.mac.split_at(16).0);
        self.path = folder.join(name).with_extension(extension);
        let kept = temp.persist(&self.path).map_err(|error| error.error);
        kept.attempt("write", self.path.display())
    }

    /// Decides what becomes of each segment, by its id and its object's length.
    pub(in crate::repo) fn show(&mut self, mut decide: impl FnMut(IndexId, u64) -> Shown) {
        for (segment, shown) in &mut self.segments {
            *shown = decide(segment.id, segment.size);
        }
    }

    /// Decides it anew of those that are not gone, by their ids and generations.
    pub(in crate::repo) fn judge(&mut self, decide: impl Fn(IndexId, u64) -> Shown) {
        for (segment, shown) in &mut self.segments {
            if *shown != Shown::Gone {
                *shown = decide(segment.id, segment.generation);
            }
        }
    }

    pub(in crate::repo) fn path(&self) -> &Path {
        &self.path
    }

    /// Tells one table from another.
    pub(in crate::repo) fn mac(&self) -> [u8; 32] {
        self.mac
    }

    /// From now on its file is made anew by this, once, if a part of it turns out to be wrong.
    pub(in crate::repo) fn rebuild_by(&mut self, rebuild: Rebuild) {
        self.mender.rebuild_by(rebuild);
    }

    /// The file that it is read from.
    pub(in crate::repo) fn into_file(self) -> Arc<File> {
        self.mender.file()
    }

    /// All segments that were put into it, and the lengths of their objects.
    pub(in crate::repo) fn sources(&self) -> Vec<(IndexId, u64)> {
        self.segments.iter().map(|(head, _)| (head.id, head.size)).collect()
    }

    /// Entries of segments that are stored.
    pub(in crate::repo) fn kept(&self) -> usize {
        self.entries_of(|shown| shown != Shown::Gone)
    }

    fn entries_of(&self, wanted: impl Fn(Shown) -> bool) -> usize {
        let segments = self.segments.iter().filter(|(_, shown)| wanted(*shown));
        segments.map(|(head, _)| usize::try_from(head.entries).unwrap_or(0)).sum()
    }

    /// Why rows of it could not be read, if that ever was so.
    pub(in crate::repo) fn failure(&self) -> Option<&Error> {
        self.mender.failure()
    }

    /// Its segments, their state, and the packs that they name.
    pub(super) fn segments(&self) -> impl Iterator<Item = (&SegmentHead, Shown, &[PackRow])> {
        (0..).zip(&self.segments).map(|(at, (head, shown))| {
            let first = self.segment_of.partition_point(|of| *of < at);
            let end = self.segment_of.partition_point(|of| *of <= at);
            (head, *shown, self.packs.get(first..end).unwrap_or_default())
        })
    }

    /// Those that are dead.
    pub(in crate::repo) fn dead(&self) -> impl Iterator<Item = IndexId> {
        self.segments.iter().filter(|(_, shown)| *shown == Shown::Dead).map(|(head, _)| head.id)
    }

    /// Those that are alive, and the packs that they name.
    pub(in crate::repo) fn living(&self) -> impl Iterator<Item = (&SegmentHead, &[PackRow])> {
        let segments = self.segments().filter(|(_, shown, _)| *shown == Shown::Living);
        segments.map(|(head, _, packs)| (head, packs))
    }

    /// All rows, also those of segments that are not in the index.
    pub(in crate::repo) fn rows(&self) -> usize {
        self.entries.rows()
    }

    /// Entries that are in the index.
    pub(in crate::repo) fn len(&self) -> usize {
        self.entries_of(|shown| self.shows(shown))
    }

    /// The table of packs, also of segments that are not in the index.
    pub(in crate::repo) fn packs(&self) -> &[PackRow] {
        &self.packs
    }

    /// Shows the entries of dead segments, too.
    pub(in crate::repo) fn show_dead(&mut self) {
        self.whole = true;
    }

    fn shows(&self, shown: Shown) -> bool {
        match shown {
            Shown::Living => true,
            Shown::Dead => self.whole,
            Shown::Gone => false,
        }
    }

    /// The segment of a row of the table of packs.
    fn segment_of(&self, pack: usize) -> Option<&(SegmentHead, Shown)> {
        self.segments.get(usize::try_from(*self.segment_of.get(pack)?).ok()?)
    }

    /// Whether a row of the table of packs is of a segment that is in the index.
    pub(in crate::repo) fn is_shown(&self, pack: usize) -> bool {
        self.segment_of(pack).is_some_and(|(_, shown)| self.shows(*shown))
    }

    /// Whether it is of a live one.
    pub(in crate::repo) fn is_living(&self, pack: usize) -> bool {
        self.segment_of(pack).is_some_and(|(_, shown)| *shown == Shown::Living)
    }

    /// Rows whose ids begin with `base`, also of segments that are not in the index.
    pub(in crate::repo) fn find(&self, base: &BaseId) -> Range<usize> {
        self.find_in_blocks(base).unwrap_or_default()
    }

    fn find_in_blocks(&self, base: &BaseId) -> Option<Range<usize>> {
        if !self.filter.may_contain(base) {
            return None;
        }
        let fence = fence_of(base);
        let (fences, _) = self.fences.as_chunks();
        let is_before = |first: &[u8; 8]| u64::from_be_bytes(*first) < fence;
        let block = fences.partition_point(is_before).saturating_sub(1);
        let (rows, bytes) = (self.entries.rows_of(block), self.block(&self.entries, block)?);
        let is_before = |row: usize| {
            bytes
                .get(row * ENTRY..)
                .and_then(|row| row.get(..16))
                .is_some_and(|id| id < &base.0[..])
        };
        let start = rows.start + partition(rows.len(), is_before);
        let has_other = |row: &usize| self.id_in(*row).map(|id| id.base()) != Some(*base);
        let end = (start..self.rows()).find(has_other).unwrap_or(self.rows());
        Some(start..end)
    }

    fn block(&self, blocks: &Blocks, block: usize) -> Option<Arc<[u8]>> {
        self.mender.read(|file| blocks.read(file, block))
    }

    fn with_row<T>(
        &self,
        blocks: &Blocks,
        row: usize,
        read: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Option<T> {
        let (block, place) = blocks.place_of(row)?;
        read(self.block(blocks, block)?.get(place)?)
    }

    fn id_in(&self, row: usize) -> Option<ChunkId> {
        self.with_row(&self.entries, row, |row| row.first_chunk().copied().map(ChunkId))
    }

    /// Where the pack of the entry in `row` stands in the table of packs, and the offset there.
    pub(in crate::repo) fn pack_row_of(&self, row: usize) -> Option<(usize, u32)> {
        let found = self.with_row(&self.entries, row, pack_of_row)?;
        self.is_shown(found.0).then_some(found)
    }

    /// The id of the entry in `row`.
    pub(in crate::repo) fn id(&self, row: usize) -> Option<ChunkId> {
        let of_row = |row: &[u8]| Some((pack_of_row(row)?.0, ChunkId(*row.first_chunk()?)));
        let (pack, id) = self.with_row(&self.entries, row, of_row)?;
        self.is_shown(pack).then_some(id)
    }

    /// The entry in `row`, and the salt that it was sealed under.
    pub(in crate::repo) fn entry(&self, row: usize) -> Option<(IndexEntry, Salt)> {
        let entry = self.stored(row)?;
        let of = self.segment_of(usize::try_from(entry.pack).ok()?);
        let (head, _) = of.filter(|(_, shown)| self.shows(*shown))?;
        let (epoch, bytes) = head.salts.get(usize::from(entry.salt))?;
        let salt = Salt { epoch: *epoch, bytes: bytes.into_array() };
        Some((entry, salt))
    }

    /// The entry in `row`, also of a segment that is not in the index.
    pub(super) fn stored(&self, row: usize) -> Option<IndexEntry> {
        let (entry, bases) = self.with_row(&self.entries, row, IndexEntry::from_row)?;
        let base = |row| self.with_row(&self.bases, row, |row| Some(BaseId(row.try_into().ok()?)));
        let bases = bases.map(base).collect::<Option<_>>()?;
        Some(IndexEntry { bases, ..entry })
    }
}

/// What stands in the fences for an id.
pub(super) fn fence_of(base: &BaseId) -> u64 {
    base.0.first_chunk().copied().map_or(0, u64::from_be_bytes)
}

/// The packs of all segments, which then stand here alone, and the segment of each.
fn take_packs(segments: &mut [SegmentHead]) -> Result<(Vec<PackRow>, Vec<u32>)> {
    let count = segments.iter().map(|segment| segment.packs.len()).sum();
    let (mut packs, mut segment_of) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for (at, segment) in (0..).zip(segments) {
        for (id, size, kind) in std::mem::take(&mut segment.packs) {
            let kind = BlobKind::from_number(kind).ok_or_else(|| wrong("an unknown kind"))?;
            packs.push(PackRow { id, size, kind });
            segment_of.push(at);
        }
    }
    Ok((packs, segment_of))
}

fn length(number: u64) -> Result<usize> {
    u32::try_from(number)
        .ok()
        .and_then(|number| usize::try_from(number).ok())
        .ok_or_else(|| wrong("it is too long"))
}

impl std::fmt::Debug for FileTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileTable").field("path", &self.path).finish_non_exhaustive()
    }
}
