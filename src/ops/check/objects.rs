//! The small objects: each must open and be what its name says.

use super::CheckReport;
use crate::backend::{Handle, is_of_probe};
use crate::error::{Kind, Result};
use crate::format::ObjectKind;
use crate::format::gc::{Condemned, Forgotten, Verdict};
use crate::format::note::Note;
use crate::format::record::{self, Record};
use crate::format::writer::{Heartbeat, Registration};
use crate::monitor::Monitor;
use crate::repo::Repository;

const SMALL: [ObjectKind; 4] =
    [ObjectKind::Writer, ObjectKind::Forgotten, ObjectKind::Note, ObjectKind::Gc];

/// Checks all of them but the snapshots.
pub(super) fn check(
    repository: &Repository,
    monitor: &dyn Monitor,
    report: &mut CheckReport,
) -> Result<()> {
    for kind in SMALL {
        let mut listed = repository.backend().list(kind)?;
        listed.retain(|object| !is_of_probe(&**repository.backend(), object).unwrap_or(false));
        for (handle, opened) in repository.open_objects(listed) {
            match opened.and_then(|(plain, _)| is_record(&handle, &plain)) {
                // A slot that was removed, a writer that was cleared away since it was listed.
                Err(error) if error.kind() == Kind::NotFound && may_go(kind) => {}
                Err(error) => report.found(monitor, error.within("check", &handle)),
                Ok(()) => {}
            }
        }
    }
    for slot in repository.slots()?.into_iter().filter(|slot| slot.counts) {
        if let Err(error) = slot.slot {
            report.found(monitor, error.within("check", Handle::key(slot.id)));
        }
    }
    Ok(())
}

fn may_go(kind: ObjectKind) -> bool {
    matches!(kind, ObjectKind::Writer | ObjectKind::Note)
}

fn is_record(handle: &Handle, plain: &[u8]) -> Result<()> {
    let subject = handle.to_string();
    match handle.kind() {
        ObjectKind::Writer if handle.number().is_some() => decodes::<Heartbeat>(plain, &subject),
        ObjectKind::Writer => decodes::<Registration>(plain, &subject),
        ObjectKind::Forgotten => decodes::<Forgotten>(plain, &subject),
        ObjectKind::Note => decodes::<Note>(plain, &subject),
        _ if handle.is_verdict() => decodes::<Verdict>(plain, &subject),
        _ => decodes::<Condemned>(plain, &subject),
    }
}

fn decodes<T: Record>(plain: &[u8], subject: &str) -> Result<()> {
    record::decode::<T>(plain, subject).map(drop)
}
