//! Members of series: each snapshot that was not given up must be there, and follow another. Held
//! of each is what tells its place, not its record.

use super::{CheckReport, Finding};
use crate::backend::Handle;
use crate::error::{Error, Result};
use crate::format::snapshot::Outcome;
use crate::id::SnapshotId;
use crate::monitor::Monitor;
use crate::ops::series::{Chains, Flaw, flaws};
use crate::repo::{Index, Repository, SnapshotKey};
use std::collections::HashSet;

/// What was read: the snapshots and the generations that they had read, and why others could not
/// be.
pub(super) type Members = (Vec<(SnapshotKey, u64)>, Vec<(SnapshotId, Error)>);

/// Reads all of them, one after the other.
pub(super) fn read(repository: &Repository) -> Result<Members> {
    let (mut members, mut troubles) = (Vec::new(), Vec::new());
    repository.each_stored_outcome(&mut |id, outcome| {
        match outcome {
            Ok((Outcome::Snapshot(snapshot), hash, size)) => {
                members.push((SnapshotKey::new(&snapshot, hash, size), snapshot.generation));
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
    index: &Index,
    monitor: &dyn Monitor,
    report: &mut CheckReport,
) -> Result<Vec<SnapshotId>> {
    let (members, troubles) = members;
    for (id, error) in troubles {
        let error = error.within("check the snapshot", id);
        report.found(monitor, Finding::object(Handle::snapshot(id), error));
    }
    let members = alive(members, index);
    report.snapshots = members.len() as u64;
    let marks = repository.forgotten(|_| {})?;
    report.chains = Chains::new(members.iter().copied(), &marks);
    let first = report.chains.flaws();
    if !first.is_empty() {
        let again = alive(read(repository)?.0, index);
        let again: HashSet<Flaw> = flaws(repository, &again)?.into_iter().collect();
        for flaw in first.iter().filter(|flaw| again.contains(flaw)) {
            report.found(monitor, Finding::flaw(flaw));
        }
    }
    Ok(members.into_iter().map(|member| member.id).collect())
}

fn alive(members: Vec<(SnapshotKey, u64)>, index: &Index) -> Vec<SnapshotKey> {
    let generations = index.generations();
    members
        .into_iter()
        .filter(|(member, generation)| generations.outcome_lives(&member.id, *generation))
        .map(|(member, _)| member)
        .collect()
}
