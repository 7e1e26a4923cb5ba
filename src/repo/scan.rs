//! Entries of the index by their rows, eight bytes each, to go through all of them.

use super::table::Table;
use super::{BlobLocation, Index};
use crate::error::Result;
use crate::id::{BaseId, PackId};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::ops::{ControlFlow, Range};

/// An entry of an index: its table there, and its row. It means nothing to another index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryRef {
    table: u32,
    row: u32,
}

/// Takes a pack and its rows, and says whether to go on.
pub type VisitPack<'v> = dyn FnMut(PackId, &[EntryRef]) -> Result<ControlFlow<()>> + 'v;

/// Rows that are held at once, unless a single pack has more; of a large index a sixteenth, so that
/// it is not gone through more often than that, and a byte an entry is held.
const ROWS_MOST: usize = 1 << 20;
const PARTS_MOST: usize = 16;

impl Index {
    /// The entry in a row.
    pub fn at(&self, row: EntryRef) -> Option<BlobLocation> {
        let table = self.tables().get(usize::try_from(row.table).ok()?)?;
        table.place(usize::try_from(row.row).ok()?)
    }

    /// Every pack that has entries, and how many.
    pub fn entries_by_pack(&self) -> BTreeMap<PackId, usize> {
        let mut packs = BTreeMap::new();
        for table in self.tables() {
            let rows = (0..table.rows()).filter_map(|row| table.pack_of(row));
            rows.for_each(|pack| *packs.entry(pack.id).or_default() += 1);
        }
        packs
    }

    /// Goes through these packs, each with its number of entries, in their order: hands out the rows of
    /// each, by their offsets, until told to stop. Held is a bounded number of rows, and the index is
    /// gone through once for each such part.
    ///
    /// # Errors
    /// Those of `visit`.
    pub fn each_pack(&self, packs: &[(PackId, usize)], visit: &mut VisitPack<'_>) -> Result<()> {
        for part in parts(packs, ROWS_MOST.max(self.len() / PARTS_MOST)) {
            let part = packs.get(part).unwrap_or_default();
            let rows = self.rows_of(part);
            let mut of_packs = rows.chunk_by(|(one, ..), (other, ..)| one == other).peekable();
            for (at, (pack, _)) in (0..).zip(part) {
                let is_its =
                    |rows: &&[(u32, u32, EntryRef)]| matches!(rows, [(of, ..), ..] if *of == at);
                let rows = of_packs.next_if(is_its).unwrap_or_default();
                let rows: Vec<EntryRef> = rows.iter().map(|(.., row)| *row).collect();
                if visit(*pack, &rows)?.is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Rows of these packs: place in the slice, offset, row; in that order.
    fn rows_of(&self, packs: &[(PackId, usize)]) -> Vec<(u32, u32, EntryRef)> {
        let wanted: HashMap<PackId, u32> = packs.iter().map(|(pack, _)| *pack).zip(0..).collect();
        let mut rows = Vec::with_capacity(packs.iter().map(|(_, entries)| entries).sum());
        for (number, table) in (0..).zip(self.tables()) {
            let at: Vec<Option<u32>> =
                table.packs().iter().map(|pack| wanted.get(&pack.id).copied()).collect();
            for (row, number_of_row) in (0..table.rows()).zip(0..) {
                let Some((pack, offset)) = table.pack_row_of(row) else { continue };
                if let Some(Some(at)) = at.get(pack) {
                    rows.push((*at, offset, EntryRef { table: number, row: number_of_row }));
                }
            }
        }
        rows.sort_unstable();
        rows
    }

    /// Every entry, in the order of ids.
    pub fn in_order(&self) -> impl Iterator<Item = BlobLocation> + '_ {
        // The next row of a table, of those from `row` on, that shows an entry.
        let head = |at: usize, row: usize| {
            let table = self.tables().get(at)?;
            (row..table.rows()).find_map(|row| Some(Reverse((table.id(row)?, at, row))))
        };
        let mut heads: BinaryHeap<_> =
            (0..self.tables().len()).filter_map(|table| head(table, 0)).collect();
        std::iter::from_fn(move || {
            loop {
                let Reverse((_, at, row)) = heads.pop()?;
                heads.extend(head(at, row + 1));
                if let Some(place) = self.tables().get(at).and_then(|table| table.place(row)) {
                    return Some(place);
                }
            }
        })
    }
}

/// Runs of packs that have no more than `most` entries together, or are a single one.
fn parts(packs: &[(PackId, usize)], most: usize) -> Vec<Range<usize>> {
    let mut parts: Vec<Range<usize>> = Vec::new();
    let mut room = 0;
    for (at, (_, entries)) in packs.iter().enumerate() {
        match parts.last_mut() {
            Some(part) if *entries <= room => part.end = at + 1,
            _ => {
                parts.push(at..at + 1);
                room = most;
            }
        }
        room = room.saturating_sub(*entries);
    }
    parts
}

/// A set of blobs: a bit for each entry of an index, and 16 bytes for each blob that has none.
#[derive(Clone)]
pub struct BlobSet<'i> {
    index: &'i Index,
    /// The number of rows before each table.
    before: Vec<usize>,
    bits: Vec<u64>,
    others: HashSet<BaseId>,
}

impl<'i> BlobSet<'i> {
    /// The empty set.
    pub fn new(index: &'i Index) -> Self {
        let mut rows = 0_usize;
        let before = index.tables().iter().map(|table| {
            rows += table.rows();
            rows - table.rows()
        });
        let before = before.collect();
        BlobSet { index, before, bits: vec![0; rows.div_ceil(64)], others: HashSet::new() }
    }

    /// Where the bit of a blob stands: that of its first entry.
    fn bit_of(&self, blob: &BaseId) -> Option<usize> {
        let mut tables = self.index.tables().iter().zip(&self.before);
        tables.find_map(|(table, before)| {
            let row = table.find(blob).find(|row| table.id(*row).is_some())?;
            Some(before + row)
        })
    }

    /// Whether a blob is in it.
    pub fn contains(&self, blob: &BaseId) -> bool {
        match self.bit_of(blob) {
            None => self.others.contains(blob),
            Some(at) => self.bits.get(at / 64).is_some_and(|bits| bits & 1 << (at % 64) != 0),
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = BaseId> + '_ {
        let tables = self.index.tables().iter().zip(&self.before);
        let of_table = move |(table, before): (&'i Table, &usize)| {
            let before = *before;
            let is_in = move |row: &usize| {
                let at = before + row;
                self.bits.get(at / 64).is_some_and(|bits| bits & 1 << (at % 64) != 0)
            };
            (0..table.rows()).filter(is_in).filter_map(move |row| Some(table.id(row)?.base()))
        };
        tables.flat_map(of_table).chain(self.others.iter().copied())
    }

    /// Adds a blob; whether it is new.
    pub fn insert(&mut self, blob: &BaseId) -> bool {
        let found = self.bit_of(blob);
        match found.and_then(|at| Some((self.bits.get_mut(at / 64)?, 1 << (at % 64)))) {
            None => self.others.insert(*blob),
            Some((bits, bit)) => {
                let new = *bits & bit == 0;
                *bits |= bit;
                new
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parts cover all packs in order, hold no more than they may, and a pack that alone has
    /// more is a part of its own.
    #[test]
    fn parts_are_bounded() {
        let packs: Vec<(PackId, usize)> =
            [3, 4, 3, 1, 25, 1, 9, 10].map(|entries| (PackId([0; 32]), entries)).into();
        assert_eq!(parts(&packs, 10), [0..3, 3..4, 4..5, 5..7, 7..8]);
        assert!(parts(&[], 10).is_empty());
    }
}
