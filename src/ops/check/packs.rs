//! Packs: there, of the right length, holding what the index says, and readable.

use super::blobs::{BATCH, Unreadable, unreadable};
use super::subset::choose;
use super::{CheckReport, Finding, ReadData};
use crate::backend::Handle;
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::note::Damage;
use crate::id::{BaseId, PackId};
use crate::monitor::{Counter, Monitor, go_on};
use crate::repo::{
    BlobLocation, EntryRef, Index, NotedDamage, PackContents, ReadPack, Reader, Repository,
    WantedPack,
};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Checks all of them; what is damaged of those that were read, and what is noted of the others.
pub(super) fn check(
    repository: &Repository,
    index: &mut Index,
    noted: &NotedDamage,
    read_data: ReadData,
    monitor: &dyn Monitor,
    report: &mut CheckReport,
) -> Result<Judged> {
    let stored = stored_packs(repository)?;
    let named = index.entries_by_pack();
    let orphans: Vec<PackId> = stored
        .keys()
        .filter(|pack| !named.contains_key(*pack) && !index.generations().is_condemned(pack))
        .copied()
        .collect();
    report.orphans = orphans.len() as u64;
    let chosen = choose(repository, &stored, read_data)?;
    let total = chosen.iter().filter_map(|pack| stored.get(pack)).sum();
    monitor.begin("check packs", Some((Counter::Bytes, total)));
    let (mut found, lengths, known) = (Losses::default(), index.packs(), noted.all());
    // Condemned packs may be gone, or damaged, and known to be.
    let is_condemned = |pack: &PackId| index.generations().is_condemned(pack);
    let length_of = |pack: &PackId| lengths.get(pack).copied().map(u64::from).unwrap_or_default();
    // What is listed is read ahead, in the order in which it is looked at.
    let wanted_of = |pack: &PackId, entries: usize| {
        let size = stored.get(pack).copied().filter(|_| !is_condemned(pack))?;
        let whole = chosen.contains(pack);
        let wanted = whole || size == length_of(pack);
        wanted.then_some(WantedPack { id: *pack, size, entries, whole })
    };
    let wanted = named.iter().filter_map(|(pack, entries)| wanted_of(pack, *entries));
    let mut reads = repository.read_packs(wanted);
    index.each_pack(&mut |pack, rows| {
        if is_condemned(&pack) {
            // Readers take what is in it last; of one that is gone nothing is left to take.
            if stored.get(&pack) != Some(&length_of(&pack)) {
                found.lost.insert(pack);
            }
            return Ok(());
        }
        go_on(monitor, "check")?;
        report.packs += 1;
        let handle = Handle::pack(pack);
        let read = wanted_of(&pack, rows.len()).and_then(|_| reads.next());
        let size = match stored.get(&pack) {
            Some(size) => Ok(*size),
            // A listing may lag: whoever holds the pack is asked for it.
            None => repository.backend().size(&handle),
        };
        let size = match size {
            Ok(size) => size,
            Err(error) if error.kind() == Kind::Unavailable => {
                let error = error.within("check", &handle);
                report.found(monitor, Finding::object(handle, error));
                return Ok(());
            }
            Err(error) => {
                let handle = Handle::pack(pack);
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
                found.lost.insert(pack);
                return Ok(());
            }
        };
        let is_noted = known.touches(&pack);
        let losses = &mut found;
        let mut checking =
            Checking { repository, index, pack, rows, monitor, report, losses, is_noted };
        let is_right = checking.measure(size, length_of(&pack));
        match read {
            Some(ReadPack::Whole(bytes)) => {
                checking.report.packs_read += 1;
                checking.report.bytes_read += size;
                checking.read(bytes, is_right);
                monitor.count(Counter::Bytes, size);
            }
            Some(ReadPack::Contents(contents)) => checking.contents(contents),
            None if is_right => checking.contents(repository.pack_contents(pack)),
            None => {}
        }
        Ok(())
    })?;
    drop(reads);
    let orphans = orphans.iter().filter(|pack| chosen.contains(pack));
    let whole = |id: &PackId| {
        let size = stored.get(id).copied().unwrap_or_default();
        WantedPack { id: *id, size, entries: 0, whole: true }
    };
    for (pack, read) in orphans.clone().zip(repository.read_packs(orphans.map(whole))) {
        go_on(monitor, "check")?;
        if let ReadPack::Whole(bytes) = read {
            check_orphan(*pack, bytes, monitor, report);
        }
    }
    monitor.end();
    let Losses { lost, bad, by_base, mut judged } = found;
    judged.keep_unread(noted);
    index.distrust(&judged.damage);
    index.distrust(&Damage { packs: lost, ..Damage::default() });
    for row in bad {
        let place = index.at(row);
        index.discount(place);
    }
    unusable(index, monitor, report);
    // Bases that were not read themselves, and turned out to be unreadable by what rests on them.
    for (row, base) in by_base {
        let Some(place) = index.at(row).filter(|place| index.knows(place.kind, &place.id)) else {
            continue;
        };
        let reason = format!("its base {base} cannot be read");
        let error = Error::damaged("read chunk", place.id, reason);
        report.suspect(monitor, Finding::blob(&place, error));
        index.discount([place]);
    }
    Ok(judged)
}

/// What was found wrong, in few bytes each: half a repository may be gone.
#[derive(Default)]
struct Losses {
    /// Packs that are not there, or cannot be read at all.
    lost: BTreeSet<PackId>,
    /// Entries that cannot be read.
    bad: Vec<EntryRef>,
    /// Entries that are well, but rest on what cannot be read.
    by_base: Vec<(EntryRef, BaseId)>,
    judged: Judged,
}

/// What is known to be damaged, by a reading of the bytes.
#[derive(Default)]
pub(super) struct Judged {
    /// Packs that were read to the end, and have the length that the index says.
    packs: HashSet<PackId>,
    /// What is damaged of these, and what notes say of others.
    damage: Damage,
}

impl Judged {
    /// Notes hold on for whatever was not read.
    fn keep_unread(&mut self, noted: &NotedDamage) {
        let Damage { mut packs, mut blobs } = noted.all();
        packs.retain(|pack| !self.packs.contains(pack));
        blobs.retain(|(pack, _)| !self.packs.contains(pack));
        self.damage.add(&Damage { packs, blobs });
    }

    /// All that is damaged, also what later reads of other packs met.
    pub(super) fn with(mut self, met: Damage) -> Damage {
        let Damage { packs, mut blobs } = met;
        blobs.retain(|(pack, _)| !self.packs.contains(pack));
        self.damage.add(&Damage { packs, blobs });
        self.damage
    }
}

fn stored_packs(repository: &Repository) -> Result<HashMap<PackId, u64>> {
    let listed = repository.backend().list(ObjectKind::Pack)?;
    Ok(listed.iter().filter_map(|object| Some((object.handle.pack_id()?, object.size))).collect())
}

/// One pack that is being checked.
struct Checking<'c> {
    repository: &'c Repository,
    index: &'c Index,
    pack: PackId,
    /// What the index names in it.
    rows: &'c [EntryRef],
    monitor: &'c dyn Monitor,
    report: &'c mut CheckReport,
    losses: &'c mut Losses,
    /// Whether notes say that it is damaged.
    is_noted: bool,
}

impl Checking<'_> {
    /// Something is wrong in the pack; news, unless it is noted to be damaged.
    fn found(&mut self, finding: Finding) {
        match self.is_noted {
            true => self.report.suspect(self.monitor, finding),
            false => drop(self.report.found(self.monitor, finding)),
        }
    }

    /// Something is wrong with the pack as a whole.
    fn of_pack(&self, error: Error) -> Finding {
        Finding::object(Handle::pack(self.pack), error)
    }

    /// Whether the pack has the length that the index says; what lies beyond its end is lost.
    fn measure(&mut self, size: u64, length: u64) -> bool {
        if size == length {
            return true;
        }
        let reason = format!("it has {size} bytes, and the index says {length}");
        let error = Error::damaged("check", Handle::pack(self.pack), reason);
        let is_beyond = |row: &&EntryRef| {
            let place = self.index.at(**row);
            place.is_none_or(|place| u64::from(place.offset) + u64::from(place.stored) > size)
        };
        let beyond: Vec<EntryRef> = self.rows.iter().filter(is_beyond).copied().collect();
        match beyond.len() == self.rows.len() {
            true => {
                self.report.suspect(self.monitor, self.of_pack(error));
                self.losses.lost.insert(self.pack);
            }
            false => {
                self.report.found(self.monitor, self.of_pack(error));
                self.losses.bad.extend(beyond);
            }
        }
        false
    }

    /// What a pack of the right length says of itself.
    fn contents(&mut self, contents: Result<PackContents>) {
        match contents {
            // Damage seldom comes alone: what else is wrong is known, and noted, at once.
            Err(error) if error.kind() == Kind::Damaged => {
                let bytes = self.repository.backend().get(&Handle::pack(self.pack), None);
                self.read(bytes, true);
            }
            contents => self.compare(contents),
        }
    }

    /// All of the pack. One of another length is no news to writers, and is not judged.
    fn read(&mut self, bytes: Result<Vec<u8>>, is_right: bool) {
        let handle = Handle::pack(self.pack);
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == Kind::Unavailable => {
                let finding = self.of_pack(error.within("check", handle));
                self.report.found(self.monitor, finding);
                return;
            }
            Err(error) => {
                self.found(self.of_pack(error.within("check", handle)));
                self.losses.lost.insert(self.pack);
                return;
            }
        };
        if is_right {
            if blake3::hash(&bytes).as_bytes() != &self.pack.0 {
                let reason = "its content is not what its name says";
                self.found(self.of_pack(Error::damaged("check", &handle, reason)));
            }
            self.compare(self.repository.pack_contents_of(self.pack, &bytes));
        }
        let reader = Reader::new(self.repository, self.index);
        let (mut wrong, mut unread) = (BTreeSet::new(), false);
        for rows in self.rows.chunks(BATCH) {
            let places: Vec<(EntryRef, BlobLocation)> =
                rows.iter().filter_map(|row| Some((*row, self.index.at(*row)?))).collect();
            for (row, place, trouble) in unreadable(&reader, self.index, &bytes, &places) {
                match trouble {
                    Unreadable::Own(error) => {
                        self.found(Finding::blob(place, error));
                        self.losses.bad.push(row);
                        wrong.insert(row);
                    }
                    Unreadable::Base(base) => self.losses.by_base.push((row, base)),
                    Unreadable::Unread(error) => {
                        unread = true;
                        self.report.found(self.monitor, Finding::blob(place, error));
                    }
                }
            }
        }
        // Of what was not read nobody knows.
        if is_right && !unread {
            self.judge(&wrong);
        }
    }

    /// An entry that lies takes nothing from an honest one of the same place.
    fn judge(&mut self, wrong: &BTreeSet<EntryRef>) {
        let offsets = |of_wrong: bool| -> BTreeSet<u32> {
            let rows = self.rows.iter().filter(|row| wrong.contains(row) == of_wrong);
            rows.filter_map(|row| Some(self.index.at(*row)?.offset)).collect()
        };
        let right = offsets(false);
        let damaged: BTreeSet<u32> = offsets(true).difference(&right).copied().collect();
        match right.is_empty() && !damaged.is_empty() {
            true => drop(self.losses.judged.damage.packs.insert(self.pack)),
            false => self.losses.judged.damage.add_blobs(self.pack, &damaged),
        }
        self.losses.judged.packs.insert(self.pack);
    }

    /// The pack's own account against the index's.
    fn compare(&mut self, contents: Result<PackContents>) {
        let handle = Handle::pack(self.pack);
        let contents = match contents {
            Ok(contents) => contents,
            Err(error) if error.kind() == Kind::Unavailable => {
                let finding = self.of_pack(error.within("check", handle));
                self.report.found(self.monitor, finding);
                return;
            }
            // The blobs may be whole all the same: the index knows where they are.
            Err(error) => return self.found(self.of_pack(error.within("check", handle))),
        };
        let known: HashMap<u32, &BlobLocation> =
            contents.places.iter().map(|place| (place.offset, place)).collect();
        let mut named = 0;
        let mut last = None;
        for row in self.rows {
            let Some(place) = self.index.at(*row) else { continue };
            if known.get(&place.offset) != Some(&&place) {
                let reason = format!("{handle} does not hold it where the index says");
                let error = Error::damaged("check chunk", place.id, reason);
                self.found(Finding::blob(&place, error));
                self.losses.bad.push(*row);
            }
            // Two segments may name the same.
            named += usize::from(last.as_ref() != Some(&place));
            last = Some(place);
        }
        if contents.places.len() > named {
            let reason = "the index does not name everything that it holds";
            self.found(self.of_pack(Error::damaged("check", handle, reason)).unaccounted());
        }
    }
}

/// A pack that no index names need only be what its name says; it may also be gone by now.
fn check_orphan(
    pack: PackId,
    bytes: Result<Vec<u8>>,
    monitor: &dyn Monitor,
    report: &mut CheckReport,
) {
    let handle = Handle::pack(pack);
    let error = match bytes {
        Ok(bytes) if blake3::hash(&bytes) == pack.0 => None,
        Ok(_) => {
            let reason = "its content is not what its name says";
            Some(Error::damaged("check", &handle, reason))
        }
        Err(error) if error.kind() == Kind::NotFound => None,
        Err(error) => Some(error.within("check", &handle)),
    };
    if let Some(error) = error {
        report.found(monitor, Finding::object(handle, error));
    }
}

/// Entries whose bases are gone: nothing is wrong with them but that they cannot be read.
fn unusable(index: &Index, monitor: &dyn Monitor, report: &mut CheckReport) {
    let stays = |place: &BlobLocation| !index.generations().is_condemned(&place.pack);
    for place in index.counting().filter(|place| stays(place) && !index.knows(place.kind, &place.id)) {
        let reason = "a chunk that it is a delta of is lost";
        let error = Error::damaged("read chunk", place.id, reason);
        report.suspect(monitor, Finding::blob(&place, error));
    }
}
