//! Packs written anew with what is still used of them, by an ordinary writer: before a collection
//! begins, so that the old ones are duplicates then like any others. Chains of deltas are shortened on
//! the way.

use super::mark::Mark;
use super::shorten::shorten;
use crate::error::{Error, Kind, Result};
use crate::id::{IndexId, PackId};
use crate::monitor::{Counter, Monitor, go_on};
use crate::repo::{BlobLocation, PackWriter, Reader, Repository, Writer};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// What was moved.
#[derive(Clone, Debug, Default)]
pub(super) struct Moved {
    /// Bytes of blobs.
    pub(super) blobs: u64,
    /// Bytes of new packs and of their index.
    pub(super) written: u64,
    /// The index segments that name them.
    pub(super) segments: Vec<IndexId>,
}

/// Moves what these packs provide. What cannot be read is told, and stays where it is.
///
/// # Errors
/// `Fenced` if a collection began since the mark was made.
pub(super) fn repack(
    repository: &Repository,
    writer: &mut Writer<'_>,
    mark: &Mark<'_>,
    packs: &BTreeSet<PackId>,
    monitor: &dyn Monitor,
) -> Result<Moved> {
    let generation = writer.read_chain()?;
    if generation != mark.counting.generation() {
        return Err(Error::new(Kind::Fenced, "move chunks in", repository.backend().describe())
            .because("another collection began meanwhile")
            .hint("run `icecore prune` again"));
    }
    let mut new = PackWriter::new(repository, generation)?;
    let reader = Reader::new(repository, &mark.counting);
    let shortened = shorten(&mut new, &reader, mark, packs, monitor)?;
    let mut moved = Moved { blobs: shortened.blobs, ..Moved::default() };
    let goes = |place: &BlobLocation| {
        mark.is_provided_here(place) && !shortened.spared.contains(&place.id.base())
    };
    monitor.begin("move chunks", Some((Counter::Items, packs.len() as u64)));
    let mut named: Vec<_> = mark.counting.entries_by_pack().into_iter().collect();
    named.retain(|(pack, _)| packs.contains(pack));
    mark.counting.each_pack(&named, &mut |_, rows| {
        go_on(monitor, "move chunks in")?;
        writer.stay_alive()?;
        let places = rows.iter().filter_map(|row| mark.counting.at(*row));
        let mut places: Vec<_> = places.filter(goes).collect();
        // Two segments may say the same.
        places.dedup();
        moved.blobs += new.add_moved(&reader, &places, &mut |error| monitor.trouble(&error))?;
        monitor.count(Counter::Items, 1);
        Ok(ControlFlow::Continue(()))
    })?;
    new.flush()?;
    monitor.end();
    moved.written = new.written();
    moved.segments = new.segments().to_vec();
    Ok(moved)
}
