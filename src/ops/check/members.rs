//! Members of series: each snapshot that was not given up must be there, and follow another. Held
//! of each is what tells its place, not its record.

use super::CheckReport;
use crate::error::{Error, Result};
use crate::format::snapshot::Outcome;
use crate::id::{SeriesId, SnapshotId};
use crate::monitor::Monitor;
use crate::repo::{Index, Repository};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A snapshot by its place.
pub(super) struct Member {
    id: SnapshotId,
    generation: u64,
    series: SeriesId,
    sequence: u64,
    hash: [u8; 32],
    previous: Option<[u8; 32]>,
}

/// What was read: the snapshots, and why others could not be.
pub(super) type Members = (Vec<Member>, Vec<(SnapshotId, Error)>);

/// Reads all of them, one after the other.
pub(super) fn read(repository: &Repository) -> Result<Members> {
    let (mut members, mut troubles) = (Vec::new(), Vec::new());
    repository.each_outcome(&mut |id, outcome| {
        match outcome {
            Ok((Outcome::Snapshot(snapshot), hash, _)) => members.push(Member {
                id,
                generation: snapshot.generation,
                series: snapshot.series,
                sequence: snapshot.sequence,
                hash,
                previous: snapshot.previous,
            }),
            Ok(_) => {}
            Err(error) => troubles.push((id, error)),
        }
        Ok(())
    })?;
    Ok((members, troubles))
}

/// Checks what was read; the snapshots that are alive. Writers and forgets at work may show one
/// member of a series before another, so what looks like a gap is looked at again: all that stood
/// before the one behind the gap is there to be seen by then.
pub(super) fn check(
    repository: &Repository,
    members: Members,
    index: &Index,
    monitor: &dyn Monitor,
    report: &mut CheckReport,
) -> Result<Vec<SnapshotId>> {
    let (mut members, troubles) = members;
    for (id, error) in troubles {
        report.found(monitor, error.within("check the snapshot", id));
    }
    let alive = |member: &Member| index.generations().outcome_lives(&member.id, member.generation);
    members.retain(alive);
    report.snapshots = members.len() as u64;
    let first = gaps(repository, &members)?;
    if !first.is_empty() {
        let (mut again, _) = read(repository)?;
        again.retain(alive);
        let again = gaps(repository, &again)?;
        for (_, error) in first.into_iter().filter(|(gap, _)| again.contains_key(gap)) {
            report.found(monitor, error);
        }
    }
    Ok(members.into_iter().map(|member| member.id).collect())
}

/// Where something is missing: a series, the number behind the gap, and the member there that
/// does not follow, if its number alone is right.
type Gap = (SeriesId, u64, Option<SnapshotId>);

/// A series without gaps: each number is there or was given up, and each member names one of
/// those before it. Two writers at once may have made two of one number.
fn gaps(repository: &Repository, members: &[Member]) -> Result<BTreeMap<Gap, Error>> {
    let mut all: HashMap<SeriesId, BTreeMap<u64, Numbered<'_>>> = HashMap::new();
    for member in members {
        let of_series = all.entry(member.series).or_default();
        of_series.entry(member.sequence).or_default().members.push(member);
    }
    // Marks that cannot be read are found elsewhere. They are read after the snapshots.
    for mark in repository.forgotten(|_| {})? {
        let Some(position) = mark.position else { continue };
        let of_series = all.entry(position.series).or_default();
        of_series.entry(position.sequence).or_default().forgotten.insert(position.hash);
    }
    Ok(all.iter().flat_map(|(series, numbers)| gaps_of(*series, numbers)).collect())
}

/// What stands, and stood, at one number.
#[derive(Default)]
struct Numbered<'m> {
    members: Vec<&'m Member>,
    forgotten: BTreeSet<Option<[u8; 32]>>,
}

impl Numbered<'_> {
    /// Whether a member says of itself that it follows this; a hash that nobody knows fits all.
    fn precedes(&self, previous: [u8; 32]) -> bool {
        self.forgotten.contains(&Some(previous))
            || self.forgotten.contains(&None)
            || self.members.iter().any(|member| member.hash == previous)
    }
}

fn gaps_of(series: SeriesId, numbers: &BTreeMap<u64, Numbered<'_>>) -> Vec<(Gap, Error)> {
    let mut gaps = Vec::new();
    let mut last: (u64, Option<&Numbered<'_>>) = (0, None);
    for (sequence, of_number) in numbers {
        if *sequence != last.0 + 1 {
            let reason = format!("nothing stands between numbers {} and {sequence}", last.0);
            let error = Error::damaged("account for series", series.short(), reason)
                .hint("a snapshot was removed without being forgotten");
            gaps.push(((series, *sequence, None), error));
        } else {
            let follows = |member: &&&Member| match (member.previous, last.1) {
                (Some(previous), Some(before)) => before.precedes(previous),
                (None, None) => true,
                _ => false,
            };
            let strays = of_number.members.iter().filter(|member| !follows(member));
            gaps.extend(strays.map(|member| {
                let reason = "it does not follow the one before it";
                let error = Error::damaged("account for snapshot", member.id, reason);
                ((series, *sequence, Some(member.id)), error)
            }));
        }
        last = (*sequence, Some(of_number));
    }
    gaps
}
