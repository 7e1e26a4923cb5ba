//! What is missing in the chains of snapshots: found, and given up.

use crate::error::{Error, Kind, Result};
use crate::format::gc::Position;
use crate::monitor::{Monitor, go_on};
use crate::ops::series::{Flaw, Gap, flaws};
use crate::repo::{Repository, SnapshotKey};

/// What is missing in the chains of snapshots without having been given up.
///
/// # Errors
/// `Refused` while snapshots cannot be read, since one of them may be what is missing; and where
/// listings lag.
pub fn gaps(repository: &Repository) -> Result<Vec<Gap>> {
    let refused = Error::new(Kind::Refused, "look for gaps in", repository.backend().describe());
    if !repository.config().listing_after_write {
        return Err(refused.because("its store lists late: what seems to be missing may be there"));
    }
    let read = || {
        let mut unreadable = None;
        let snapshots = repository.snapshots(|error| unreadable = Some(error))?;
        let members: Vec<SnapshotKey> = snapshots.keys().copied().collect();
        Ok((flaws(repository, &members)?, unreadable))
    };
    let (first, unreadable) = read()?;
    if let Some(error) = unreadable {
        return Err(refused
            .because("what seems to be missing may be what cannot be read")
            .caused_by(error)
            .hint("mend it, or give it up by its full id: `icecore forget ID`"));
    }
    if first.is_empty() {
        return Ok(Vec::new());
    }
    // Writers at work may show one member of a series before another.
    let (second, _) = read()?;
    let gap = |flaw| match flaw {
        Flaw::Gap(gap) => Some(gap),
        Flaw::Misfit(_) => None,
    };
    Ok(first.into_iter().filter(|flaw| second.contains(flaw)).filter_map(gap).collect())
}

/// Gives up what is missing, so that nobody misses it any more.
pub fn forget_gaps(repository: &Repository, gaps: &[Gap], monitor: &dyn Monitor) -> Result<()> {
    for Gap { series, first, last, hash, .. } in gaps {
        go_on(monitor, "forget")?;
        let position = Position { series: *series, sequence: *last, hash: *hash };
        repository.forget_place(*first, position)?;
    }
    Ok(())
}
