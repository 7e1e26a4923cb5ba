//! Retention by the store itself is extended on what stays, so that it ends only for what may go.

use super::outcomes::{Outcomes, Scope};
use crate::backend::Handle;
use crate::error::Result;
use crate::format::ObjectKind;
use crate::id::PackId;
use crate::monitor::{Counter, Monitor, go_on};
use crate::repo::Repository;
use std::collections::BTreeSet;

/// Objects that are asked about between two looks whether to go on.
const TOGETHER: usize = 256;

/// Extends it, where the store was asked for any; on how many objects. Of the packs that verdicts give up,
/// these are `needed`.
pub(super) fn retain(
    repository: &Repository,
    needed: &BTreeSet<PackId>,
    monitor: &dyn Monitor,
) -> Result<u64> {
    let store = repository.backend();
    if store.capabilities().retention.is_none() {
        return Ok(0);
    }
    let stays = stays(repository, needed)?;
    monitor.begin("extend retention", Some((Counter::Items, stays.len() as u64)));
    let mut extended = 0;
    for some in stays.chunks(TOGETHER) {
        go_on(monitor, "extend retention in")?;
        extended += store.retain(some)?;
        monitor.count(Counter::Items, some.len() as u64);
    }
    monitor.end();
    Ok(extended)
}

/// All that no verdict and no mark gives up; where something cannot be read, all that it may need.
fn stays(repository: &Repository, needed: &BTreeSet<PackId>) -> Result<Vec<Handle>> {
    let mut index = repository.load_index()?;
    let unread: Vec<Handle> = index.take_troubles().into_iter().map(|(handle, _)| handle).collect();
    let generations = repository.generations()?;
    let outcomes = Outcomes::read(repository, &generations, Scope::Living, &mut |_, _| Ok(()))?;
    let knows_all = unread.is_empty() && outcomes.unread.is_empty();
    let (swept, named) = (generations.swept(), index.packs());
    let may_go = |pack: &PackId| swept.contains(pack) && !needed.contains(pack);
    let mut packs: Vec<PackId> = repository.pack_sizes()?.into_keys().collect();
    packs.retain(|pack| !knows_all || named.contains_key(pack) && !may_go(pack));
    let mut stays: Vec<Handle> = packs.into_iter().map(Handle::pack).collect();
    stays.extend(index.names().iter().copied().map(Handle::index));
    stays.extend(unread);
    let kept = outcomes.snapshots.iter().chain(outcomes.lasting.keys());
    let kept = kept.chain(outcomes.unread.keys()).chain(&outcomes.tombstones);
    stays.extend(kept.copied().map(Handle::snapshot));
    stays.extend(repository.config().slots.iter().copied().map(Handle::key));
    for kind in [ObjectKind::Config, ObjectKind::Gc] {
        stays.extend(repository.backend().list(kind)?.into_iter().map(|object| object.handle));
    }
    Ok(stays)
}
