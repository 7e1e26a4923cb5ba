//! Outcomes of writers, as a collector sorts them: which are alive, which of the partials last, and
//! which may be cleared away.

use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::snapshot::{Outcome, Partial, Snapshot};
use crate::id::{PackId, SnapshotId};
use crate::repo::{Generations, Repository};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// What of a repository is believed to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope<'s> {
    /// What is alive by the newest verdict.
    Living,
    /// The same once these are given up: for a plan that is only shown.
    LivingBut(&'s BTreeSet<SnapshotId>),
    /// All that is stored, whatever verdicts say (C14).
    Stored,
}

/// All outcomes that were not given up.
#[derive(Default)]
pub(super) struct Outcomes {
    /// Snapshots that are alive.
    pub(super) snapshots: BTreeSet<SnapshotId>,
    /// Partials that last.
    pub(super) lasting: BTreeMap<SnapshotId, BTreeSet<PackId>>,
    /// What cannot be read, and why.
    pub(super) unread: BTreeMap<SnapshotId, Error>,
    /// What is of no use any more once a verdict is newer: maintenance, and partials that do not
    /// last, with the generations that they had read.
    pub(super) ended: BTreeMap<SnapshotId, u64>,
    pub(super) tombstones: BTreeSet<SnapshotId>,
}

impl Outcomes {
    /// Reads them, one after the other. `visit` gets the snapshots, and whether they are alive.
    pub(super) fn read(
        repository: &Repository,
        generations: &Generations,
        scope: Scope<'_>,
        visit: &mut dyn FnMut(bool, &Snapshot) -> Result<()>,
    ) -> Result<Self> {
        let mut outcomes = Outcomes::default();
        let mut partials: HashMap<SnapshotId, Partial> = HashMap::new();
        let mut listed: HashSet<SnapshotId> = HashSet::new();
        repository.each_stored_outcome(&mut |id, outcome| {
            listed.insert(id);
            if matches!(scope, Scope::LivingBut(given_up) if given_up.contains(&id)) {
                return Ok(());
            }
            match outcome.map(|(outcome, ..)| outcome) {
                Ok(Outcome::Snapshot(snapshot)) => {
                    let alive = generations.outcome_lives(&id, snapshot.generation);
                    if alive {
                        outcomes.snapshots.insert(id);
                    }
                    if alive || scope == Scope::Stored {
                        visit(alive, &snapshot)?;
                    }
                }
                Ok(Outcome::Partial(partial)) => drop(partials.insert(id, partial)),
                Ok(Outcome::Maintenance(ended)) => {
                    outcomes.ended.insert(id, ended.generation);
                }
                Ok(Outcome::Tombstone(_)) => drop(outcomes.tombstones.insert(id)),
                // A newer program may know better than to delete anything.
                Err(error) if error.kind() == Kind::Unsupported => return Err(error),
                Err(error) => drop(outcomes.unread.insert(id, error)),
            }
            Ok(())
        })?;
        if !partials.is_empty() {
            outcomes.sort_partials(repository, generations, scope, partials, &listed)?;
        }
        Ok(outcomes)
    }

    /// A partial lasts while the writer that goes on from it has no outcome, or one that lasts (C20). Its
    /// registration is read after the outcomes were listed; one that cannot be read may be of any.
    fn sort_partials(
        &mut self,
        repository: &Repository,
        generations: &Generations,
        scope: Scope<'_>,
        mut partials: HashMap<SnapshotId, Partial>,
        listed: &HashSet<SnapshotId>,
    ) -> Result<()> {
        let forgotten = repository.backend().list(ObjectKind::Forgotten)?;
        let forgotten: HashSet<SnapshotId> =
            forgotten.iter().filter_map(|object| object.handle.snapshot_id()).collect();
        let (mut waiting, mut unread) = (Vec::new(), false);
        let mut before: HashMap<SnapshotId, SnapshotId> = HashMap::new();
        for (id, continues) in repository.continuations()? {
            let is_open = !listed.contains(&id) && !forgotten.contains(&id);
            match continues {
                Ok(Some(continued)) => {
                    before.insert(id, continued);
                    waiting.extend(is_open.then_some(continued));
                }
                Ok(None) => {}
                Err(error) if error.kind() == Kind::Unsupported => return Err(error),
                Err(_) => unread |= is_open,
            }
        }
        if unread {
            waiting.extend(partials.keys());
        }
        while let Some(id) = waiting.pop() {
            let Some(Partial { generation, packs, .. }) = partials.remove(&id) else { continue };
            waiting.extend(before.get(&id));
            if scope == Scope::Stored || generations.outcome_lives(&id, generation) {
                self.lasting.insert(id, packs);
            }
        }
        self.ended.extend(partials.into_iter().map(|(id, partial)| (id, partial.generation)));
        Ok(())
    }

    /// The packs that partials keep, with all that is in them.
    pub(super) fn lasting_packs(&self) -> BTreeSet<PackId> {
        self.lasting.values().flatten().copied().collect()
    }

    /// Why some cannot be read.
    pub(super) fn troubles(&self) -> impl Iterator<Item = Error> + '_ {
        self.unread.iter().map(|(id, error)| {
            Error::new(error.kind(), "read snapshot", id).because(error.to_string()).hint(format!(
                "nothing is given up that it may need; `icecore forget {id}` gives it up itself"
            ))
        })
    }

    /// What a verdict lists as alive: what cannot be read is not dead by silence (C21).
    pub(super) fn alive(&self) -> BTreeSet<SnapshotId> {
        let unread = self.unread.keys();
        self.snapshots.iter().chain(self.lasting.keys()).chain(unread).copied().collect()
    }
}
