//! The small objects: each must open and be what its name says.

use super::Finding;
use crate::backend::{Handle, Listed, is_of_probe};
use crate::error::{Kind, Result};
use crate::format::gc::{Condemned, Forgotten, Verdict};
use crate::format::note::Note;
use crate::format::record::{self, Record};
use crate::format::snapshot::Outcome;
use crate::format::writer::{Heartbeat, Registration};
use crate::format::{ObjectKind, Payload};
use crate::repo::Repository;

/// Whether objects of a kind are small and sealed, and read by nobody else in a check.
fn is_small(kind: ObjectKind) -> bool {
    match kind {
        ObjectKind::Writer | ObjectKind::Forgotten | ObjectKind::Note | ObjectKind::Gc => true,
        ObjectKind::Config
        | ObjectKind::Key
        | ObjectKind::Pack
        | ObjectKind::Index
        | ObjectKind::Snapshot
        | ObjectKind::Quarantine => false,
    }
}

/// Checks all of them: what is wrong with them.
pub(super) fn check(repository: &Repository) -> Result<Vec<Finding>> {
    let small = ObjectKind::ALL.into_iter().filter(|kind| is_small(*kind));
    let listed: Vec<_> =
        small.map(|kind| repository.backend().list(kind)).collect::<Result<_>>()?;
    let mut listed: Vec<Listed> = listed.into_iter().flatten().collect();
    listed.retain(|object| !is_of_probe(&**repository.backend(), object).unwrap_or(false));
    let mut findings = Vec::new();
    for (handle, opened) in repository.open_objects(listed) {
        match opened.and_then(|(plain, _)| is_record(&handle, &plain)) {
            // A writer or a note that was cleared away since it was listed.
            Err(error) if error.kind() == Kind::NotFound && may_go(handle.kind()) => {}
            Err(error) => {
                let error = error.within("check", &handle);
                findings.push(Finding::object(handle, error));
            }
            Ok(()) => {}
        }
    }
    Ok(findings)
}

/// Checks the key slots: what is wrong with them.
pub(super) fn check_slots(repository: &Repository) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for slot in repository.slots()?.into_iter().filter(|slot| slot.counts) {
        if let Err(error) = slot.slot {
            let handle = Handle::key(slot.id);
            let error = error.within("check", &handle);
            findings.push(Finding::object(handle, error));
        }
    }
    Ok(findings)
}

fn may_go(kind: ObjectKind) -> bool {
    matches!(kind, ObjectKind::Writer | ObjectKind::Note)
}

fn is_record(handle: &Handle, plain: &[u8]) -> Result<()> {
    let subject = handle.to_string();
    match handle.payload() {
        Payload::Registration => decodes::<Registration>(plain, &subject),
        Payload::Heartbeat => decodes::<Heartbeat>(plain, &subject),
        Payload::Outcome => decodes::<Outcome>(plain, &subject),
        Payload::Forgotten => decodes::<Forgotten>(plain, &subject),
        Payload::Note => decodes::<Note>(plain, &subject),
        Payload::Condemned => decodes::<Condemned>(plain, &subject),
        Payload::Verdict => decodes::<Verdict>(plain, &subject),
        // These are no records.
        Payload::Config
        | Payload::Slot
        | Payload::Blobs
        | Payload::Segment
        | Payload::Quarantined => Ok(()),
    }
}

fn decodes<T: Record>(plain: &[u8], subject: &str) -> Result<()> {
    record::decode::<T>(plain, subject).map(drop)
}
