//! `repair index`: entries for packs that no segment names, from what the packs say of themselves; and
//! then segments that nobody can read go out of the way.

use super::away::{Left, forbidden, still_damaged};
use super::{RepairOptions, begun, ended};
use crate::backend::Handle;
use crate::error::{Error, Kind, Result};
use crate::id::{IndexId, PackId};
use crate::monitor::{Counter, Monitor, go_on};
use crate::repo::{BlobLocation, Index, ReadPack, Repository, WantedPack, Writer};
use std::collections::HashSet;
use std::ops::ControlFlow;

/// The outcome of the index.
#[derive(Debug, Default)]
pub struct IndexRepair {
    /// Packs whose own account was compared with the index.
    pub packs: u64,
    /// Packs of which entries were missing.
    pub indexed: u64,
    /// Entries that were missing.
    pub entries: u64,
    /// New segments.
    pub segments: u64,
    /// Bytes of these.
    pub written: u64,
    /// Packs that have no entries and whose own account cannot be read: what they hold is not known.
    pub unknown: Vec<PackId>,
    /// Segments that cannot be read.
    pub left: Left,
}

/// How often an index is read before one that reads differently each time is an error.
const TRIES: usize = 4;

/// Gives every pack that is listed, and that no collection gave up, all entries that it says to have;
/// then moves segments that cannot be read into quarantine.
///
/// # Errors
/// `Unsupported` where a newer program wrote any of it, and `Unavailable` where something does not
/// answer: nothing is moved then.
pub fn repair_index(
    repository: &Repository,
    options: &RepairOptions,
    monitor: &dyn Monitor,
) -> Result<IndexRepair> {
    let writer = repository.register(options.writer())?;
    let (mut writer, (generation, index, unreadable)) = begun(writer, |writer| {
        let generation = writer.read_chain()?;
        let (index, unreadable) = load(repository, monitor)?;
        Ok((generation, index, unreadable))
    })?;
    let rebuilt = rebuild(repository, &mut writer, generation, &index, monitor);
    let mut report = ended(writer, rebuilt, |report| report.segments > 0)?;
    // Only now: the new segments stay alive, whatever another collection decides.
    let mut why = forbidden(repository)?;
    if !report.unknown.is_empty() {
        why = why.or(Some("there are packs that it may be the only one to know: see above"));
    }
    for id in unreadable {
        let handle = Handle::index(id);
        let judge = |bytes: &[u8]| repository.open_segment(id, bytes).map(drop);
        match (why, still_damaged(repository, &handle, judge)?) {
            (_, None) => {}
            (Some(why), Some(_)) => report.left.keep(handle, why),
            (None, Some((bytes, _))) => {
                report.left.take(repository, handle, &bytes, options, monitor)?;
            }
        }
    }
    Ok(report)
}

/// The index as it is stored, and the segments that cannot be read, each of which was read twice.
fn load(repository: &Repository, monitor: &dyn Monitor) -> Result<(Index, Vec<IndexId>)> {
    for _ in 0..TRIES {
        let mut index = repository.load_index_to_check(repository.generations()?)?;
        let troubles = index.take_troubles();
        let (mut unreadable, mut is_outdated) = (Vec::new(), false);
        for id in troubles.iter().filter_map(|(handle, _)| handle.index_id()) {
            match repository.load_segment(id) {
                Err(error) if error.kind() == Kind::Damaged => unreadable.push(id),
                Err(error) if error.kind() == Kind::NotFound => {}
                Err(error) => return Err(error),
                Ok(_) => is_outdated = true,
            }
        }
        if !is_outdated {
            troubles.iter().for_each(|(_, error)| monitor.trouble(error));
            return Ok((index, unreadable));
        }
    }
    let place = repository.backend().describe();
    Err(Error::unavailable("read the index of", place, "it reads differently each time"))
}

fn rebuild(
    repository: &Repository,
    writer: &mut Writer<'_>,
    generation: u64,
    index: &Index,
    monitor: &dyn Monitor,
) -> Result<IndexRepair> {
    let wanted = wanted(repository, index)?;
    let packs: Vec<(PackId, usize)> = wanted.iter().map(|pack| (pack.id, pack.entries)).collect();
    let mut reads = repository.read_packs(wanted.clone().into_iter());
    let mut sizes = wanted.into_iter().map(|pack| pack.size);
    let mut segments = repository.replace_segments(generation);
    let mut report = IndexRepair::default();
    monitor.begin("read what packs hold", Some((Counter::Items, packs.len() as u64)));
    index.each_pack(&packs, &mut |pack, rows| {
        go_on(monitor, "repair the index of")?;
        writer.stay_alive()?;
        let (Some(ReadPack::Contents(contents)), Some(size)) = (reads.next(), sizes.next()) else {
            return Ok(ControlFlow::Break(()));
        };
        let known: HashSet<BlobLocation> = rows.iter().filter_map(|row| index.at(*row)).collect();
        report.packs += 1;
        match contents {
            Ok(contents) => {
                let mut missing = contents.places;
                missing.retain(|place| !known.contains(place));
                report.indexed += u64::from(!missing.is_empty());
                report.entries += missing.len() as u64;
                segments.add_places(size, missing)?;
            }
            // Another deleted it since it was listed.
            Err(error) if error.kind() == Kind::NotFound => {}
            Err(error) if matches!(error.kind(), Kind::Unavailable | Kind::Unsupported) => {
                return Err(error);
            }
            Err(error) if known.is_empty() => {
                let named = format!("`icecore repair packs {pack}` takes it out of the way");
                monitor.trouble(&error.hint(named));
                report.unknown.push(pack);
            }
            // What the index says of it is not worse than before.
            Err(_) => {}
        }
        monitor.count(Counter::Items, 1);
        Ok(ControlFlow::Continue(()))
    })?;
    monitor.end();
    if let Some(error) = index.failure() {
        return Err(error);
    }
    let (names, written) = segments.finish()?;
    report.segments = names.len() as u64;
    report.written = written;
    Ok(report)
}

/// The packs that are listed and that no collection gave up, in order, each with the number of its
/// entries.
fn wanted(repository: &Repository, index: &Index) -> Result<Vec<WantedPack>> {
    let named = index.entries_by_pack();
    let mut packs: Vec<WantedPack> = repository
        .pack_sizes()?
        .into_iter()
        .filter(|(id, _)| !index.generations().is_condemned(id))
        .map(|(id, size)| {
            let entries = named.get(&id).copied().unwrap_or_default();
            WantedPack { id, size, entries, whole: false }
        })
        .collect();
    packs.sort_by_key(|pack| pack.id);
    Ok(packs)
}
