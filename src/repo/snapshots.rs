//! Outcomes of writers, snapshots among them: reading them one after the other, and giving
//! snapshots up.

use super::{Repository, SnapshotKey};
use crate::backend::Handle;
use crate::error::{Error, Kind, Result};
use crate::format::gc::{Forgotten, Position};
use crate::format::snapshot::{Outcome, Snapshot};
use crate::format::{ObjectKind, fault};
use crate::id::SnapshotId;
use crate::limits::OUTCOME_MAX;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashSet};

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

/// What became of a writer, the hash of its object, and its length.
pub type StoredOutcome = (Outcome, [u8; 32], u64);

impl Repository {
    /// Hands out every outcome that was not given up, readable or not, with hash and length.
    /// Those in memory at once come to [`OUTCOME_MAX`] bytes of objects.
    ///
    /// # Errors
    /// Those of listing and of `visit`.
    pub fn each_outcome(
        &self,
        visit: &mut dyn FnMut(SnapshotId, Result<StoredOutcome>) -> Result<()>,
    ) -> Result<()> {
        // Snapshots before marks: whoever gives one up while we look puts its mark first.
        let listed = self.backend().list(ObjectKind::Snapshot)?;
        let mut listed: BTreeMap<SnapshotId, u64> = listed
            .iter()
            .filter_map(|object| Some((object.handle.snapshot_id()?, object.size)))
            .collect();
        let forgotten = self.forgotten_ids()?;
        listed.retain(|id, _| !forgotten.contains(id));
        let listed: Vec<(SnapshotId, u64)> = listed.into_iter().collect();
        let mut rest = listed.as_slice();
        while let Some((batch, after)) = rest.split_at_checked(fitting(rest)) {
            rest = after;
            if batch.is_empty() {
                break;
            }
            let read: Vec<_> = batch.par_iter().map(|(id, _)| (*id, self.outcome(*id))).collect();
            for ((id, outcome), (_, size)) in read.into_iter().zip(batch) {
                let gone = matches!(&outcome, Err(error) if error.kind() == Kind::NotFound);
                if gone && self.is_forgotten(id)? {
                    continue;
                }
                visit(id, outcome.map(|(outcome, hash)| (outcome, hash, *size)))?;
            }
        }
        Ok(())
    }

    fn forgotten_ids(&self) -> Result<HashSet<SnapshotId>> {
        let listed = self.backend().list(ObjectKind::Forgotten)?;
        Ok(listed.iter().filter_map(|object| object.handle.snapshot_id()).collect())
    }

    pub(super) fn is_forgotten(&self, id: SnapshotId) -> Result<bool> {
        match self.backend().size(&Handle::forgotten(id)) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == Kind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
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
            && let Some(reason) = fault::of_snapshot(snapshot)
        {
            return Err(Error::damaged("read", &handle, reason));
        }
        Ok((outcome, hash))
    }

    /// Gives a snapshot up: first `forgotten/<S>`, then the snapshot may go. A store that
    /// refuses deletion loses nothing by it; false then.
    pub fn forget(&self, snapshot: &SnapshotKey) -> Result<bool> {
        let SnapshotKey { id, series, sequence, hash, .. } = *snapshot;
        let mark = Forgotten {
            id,
            position: Some(Position { series, sequence, hash: Some(hash) }),
            first: None,
            at: self.env().now(),
        };
        let handle = Handle::forgotten(id);
        if self.find_record::<Forgotten>(&handle)?.is_none() {
            self.put_record(&handle, &mark)?;
        }
        Ok(self.backend().delete(&Handle::snapshot(id)).is_ok())
    }

    /// The marks of snapshots that were given up. What cannot be read goes to `trouble`: its
    /// name alone gives the snapshot up.
    pub fn forgotten(&self, mut trouble: impl FnMut(Error)) -> Result<Vec<Forgotten>> {
        let mut marks = Vec::new();
        for object in self.backend().list(ObjectKind::Forgotten)? {
            match self.get_record::<Forgotten>(&object.handle) {
                Ok((mark, _)) if object.handle == Handle::forgotten(mark.id) => marks.push(mark),
                Ok(_) => {
                    trouble(Error::damaged("read", object.handle, "it names another snapshot"));
                }
                Err(error) => trouble(error),
            }
        }
        Ok(marks)
    }
}

/// How many of the first ones come to no more than the bound of one together; at least one.
fn fitting(listed: &[(SnapshotId, u64)]) -> usize {
    let mut bytes: u64 = 0;
    let fits = |(_, size): &&(SnapshotId, u64)| {
        bytes = bytes.saturating_add(*size);
        bytes <= OUTCOME_MAX as u64
    };
    listed.iter().take_while(fits).count().max(1).min(listed.len())
}
