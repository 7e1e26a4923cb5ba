//! `repair snapshots`: of a snapshot that misses something, a new one of what is left. The original is
//! not touched; it may be given up then.

use super::RepairOptions;
use super::tree::{Counts, Judge, Mender};
use crate::codec::Level;
use crate::error::{Error, Kind, Result};
use crate::format::note::Damage;
use crate::format::snapshot::{Missing, Part, SeriesName, Snapshot, Summary};
use crate::id::{PackId, SnapshotId};
use crate::monitor::{Counter, Monitor, go_on};
use crate::ops::damage::record_damage;
use crate::ops::forget::{forget, plan};
use crate::ops::reach::Reach;
use crate::ops::select::{Filter, find_all};
use crate::repo::{Index, Reader, Repository, Session, SessionOptions, SnapshotKey};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Which snapshots are repaired.
#[derive(Clone, Debug, Default)]
pub struct DamagedSnapshots {
    /// These; without any, all that miss something.
    pub names: Vec<String>,
    /// Of those that pass this.
    pub filter: Filter,
    /// Whether the originals are given up then.
    pub forget: bool,
}

/// A snapshot of what is left of another.
#[derive(Clone, Debug)]
pub struct RepairedSnapshot {
    /// The one that misses something.
    pub original: SnapshotId,
    /// The new one; none if nothing is left.
    pub snapshot: Option<SnapshotId>,
    /// What is not in it: entries that cannot be restored, and folders that miss entries.
    pub left_out: Vec<Vec<u8>>,
}

/// The outcome of snapshots that miss something.
#[derive(Debug, Default)]
pub struct SnapshotsRepair {
    /// Snapshots that were looked at.
    pub snapshots: u64,
    /// Those that miss something, and what there is of them now.
    pub repaired: Vec<RepairedSnapshot>,
    /// Those of which there is a repaired one already.
    pub before: Vec<SnapshotId>,
    /// Originals that were given up.
    pub forgotten: u64,
    /// Snapshots that cannot be read at all.
    pub troubles: Vec<Error>,
}

/// Makes a new snapshot of what is left of each that misses something: chunks that cannot be read by any
/// entry, as far as that is known without reading all data.
///
/// # Errors
/// `NotFound` for names that mean none, `Refused` while a segment of the index cannot be read, `Unavailable` where something does not answer.
pub fn repair_snapshots(
    repository: &Repository,
    which: &DamagedSnapshots,
    options: &RepairOptions,
    monitor: &dyn Monitor,
) -> Result<SnapshotsRepair> {
    let mut report = SnapshotsRepair::default();
    let mut troubles = Vec::new();
    let chosen = find_all(repository, &which.names, &which.filter, |error| troubles.push(error))?;
    let (mut known, mut all) = (known(repository)?, repository.load_index()?);
    if let Some((_, error)) = known.take_troubles().into_iter().chain(all.take_troubles()).next() {
        let why = "what a part of the index names may not be lost";
        return Err(index_first(repository, why).caused_by(error));
    }
    troubles.iter().for_each(|error| monitor.trouble(error));
    report.troubles = troubles;
    let done: HashSet<SnapshotId> = originals(repository)?;
    let (reader, plain) = (Reader::new(repository, &known), Reader::new(repository, &all));
    let mut judge = Judge { known: &known, all: &plain, monitor };
    let mut reach = Reach::new(&reader);
    monitor.begin("look for what is lost", Some((Counter::Items, chosen.len() as u64)));
    for stored in chosen.iter() {
        go_on(monitor, "repair snapshots of")?;
        let original = &stored?.snapshot;
        monitor.count(Counter::Items, 1);
        if chosen.is_given_up(original.id) {
            continue;
        }
        report.snapshots += 1;
        if reach.snapshot(original, &mut judge)?.well {
            continue;
        }
        if report.repaired.is_empty() && report.before.is_empty() {
            refuse_unnamed(repository, &known)?;
        }
        let has_one = match done.contains(&original.id) {
            true => {
                report.before.push(original.id);
                true
            }
            false => {
                let repaired = repair(repository, original, options, &mut reach, &mut judge)?;
                let has_one = repaired.snapshot.is_some();
                report.repaired.push(repaired);
                has_one
            }
        };
        if which.forget && has_one && !options.dry_run {
            report.forgotten += give_up(repository, original.id, monitor)?;
        }
    }
    monitor.end();
    record_damage(repository, &known, monitor);
    known.failure().or(all.failure()).map_or(Ok(report), Err)
}

fn index_first(repository: &Repository, why: &str) -> Error {
    Error::new(Kind::Refused, "repair snapshots in", repository.backend().describe())
        .because(why)
        .hint("run `icecore repair index` first")
}

/// What seems to be lost may lie in packs that the index does not name, as when segments of it are gone.
fn refuse_unnamed(repository: &Repository, index: &Index) -> Result<()> {
    let (sizes, named, generations) =
        (repository.pack_sizes()?, index.packs(), index.generations());
    let is_unnamed = |pack: &PackId| !named.contains_key(pack) && !generations.is_condemned(pack);
    if !sizes.keys().any(is_unnamed) {
        return Ok(());
    }
    let why = "what is missing may lie in packs that the index does not name; a backup at work has \
               such packs, too";
    Err(index_first(repository, why))
}

/// The index without what is known to be damaged, or gone, or cut off.
fn known(repository: &Repository) -> Result<Index> {
    let mut index = repository.load_index()?;
    let sizes = repository.pack_sizes()?;
    let lengths: HashMap<_, _> = index.packs();
    let gone = lengths.keys().filter(|pack| !sizes.contains_key(pack)).copied();
    let gone = Damage { packs: gone.collect(), ..Damage::default() };
    let is_cut = |pack: &PackId, end| sizes.get(pack).is_some_and(|size| *size < end);
    let cut: Vec<_> = index
        .places()
        .filter(|place| is_cut(&place.pack, u64::from(place.offset) + u64::from(place.stored)))
        .collect();
    // Where listings lag, what they do not show may be there: then only a read tells.
    if repository.config().listing_after_write {
        index.distrust(&gone);
        index.discount(cut);
    }
    index.distrust(&repository.noted_damage()?.all());
    Ok(index)
}

/// The snapshots of which there are repaired ones.
fn originals(repository: &Repository) -> Result<HashSet<SnapshotId>> {
    let all = repository.snapshots(|_| {})?;
    all.iter()
        .filter_map(|stored| stored.map(|stored| stored.snapshot.original).transpose())
        .collect()
}

/// Gives an original up, unless it is held; how many that were.
fn give_up(repository: &Repository, id: SnapshotId, monitor: &dyn Monitor) -> Result<u64> {
    let given_up = plan(repository, &[id.to_string()], &Filter::default(), true)
        .and_then(|plan| forget(repository, &plan, monitor));
    match given_up {
        Ok(report) => Ok(report.forgotten),
        Err(error) if error.kind() == Kind::Refused => {
            monitor.trouble(&error);
            Ok(0)
        }
        Err(error) => Err(error),
    }
}

fn repair<'r>(
    repository: &Repository,
    original: &Snapshot,
    options: &RepairOptions,
    reach: &mut Reach<'r, Counts>,
    judge: &mut Judge<'r>,
) -> Result<RepairedSnapshot> {
    let writer = options.writer();
    let mut session =
        repository.begin(SessionOptions { writer, level: Level::default(), deltas: true })?;
    let mut mender = Mender::new(reach, judge, &mut session);
    let (mut parts, mut missing) = (Vec::new(), original.missing.clone());
    let mended = original.parts.iter().try_for_each(|part| {
        match mend(&mut mender, part)? {
            Some(part) => parts.push(part),
            None => missing.push(lost(part)),
        }
        Ok(())
    });
    let Mender { left_out, counts, .. } = mender;
    if let Err(error) = mended {
        // The error is what matters; an outcome only spares others a wait.
        drop(session.abandon());
        return Err(error);
    }
    let mut repaired = RepairedSnapshot { original: original.id, snapshot: None, left_out };
    if parts.is_empty() {
        session.abandon()?;
        return Ok(repaired);
    }
    let made = Snapshot {
        parts,
        missing,
        original: Some(original.id),
        origin: None,
        tool: options.tool.clone(),
        ..original.clone()
    };
    repaired.snapshot = Some(commit(repository, session, made, &counts, &repaired.left_out)?);
    Ok(repaired)
}

/// A part without what is lost of it.
fn mend(mender: &mut Mender<'_, '_, '_>, part: &Part) -> Result<Option<Part>> {
    let before = mender.left_out.len();
    let Some(root) = mender.mend(&part.path, &part.root)? else { return Ok(None) };
    let mut mended = Part { root, ..part.clone() };
    for path in mender.left_out.iter().skip(before) {
        mended.incomplete = true;
        mended.leave_out(path);
    }
    Ok(Some(mended))
}

/// A part of which nothing is left.
fn lost(part: &Part) -> Missing {
    let (path, selection) = (part.path.clone(), part.selection.clone());
    let reason = "it was lost in the repository".to_owned();
    Missing { kind: part.kind, path, selection, reason }
}

/// Commits what is left as a series of its own: it takes the place of nothing, and is not the newest of
/// anything.
fn commit(
    repository: &Repository,
    session: Session<'_>,
    made: Snapshot,
    counts: &Counts,
    left_out: &[Vec<u8>],
) -> Result<SnapshotId> {
    let (host, original) = (made.host.clone(), made.original);
    let name = SeriesName { host, sources: made.sources(), original, origin: None };
    let series = repository.ids().of_series(&name)?;
    // One of the same may have been made and given up.
    let all = repository.snapshots(|_| {})?;
    let marks = repository.forgotten(|_| {})?;
    let there = all.keys().filter(|key| key.series == series);
    let there = there.map(|key: &SnapshotKey| (key.sequence, Some(key.hash)));
    let marks = marks.iter().filter_map(|mark| mark.position);
    let gone = marks.filter(|position| position.series == series);
    let last = there.chain(gone.map(|at| (at.sequence, at.hash))).max_by_key(|(at, _)| *at);
    let (last, previous) = last.unwrap_or((0, None));
    let generation = Arc::clone(session.index()).generation();
    let failed = made.summary.failed.saturating_add(left_out.len() as u64);
    let mut warnings = made.warnings.clone();
    let first = left_out.first().map(|path| String::from_utf8_lossy(path)).unwrap_or_default();
    warnings.push(format!(
        "what is left of a snapshot that was damaged in the repository: {} left out, {first} first",
        left_out.len()
    ));
    let snapshot = session.commit(|id, written| Snapshot {
        id,
        series,
        sequence: last.saturating_add(1),
        previous,
        generation,
        warnings,
        summary: Summary {
            items: counts.entries.saturating_add(failed),
            files_new: 0,
            files_changed: 0,
            files_unchanged: counts.files,
            directories: counts.directories,
            databases: counts.databases,
            failed,
            bytes: counts.bytes,
            bytes_read: 0,
            ..written
        },
        ..made
    })?;
    Ok(snapshot.id)
}
