//! Giving up snapshots that are named.

use super::ForgetPlan;
use super::held::{holds, refuse_held};
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::id::SnapshotId;
use crate::ops::past::refuse_last;
use crate::ops::select::{Filter, choose};
use crate::repo::Repository;
use std::collections::{BTreeSet, HashSet};

/// The plan that gives up the snapshots that `names` mean among those that pass the filter. One
/// that cannot be read is meant by its full id alone.
///
/// # Errors
/// `Refused` for what is held, and without `force` if it is the last snapshot of something or a note
/// cannot be read; `NotFound` and `InvalidInput` for names that mean no snapshot or several.
pub fn plan<'r>(
    repository: &'r Repository,
    names: &[String],
    filter: &Filter,
    force: bool,
) -> Result<ForgetPlan<'r>> {
    let mut troubles = Vec::new();
    let all = repository.snapshots(|error| troubles.push(error))?;
    let passing = all.filtered(|snapshot| filter.passes(snapshot))?;
    let mut chosen = HashSet::new();
    let mut unreadable = BTreeSet::new();
    let holds = holds(repository, force)?;
    for name in names {
        match choose(&passing, name) {
            Ok(stored) => {
                let id = stored.snapshot.id;
                refuse_held(&holds, id)?;
                refuse_ambiguous(repository, name, id, &troubles)?;
                chosen.insert(id);
            }
            Err(error) => match unreadable_of(repository, name, filter, force)? {
                Some(id) => {
                    refuse_held(&holds, id)?;
                    unreadable.insert(id);
                }
                None => return Err(with_advice(error, &troubles)),
            },
        }
    }
    // Those are no longer passed over.
    let meant =
        |error: &Error| unreadable.iter().any(|id| error.to_string().contains(&id.to_string()));
    troubles.retain(|error| !meant(error));
    let told = (troubles, holds.troubles);
    let plan = ForgetPlan { unreadable, ..ForgetPlan::new(all, &chosen, told, !force) };
    if plan.guarded {
        refuse_last(&plan.forget, &plan.keep)?;
    }
    Ok(plan)
}

/// The beginning of an id must not mean an unreadable snapshot as well as a readable one.
fn refuse_ambiguous(
    repository: &Repository,
    name: &str,
    chosen: SnapshotId,
    troubles: &[Error],
) -> Result<()> {
    if troubles.is_empty() || !chosen.to_string().starts_with(name) {
        return Ok(());
    }
    let listed = repository.backend().list(ObjectKind::Snapshot)?;
    let others = listed
        .iter()
        .filter(|object| object.handle.name().starts_with(name))
        .filter_map(|object| object.handle.snapshot_id())
        .filter(|id| *id != chosen);
    for id in others {
        if repository.outcome(id).is_err() {
            return Err(Error::new(Kind::InvalidInput, "find the snapshot", name)
                .because(format!("{id}, which cannot be read, begins like that too"))
                .hint("give more digits"));
        }
    }
    Ok(())
}

/// The snapshot of this full id, if it is there and cannot be read. What only cannot be read just
/// now may be sound: that takes `force`.
fn unreadable_of(
    repository: &Repository,
    name: &str,
    filter: &Filter,
    force: bool,
) -> Result<Option<SnapshotId>> {
    let Ok(id) = name.parse::<SnapshotId>() else { return Ok(None) };
    match repository.outcome(id) {
        Err(error) if error.kind() == Kind::NotFound => Ok(None),
        Ok(_) => Ok(None),
        // Nobody knows whether it passes.
        Err(error) if *filter != Filter::default() => Err(error.within("filter the snapshot", id)),
        Err(error) if error.kind() == Kind::Unsupported => Err(error.within("forget", id)),
        Err(error) if error.kind() == Kind::Damaged || force => {
            drop(error);
            Ok(Some(id))
        }
        Err(error) => Err(error
            .within("forget", id)
            .hint("it may be readable later; `--force` gives it up all the same")),
    }
}

fn with_advice(error: Error, troubles: &[Error]) -> Error {
    match troubles.first() {
        None => error,
        Some(trouble) => error.hint(format!(
            "there are snapshots that cannot be read, which only a full id means: {trouble}"
        )),
    }
}
