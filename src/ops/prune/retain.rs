//! Retention by the store itself is extended on what stays, so that it ends only for what may go.

use super::outcomes::{Outcomes, Scope};
use crate::backend::Handle;
use crate::error::Result;
use crate::format::ObjectKind;
use crate::monitor::{Counter, Monitor, go_on};
use crate::repo::Repository;

/// Objects that are asked about between two looks whether to go on.
const TOGETHER: usize = 256;

/// Extends it, where the store was asked for any; on how many objects.
pub(super) fn retain(repository: &Repository, monitor: &dyn Monitor) -> Result<u64> {
    let store = repository.backend();
    if store.capabilities().retention.is_none() {
        return Ok(0);
    }
    let stays = stays(repository)?;
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

/// All that no collection and no mark gives up, and on which snapshots rest.
fn stays(repository: &Repository) -> Result<Vec<Handle>> {
    let index = repository.load_index()?;
    let generations = repository.generations()?;
    let outcomes = Outcomes::read(repository, &generations, Scope::Living, &mut |_, _| Ok(()))?;
    let listed = repository.pack_sizes()?;
    let packs = index.packs().into_keys();
    let packs = packs.filter(|pack| listed.contains_key(pack) && !generations.is_condemned(pack));
    let mut stays: Vec<Handle> = packs.map(Handle::pack).collect();
    stays.extend(index.names().iter().copied().map(Handle::index));
    stays.extend(outcomes.snapshots.iter().copied().map(Handle::snapshot));
    stays.extend(outcomes.lasting.keys().copied().map(Handle::snapshot));
    for kind in [ObjectKind::Config, ObjectKind::Key, ObjectKind::Gc] {
        stays.extend(repository.backend().list(kind)?.into_iter().map(|object| object.handle));
    }
    Ok(stays)
}
