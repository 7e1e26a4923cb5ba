//! What is missing in the chains of snapshots: found, and given up.

use crate::error::{Error, Kind, Result};
use crate::format::gc::Position;
use crate::monitor::{Monitor, go_on};
use crate::ops::series::{Gap, Missing, missing};
use crate::repo::Repository;

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
    let Missing { gaps, unread, .. } = missing(repository)?;
    match unread {
        Some(error) => Err(refused
            .because("what seems to be missing may be what cannot be read")
            .caused_by(error)
            .hint("mend it, or give it up by its full id: `icecore forget ID`")),
        None => Ok(gaps),
    }
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
