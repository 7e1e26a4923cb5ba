//! The small objects: each must open and be what its name says.

use super::CheckReport;
use crate::backend::Handle;
use crate::crypto::slot;
use crate::error::{Error, Result};
use crate::format::ObjectKind;
use crate::format::gc::{Condemned, Forgotten, Verdict};
use crate::format::record::{self, Record};
use crate::format::snapshot::{Note, Outcome, Snapshot};
use crate::format::writer::{Heartbeat, Registration};
use crate::id::SeriesId;
use crate::monitor::Monitor;
use crate::repo::Repository;
use std::collections::{BTreeMap, HashMap};

const SMALL: [ObjectKind; 5] =
    [ObjectKind::Key, ObjectKind::Writer, ObjectKind::Forgotten, ObjectKind::Note, ObjectKind::Gc];

pub(super) fn check(
    repository: &Repository,
    monitor: &dyn Monitor,
    report: &mut CheckReport,
) -> Result<()> {
    for kind in SMALL {
        for object in repository.backend().list(kind)? {
            if let Err(error) = opens(repository, &object.handle) {
                report.found(monitor, error.within("check", &object.handle));
            }
        }
    }
    series(repository, monitor, report)
}

fn opens(repository: &Repository, handle: &Handle) -> Result<()> {
    if let (ObjectKind::Key, Some(id)) = (handle.kind(), handle.slot_id()) {
        return slot::read(&repository.backend().get(handle, None)?, id).map(drop);
    }
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

/// A series without gaps: each member is there or was given up, and names the one before it.
fn series(repository: &Repository, monitor: &dyn Monitor, report: &mut CheckReport) -> Result<()> {
    let mut members: HashMap<SeriesId, BTreeMap<u64, Member>> = HashMap::new();
    for mark in repository.forgotten().unwrap_or_default() {
        let member = Member { hash: mark.hash, snapshot: None };
        members.entry(mark.series).or_default().insert(mark.sequence, member);
    }
    for (id, outcome) in repository.outcomes()? {
        match outcome {
            Ok((Outcome::Snapshot(snapshot), hash, _)) => {
                report.snapshots += 1;
                let of_series = members.entry(snapshot.series).or_default();
                of_series.insert(snapshot.sequence, Member { hash, snapshot: Some(snapshot) });
            }
            Ok(_) => {}
            Err(error) => report.found(monitor, error.within("check the snapshot", id)),
        }
    }
    for (series, members) in members {
        for error in gaps(series, &members) {
            report.found(monitor, error);
        }
    }
    Ok(())
}

struct Member {
    hash: [u8; 32],
    snapshot: Option<Box<Snapshot>>,
}

fn gaps(series: SeriesId, members: &BTreeMap<u64, Member>) -> Vec<Error> {
    let mut errors = Vec::new();
    let mut before: Option<(u64, [u8; 32])> = None;
    for (sequence, member) in members {
        let follows = before.is_some_and(|(last, _)| last + 1 == *sequence) || *sequence == 1;
        if let (Some((last, _)), false) = (before, follows) {
            let reason = format!("nothing stands between numbers {last} and {sequence}");
            errors.push(
                Error::damaged("account for series", series.short(), reason)
                    .hint("a snapshot was removed without being forgotten"),
            );
        }
        if let (Some((_, hash)), Some(snapshot), true) = (before, &member.snapshot, follows)
            && snapshot.previous.as_deref() != Some(&hash[..])
        {
            errors.push(Error::damaged(
                "account for snapshot",
                snapshot.id,
                "it does not follow the one before it",
            ));
        }
        before = Some((*sequence, member.hash));
    }
    errors
}
