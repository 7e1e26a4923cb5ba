//! What was damaged at its source when it was captured: no damage of the repository, but told.

use super::FINDINGS_MOST;
use crate::env::Time;
use crate::format::snapshot::{Snapshot, TaintedEntry};
use crate::id::SnapshotId;
use std::collections::BTreeMap;

/// An entry that is damaged at its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tainted {
    /// The newest snapshot that has it.
    pub snapshot: SnapshotId,
    /// How many have it.
    pub snapshots: u64,
    /// What it is.
    pub entry: TaintedEntry,
}

/// The newest mark of each path of a host, the first [`FINDINGS_MOST`] of them.
#[derive(Default)]
pub(super) struct Marks(BTreeMap<(String, Vec<u8>), (Time, Tainted)>);

impl Marks {
    /// Adds those of one more snapshot.
    pub(super) fn add(&mut self, snapshot: &Snapshot) {
        for entry in snapshot.taints() {
            let key = (snapshot.host.clone(), entry.path.clone());
            if self.0.len() >= FINDINGS_MOST && !self.0.contains_key(&key) {
                continue;
            }
            let (id, started) = (snapshot.id, snapshot.started);
            let first = || Tainted { snapshot: id, snapshots: 0, entry: entry.clone() };
            let (newest, tainted) = self.0.entry(key).or_insert_with(|| (started, first()));
            tainted.snapshots += 1;
            if *newest < started {
                *newest = started;
                (tainted.snapshot, tainted.entry) = (id, entry.clone());
            }
        }
    }

    pub(super) fn finish(self) -> Vec<Tainted> {
        self.0.into_values().map(|(_, tainted)| tainted).collect()
    }
}
