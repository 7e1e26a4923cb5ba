//! One pack: of the right length, holding what the index says, and readable.

use super::blobs::{BATCH, Unreadable, unreadable};
use super::losses::Losses;
use super::{CheckReport, Finding};
use crate::backend::Handle;
use crate::error::{Error, Kind, Result};
use crate::id::{BaseId, ChunkId, PackId};
use crate::monitor::Monitor;
use crate::repo::{BlobLocation, EntryRef, Index, LedgerEntry, PackContents, Reader, Repository};
use std::collections::{BTreeSet, HashMap, HashSet};

/// One pack that is being checked.
pub(super) struct Checking<'c, 'r> {
    pub(super) repository: &'c Repository,
    /// What it reads of other packs.
    pub(super) reader: &'c Reader<'c>,
    pub(super) index: &'c Index,
    pub(super) pack: PackId,
    /// What the index names in it.
    pub(super) rows: &'c [EntryRef],
    pub(super) monitor: &'c dyn Monitor,
    pub(super) report: &'c mut CheckReport,
    pub(super) losses: &'c mut Losses,
    pub(super) ledger: &'c mut LedgerEntry<'r>,
    /// Whether notes say that it is damaged.
    pub(super) is_noted: bool,
}

impl Checking<'_, '_> {
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
    pub(super) fn measure(&mut self, size: u64, length: u64) -> bool {
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
    pub(super) fn contents(&mut self, contents: Result<PackContents>) {
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
    pub(super) fn read(&mut self, bytes: Result<Vec<u8>>, is_right: bool) {
        let handle = Handle::pack(self.pack);
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(error) if error.kind().says_nothing() => {
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
        let is_itself = blake3::hash(&bytes) == self.pack.0;
        if is_right {
            if !is_itself {
                let reason = "its content is not what its name says";
                self.found(self.of_pack(Error::damaged("check", &handle, reason)));
            }
            self.compare(self.repository.pack_contents_of(self.pack, &bytes));
        }
        self.announce_bases();
        let (mut wrong, mut unread) = (BTreeSet::new(), false);
        for rows in self.rows.chunks(BATCH) {
            let places: Vec<(EntryRef, BlobLocation)> =
                rows.iter().filter_map(|row| Some((*row, self.index.at(*row)?))).collect();
            for (row, place, trouble) in unreadable(self.reader, self.index, &bytes, &places) {
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
        self.ledger.add(self.pack, !is_itself || !wrong.is_empty());
        // Of what was not read nobody knows.
        if is_right && !unread {
            self.judge(&wrong);
        }
        if is_itself {
            self.reader.keep_pack(self.pack, bytes);
        }
    }

    /// What its blobs are deltas of lies in other packs: asked for together.
    fn announce_bases(&self) {
        let places = || self.rows.iter().filter_map(|row| self.index.at(*row));
        // A pack has one kind.
        let Some(kind) = places().next().map(|place| place.kind) else { return };
        let found = |base| Some(self.index.find_base(kind, &base)?.id);
        let bases: HashSet<BaseId> = places().flat_map(|place| place.bases).collect();
        let bases: Vec<ChunkId> = bases.into_iter().filter_map(found).collect();
        self.reader.announce(kind, &bases);
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
            Err(error) if error.kind().says_nothing() => {
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
pub(super) fn check_orphan(
    pack: PackId,
    bytes: Result<Vec<u8>>,
    ledger: &mut LedgerEntry<'_>,
) -> Result<()> {
    let handle = Handle::pack(pack);
    let bytes = match bytes {
        Err(error) if error.kind() == Kind::NotFound => return Ok(()),
        bytes => bytes.map_err(|error| error.within("check", &handle))?,
    };
    let is_itself = blake3::hash(&bytes) == pack.0;
    ledger.add(pack, !is_itself);
    match is_itself {
        true => Ok(()),
        false => Err(Error::damaged("check", handle, "its content is not what its name says")),
    }
}
