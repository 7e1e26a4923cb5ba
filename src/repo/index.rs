//! The index: where each blob lies, over all segments, and which entries are usable.

use super::location::Entries;
use super::standing::Standing;
use super::table::Table;
use super::{BlobLocation, Generations};
use crate::backend::Handle;
use crate::error::Error;
use crate::format::BlobKind;
use crate::format::index::{IndexEntry, PackRow, Segment};
use crate::format::note::Damage;
use crate::id::{BaseId, ChunkId, IndexId, PackId};
use crate::limits::{CLOSURE_READ_MAX, DEPTH_MAX};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The entries of all live segments, in sorted tables; for deletions, those of dead ones too.
#[derive(Debug, Default)]
pub struct Index {
    pub(super) tables: Arc<[Table]>,
    /// Which live segments they are of.
    pub(super) names: Vec<IndexId>,
    /// The others that are stored.
    pub(super) dead: Vec<IndexId>,
    pub(super) generations: Generations,
    pub(super) standing: Standing,
    /// Packs that no segment names which is certain to stay alive (chapter 11, C3).
    pub(super) uncertain: HashSet<PackId>,
    /// Segments and notes that are missing, and why.
    pub(super) troubles: Vec<(Handle, Error)>,
}

/// Entries that are looked at before one is given up as unusable: a forged index may branch.
const VISITS_MAX: usize = 4 * CLOSURE_READ_MAX;

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

    /// The segments that are stored and dead.
    pub fn dead(&self) -> &[IndexId] {
        &self.dead
    }

    /// The same entries, of which none counts that lies in a condemned pack or is named by dead
    /// segments alone; for a collection. The chain may be a newer one.
    pub fn judged_by(&self, generations: Generations) -> Index {
        let mut index = Index {
            tables: Arc::clone(&self.tables),
            generations,
            standing: Standing::of(&self.tables),
            ..Index::default()
        };
        index.standing.bar_dead(&index.tables);
        index.count_only(|_| true);
        index
    }

    /// Nothing counts any more in a pack that is condemned (chapter 11, C1), or for which `is_there` does
    /// not hold.
    pub fn count_only(&mut self, is_there: impl Fn(&PackRow) -> bool) {
        let generations = &self.generations;
        self.standing
            .bar(&self.tables, |pack| is_there(pack) && !generations.is_condemned(&pack.id));
    }

    /// Whether a live segment has this entry, word for word.
    pub fn is_living(&self, place: &BlobLocation) -> bool {
        self.tables.iter().any(|table| {
            let mut rows = table.find(&place.id.base());
            rows.any(|row| table.is_living(row) && table.place(row).as_ref() == Some(place))
        })
    }

    /// Every entry of a blob, whether it counts or not.
    pub fn entries_of(&self, base: &BaseId) -> Vec<BlobLocation> {
        let of_table =
            |table: &Table| table.find(base).filter_map(|row| table.place(row)).collect::<Vec<_>>();
        self.tables.iter().flat_map(of_table).collect()
    }

    pub(super) fn add_troubles(&mut self, troubles: &mut Vec<(Handle, Error)>) {
        self.troubles.append(troubles);
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.tables.iter().map(Table::len).sum()
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
        self.standing.note(&self.tables, damage);
    }

    /// What reads through another index have met, and will meet, counts no more here.
    pub(super) fn share_damage(&mut self, other: &Index) {
        self.standing.share(&other.standing);
    }

    /// What kept entries from being read, of which nobody knows then: a file of the local cache that
    /// broke while the store was away.
    pub fn failure(&self) -> Option<Error> {
        let error = self.tables.iter().find_map(Table::failure)?;
        Some(Error::unavailable("read", "the index in the local cache", error.why()))
    }

    /// Every entry, in no particular order.
    pub fn places(&self) -> impl Iterator<Item = BlobLocation> + '_ {
        self.tables.iter().flat_map(|table| (0..table.rows()).filter_map(|row| table.place(row)))
    }

    /// The entries that count, though their bases may not.
    pub fn counting(&self) -> impl Iterator<Item = BlobLocation> + '_ {
        (0..).zip(&self.tables[..]).flat_map(move |(at, table)| {
            (0..table.rows()).filter_map(move |row| self.counted(at, table, row))
        })
    }

    fn counted(&self, at: usize, table: &Table, row: usize) -> Option<BlobLocation> {
        let (pack, _) = table.pack_row_of(row)?;
        let place = self.standing.pack_counts(at, pack).then(|| table.place(row))??;
        Some(place).filter(|place| self.standing.counts(place))
    }

    pub(super) fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// Every pack that segments name, some of them more than once.
    pub fn pack_rows(&self) -> impl Iterator<Item = &PackRow> {
        self.tables.iter().flat_map(Table::packs_shown)
    }

    /// Every pack that segments name, and its length.
    pub fn packs(&self) -> HashMap<PackId, u32> {
        self.pack_rows().map(|pack| (pack.id, pack.size)).collect()
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
        let mut tables = self.tables.iter();
        tables.any(|of| of.find(&id.base()).any(|row| of.id(row).as_ref() == Some(id)))
    }

    /// The entries of a blob that count: those in condemned packs last, the least depth first. Another
    /// kind is another blob.
    pub(super) fn candidates(&self, kind: BlobKind, base: &BaseId) -> Vec<BlobLocation> {
        let of_table = |(at, table): (usize, &Table)| {
            let found = table.find(base);
            found.filter_map(|row| self.counted(at, table, row)).collect::<Vec<_>>()
        };
        let mut places: Vec<BlobLocation> =
            (0..).zip(&self.tables[..]).flat_map(of_table).collect();
        places.retain(|place| place.kind == kind);
        match places.len() {
            0 | 1 => {}
            _ => places.sort_by_key(|p| (self.generations.is_condemned(&p.pack), p.depth)),
        }
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

/// Where an entry of a segment says that its blob lies.
pub fn place_of(segment: &Segment, entry: &IndexEntry) -> Option<BlobLocation> {
    let pack = segment.packs().get(usize::try_from(entry.pack).ok()?)?;
    let salt = *segment.salts().get(usize::from(entry.salt))?;
    Some(BlobLocation::of(entry.clone(), pack, salt))
}
