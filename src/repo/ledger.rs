//! The ledger (chapter 8, notes): when each pack was last read to its end, by whom, and whether
//! anything was wrong. Every host adds to it, and every host sees the same.

use super::{Notes, Repository};
use crate::backend::Handle;
use crate::env::Time;
use crate::error::Result;
use crate::format::note::{About, Run, Verified, Withdrawal};
use crate::id::{NoteId, PackId, PackPrefix};
use crate::limits::{
    CLOCK_TOLERANCE, LEDGER_INTERVAL, LEDGER_NOTES, NOTE_HOST_MAX, NOTE_VERIFIED_MAX,
};
use std::collections::{BTreeMap, HashMap, HashSet};

/// The last time that a pack was read to its end. The greater one is the later one; of two at the
/// same time the one that found something wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reading<'l> {
    /// When, or a little later.
    pub at: Time,
    /// Whether something was wrong.
    pub is_damaged: bool,
    /// By which machine.
    pub host: &'l str,
}

/// What the notes tell of verified packs.
#[derive(Debug, Default)]
pub struct Ledger {
    notes: BTreeMap<NoteId, Verified>,
}

impl Ledger {
    /// Whether there may be enough notes to make few of them, with so many more.
    pub fn is_worth_merging(&self, more: usize) -> bool {
        self.notes.len() + more >= LEDGER_NOTES
    }

    /// The last reading of each pack.
    pub fn readings(&self) -> HashMap<PackPrefix, Reading<'_>> {
        last_of(self.notes.values())
    }
}

fn last_of<'l>(notes: impl IntoIterator<Item = &'l Verified>) -> HashMap<PackPrefix, Reading<'l>> {
    let mut last: HashMap<PackPrefix, Reading<'_>> = HashMap::new();
    for run in notes.into_iter().flat_map(|note| &note.runs) {
        for (packs, is_damaged) in [(&run.sound, false), (&run.damaged, true)] {
            let reading = Reading { at: run.at, is_damaged, host: &run.host };
            for pack in packs {
                let known = last.entry(*pack).or_insert(reading);
                *known = reading.max(*known);
            }
        }
    }
    last
}

impl Notes {
    /// What they say of verified packs, but for what claims to be later than now.
    pub fn ledger(&self, now: Time) -> Ledger {
        let latest = Time(now.0.saturating_add(CLOCK_TOLERANCE));
        let verified = self.by_id.iter().filter_map(|(id, note)| match &note.about {
            About::Verified(verified) => {
                let runs = verified.runs.iter().filter(|run| run.at <= latest);
                Some((*id, Verified { runs: runs.cloned().collect() }))
            }
            _ => None,
        });
        Ledger { notes: verified.collect() }
    }
}

impl Repository {
    /// The ledger, as far as it can be read: a note that cannot costs what it says. What claims to be
    /// of the future counts for nothing, or a wrong clock would keep packs from being read for years.
    ///
    /// # Errors
    /// Those of a store that cannot be read.
    pub fn ledger(&self) -> Result<Ledger> {
        Ok(self.notes()?.ledger(self.env().now()))
    }

    /// Makes few notes of many: the smallest ones become one, or as many as its size asks for, as soon
    /// as there are enough of them, each no larger than all that are smaller. So what is merged has at
    /// least doubled since. What was read again later, and packs that are gone, fall out.
    pub fn merge_ledger(&self, stored: &HashSet<PackPrefix>) -> Result<()> {
        let Ledger { notes } = self.ledger()?;
        let mut notes: Vec<(NoteId, Verified)> = notes.into_iter().collect();
        notes.sort_by_key(|(id, verified)| (verified.len(), *id));
        let mut together = 0;
        let small = notes.iter().take_while(|(_, verified)| {
            let fits = together == 0 || verified.len() <= together;
            together += verified.len();
            fits
        });
        let small = small.count();
        if small < LEDGER_NOTES {
            return Ok(());
        }
        notes.truncate(small);
        let last = last_of(notes.iter().map(|(_, verified)| verified));
        let mut last: Vec<(PackPrefix, Reading<'_>)> =
            last.into_iter().filter(|(pack, _)| stored.contains(pack)).collect();
        last.sort();
        for part in last.chunks(NOTE_VERIFIED_MAX) {
            self.put_note(About::Verified(together_again(part)))?;
        }
        // A stop here leaves notes that say the same twice, which does no harm.
        let merged = notes.iter().map(|(id, _)| *id).collect();
        self.put_note(About::Withdrawal(Withdrawal { notes: merged }))?;
        let merged: Vec<Handle> = notes.iter().map(|(id, _)| Handle::note(*id)).collect();
        // What a store keeps costs room, and says nothing any more.
        let _ = self.backend().delete_all(&merged);
        Ok(())
    }
}

/// Readings as runs.
fn together_again(readings: &[(PackPrefix, Reading<'_>)]) -> Verified {
    let mut runs: BTreeMap<(Time, &str), Run> = BTreeMap::new();
    for (pack, Reading { at, is_damaged, host }) in readings {
        let run = runs.entry((*at, host)).or_insert_with(|| Run::new(host, *at));
        run.add(*pack, *is_damaged);
    }
    Verified { runs: runs.into_values().collect() }
}

/// What one check reads to the end, on its way into the ledger.
pub struct LedgerEntry<'r> {
    repository: &'r Repository,
    run: Run,
    /// How many notes were put.
    pub noted: usize,
}

impl<'r> LedgerEntry<'r> {
    /// Begins now.
    pub fn begin(repository: &'r Repository) -> Self {
        let host = repository.env().host();
        let host = host.get(..host.floor_char_boundary(NOTE_HOST_MAX)).unwrap_or_default();
        LedgerEntry { repository, run: Run::new(host, repository.env().now()), noted: 0 }
    }

    /// A pack was read, which was begun after this was.
    pub fn add(&mut self, pack: PackId, is_damaged: bool) {
        self.run.add(pack.prefix(), is_damaged);
    }

    /// Whether it is time to note what was read.
    pub fn is_due(&self) -> bool {
        let LedgerEntry { repository, run, .. } = self;
        let is_long_ago = repository.env().now().since(run.at) >= LEDGER_INTERVAL;
        run.len() >= NOTE_VERIFIED_MAX || is_long_ago && !run.is_empty()
    }

    /// Notes what was read so far, and begins again.
    pub fn note(&mut self) -> Result<()> {
        let next = LedgerEntry { noted: self.noted, ..LedgerEntry::begin(self.repository) };
        let LedgerEntry { run, .. } = std::mem::replace(self, next);
        if !run.is_empty() {
            self.repository.put_note(About::Verified(Verified { runs: vec![run] }))?;
            self.noted += 1;
        }
        Ok(())
    }
}
