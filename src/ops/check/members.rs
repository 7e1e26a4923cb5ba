//! Members of series: each snapshot that was not given up must be there, and follow another. Held
//! of each is what tells its place, not its record.

use super::{CheckReport, Finding};
use crate::backend::Handle;
use crate::error::{Error, Result};
use crate::format::gc::Forgotten;
use crate::format::snapshot::{Outcome, Snapshot};
use crate::id::SnapshotId;
use crate::limits::SNAPSHOTS_HELD;
use crate::monitor::Monitor;
use crate::ops::series::{Chains, Flaw, flaws};
use crate::repo::{Index, Repository, SnapshotKey, VisitOutcome};
use std::collections::HashSet;

/// A snapshot.
pub(super) struct Member {
    pub(super) key: SnapshotKey,
    /// What it had read.
    generation: u64,
    /// Its record, while all that are held are small.
    pub(super) held: Option<Box<Snapshot>>,
}

/// What was read, and why others could not be.
pub(super) type Members = (Vec<Member>, Vec<(SnapshotId, Error)>);

/// Reads all of them, one after the other.
pub(super) fn read<E>(
    each_outcome: impl FnOnce(&mut VisitOutcome<'_>) -> Result<E>,
) -> Result<Members> {
    let (mut members, mut troubles) = (Vec::new(), Vec::new());
    let mut room = SNAPSHOTS_HELD;
    each_outcome(&mut |id, outcome| {
        match outcome {
            Ok((Outcome::Snapshot(snapshot), hash, size)) => {
                let key = SnapshotKey::new(&snapshot, hash, size);
                let (generation, left) = (snapshot.generation, room.checked_sub(size));
                room = left.unwrap_or(room);
                members.push(Member { key, generation, held: left.map(|_| snapshot) });
            }
            Ok(_) => {}
            Err(error) => troubles.push((id, error)),
        }
        Ok(())
    })?;
    Ok((members, troubles))
}

/// Checks what was read; the snapshots that are alive. Writers and forgets at work may show one
/// member of a series before another, so what looks like a flaw is looked at again: all that stood
/// before the one behind a gap is there to be seen by then.
pub(super) fn check(
    repository: &Repository,
    members: Members,
    marks: &[Forgotten],
    index: &Index,
    monitor: &dyn Monitor,
    report: &mut CheckReport,
) -> Result<Vec<Member>> {
    let (members, troubles) = members;
    for (id, error) in troubles {
        let error = error.within("check the snapshot", id);
        report.found(monitor, Finding::object(Handle::snapshot(id), error));
    }
    let members = alive(members, index);
    report.snapshots = members.len() as u64;
    report.chains = Chains::new(members.iter().map(|member| member.key), marks);
    let first = report.chains.flaws();
    if !first.is_empty() {
        let again = read(|visit| repository.each_stored_outcome(visit))?;
        let again = alive(again.0, index).into_iter().map(|member| member.key);
        let again: HashSet<Flaw> =
            flaws(repository, &again.collect::<Vec<_>>())?.into_iter().collect();
        for flaw in first.iter().filter(|flaw| again.contains(flaw)) {
            report.found(monitor, Finding::flaw(flaw));
        }
    }
    Ok(members)
}

fn alive(mut members: Vec<Member>, index: &Index) -> Vec<Member> {
    let generations = index.generations();
    members.retain(|member| generations.outcome_lives(&member.key.id, member.generation));
    members
}
