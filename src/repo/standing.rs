//! What of an index counts: nothing in packs that are condemned, gone, or of another length, and
//! nothing that is known to be damaged.

use super::location::{BlobLocation, Entries};
use super::table::Table;
use crate::format::index::PackRow;
use crate::format::note::Damage;
use crate::id::PackId;
use parking_lot::RwLock;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Which entries count. Of a pack it is known by its row in a table, so that nothing is looked
/// up for each entry.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// Of each table, by the rows of its packs: whether nothing in the pack counts.
    barred: Vec<Vec<bool>>,
    /// Blobs that notes name.
    noted: HashSet<(PackId, u32)>,
    /// Entries that were taken out.
    discounted: Entries,
    met: Arc<Met>,
}

/// Entries that were read and are wrong. Nearly always none: then nobody takes the lock.
#[derive(Debug, Default)]
struct Met {
    any: AtomicBool,
    entries: RwLock<Entries>,
}

impl Standing {
    /// Of these tables everything counts.
    pub(super) fn of(tables: &[Table]) -> Self {
        let barred = tables.iter().map(|table| vec![false; table.packs().len()]).collect();
        Standing { barred, ..Standing::default() }
    }

    /// Nothing counts in a pack for which `counts` does not hold.
    pub(super) fn bar(&mut self, tables: &[Table], counts: impl Fn(&PackRow) -> bool) {
        for (barred, table) in self.barred.iter_mut().zip(tables) {
            for (barred, pack) in barred.iter_mut().zip(table.packs()) {
                *barred |= !counts(pack);
            }
        }
    }

    /// Nothing counts that dead segments name.
    pub(super) fn bar_dead(&mut self, tables: &[Table]) {
        for (barred, table) in self.barred.iter_mut().zip(tables) {
            for (pack, barred) in barred.iter_mut().enumerate() {
                *barred |= !table.names_living(pack);
            }
        }
    }

    /// Nothing counts that is noted as damaged.
    pub(super) fn note(&mut self, tables: &[Table], damage: &Damage) {
        self.bar(tables, |pack| !damage.packs.contains(&pack.id));
        self.noted.extend(damage.blobs.iter().copied());
    }

    pub(super) fn discount(&mut self, places: impl IntoIterator<Item = BlobLocation>) {
        self.discounted.extend(places);
    }

    /// What was met so far, and all that will be, counts here too.
    pub(super) fn share(&mut self, other: &Standing) {
        self.met = other.met.clone();
    }

    /// An entry was read and is wrong.
    pub(super) fn meet(&self, place: BlobLocation) {
        self.met.entries.write().insert(place);
        self.met.any.store(true, Ordering::Release);
    }

    pub(super) fn met(&self) -> Vec<BlobLocation> {
        let entries = self.met.entries.read();
        entries.iter().cloned().collect()
    }

    /// Whether entries count that lie in the pack of this row.
    pub(super) fn pack_counts(&self, table: usize, row: usize) -> bool {
        self.barred.get(table).and_then(|rows| rows.get(row)) == Some(&false)
    }

    /// Whether an entry counts as far as its own bytes go, in a pack that does.
    pub(super) fn counts(&self, place: &BlobLocation) -> bool {
        let noted = !self.noted.is_empty() && self.noted.contains(&(place.pack, place.offset));
        !noted && !self.discounted.contains(place) && !self.met.has(place)
    }
}

impl Met {
    fn has(&self, place: &BlobLocation) -> bool {
        self.any.load(Ordering::Acquire) && self.entries.read().contains(place)
    }
}
