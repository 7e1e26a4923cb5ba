//! A sorted table of index entries: a segment in memory, or a file of the local cache. Rows of it that
//! are not in the index show nothing.

use super::BlobLocation;
use super::cache::FileTable;
use crate::error::Error;
use crate::format::index::{PackRow, Segment};
use crate::id::{BaseId, ChunkId};
use std::ops::Range;

/// A sorted table.
#[derive(Debug)]
pub(super) enum Table {
    /// All of it is in the index, and is alive or not.
    Memory(Segment, bool),
    /// Some of its rows may be of segments that are not.
    File(Box<FileTable>),
}

impl Table {
    /// All rows, also those that show nothing.
    pub(super) fn rows(&self) -> usize {
        match self {
            Table::Memory(segment, _) => segment.len(),
            Table::File(table) => table.rows(),
        }
    }

    /// Why rows of it could not be read, if that ever was so.
    pub(super) fn failure(&self) -> Option<&Error> {
        match self {
            Table::Memory(..) => None,
            Table::File(table) => table.failure(),
        }
    }

    /// Number of entries.
    pub(super) fn len(&self) -> usize {
        match self {
            Table::Memory(segment, _) => segment.len(),
            Table::File(table) => table.len(),
        }
    }

    /// The table of packs, also of those that are not in the index.
    pub(super) fn packs(&self) -> &[PackRow] {
        match self {
            Table::Memory(segment, _) => segment.packs(),
            Table::File(table) => table.packs(),
        }
    }

    /// The packs that are in the index, some of them more than once.
    pub(super) fn packs_shown(&self) -> impl Iterator<Item = &PackRow> {
        let is_shown = |row: usize| match self {
            Table::Memory(..) => true,
            Table::File(table) => table.is_shown(row),
        };
        self.packs().iter().enumerate().filter(move |(row, _)| is_shown(*row)).map(|(_, pack)| pack)
    }

    /// Whether a row of the table of packs is of a live segment.
    pub(super) fn names_living(&self, pack: usize) -> bool {
        match self {
            Table::Memory(_, lives) => *lives,
            Table::File(table) => table.is_living(pack),
        }
    }

    /// Whether the entry in `row` is of a live segment.
    pub(super) fn is_living(&self, row: usize) -> bool {
        self.pack_row_of(row).is_some_and(|(pack, _)| self.names_living(pack))
    }

    /// Rows whose ids begin with `base`.
    pub(super) fn find(&self, base: &BaseId) -> Range<usize> {
        match self {
            Table::Memory(segment, _) => segment.find(base),
            Table::File(table) => table.find(base),
        }
    }

    /// The entry in `row`.
    pub(super) fn place(&self, row: usize) -> Option<BlobLocation> {
        let (entry, salt) = match self {
            Table::Memory(segment, _) => {
                let entry = segment.entry(row)?;
                let salt = *segment.salts().get(usize::from(entry.salt))?;
                (entry, salt)
            }
            Table::File(table) => table.entry(row)?,
        };
        let pack = self.packs().get(usize::try_from(entry.pack).ok()?)?;
        Some(BlobLocation::of(entry, pack, salt))
    }

    /// The id of the entry in `row`.
    pub(super) fn id(&self, row: usize) -> Option<ChunkId> {
        match self {
            Table::Memory(segment, _) => segment.id(row),
            Table::File(table) => table.id(row),
        }
    }

    /// Where the pack of the entry in `row` stands in the table of packs, and the offset there.
    pub(super) fn pack_row_of(&self, row: usize) -> Option<(usize, u32)> {
        match self {
            Table::Memory(segment, _) => segment.pack_row_of(row),
            Table::File(table) => table.pack_row_of(row),
        }
    }

    /// The pack of the entry in `row`.
    pub(super) fn pack_of(&self, row: usize) -> Option<&PackRow> {
        self.packs().get(self.pack_row_of(row)?.0)
    }
}
