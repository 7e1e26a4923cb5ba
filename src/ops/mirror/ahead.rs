//! Whether a mirror has seen more than its source (M3): then the source was set back, or something else wrote to
//! the mirror, and the next collection of the source would give up what only the mirror has.

use super::survey::Survey;
use crate::backend::{Backend, Handle};
use crate::crypto::Secret;
use crate::env::Env;
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::snapshot::Outcome;
use crate::id::SnapshotId;
use crate::repo::Repository;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Outcomes up to this length are no snapshots: they say that a writer has ended, and collections clear
/// them away, in the source too.
const ENDED_MAX: u64 = 512;

pub(super) const DIVERGED: &str = "nothing was changed there: run `icecore check` on both, go on with the one \
                                   that is right, and mirror it to an empty place";

/// Refuses a mirror that has a mark, or a snapshot without a mark, which the source has not, or of which the source
/// says that its writer has ended without one. Without a key what is left of a long backup looks like a snapshot.
///
/// # Errors
/// `Refused` if it has; those of opening it.
pub(super) fn refuse_ahead(
    mirror: &Arc<dyn Backend>,
    listed: &HashMap<Handle, u64>,
    survey: &Survey,
    key: Option<(&Env, &Secret)>,
) -> Result<()> {
    let ours = survey.handles();
    let marks = survey.of(ObjectKind::Forgotten).iter();
    let given_up: HashSet<SnapshotId> = marks.filter_map(|it| it.handle.snapshot_id()).collect();
    let alone = |handle: &&Handle| !ours.contains(*handle);
    if let Some(mark) = listed.keys().filter(alone).find(|it| it.kind() == ObjectKind::Forgotten) {
        return Err(refusal(mirror, mark).hint(DIVERGED));
    }
    let is_kept = |id: &SnapshotId| !given_up.contains(id);
    let short = survey.of(ObjectKind::Snapshot).iter().filter(|it| it.size <= ENDED_MAX);
    let ended: HashSet<&Handle> = short.map(|it| &it.handle).collect();
    let unlike = |handle: &&Handle| alone(handle) || ended.contains(*handle);
    let large = listed.iter().filter(|(handle, size)| unlike(handle) && **size > ENDED_MAX);
    let outcomes = large.map(|(handle, _)| handle).filter(|it| it.kind() == ObjectKind::Snapshot);
    let mut unknown: Vec<&Handle> =
        outcomes.filter(|it| it.snapshot_id().as_ref().is_some_and(is_kept)).collect();
    if let (Some((env, secret)), false) = (key, unknown.is_empty()) {
        let mirror = Repository::open(Arc::clone(mirror), env.clone(), secret)?;
        unknown.retain(|handle| {
            let outcome = handle.snapshot_id().map(|id| mirror.outcome(id));
            !matches!(outcome, Some(Ok((Outcome::Partial(_) | Outcome::Maintenance(_), _))))
        });
    }
    match (unknown.first(), key) {
        (None, _) => Ok(()),
        (Some(handle), Some(_)) => Err(refusal(mirror, handle).hint(DIVERGED)),
        (Some(handle), None) => Err(refusal(mirror, handle).hint(format!(
            "{DIVERGED}. Only if it is what a backup of more than an hour left on its way is nothing wrong: \
             `mirror --delete`, which takes the password, sees that and clears it away"
        ))),
    }
}

fn refusal(mirror: &Arc<dyn Backend>, handle: &Handle) -> Error {
    Error::new(Kind::Refused, "mirror to", mirror.describe()).because(format!(
        "it has {handle} and the source has not, nor has given it up: the source has lost it, or is an \
         older state of itself, or something else wrote to the mirror"
    ))
}
