//! Index segments (chapter 6): where each blob lies. Fixed-width entries, sorted by id, searched
//! in place.

use super::cursor::{Reader, length8, length32};
use super::pack::{Salt, check_blob, invalid};
use super::{BlobKind, Codec};
use crate::error::Result;
use crate::id::{BaseId, ChunkId, PackId};
use crate::limits::{BASES_MAX, INDEX_ENTRIES_MAX};
use std::ops::Range;

/// Bytes before the tables: four counts and the generation.
pub const HEADER: usize = 4 * 4 + 8;
/// Bytes of a row of the table of salts: key epoch, salt.
pub const SALT_ROW: usize = 4 + 32;
/// Bytes of a row of the table of packs: id, length, kind of blob, three zeros.
pub const PACK_ROW: usize = 32 + 4 + 4;
/// Bytes of an entry.
pub const ENTRY: usize = 56;
/// Bytes of a row of the table of bases: half a chunk's id.
pub const BASE_ROW: usize = 16;
/// Where in an entry the row of its pack stands.
const PACK: usize = 32;
/// Where in an entry the row of its first base stands.
const FIRST_BASE: usize = 32 + 4 * 4;

/// A pack as a segment names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackRow {
    /// The pack.
    pub id: PackId,
    /// Its length in bytes.
    pub size: u32,
    /// What its blobs hold.
    pub kind: BlobKind,
}

/// Where one blob lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// The blob.
    pub id: ChunkId,
    /// Row of its pack.
    pub pack: u32,
    /// First byte in the pack.
    pub offset: u32,
    /// Bytes in the pack.
    pub stored: u32,
    /// Bytes of plaintext.
    pub plain: u32,
    /// Row of its salt.
    pub salt: u16,
    /// How the plaintext became the payload.
    pub codec: Codec,
    /// 0 for a whole blob, else 1 + the greatest depth of its bases.
    pub depth: u8,
    /// Bases of a delta, in the order of the prefix.
    pub bases: Vec<BaseId>,
}

impl IndexEntry {
    /// The entry in the bytes of a row, still without its bases, and which rows of the table of bases
    /// these are.
    pub fn from_row(row: &[u8]) -> Option<(Self, Range<usize>)> {
        let mut reader = Reader::new(row, "");
        let id = ChunkId(reader.array().ok()?);
        let mut number = || reader.u32().ok();
        let (pack, offset, stored, plain, first) =
            (number()?, number()?, number()?, number()?, number()?);
        let salt = reader.u16().ok()?;
        let codec = Codec::from_number(reader.u8().ok()?)?;
        let packed = reader.u8().ok()?;
        let (depth, count) = (packed >> 4, usize::from(packed & 15));
        let first = usize::try_from(first).ok()?;
        let bases = Vec::new();
        let entry = IndexEntry { id, pack, offset, stored, plain, salt, codec, depth, bases };
        Some((entry, first..first.checked_add(count)?))
    }

    /// Appends its row, where its bases begin at `first_base`.
    pub fn write_row(&self, bytes: &mut Vec<u8>, first_base: usize) -> Result<()> {
        check_blob(self.codec, self.depth, self.bases.len(), self.stored, self.plain)
            .map_err(|reason| invalid("an index segment", reason))?;
        bytes.extend_from_slice(&self.id.0);
        let first_base = length32(first_base, "an index table")?;
        for number in [self.pack, self.offset, self.stored, self.plain, first_base] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.salt.to_le_bytes());
        let bases = length8(self.bases.len(), "bases")?;
        bytes.extend_from_slice(&[self.codec.number(), self.depth << 4 | bases]);
        Ok(())
    }
}

/// Where the pack of the entry in the bytes of a row stands in the table of packs, and the offset there.
pub fn pack_of_row(row: &[u8]) -> Option<(usize, u32)> {
    let mut reader = Reader::new(row.get(PACK..)?, "");
    let (pack, offset) = (reader.u32().ok()?, reader.u32().ok()?);
    Some((usize::try_from(pack).ok()?, offset))
}

/// A segment that is being put together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentBuilder {
    /// The newest collection that the writer had read; 0 for none.
    pub generation: u64,
    /// Salts that entries refer to.
    pub salts: Vec<Salt>,
    /// Packs that entries refer to.
    pub packs: Vec<PackRow>,
    /// Entries in any order.
    pub entries: Vec<IndexEntry>,
}

impl SegmentBuilder {
    /// The row of `salt`, added if it is new.
    pub fn salt_row(&mut self, salt: Salt) -> Result<u16> {
        let row = self.salts.iter().position(|known| *known == salt).unwrap_or_else(|| {
            self.salts.push(salt);
            self.salts.len() - 1
        });
        u16::try_from(row).map_err(|_| invalid("an index segment", "too many salts"))
    }

    /// The segment's bytes: entries sorted by id, then depth, then place.
    pub fn encode(mut self) -> Result<Vec<u8>> {
        self.entries.sort_by(|a, b| {
            (a.id, a.depth, a.pack, a.offset).cmp(&(b.id, b.depth, b.pack, b.offset))
        });
        let bases: usize = self.entries.iter().map(|entry| entry.bases.len()).sum();
        let heads = HEADER + self.salts.len() * SALT_ROW + self.packs.len() * PACK_ROW;
        let rows = self.entries.len() * ENTRY + bases * BASE_ROW;
        let mut bytes = Vec::with_capacity(heads + rows);
        for count in [self.salts.len(), self.packs.len(), self.entries.len(), bases] {
            bytes.extend_from_slice(&length32(count, "an index table")?.to_le_bytes());
        }
        bytes.extend_from_slice(&self.generation.to_le_bytes());
        for salt in &self.salts {
            bytes.extend_from_slice(&salt.epoch.to_le_bytes());
            bytes.extend_from_slice(&salt.bytes);
        }
        for pack in &self.packs {
            bytes.extend_from_slice(&pack.id.0);
            bytes.extend_from_slice(&pack.size.to_le_bytes());
            bytes.extend_from_slice(&[pack.kind.number(), 0, 0, 0]);
        }
        let mut first_base = 0;
        for entry in &self.entries {
            entry.write_row(&mut bytes, first_base)?;
            first_base += entry.bases.len();
        }
        for base in self.entries.iter().flat_map(|entry| &entry.bases) {
            bytes.extend_from_slice(&base.0);
        }
        Ok(bytes)
    }
}

/// A segment's bytes, checked once, then searched in place.
#[derive(Debug)]
pub struct Segment {
    bytes: Vec<u8>,
    generation: u64,
    salts: Vec<Salt>,
    packs: Vec<PackRow>,
    entries: Range<usize>,
    bases: usize,
}

impl Segment {
    /// Takes a segment's bytes; tables must fit, entries must be sorted and within bounds.
    pub fn decode(bytes: Vec<u8>, subject: &str) -> Result<Self> {
        let mut reader = Reader::new(&bytes, subject);
        let salts = reader.bounded(usize::from(u16::MAX), "the number of salts")?;
        let packs = reader.bounded(INDEX_ENTRIES_MAX, "the number of packs")?;
        let count = reader.bounded(INDEX_ENTRIES_MAX, "the number of entries")?;
        let bases = reader.bounded(INDEX_ENTRIES_MAX * BASES_MAX, "the number of bases")?;
        let generation = reader.u64()?;
        let salts = (0..salts)
            .map(|_| Ok(Salt { epoch: reader.u32()?, bytes: reader.array()? }))
            .collect::<Result<Vec<_>>>()?;
        let packs = (0..packs).map(|_| read_pack(&mut reader)).collect::<Result<Vec<_>>>()?;
        let start = bytes.len() - reader.rest().len();
        reader.bytes(count * ENTRY)?;
        let end = bytes.len() - reader.rest().len();
        reader.bytes(bases * BASE_ROW)?;
        reader.end()?;
        let segment = Segment { generation, salts, packs, entries: start..end, bases, bytes };
        segment.check(subject)?;
        Ok(segment)
    }

    fn check(&self, subject: &str) -> Result<()> {
        let damaged = |reason: &str| crate::error::Error::damaged("decode", subject, reason);
        let mut last: Option<(ChunkId, u8, u32, u32)> = None;
        let mut bases = 0;
        for row in 0..self.len() {
            let entry = self.entry(row).ok_or_else(|| damaged("an entry past its tables"))?;
            if self.first_base(row) != Some(bases) {
                return Err(damaged("bases are not in the order of the entries"));
            }
            bases += entry.bases.len();
            check_blob(entry.codec, entry.depth, entry.bases.len(), entry.stored, entry.plain)
                .map_err(damaged)?;
            let pack =
                self.packs.get(entry.pack as usize).ok_or_else(|| damaged("no such pack"))?;
            let end = u64::from(entry.offset) + u64::from(entry.stored);
            if end > u64::from(pack.size) {
                return Err(damaged("an entry past the end of its pack"));
            }
            if usize::from(entry.salt) >= self.salts.len() {
                return Err(damaged("no such salt"));
            }
            let place = (entry.id, entry.depth, entry.pack, entry.offset);
            if last.is_some_and(|before| before > place) {
                return Err(damaged("entries are not in order"));
            }
            last = Some(place);
        }
        if bases != self.bases {
            return Err(damaged("bases that no entry has"));
        }
        Ok(())
    }

    /// The newest collection that the writer had read; 0 for none.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The table of salts.
    pub fn salts(&self) -> &[Salt] {
        &self.salts
    }

    /// The table of packs.
    pub fn packs(&self) -> &[PackRow] {
        &self.packs
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len() / ENTRY
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entry in `row`, if there is one and its tables hold what it refers to.
    pub fn entry(&self, row: usize) -> Option<IndexEntry> {
        let (entry, bases) = IndexEntry::from_row(self.row(row)?)?;
        Some(IndexEntry { bases: self.bases_at(bases)?, ..entry })
    }

    /// The id of the entry in `row`, if there is one.
    pub fn id(&self, row: usize) -> Option<ChunkId> {
        self.row(row)?.first_chunk().copied().map(ChunkId)
    }

    /// Where the pack of the entry in `row` stands in the table of packs, and the offset there.
    pub fn pack_row_of(&self, row: usize) -> Option<(usize, u32)> {
        pack_of_row(self.row(row)?)
    }

    /// The pack of the entry in `row`.
    pub fn pack_of(&self, row: usize) -> Option<&PackRow> {
        self.packs.get(self.pack_row_of(row)?.0)
    }

    fn bases_at(&self, rows: Range<usize>) -> Option<Vec<BaseId>> {
        let table = self.bytes.get(self.entries.end..)?;
        rows.map(|row| table.get(row * BASE_ROW..)?.first_chunk::<BASE_ROW>().copied().map(BaseId))
            .collect()
    }

    fn first_base(&self, row: usize) -> Option<usize> {
        let bytes = self.row(row)?.get(FIRST_BASE..)?.first_chunk().copied()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    }

    fn row(&self, row: usize) -> Option<&[u8]> {
        self.bytes.get(self.entries.clone())?.get(row.checked_mul(ENTRY)?..)?.get(..ENTRY)
    }

    /// Rows whose ids begin with `base`.
    pub fn find(&self, base: &BaseId) -> Range<usize> {
        let prefix = |row: usize| self.row(row).and_then(|bytes| bytes.get(..16));
        let start = partition(self.len(), |row| prefix(row).is_some_and(|id| id < &base.0[..]));
        let end =
            (start..self.len()).find(|row| prefix(*row) != Some(&base.0[..])).unwrap_or(self.len());
        start..end
    }
}

/// The first of `0..length` for which `before` does not hold.
pub fn partition(length: usize, before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, length);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

fn read_pack(reader: &mut Reader<'_>) -> Result<PackRow> {
    let id = PackId(reader.array()?);
    let size = reader.u32()?;
    let [kind, zero @ ..] = reader.array::<4>()?;
    let kind = BlobKind::from_number(kind).filter(|_| zero == [0; 3]);
    let kind = kind.ok_or_else(|| reader.damaged("a pack of unknown kind"))?;
    Ok(PackRow { id, size, kind })
}
