//! Packs: there, of the right length, holding what the index says, and readable.

use super::losses::{Judged, Losses};
use super::moved::Moved;
use super::pack::{Checking, check_orphan};
use super::subset::choose;
use super::{CheckReport, Finding, ReadData};
use crate::backend::Handle;
use crate::env::Time;
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::note::Damage;
use crate::id::PackId;
use crate::monitor::{Counter, Monitor, go_on};
use crate::repo::{
    BlobLocation, EntryRef, Index, Ledger, LedgerEntry, NotedDamage, ReadCache, ReadPack, Reader,
    Repository, WantedPack,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Checks all of them; what is damaged of those that were read, and what is noted of the others. And what
/// reading has left.
pub(super) fn check(
    repository: &Repository,
    index: &mut Index,
    noted: &NotedDamage,
    verified: &Ledger,
    read_data: ReadData,
    monitor: &dyn Monitor,
    report: &mut CheckReport,
) -> Result<(Judged, Arc<ReadCache>)> {
    let mut stored = stored_packs(repository)?;
    let (named, lengths) = (index.entries_by_pack(), index.packs());
    // Condemned packs may be gone, or damaged, and known to be. Readers take what is in them last; of
    // one that is gone nothing is left to take.
    let is_condemned = |pack: &PackId| index.generations().is_condemned(pack);
    let is_whole =
        |pack: &PackId| stored.get(pack).copied() == lengths.get(pack).copied().map(u64::from);
    let gone = named.keys().filter(|pack| is_condemned(pack) && !is_whole(pack)).copied();
    let losses = Losses { lost: gone.collect(), ..Losses::default() };
    stored.retain(|pack, _| !is_condemned(pack));
    report.orphans = stored.keys().filter(|pack| !named.contains_key(*pack)).count() as u64;
    let chosen = choose(repository, &stored, verified, read_data)?;
    let total = chosen.iter().filter_map(|pack| stored.get(pack)).sum();
    monitor.begin("check packs", Some((Counter::Bytes, total)));
    let known = noted.all();
    let reader = &Reader::new(repository, index).reloading();
    let moved = &Moved::new(repository);
    let packs =
        Packs { repository, reader, index, stored: &stored, lengths, known, moved, monitor };
    let ledger = LedgerEntry::begin(repository);
    let mut state = State { report, losses, ledger };
    let checked =
        packs.check(&chosen, &named, read_data.deadline(repository.env().now()), &mut state);
    packs.note(&mut state.ledger);
    checked?;
    if read_data != ReadData::Nothing && verified.is_worth_merging(state.ledger.noted) {
        let stored = stored.keys().map(PackId::prefix).collect();
        let merged = repository.merge_ledger(&stored);
        merged.unwrap_or_else(|error| packs.unnoted(&error));
    }
    monitor.end();
    let State { report, losses: found, .. } = state;
    let left = reader.cache();
    let Losses { lost, bad, by_base, mut judged } = found;
    judged.keep_unread(noted);
    index.distrust(&judged.damage);
    index.distrust(&Damage { packs: lost, ..Damage::default() });
    for row in bad {
        let place = index.at(row);
        index.discount(place);
    }
    unusable(index, report);
    // Bases that were not read themselves, and turned out to be unreadable by what rests on them.
    for (row, base) in by_base {
        let Some(place) = index.at(row).filter(|place| index.knows(place.kind, &place.id)) else {
            continue;
        };
        // Where the pack is gone by now, nobody needs it as a base, either.
        if moved.has(&place.pack) {
            continue;
        }
        let reason = format!("its base {base} cannot be read");
        let error = Error::damaged("read chunk", place.id, reason);
        report.suspect_delta(Finding::blob(&place, error));
        index.discount([place]);
    }
    Ok((judged, left))
}

/// The packs that are checked, and what is known of them before.
struct Packs<'c> {
    repository: &'c Repository,
    reader: &'c Reader<'c>,
    index: &'c Index,
    /// Those that are listed, and not condemned, by their lengths.
    stored: &'c HashMap<PackId, u64>,
    /// The lengths that the index says.
    lengths: HashMap<PackId, u32>,
    known: Damage,
    moved: &'c Moved<'c>,
    monitor: &'c dyn Monitor,
}

/// What becomes known.
struct State<'c, 'r> {
    report: &'c mut CheckReport,
    losses: Losses,
    ledger: LedgerEntry<'r>,
}

impl Packs<'_> {
    /// Reads what was chosen, in that order, until the deadline; of the others what they say of
    /// themselves.
    fn check(
        &self,
        chosen: &[PackId],
        named: &BTreeMap<PackId, usize>,
        deadline: Option<Time>,
        state: &mut State<'_, '_>,
    ) -> Result<()> {
        let entries = |pack: &PackId| named.get(pack).copied().unwrap_or_default();
        let whole: Vec<_> = chosen.iter().map(|pack| (*pack, entries(pack))).collect();
        let read = self.visit(&whole, true, deadline, state)?;
        let read: HashSet<PackId> = chosen.iter().take(read).copied().collect();
        let others = named.iter().filter(|(pack, _)| !read.contains(*pack));
        let others: Vec<_> = others.map(|(pack, entries)| (*pack, *entries)).collect();
        self.visit(&others, false, None, state).map(drop)
    }

    /// Checks packs, each with its number of entries, in their order; how many, before the time was
    /// over. One is always checked, so that all are in the end, however short the time.
    fn visit(
        &self,
        packs: &[(PackId, usize)],
        whole: bool,
        deadline: Option<Time>,
        state: &mut State<'_, '_>,
    ) -> Result<usize> {
        // Read ahead, in the order in which it is looked at.
        let wanted = packs.iter().filter_map(|(id, entries)| self.wanted(id, *entries, whole));
        let mut reads = self.repository.read_packs(wanted);
        let is_late = || deadline.is_some_and(|deadline| self.repository.env().now() >= deadline);
        let mut visited = 0;
        self.index.each_pack(packs, &mut |pack, rows| {
            if visited > 0 && is_late() {
                return Ok(ControlFlow::Break(()));
            }
            go_on(self.monitor, "check")?;
            let read = self.wanted(&pack, rows.len(), whole).and_then(|_| reads.next());
            self.check_one(pack, rows, read, state);
            visited += 1;
            if state.ledger.is_due() {
                self.note(&mut state.ledger);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(visited)
    }

    /// What is read of a pack that is listed.
    fn wanted(&self, id: &PackId, entries: usize, whole: bool) -> Option<WantedPack> {
        let size = *self.stored.get(id)?;
        (whole || size == self.length(id)).then_some(WantedPack { id: *id, size, entries, whole })
    }

    /// The length that the index says.
    fn length(&self, pack: &PackId) -> u64 {
        self.lengths.get(pack).copied().map(u64::from).unwrap_or_default()
    }

    fn check_one(
        &self,
        pack: PackId,
        rows: &[EntryRef],
        read: Option<ReadPack>,
        state: &mut State<'_, '_>,
    ) {
        let Packs { repository, reader, index, monitor, .. } = *self;
        let State { report, losses, ledger } = state;
        let handle = Handle::pack(pack);
        if index.generations().is_condemned(&pack) {
            return;
        }
        // A listing may lag: the store is asked for the pack itself.
        let size =
            self.stored.get(&pack).copied().map_or_else(|| repository.backend().size(&handle), Ok);
        if rows.is_empty() {
            if let Some(ReadPack::Whole(bytes)) = read
                && let Err(error) = check_orphan(pack, bytes, ledger)
            {
                report.found(monitor, Finding::object(handle, error));
            }
            monitor.count(Counter::Bytes, size.unwrap_or_default());
            return;
        }
        let read = match read {
            None if size.as_ref().is_ok_and(|size| *size == self.length(&pack)) => {
                Some(ReadPack::Contents(repository.pack_contents(pack)))
            }
            read => read,
        };
        if is_gone(&size, read.as_ref()) && self.moved.has(&pack) {
            return;
        }
        report.packs += 1;
        let size = match size {
            Ok(size) => size,
            Err(error) if error.kind().says_nothing() => {
                let error = error.within("check", &handle);
                report.found(monitor, Finding::object(handle, error));
                return;
            }
            Err(error) => {
                let finding = match error.kind() {
                    Kind::NotFound => {
                        let error = Error::damaged("find", &handle, "the index names it");
                        Finding::object(handle, error).missing()
                    }
                    _ => {
                        let error = error.within("check", &handle);
                        Finding::object(handle, error)
                    }
                };
                report.suspect(monitor, finding);
                losses.lost.insert(pack);
                return;
            }
        };
        let is_noted = self.known.touches(&pack);
        let mut checking = Checking {
            repository,
            reader,
            index,
            pack,
            rows,
            monitor,
            report,
            losses,
            ledger,
            is_noted,
        };
        let is_right = checking.measure(size, self.length(&pack));
        match read {
            Some(ReadPack::Whole(bytes)) => {
                checking.report.packs_read += 1;
                checking.report.bytes_read += size;
                checking.read(bytes, is_right);
                monitor.count(Counter::Bytes, size);
            }
            Some(ReadPack::Contents(contents)) => checking.contents(contents),
            None => {}
        }
    }

    fn note(&self, ledger: &mut LedgerEntry<'_>) {
        ledger.note().unwrap_or_else(|error| self.unnoted(&error));
    }

    /// What is not noted is read again sooner than need be, which is no fault of the repository.
    fn unnoted(&self, error: &Error) {
        self.monitor.note(&format!("what was verified is not noted: {error}"));
    }
}

/// Whether a pack is not there, or not any more.
fn is_gone(size: &Result<u64>, read: Option<&ReadPack>) -> bool {
    let error = match (size, read) {
        (Err(error), _) => Some(error),
        (_, Some(ReadPack::Whole(Err(error)) | ReadPack::Contents(Err(error)))) => Some(error),
        _ => None,
    };
    error.is_some_and(|error| error.kind() == Kind::NotFound)
}

/// All packs that are listed, and their lengths.
pub(super) fn stored_packs(repository: &Repository) -> Result<HashMap<PackId, u64>> {
    let listed = repository.backend().list(ObjectKind::Pack)?;
    Ok(listed.iter().filter_map(|object| Some((object.handle.pack_id()?, object.size))).collect())
}

/// Entries whose bases are gone: nothing is wrong with them but that they cannot be read.
fn unusable(index: &Index, report: &mut CheckReport) {
    let stays = |place: &BlobLocation| !index.generations().is_condemned(&place.pack);
    for place in
        index.counting().filter(|place| stays(place) && !index.knows(place.kind, &place.id))
    {
        let reason = "a chunk that it is a delta of is lost";
        let error = Error::damaged("read chunk", place.id, reason);
        report.suspect_delta(Finding::blob(&place, error));
    }
}
