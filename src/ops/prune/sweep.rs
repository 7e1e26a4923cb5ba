//! Deleting (chapter 11, G8): by a mark of its own (C13) that trusts no verdict (C14), and only what
//! both give up (C12); what replaces it was read before (C16).

use super::mark::{Look, Mark, marked};
use super::outcomes::{Outcomes, Scope};
use super::plan::Tally;
use crate::backend::Handle;
use crate::env::Time;
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::id::{ChunkId, IndexId, PackId, SnapshotId};
use crate::limits::WINDOW;
use crate::monitor::{Counter, Monitor, go_on};
use crate::repo::{Generations, Reader, Repository, place_of};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;

/// What was deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Packs.
    pub packs: Tally,
    /// Index segments.
    pub segments: Tally,
    /// Registrations, heartbeats, outcomes, and notes of snapshots that are gone.
    pub records: Tally,
    /// What the store did not let go.
    pub retained: Tally,
    /// When it lets all of that go, if it says so.
    pub retained_until: Option<Time>,
    /// Packs that verdicts give up, and that are needed.
    pub needed: BTreeSet<PackId>,
}

/// Deletes all that may go.
///
/// # Errors
/// `Damaged` if chunks are lost without a word about damage: then nothing is certain.
pub(in crate::ops) fn sweep(repository: &Repository, monitor: &dyn Monitor) -> Result<Swept> {
    let mut swept = Swept::default();
    let chain = repository.generations()?;
    if chain.decided() == 0 {
        return Ok(swept);
    }
    if may_sweep(repository)? {
        swept = marked(repository, Scope::Stored, monitor, |look, mark| {
            sweep_packs(repository, look, &mark, monitor)
        })?;
    }
    records(repository, &chain, monitor, &mut swept)?;
    Ok(swept)
}

/// Whether verdicts give up any pack that is stored, or any index segment.
pub(super) fn may_sweep(repository: &Repository) -> Result<bool> {
    let index = repository.load_index()?;
    let swept = index.generations().swept();
    Ok(!index.dead().is_empty()
        || (!swept.is_empty() && repository.pack_sizes()?.keys().any(|pack| swept.contains(pack))))
}

/// Dead segments, and then swept packs.
fn sweep_packs(
    repository: &Repository,
    look: &Look,
    mark: &Mark<'_>,
    monitor: &dyn Monitor,
) -> Result<Swept> {
    mark.refuse_lost(repository)?;
    let sizes = repository.pack_sizes()?;
    let may_go = |pack: &PackId| look.generations().swept().contains(pack);
    let given_up = sizes.keys().copied().filter(may_go);
    let (needed, doomed) = given_up.partition(|pack| mark.has_to_stay(pack));
    let mut swept = Swept { needed, ..Swept::default() };
    let doomed = proved(repository, mark, doomed, &mut swept.needed, monitor)?;
    let doomed = released(repository, doomed, &sizes, &mut swept)?;
    let segments = dead_segments(repository, look, &sizes, &doomed)?;
    let mut broom = Broom { repository, monitor, retained: Tally::default() };
    monitor.begin("delete", Some((Counter::Items, (segments.len() + doomed.len()) as u64)));
    swept.segments = broom.sweep(segments)?;
    let size = |pack: &PackId| sizes.get(pack).copied().unwrap_or_default();
    let packs = doomed.iter().map(|pack| (Handle::pack(*pack), size(pack)));
    swept.packs = broom.sweep(packs.collect())?;
    monitor.end();
    swept.retained.join(broom.retained);
    Ok(swept)
}

/// Those of the packs that the store does not keep from being deleted by itself.
fn released(
    repository: &Repository,
    doomed: BTreeSet<PackId>,
    sizes: &HashMap<PackId, u64>,
    swept: &mut Swept,
) -> Result<BTreeSet<PackId>> {
    let store = repository.backend();
    if store.capabilities().retention.is_none() {
        return Ok(doomed);
    }
    let handles: Vec<Handle> = doomed.iter().copied().map(Handle::pack).collect();
    let mut released = BTreeSet::new();
    for (pack, until) in doomed.into_iter().zip(store.retained(&handles)?) {
        match until {
            None => drop(released.insert(pack)),
            Some(until) => {
                swept.retained.add(sizes.get(&pack).copied().unwrap_or_default());
                swept.retained_until = swept.retained_until.max(Some(until));
            }
        }
    }
    Ok(released)
}

/// C16: of the needed chunks in packs that are to go, all that replaces them is read. Of a pack where
/// that fails nothing goes.
fn proved(
    repository: &Repository,
    mark: &Mark<'_>,
    mut doomed: BTreeSet<PackId>,
    needed: &mut BTreeSet<PackId>,
    monitor: &dyn Monitor,
) -> Result<BTreeSet<PackId>> {
    let reader = Reader::new(repository, &mark.counting);
    let mut unproved = Vec::new();
    monitor.begin("read what replaces", Some((Counter::Items, doomed.len() as u64)));
    let mut named: Vec<_> = mark.counting.entries_by_pack().into_iter().collect();
    named.retain(|(pack, _)| doomed.contains(pack));
    mark.counting.each_pack(&named, &mut |pack, rows| {
        let Some(kind) = mark.packs.get(&pack).map(|pack| pack.kind) else {
            return Ok(ControlFlow::Continue(()));
        };
        let mut batch: (Vec<ChunkId>, usize) = Default::default();
        let mut prove = |ids: &[ChunkId]| {
            go_on(monitor, "read what replaces chunks in")?;
            for read in reader.read_all(kind, ids) {
                match read {
                    Ok(_) => {}
                    Err(error) if error.kind() == Kind::Unavailable => return Err(error),
                    Err(error) => {
                        monitor.trouble(&error);
                        unproved.push(pack);
                    }
                }
            }
            Ok(())
        };
        for place in rows.iter().filter_map(|row| mark.counting.at(*row)) {
            if mark.needed.contains(&place.id.base()) {
                batch.0.push(place.id);
                batch.1 += usize::try_from(place.plain).unwrap_or(WINDOW);
            }
            if batch.1 >= WINDOW {
                prove(&std::mem::take(&mut batch).0)?;
            }
        }
        prove(&batch.0)?;
        monitor.count(Counter::Items, 1);
        Ok(ControlFlow::Continue(()))
    })?;
    monitor.end();
    for pack in unproved {
        if doomed.remove(&pack) {
            needed.insert(pack);
        }
    }
    Ok(doomed)
}

/// C17: dead segments each of whose packs is gone, or goes, or has the same entries in a segment that
/// is alive.
fn dead_segments(
    repository: &Repository,
    look: &Look,
    sizes: &HashMap<PackId, u64>,
    doomed: &BTreeSet<PackId>,
) -> Result<Vec<(Handle, u64)>> {
    let lengths = repository.segment_sizes()?;
    let dead: Vec<IndexId> = look.index().dead().to_vec();
    let mut may_go = Vec::new();
    repository.each_segment(&dead, &lengths, &mut |name, segment| {
        let segment = match segment {
            Ok(segment) => segment,
            // Another deleted it; or nobody knows what it says.
            Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Damaged) => return Ok(()),
            Err(error) => return Err(error),
        };
        let goes = |pack: &PackId| !sizes.contains_key(pack) || doomed.contains(pack);
        let goes: Vec<bool> = segment.packs().iter().map(|pack| goes(&pack.id)).collect();
        let is_spare = |row: usize| {
            let (pack, _) = segment.pack_row_of(row)?;
            let spare = goes.get(pack) == Some(&true)
                || look.index().is_living(&place_of(&segment, &segment.entry(row)?)?);
            Some(spare)
        };
        if (0..segment.len()).all(|row| is_spare(row) == Some(true)) {
            may_go.push((Handle::index(name), lengths.get(&name).copied().unwrap_or_default()));
        }
        Ok(())
    })?;
    Ok(may_go)
}

/// Registrations, and then outcomes of writers that captured nothing, which are of no use any more, but
/// tombstones stay (C18); snapshots by their marks alone (C19); and notes of those that are gone.
fn records(
    repository: &Repository,
    generations: &Generations,
    monitor: &dyn Monitor,
    swept: &mut Swept,
) -> Result<()> {
    // Outcomes before the registrations, as for every mark.
    let outcomes = Outcomes::read(repository, generations, Scope::Living, &mut |_, _| Ok(()))?;
    let decided = generations.decided();
    let ended = outcomes.ended.iter().filter(|(_, generation)| **generation < decided);
    let ended: HashSet<SnapshotId> = ended.map(|(id, _)| *id).collect();
    let ids = |kind| -> Result<BTreeMap<SnapshotId, u64>> {
        let listed = repository.backend().list(kind)?;
        Ok(listed.iter().filter_map(|it| Some((it.handle.snapshot_id()?, it.size))).collect())
    };
    let forgotten = ids(ObjectKind::Forgotten)?;
    // Held ones stay.
    let mut given_up: Vec<SnapshotId> = ids(ObjectKind::Snapshot)?.into_keys().collect();
    given_up.retain(|id| forgotten.contains_key(id));
    if !given_up.is_empty() {
        swept.retained.count += repository.remove_forgotten(&given_up)?.retained;
    }
    let mut writers: BTreeMap<SnapshotId, Vec<(Handle, u64)>> = BTreeMap::new();
    for object in repository.backend().list(ObjectKind::Writer)? {
        let Some(id) = object.handle.snapshot_id() else { continue };
        if ended.contains(&id) || forgotten.contains_key(&id) || outcomes.tombstones.contains(&id) {
            writers.entry(id).or_default().push((object.handle, object.size));
        }
    }
    let mut broom = Broom { repository, monitor, retained: Tally::default() };
    for (id, size) in ids(ObjectKind::Snapshot)? {
        let mut goes = writers.remove(&id).unwrap_or_default();
        let keeps = !ended.contains(&id) && !outcomes.tombstones.contains(&id);
        if keeps {
            continue;
        }
        let count = goes.len() as u64;
        // A registration without an outcome would be a writer at work.
        goes.sort_by_key(|(handle, _)| handle.number().is_none());
        let gone = broom.sweep(goes)?;
        swept.records.join(gone);
        if gone.count == count && ended.contains(&id) {
            swept.records.join(broom.sweep(vec![(Handle::snapshot(id), size)])?);
        }
    }
    // Those whose outcomes were given up and are gone.
    let rest = writers.into_values().flatten().collect();
    swept.records.join(broom.sweep(rest)?);
    swept.records.join(broom.sweep(notes_of_gone(repository, forgotten.into_keys())?)?);
    swept.retained.join(broom.retained);
    Ok(())
}

/// Notes of snapshots that were given up and are gone: nobody asks for them any more. Those of
/// snapshots that are only missing stay.
fn notes_of_gone(
    repository: &Repository,
    forgotten: impl Iterator<Item = SnapshotId>,
) -> Result<Vec<(Handle, u64)>> {
    let store = repository.backend();
    let mut gone: BTreeSet<SnapshotId> = forgotten.collect();
    for stays in store.list(ObjectKind::Snapshot)? {
        stays.handle.snapshot_id().map(|id| gone.remove(&id));
    }
    let notes = repository.notes_about(&gone)?;
    let mut listed = store.list(ObjectKind::Note)?;
    listed.retain(|object| object.handle.note_id().is_some_and(|id| notes.contains(&id)));
    Ok(listed.into_iter().map(|object| (object.handle, object.size)).collect())
}

/// Deletes, and counts what stays.
struct Broom<'b> {
    repository: &'b Repository,
    monitor: &'b dyn Monitor,
    retained: Tally,
}

/// Objects that are deleted by one request.
const TOGETHER: usize = 100;

impl Broom<'_> {
    /// Deletes objects; those that are gone then.
    ///
    /// # Errors
    /// Those of a store that does not answer. What it refuses is counted.
    fn sweep(&mut self, objects: Vec<(Handle, u64)>) -> Result<Tally> {
        let mut gone = Tally::default();
        let store = self.repository.backend();
        for part in objects.chunks(TOGETHER) {
            go_on(self.monitor, "delete from")?;
            let handles: Vec<Handle> = part.iter().map(|(handle, _)| handle.clone()).collect();
            let together = self.lets_go(store.delete_all(&handles))?;
            for (handle, size) in part {
                // Together some may have gone; to delete one that is gone is no error.
                match together || self.lets_go(store.delete(handle))? {
                    true => gone.add(*size),
                    false => self.retained.add(*size),
                }
            }
            self.monitor.count(Counter::Items, part.len() as u64);
        }
        Ok(gone)
    }

    fn lets_go(&self, deleted: Result<(), Error>) -> Result<bool> {
        match deleted {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == Kind::Denied => Ok(false),
            Err(error) => Err(error),
        }
    }
}
