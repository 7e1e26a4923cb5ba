//! The small objects: each must open and be what its name says.

use super::CheckReport;
use crate::backend::{Handle, is_of_probe};
use crate::error::{Error, Result};
use crate::format::ObjectKind;
use crate::format::gc::{Condemned, Forgotten, Verdict};
use crate::format::note::Note;
use crate::format::record::{self, Record};
use crate::format::snapshot::{Outcome, Snapshot};
use crate::format::writer::{Heartbeat, Registration};
use crate::id::{SeriesId, SnapshotId};
use crate::monitor::Monitor;
use crate::repo::{Generations, Repository, StoredSnapshot};
use std::collections::{BTreeMap, HashMap};

const SMALL: [ObjectKind; 4] =
    [ObjectKind::Writer, ObjectKind::Forgotten, ObjectKind::Note, ObjectKind::Gc];

/// A writer's outcome, its object's hash and length; or why it cannot be read.
type ReadOutcome = (SnapshotId, Result<(Outcome, [u8; 32], u64)>);

/// Checks all of them; the snapshots that are alive.
pub(super) fn check(
    repository: &Repository,
    outcomes: Vec<ReadOutcome>,
    generations: &Generations,
    monitor: &dyn Monitor,
    report: &mut CheckReport,
) -> Result<Vec<StoredSnapshot>> {
    for kind in SMALL {
        for object in repository.backend().list(kind)? {
            if is_of_probe(&**repository.backend(), &object).unwrap_or(false) {
                continue;
            }
            if let Err(error) = opens(repository, &object.handle) {
                report.found(monitor, error.within("check", &object.handle));
            }
        }
    }
    for slot in repository.slots()?.into_iter().filter(|slot| slot.counts) {
        if let Err(error) = slot.slot {
            report.found(monitor, error.within("check", Handle::key(slot.id)));
        }
    }
    let mut snapshots = Vec::new();
    for (id, outcome) in outcomes {
        match outcome {
            Ok((Outcome::Snapshot(snapshot), hash, size))
                if generations.outcome_lives(&id, snapshot.generation) =>
            {
                snapshots.push(StoredSnapshot { snapshot: *snapshot, hash, size });
            }
            Ok(_) => {}
            Err(error) => report.found(monitor, error.within("check the snapshot", id)),
        }
    }
    report.snapshots = snapshots.len() as u64;
    series(repository, &snapshots, monitor, report)?;
    Ok(snapshots)
}

fn opens(repository: &Repository, handle: &Handle) -> Result<()> {
    let (plain, _) = repository.open_object(handle)?;
    let subject = handle.to_string();
    match handle.kind() {
        ObjectKind::Writer if handle.number().is_some() => decodes::<Heartbeat>(&plain, &subject),
        ObjectKind::Writer => decodes::<Registration>(&plain, &subject),
        ObjectKind::Forgotten => decodes::<Forgotten>(&plain, &subject),
        ObjectKind::Note => decodes::<Note>(&plain, &subject),
        _ if handle.is_verdict() => decodes::<Verdict>(&plain, &subject),
        _ => decodes::<Condemned>(&plain, &subject),
    }
}

fn decodes<T: Record>(plain: &[u8], subject: &str) -> Result<()> {
    record::decode::<T>(plain, subject).map(drop)
}

/// A series without gaps: each number is there or was given up, and each member names one of
/// those before it. Two writers at once may have made two of one number.
fn series(
    repository: &Repository,
    snapshots: &[StoredSnapshot],
    monitor: &dyn Monitor,
    report: &mut CheckReport,
) -> Result<()> {
    let mut all: HashMap<SeriesId, Members<'_>> = HashMap::new();
    // Marks that cannot be read were found above.
    for mark in repository.forgotten(|_| {})? {
        let Some(position) = mark.position else { continue };
        let members = all.entry(position.series).or_default();
        members.entry(position.sequence).or_default().push((position.hash, None));
    }
    for stored in snapshots {
        let members = all.entry(stored.snapshot.series).or_default();
        let of_number = members.entry(stored.snapshot.sequence).or_default();
        of_number.push((Some(stored.hash), Some(&stored.snapshot)));
    }
    for (series, members) in all {
        for error in gaps(series, &members) {
            report.found(monitor, error);
        }
    }
    Ok(())
}

/// By number: the hash of each member, if it is known, and the snapshot unless it was given up.
type Members<'s> = BTreeMap<u64, Vec<(Option<[u8; 32]>, Option<&'s Snapshot>)>>;

fn gaps(series: SeriesId, members: &Members<'_>) -> Vec<Error> {
    let mut errors = Vec::new();
    let mut last = 0;
    let mut before: Vec<Option<[u8; 32]>> = Vec::new();
    for (sequence, of_number) in members {
        if *sequence != last + 1 {
            let reason = format!("nothing stands between numbers {last} and {sequence}");
            errors.push(
                Error::damaged("account for series", series.short(), reason)
                    .hint("a snapshot was removed without being forgotten"),
            );
        } else {
            let follows = |snapshot: &Snapshot| match &snapshot.previous {
                Some(previous) => before.contains(&Some(*previous)) || before.contains(&None),
                None => before.is_empty(),
            };
            let strays = of_number.iter().filter_map(|(_, snapshot)| *snapshot);
            errors.extend(strays.filter(|snapshot| !follows(snapshot)).map(|snapshot| {
                let reason = "it does not follow the one before it";
                Error::damaged("account for snapshot", snapshot.id, reason)
            }));
        }
        last = *sequence;
        before = of_number.iter().map(|(hash, _)| *hash).collect();
    }
    errors
}
