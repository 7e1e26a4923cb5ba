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

/// What was found in them.
#[derive(Default)]
pub(super) struct Objects {
    pub(super) findings: Vec<Finding>,
    /// The marks that can be read.
    pub(super) marks: Vec<Forgotten>,
}

/// Checks the small and sealed objects that were listed, all but outcomes.
pub(super) fn check(repository: &Repository, mut listed: Vec<Listed>) -> Result<Objects> {
    listed.retain(|object| !is_of_probe(&**repository.backend(), object).unwrap_or(false));
    let Objects { mut findings, mut marks } = Objects::default();
    for (handle, opened) in repository.open_objects(listed) {
        match opened.and_then(|(plain, _)| is_record(&handle, &plain, &mut marks)) {
            // A writer or a note that was cleared away since it was listed.
            Err(error) if error.kind() == Kind::NotFound && may_go(handle.kind()) => {}
            Err(error) => {
                let error = error.within("check", &handle);
                findings.push(Finding::object(handle, error));
            }
            Ok(()) => {}
        }
    }
    Ok(Objects { findings, marks })
}

/// Checks the key slots but the one that has opened the repository: what is wrong with them.
pub(super) fn check_slots(repository: &Repository) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (id, slot) in repository.other_slots()? {
        if let Err(error) = slot {
            let handle = Handle::key(id);
            let error = error.within("check", &handle);
            findings.push(Finding::object(handle, error));
        }
    }
    Ok(findings)
}

fn may_go(kind: ObjectKind) -> bool {
    matches!(kind, ObjectKind::Writer | ObjectKind::Note)
}

fn is_record(handle: &Handle, plain: &[u8], marks: &mut Vec<Forgotten>) -> Result<()> {
    let subject = handle.to_string();
    match handle.payload() {
        Payload::Registration => decodes::<Registration>(plain, &subject),
        Payload::Heartbeat => decodes::<Heartbeat>(plain, &subject),
        Payload::Outcome => decodes::<Outcome>(plain, &subject),
        Payload::Forgotten => {
            let mark: Forgotten = record::decode(plain, &subject)?;
            marks.extend(Some(mark).filter(|mark| *handle == Handle::forgotten(mark.id)));
            Ok(())
        }
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
