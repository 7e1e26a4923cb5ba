//! Deletion in a mirror (M7): what the source's own collections gave up, and the source has deleted.

use super::survey::{Survey, list};
use crate::backend::{Backend, Handle, Spared};
use crate::crypto::Secret;
use crate::env::Env;
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::id::SnapshotId;
use crate::monitor::Monitor;
use crate::ops::prune::{Swept, sweep};
use crate::repo::Repository;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// Whether as many snapshots of a mirror may be deleted as were given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteLimit {
    /// Not if those are more than half of all.
    Half,
    /// Always.
    All,
}

/// Deletes in a mirror what may be deleted there by the records that it was given: it is marked, read
/// and proved there, as in every repository that is pruned. What the source has stays; that the source
/// lacks something is no reason to delete it.
///
/// # Errors
/// `Refused` if more would go than `limit` allows; `Damaged` if chunks are lost in the mirror.
pub fn delete_given_up(
    source: &dyn Backend,
    mirror: Arc<dyn Backend>,
    env: &Env,
    secret: &Secret,
    limit: DeleteLimit,
    monitor: &dyn Monitor,
) -> Result<Swept> {
    let survey = Survey::take(source)?;
    let kept: HashSet<Handle> = survey.all().map(|object| object.handle.clone()).collect();
    let going = going(&*mirror, &kept, limit)?;
    let mirror = Repository::open(Arc::new(Spared::new(mirror, kept)), env.clone(), secret)?;
    let ids: Vec<SnapshotId> = going.keys().copied().collect();
    mirror.remove_forgotten(&ids)?;
    let stay = list(&**mirror.backend(), ObjectKind::Snapshot)?;
    let stay: HashSet<_> = stay.iter().filter_map(|stays| stays.handle.snapshot_id()).collect();
    let mut swept = sweep(&mirror, monitor)?;
    let gone = going.iter().filter(|(id, _)| !stay.contains(id));
    gone.for_each(|(_, size)| swept.records.add(*size));
    for slot in mirror.slots()?.iter().filter(|slot| !slot.counts) {
        let handle = Handle::key(slot.id);
        let size = mirror.backend().size(&handle)?;
        match mirror.backend().delete(&handle) {
            Ok(()) => swept.records.add(size),
            Err(error) if error.kind() == Kind::Denied => swept.retained.add(size),
            Err(error) => return Err(error),
        }
    }
    Ok(swept)
}

/// The snapshots that were given up and that the source has deleted, with their sizes. A thief of
/// the source's keys can give everything up, and so can a mistake with `forget`.
fn going(
    mirror: &dyn Backend,
    kept: &HashSet<Handle>,
    limit: DeleteLimit,
) -> Result<BTreeMap<SnapshotId, u64>> {
    let marked = list(mirror, ObjectKind::Forgotten)?;
    let marked: HashSet<_> = marked.iter().filter_map(|mark| mark.handle.snapshot_id()).collect();
    let all = list(mirror, ObjectKind::Snapshot)?;
    let going = all.iter().filter(|outcome| !kept.contains(&outcome.handle));
    let going = going.filter_map(|outcome| Some((outcome.handle.snapshot_id()?, outcome.size)));
    let going: BTreeMap<_, _> = going.filter(|(id, _)| marked.contains(id)).collect();
    if limit == DeleteLimit::All || going.len() * 2 <= all.len() {
        return Ok(going);
    }
    let reason = format!("{} of its {} snapshots were given up", going.len(), all.len());
    Err(Error::new(Kind::Refused, "delete in", mirror.describe())
        .because(reason)
        .hint("if that is meant, say so with --force"))
}
