//! Outcomes of writers, snapshots among them, read one after the other, and the marks of those that
//! were given up.

use super::{Holds, Repository, SnapshotKey};
use crate::backend::{Handle, Listed};
use crate::error::{Error, Kind, Result};
use crate::format::gc::Forgotten;
use crate::format::snapshot::Outcome;
use crate::format::{ObjectKind, fault};
use crate::id::SnapshotId;
use crate::limits::OUTCOME_MAX;
use std::collections::{BTreeMap, HashSet};

/// The outcome of a writer, the hash of its object, and its length.
pub type StoredOutcome = (Outcome, [u8; 32], u64);

/// Takes outcomes one after the other, readable or not.
pub type VisitOutcome<'v> = dyn FnMut(SnapshotId, Result<StoredOutcome>) -> Result<()> + 'v;

/// The outcomes that were not given up or are held (chapter 11, C22), each once.
pub(super) struct OutcomesShown {
    pub(super) outcomes: Vec<Listed>,
    /// Which of them were given up.
    pub(super) given_up: HashSet<SnapshotId>,
    /// All marks.
    pub(super) marks: Vec<Listed>,
}

impl OutcomesShown {
    /// Outcomes, and the marks that were listed after them. While some were given up, it takes
    /// [`Self::retain_held`] as well.
    pub(super) fn of(outcomes: Vec<Listed>, marks: Vec<Listed>) -> Self {
        let outcomes: BTreeMap<SnapshotId, Listed> = outcomes
            .into_iter()
            .filter_map(|object| Some((object.handle.snapshot_id()?, object)))
            .collect();
        let marked = marks.iter().filter_map(|object| object.handle.snapshot_id());
        let given_up = marked.filter(|id| outcomes.contains_key(id)).collect();
        OutcomesShown { outcomes: outcomes.into_values().collect(), given_up, marks }
    }

    /// Leaves out what was given up and is not held, by notes that were read after the marks.
    pub(super) fn retain_held(&mut self, holds: &Holds) {
        self.given_up.retain(|id| holds.may_hold(*id));
        let marked = self.marks.iter().filter_map(|object| object.handle.snapshot_id());
        let gone: HashSet<SnapshotId> = marked.filter(|id| !self.given_up.contains(id)).collect();
        self.outcomes
            .retain(|object| object.handle.snapshot_id().is_none_or(|id| !gone.contains(&id)));
    }
}

impl Repository {
    /// Hands out every outcome that was not given up or is held, readable or not, with hash and length. In
    /// memory at once is one of them, and what was fetched ahead. Which of them were given up comes
    /// back: they are there only as long as they are held, or may be by a note that cannot be read.
    ///
    /// # Errors
    /// Those of listing and of `visit`, and of a store that does not answer.
    pub fn each_outcome(&self, visit: &mut VisitOutcome<'_>) -> Result<HashSet<SnapshotId>> {
        let shown = self.outcomes_shown()?;
        self.each_outcome_of(&shown, visit)?;
        Ok(shown.given_up)
    }

    /// The same of those that were listed.
    pub(super) fn each_outcome_of(
        &self,
        shown: &OutcomesShown,
        visit: &mut VisitOutcome<'_>,
    ) -> Result<()> {
        self.retain_records(ObjectKind::Snapshot, &shown.outcomes);
        self.visit_outcomes(&shown.outcomes, self.get_records(shown.outcomes.clone()), visit)
    }

    /// The same, all read from the store: for a check of it.
    pub fn each_stored_outcome(&self, visit: &mut VisitOutcome<'_>) -> Result<HashSet<SnapshotId>> {
        let shown = self.outcomes_shown()?;
        self.each_stored_outcome_of(&shown, visit)?;
        Ok(shown.given_up)
    }

    /// The same of those that were listed.
    pub(super) fn each_stored_outcome_of(
        &self,
        shown: &OutcomesShown,
        visit: &mut VisitOutcome<'_>,
    ) -> Result<()> {
        let records = self.get_stored_records(shown.outcomes.clone());
        self.visit_outcomes(&shown.outcomes, records, visit)
    }

    pub(super) fn outcomes_shown(&self) -> Result<OutcomesShown> {
        // Snapshots before marks: a forget meanwhile puts its mark first.
        let outcomes = self.backend().list(ObjectKind::Snapshot)?;
        let mut shown = OutcomesShown::of(outcomes, self.backend().list(ObjectKind::Forgotten)?);
        if !shown.given_up.is_empty() {
            shown.retain_held(&self.holds()?);
        }
        Ok(shown)
    }

    fn visit_outcomes(
        &self,
        listed: &[Listed],
        records: impl Iterator<Item = (Handle, Result<(Outcome, [u8; 32])>)>,
        visit: &mut VisitOutcome<'_>,
    ) -> Result<()> {
        for (Listed { handle, size }, (_, record)) in listed.iter().zip(records) {
            let Some(id) = handle.snapshot_id() else { continue };
            match record.and_then(|record| proved(id, handle, record)) {
                Err(error) if error.kind() == Kind::NotFound && self.has_gone(handle)? => {}
                Err(error) if error.kind() == Kind::Unavailable => return Err(error),
                outcome => visit(id, outcome.map(|(outcome, hash)| (outcome, hash, *size)))?,
            }
        }
        Ok(())
    }

    /// Whether an outcome that was listed is listed no more: it was given up meanwhile, or a collector
    /// has cleared it away. A listing a moment later would not have shown it.
    fn has_gone(&self, handle: &Handle) -> Result<bool> {
        let mut gone = true;
        self.backend().list_pages(ObjectKind::Snapshot, handle.name(), &mut |page| {
            gone &= page.iter().all(|object| object.handle != *handle);
            Ok(())
        })?;
        Ok(gone)
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
        proved(id, &handle, self.get_record(&handle)?)
    }

    /// The same of one that was put just now, from the local cache if that keeps it.
    pub fn outcome_just_put(&self, id: SnapshotId) -> Result<(Outcome, [u8; 32])> {
        let handle = Handle::snapshot(id);
        proved(id, &handle, self.get_kept_record(&handle)?)
    }

    /// The same of one that was listed, maybe from the local cache.
    pub(super) fn outcome_of(&self, key: &SnapshotKey) -> Result<(Outcome, [u8; 32])> {
        let listed = Listed { handle: Handle::snapshot(key.id), size: key.size };
        let record = self.get_records(Some(listed)).next();
        let (handle, record) = record.ok_or_else(|| Error::new(Kind::Failed, "read", key.id))?;
        proved(key.id, &handle, record?)
    }

    /// The same of several, in their order, read ahead.
    pub fn outcomes(
        &self,
        ids: &[SnapshotId],
    ) -> impl Iterator<Item = (SnapshotId, Result<(Outcome, [u8; 32])>)> {
        let size = OUTCOME_MAX as u64;
        let wanted = ids.iter().map(move |id| Listed { handle: Handle::snapshot(*id), size });
        ids.iter().zip(self.get_records(wanted)).map(|(id, (handle, record))| {
            (*id, record.and_then(|record| proved(*id, &handle, record)))
        })
    }

    /// The marks of snapshots that were given up. What cannot be read goes to `trouble`: its
    /// name alone gives the snapshot up.
    pub fn forgotten(&self, trouble: impl FnMut(Error)) -> Result<Vec<Forgotten>> {
        self.forgotten_of(self.backend().list(ObjectKind::Forgotten)?, trouble)
    }

    /// The same of those that were listed.
    pub(super) fn forgotten_of(
        &self,
        listed: Vec<Listed>,
        mut trouble: impl FnMut(Error),
    ) -> Result<Vec<Forgotten>> {
        let mut marks = Vec::new();
        self.retain_records(ObjectKind::Forgotten, &listed);
        for (handle, mark) in self.get_records::<Forgotten>(listed) {
            match mark {
                Ok((mark, _)) if handle == Handle::forgotten(mark.id) => marks.push(mark),
                Ok(_) => trouble(Error::damaged("read", handle, "it names another snapshot")),
                Err(error) if error.kind() == Kind::Unavailable => return Err(error),
                Err(error) => trouble(error),
            }
        }
        Ok(marks)
    }
}

/// An outcome, which must name its writer.
fn proved(
    id: SnapshotId,
    handle: &Handle,
    (outcome, hash): (Outcome, [u8; 32]),
) -> Result<(Outcome, [u8; 32])> {
    if outcome.id() != id {
        return Err(Error::damaged("read", handle, "it names another writer"));
    }
    if let Outcome::Snapshot(snapshot) = &outcome
        && let Some(reason) = fault::of_snapshot(snapshot)
    {
        return Err(Error::damaged("read", handle, reason));
    }
    Ok((outcome, hash))
}
