//! Snapshots: which there are, in which order, and giving them up.

use super::Repository;
use crate::backend::Handle;
use crate::env::Time;
use crate::error::{Error, Result};
use crate::format::ObjectKind;
use crate::format::gc::{Forgotten, Position};
use crate::format::node::bad_name;
use crate::format::snapshot::{Outcome, Snapshot};
use crate::id::{SeriesId, SnapshotId};
use crate::limits::DIRECTORY_DEPTH_MAX;
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};

/// A snapshot, and the hash of its object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSnapshot {
    /// The record.
    pub snapshot: Snapshot,
    /// BLAKE3 of `snapshots/<S>`.
    pub hash: [u8; 32],
    /// Bytes of `snapshots/<S>`.
    pub size: u64,
}

impl Repository {
    /// Every live snapshot that was not given up, newest first.
    ///
    /// # Errors
    /// What cannot be read is handed to `trouble` and left out; listing errors end it.
    pub fn snapshots(&self, mut trouble: impl FnMut(Error)) -> Result<Vec<StoredSnapshot>> {
        let generations = self.generations()?;
        let mut snapshots = Vec::new();
        for (_, outcome) in self.outcomes()? {
            match outcome {
                Ok((Outcome::Snapshot(snapshot), hash, size))
                    if generations.outcome_lives(&snapshot.id, snapshot.generation) =>
                {
                    snapshots.push(StoredSnapshot { snapshot: *snapshot, hash, size });
                }
                Ok(_) => {}
                Err(error) => trouble(error),
            }
        }
        newest_first(&mut snapshots);
        Ok(snapshots)
    }

    /// Every outcome that was not given up, readable or not, with hash and length.
    #[expect(clippy::type_complexity, reason = "one use, spelt out where it is read")]
    pub fn outcomes(&self) -> Result<Vec<(SnapshotId, Result<(Outcome, [u8; 32], u64)>)>> {
        let forgotten: HashSet<SnapshotId> = self
            .backend()
            .list(ObjectKind::Forgotten)?
            .iter()
            .filter_map(|object| object.handle.snapshot_id())
            .collect();
        let listed: HashSet<(SnapshotId, u64)> = self
            .backend()
            .list(ObjectKind::Snapshot)?
            .iter()
            .filter_map(|object| Some((object.handle.snapshot_id()?, object.size)))
            .filter(|(id, _)| !forgotten.contains(id))
            .collect();
        Ok(listed
            .into_par_iter()
            .map(|(id, size)| {
                let outcome = self.outcome(id).map(|(outcome, hash)| (outcome, hash, size));
                (id, outcome)
            })
            .collect())
    }

    /// The outcome of one writer, which must name itself.
    pub fn outcome(&self, id: SnapshotId) -> Result<(Outcome, [u8; 32])> {
        let handle = Handle::snapshot(id);
        let (outcome, hash) = self.get_record::<Outcome>(&handle)?;
        let named = match &outcome {
            Outcome::Snapshot(snapshot) => snapshot.id,
            Outcome::Partial(partial) => partial.id,
            Outcome::Maintenance(maintenance) => maintenance.id,
            Outcome::Tombstone(tombstone) => tombstone.id,
        };
        if named != id {
            return Err(Error::damaged("read", &handle, "it names another writer"));
        }
        if let Outcome::Snapshot(snapshot) = &outcome
            && let Some(reason) = snapshot.parts.iter().find_map(|part| bad_path(&part.path))
        {
            return Err(Error::damaged("read", &handle, reason));
        }
        Ok((outcome, hash))
    }

    /// Gives a snapshot up: first `forgotten/<S>`, then the snapshot may go. A store that
    /// refuses deletion loses nothing by it; false then.
    pub fn forget(&self, stored: &StoredSnapshot) -> Result<bool> {
        let snapshot = &stored.snapshot;
        let mark = Forgotten {
            id: snapshot.id,
            position: Some(Position {
                series: snapshot.series,
                sequence: snapshot.sequence,
                hash: Some(stored.hash),
            }),
            at: self.env().now(),
        };
        let handle = Handle::forgotten(snapshot.id);
        if self.find_record::<Forgotten>(&handle)?.is_none() {
            self.put_record(&handle, &mark)?;
        }
        Ok(self.backend().delete(&Handle::snapshot(snapshot.id)).is_ok())
    }

    /// The marks of snapshots that were given up. What cannot be read goes to `trouble`: its
    /// name alone gives the snapshot up.
    pub fn forgotten(&self, mut trouble: impl FnMut(Error)) -> Result<Vec<Forgotten>> {
        let mut marks = Vec::new();
        for object in self.backend().list(ObjectKind::Forgotten)? {
            match self.get_record::<Forgotten>(&object.handle) {
                Ok((mark, _)) => marks.push(mark),
                Err(error) => trouble(error),
            }
        }
        Ok(marks)
    }
}

/// Why a part cannot stand at a path, if it cannot: the folders that lead there are made by name.
fn bad_path(path: &[u8]) -> Option<&'static str> {
    let names = || path.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
    if names().nth(DIRECTORY_DEPTH_MAX).is_some() {
        return Some("a part is nested too deeply");
    }
    names().find_map(bad_name)
}

/// Newest first. Within a series the number decides, so that a forged clock cannot reorder it;
/// across series the claimed time, which counts as no earlier than any before it in its series.
pub fn newest_first(snapshots: &mut [StoredSnapshot]) {
    snapshots.sort_by_key(|stored| (stored.snapshot.series, stored.snapshot.sequence));
    let mut latest: HashMap<SeriesId, Time> = HashMap::new();
    let times: HashMap<SnapshotId, Time> = snapshots
        .iter()
        .map(|stored| {
            let snapshot = &stored.snapshot;
            let time = latest.entry(snapshot.series).or_insert(snapshot.started);
            *time = (*time).max(snapshot.started);
            (snapshot.id, *time)
        })
        .collect();
    snapshots.sort_by_key(|stored| {
        let snapshot = &stored.snapshot;
        let time = times.get(&snapshot.id).copied();
        std::cmp::Reverse((time, snapshot.series, snapshot.sequence, snapshot.id))
    });
}
