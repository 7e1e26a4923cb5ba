//! Tables out of segments and other tables. The same segments give the same bytes, however they are put
//! together.

use super::blocks::BlockWriter;
use super::filter::Filter;
use super::head::{Head, SegmentHead, wrong};
use super::table::{BASES, ENTRIES, FileTable, Shown, fence_of};
use crate::crypto::CacheKeys;
use crate::error::{Attempt, Result};
use crate::format::cursor::length32;
use crate::format::index::{IndexEntry, PackRow, Segment};
use crate::id::{IndexId, PackId};
use serde_bytes::{ByteArray, ByteBuf};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};

/// A segment that was read from the store.
pub(in crate::repo) struct NewSegment {
    pub(in crate::repo) id: IndexId,
    /// Length of its object.
    pub(in crate::repo) size: u64,
    pub(in crate::repo) segment: Segment,
}

/// What goes into a table.
pub(super) struct Merge<'m> {
    segments: &'m [NewSegment],
    tables: &'m [&'m FileTable],
    /// In the order of their ids.
    heads: Vec<SegmentHead>,
    /// The row of the first pack of each segment.
    first_packs: HashMap<IndexId, u32>,
}

/// Entries in order, one after the other.
type Entries<'m> = Box<dyn Iterator<Item = IndexEntry> + 'm>;

impl<'m> Merge<'m> {
    pub(super) fn of(segments: &'m [NewSegment], tables: &'m [&'m FileTable]) -> Result<Self> {
        let old = tables.iter().flat_map(|table| table.segments()).filter_map(kept);
        let mut heads: Vec<SegmentHead> = segments.iter().map(head_of).chain(old).collect();
        heads.sort_by_key(|head| head.id);
        let (mut first_packs, mut packs) = (HashMap::new(), 0);
        for head in &heads {
            first_packs.insert(head.id, length32(packs, "packs of a table")?);
            packs += head.packs.len();
        }
        Ok(Merge { segments, tables, heads, first_packs })
    }

    /// Writes the table into a file, with `scratch` for what comes behind.
    pub(super) fn write(self, file: File, mut scratch: File, keys: &CacheKeys) -> Result<File> {
        let entries: u64 = self.heads.iter().map(|head| head.entries).sum();
        let mut filter = Filter::new(usize::try_from(entries).unwrap_or(usize::MAX));
        let mut fences = Vec::new();
        let mut rows = BlockWriter::new(ENTRIES, keys.clone(), BufWriter::new(file));
        let mut bases = BlockWriter::new(BASES, keys.clone(), BufWriter::new(&mut scratch));
        for entry in self.in_order() {
            let id = entry.id.base();
            filter.insert(&id);
            if rows.begins() {
                fences.extend_from_slice(&fence_of(&id).to_be_bytes());
            }
            rows.push(|row| entry.write_row(row, bases.rows()))?;
            for base in &entry.bases {
                bases.push(|row| {
                    row.extend_from_slice(&base.0);
                    Ok(())
                })?;
            }
        }
        let counts = (rows.rows() as u64, bases.rows() as u64);
        if counts.0 != entries {
            return Err(wrong("entries of it cannot be read"));
        }
        let (mut file, row_macs) = rows.finish()?;
        let (_, base_macs) = bases.finish()?;
        scratch.rewind().and_then(|()| io::copy(&mut scratch, &mut file)).attempt("write", FILE)?;
        let head = Head {
            segments: self.heads,
            rows: counts.0,
            bases: counts.1,
            row_macs: ByteBuf::from(row_macs),
            base_macs: ByteBuf::from(base_macs),
            fences: ByteBuf::from(fences),
            filter: filter.bytes().len() as u64,
            filter_mac: ByteArray::new(keys.block(filter.bytes())),
        };
        let rest = [filter.bytes(), &head.encode(keys)?].concat();
        file.write_all(&rest).and_then(|()| file.flush()).attempt("write", FILE)?;
        file.into_inner().map_err(io::IntoInnerError::into_error).attempt("write", FILE)
    }

    /// All entries by id, depth, pack and offset; their packs are rows of the new table.
    fn in_order(&self) -> impl Iterator<Item = IndexEntry> {
        let segments = self.segments.iter().map(|new| self.of_segment(new));
        let tables = self.tables.iter().map(|table| self.of_table(table));
        let mut sources: Vec<Entries<'_>> = segments.chain(tables).collect();
        let mut heads = BinaryHeap::new();
        let mut next = move |heads: &mut BinaryHeap<_>, at: usize| {
            let entry = sources.get_mut(at).and_then(Iterator::next);
            heads.extend(entry.map(|entry| Reverse(Next { at, entry })));
        };
        for at in 0..self.segments.len() + self.tables.len() {
            next(&mut heads, at);
        }
        std::iter::from_fn(move || {
            let Reverse(Next { at, entry }) = heads.pop()?;
            next(&mut heads, at);
            Some(entry)
        })
    }

    fn of_segment(&self, new: &'m NewSegment) -> Entries<'m> {
        let first = self.first_packs.get(&new.id).copied().unwrap_or_default();
        Box::new((0..new.segment.len()).filter_map(move |row| {
            let entry = new.segment.entry(row)?;
            Some(IndexEntry { pack: entry.pack.checked_add(first)?, ..entry })
        }))
    }

    fn of_table(&self, table: &'m FileTable) -> Entries<'m> {
        let mut packs: Vec<Option<u32>> = Vec::with_capacity(table.packs().len());
        for (head, shown, named) in table.segments() {
            let first = self.first_packs.get(&head.id).filter(|_| shown != Shown::Gone);
            packs.extend((0..).zip(named).map(|(row, _)| first?.checked_add(row)));
        }
        Box::new((0..table.rows()).filter_map(move |row| {
            let entry = table.stored(row)?;
            let pack = (*packs.get(usize::try_from(entry.pack).ok()?)?)?;
            Some(IndexEntry { pack, ..entry })
        }))
    }
}

const FILE: &str = "a file of the local cache";

/// The next entry of a source.
struct Next {
    at: usize,
    entry: IndexEntry,
}

impl Next {
    fn key(&self) -> impl Ord + use<> {
        let IndexEntry { id, depth, pack, offset, .. } = self.entry;
        (id, depth, pack, offset, self.at)
    }
}

impl Ord for Next {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Next {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Next {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Next {}

fn head_of(new: &NewSegment) -> SegmentHead {
    let NewSegment { id, size, segment } = new;
    let (entries, generation) = (segment.len() as u64, segment.generation());
    let salts = segment.salts().iter().map(|salt| (salt.epoch, ByteArray::new(salt.bytes)));
    let packs = segment.packs().iter().map(named);
    let (salts, packs) = (salts.collect(), packs.collect());
    SegmentHead { id: *id, size: *size, generation, entries, salts, packs }
}

/// What a table passes on: all of segments that are stored.
fn kept((head, shown, packs): (&SegmentHead, Shown, &[PackRow])) -> Option<SegmentHead> {
    let packs = packs.iter().map(named).collect();
    (shown != Shown::Gone).then(|| SegmentHead { packs, ..head.clone() })
}

fn named(pack: &PackRow) -> (PackId, u32, u8) {
    (pack.id, pack.size, pack.kind.number())
}
