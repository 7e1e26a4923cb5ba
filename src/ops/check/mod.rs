//! `check`: accounts for every object, pack, index entry, base and tree, and reads data back.

mod blobs;
mod budget;
mod finding;
mod losses;
mod members;
mod moved;
mod objects;
mod pack;
mod packs;
mod status;
mod subset;
mod tainted;
mod trees;

pub(in crate::ops) use blobs::{BATCH, Unreadable, unreadable};
pub use budget::Budget;
pub use finding::{Cure, Finding, Touched, What, Where};
#[cfg(feature = "testing")]
pub use status::Share;
pub use status::{Amount, Coverage, DAYS, coverage};
pub use tainted::Tainted;

use crate::env::Time;
use crate::error::{Error, Kind, Result};
use crate::format::gc::Forgotten;
use crate::format::snapshot::TaintedEntry;
use crate::monitor::Monitor;
use crate::ops::head::Head;
use crate::ops::series::Chains;
use crate::repo::{Index, Ledger, NotedDamage, Reader, Repository};
use crate::text::count;
use members::Members;
use std::collections::{BTreeSet, HashSet};
use std::fmt::Display;
use std::thread::ScopedJoinHandle;

/// How much of the packs is read back: whatever it is, what was verified longest ago comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum ReadData {
    /// Heads and trailers alone.
    #[default]
    Nothing,
    /// Everything.
    All,
    /// What was verified longest ago.
    Oldest {
        /// As much as this allows; without it, all of it.
        budget: Option<Budget>,
        /// Only what nobody has verified since then.
        before: Option<Time>,
    },
    /// Part `n` of `t`, from 1, by name: all `t` parts together are everything.
    Part(u64, u64),
    /// A random share of the packs, in percent.
    Percent(f64),
    /// Random packs of so many bytes in all.
    Bytes(u64),
}

impl ReadData {
    /// When reading ends that begins now, if time bounds it.
    fn deadline(self, now: Time) -> Option<Time> {
        match self {
            ReadData::Oldest { budget: Some(Budget::Time(time)), .. } => Some(now + time),
            _ => None,
        }
    }
}

/// What a check is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct CheckOptions {
    /// How much of the packs is read back.
    pub read_data: ReadData,
}

/// What a check found.
#[derive(Debug, Default)]
pub struct CheckReport {
    /// Packs accounted for.
    pub packs: u64,
    /// Packs whose every byte was read back.
    pub packs_read: u64,
    /// Bytes read back.
    pub bytes_read: u64,
    /// Index entries.
    pub entries: u64,
    /// Snapshots.
    pub snapshots: u64,
    /// Packs that no index names: left by a writer that was stopped, or that is still at work.
    pub orphans: u64,
    /// Writers without an outcome: at work, stopped, or their snapshots were taken away.
    pub open_writers: u64,
    /// Damaged objects that were taken out of the way, and their bytes: no errors any more.
    pub quarantined: (u64, u64),
    /// Everything that is wrong, the first [`FINDINGS_MOST`] of it.
    pub findings: Vec<Finding>,
    /// How many findings there were.
    pub errors: u64,
    /// How many of them are only that the store did not answer: nobody knows whether that is damaged.
    pub unavailable: u64,
    /// Findings in packs that are gone, or were known to be damaged, and that no snapshot needs any
    /// more: what they held was stored again. They are no errors.
    pub superseded: u64,
    /// Such findings, while nobody knows yet whether anything needs the packs.
    pending: Vec<Pending>,
    /// What was damaged at its source when it was captured, which is no damage of the repository:
    /// each path's newest mark, the first [`FINDINGS_MOST`] of them.
    pub tainted: Vec<Tainted>,
    /// What stands in each series.
    pub chains: Chains,
    /// What the damage touches, the first [`FINDINGS_MOST`] of it.
    pub touched: Vec<Touched>,
}

/// A finding that is none if no snapshot needs what it is about.
#[derive(Debug)]
struct Pending {
    finding: Finding,
    /// Whether it is a delta without its base: a prune leaves such behind, where neither is needed.
    lacks_base: bool,
}

/// Findings that are kept in a report; the monitor hears of all.
pub const FINDINGS_MOST: usize = 1000;

impl CheckReport {
    /// Whether nothing was wrong.
    pub fn is_healthy(&self) -> bool {
        self.errors == 0
    }

    /// An error unless nothing was wrong.
    ///
    /// # Errors
    /// `Damaged`; `Unavailable` where all that is wrong is what the store did not give.
    pub fn verdict(&self, repository: impl Display) -> Result<()> {
        // Of what the store did not give nobody knows whether it is damaged.
        let kind = match self.errors {
            0 => return Ok(()),
            errors if errors == self.unavailable => Kind::Unavailable,
            _ => Kind::Damaged,
        };
        Err(Error::new(kind, "verify", repository)
            .because(format!("{} found", count(self.errors, "error"))))
    }

    /// Of these heads, which were seen before, those that cannot be read now and were not given
    /// up are something wrong, too.
    pub fn expect(&mut self, heads: impl IntoIterator<Item = Head>, monitor: &dyn Monitor) {
        for head in heads.into_iter().collect::<BTreeSet<_>>() {
            if !self.chains.shows(&head) {
                self.found(monitor, Finding::head(&head));
            }
        }
    }

    /// Something is wrong; where it stands among the findings that are kept.
    fn found(&mut self, monitor: &dyn Monitor, finding: Finding) -> Option<usize> {
        monitor.trouble(&finding.error);
        self.errors += 1;
        self.unavailable += u64::from(finding.what == What::Unavailable);
        let at = self.findings.len();
        (at < FINDINGS_MOST).then(|| {
            self.findings.push(finding);
            at
        })
    }

    /// Something is wrong with a pack that a snapshot may not need any more.
    fn suspect(&mut self, monitor: &dyn Monitor, finding: Finding) {
        match self.pending.len() < FINDINGS_MOST {
            true => self.pending.push(Pending { finding, lacks_base: false }),
            false => drop(self.found(monitor, finding)),
        }
    }

    /// A delta that a snapshot may not need any more lacks its base. There may be any number of them after
    /// prunes; what a snapshot does need is found when its trees are walked, too.
    fn suspect_delta(&mut self, finding: Finding) {
        if self.pending.len() < FINDINGS_MOST {
            self.pending.push(Pending { finding, lacks_base: true });
        }
    }

    /// Once the trees were walked: what touches no file of any snapshot is no error, unless something
    /// else is wrong, which may hide what is touched. What all is elsewhere, too, never is.
    fn settle(&mut self, index: &Index, monitor: &dyn Monitor) {
        let pending = std::mem::take(&mut self.pending);
        let is_well = self.is_healthy() && self.touched.is_empty();
        let findings = || pending.iter().map(|pending| &pending.finding);
        let lost = if is_well { HashSet::new() } else { finding::lost(findings(), index) };
        for Pending { finding, lacks_base } in pending {
            match is_well || !finding.is_of(&lost) {
                true if lacks_base => {}
                true => self.superseded += 1,
                false => drop(self.found(monitor, finding)),
            }
        }
    }

    fn touches(&mut self, touched: &Touched) {
        if self.touched.len() < FINDINGS_MOST && !self.touched.contains(touched) {
            self.touched.push(touched.clone());
        }
    }
}

/// What is read of a repository before anything in it is judged.
struct Survey {
    members: Members,
    marks: Vec<Forgotten>,
    index: Index,
    open_writers: u64,
    objects: Vec<Finding>,
    ledger: Ledger,
    noted: NotedDamage,
    quarantined: (u64, u64),
}

/// Reads at once what does not depend on each other: a store far away takes its time to answer.
fn survey(repository: &Repository) -> Result<Survey> {
    // Before the index: what a snapshot needs was indexed before it was committed.
    let inventory = &repository.inventory()?;
    std::thread::scope(|scope| {
        let objects = scope.spawn(|| objects::check(repository, inventory.records()));
        let slots = scope.spawn(|| objects::check_slots(repository));
        let notes = scope.spawn(|| repository.notes_in(inventory));
        let members =
            scope.spawn(|| members::read(|visit| repository.each_outcome_in(inventory, visit)));
        let index = repository.load_index_to_check(repository.generations_in(inventory)?)?;
        let (notes, objects) = (joined(notes)?, joined(objects)?);
        let quarantined = &inventory.quarantined;
        Ok(Survey {
            members: joined(members)?,
            marks: objects.marks,
            index,
            open_writers: inventory.open_writers.len() as u64,
            objects: objects.findings.into_iter().chain(joined(slots)?).collect(),
            ledger: notes.ledger(repository.env().now()),
            noted: notes.into_damage(),
            quarantined: (quarantined.len() as u64, quarantined.iter().map(|it| it.size).sum()),
        })
    })
}

fn joined<T>(thread: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    let panicked =
        |_| Err(Error::new(Kind::Failed, "check", "a repository").because("it panicked"));
    thread.join().unwrap_or_else(panicked)
}

/// Checks the whole repository and goes on past whatever is wrong.
///
/// # Errors
/// Only where the store itself cannot be listed, or breaks off in the middle, or the user stops it.
pub fn check(
    repository: &Repository,
    options: CheckOptions,
    monitor: &dyn Monitor,
) -> Result<CheckReport> {
    let mut report = CheckReport::default();
    let Survey { members, marks, mut index, open_writers, objects, ledger, noted, quarantined } =
        survey(repository)?;
    report.quarantined = quarantined;
    for (handle, error) in index.take_troubles() {
        report.found(monitor, Finding::object(handle, error));
    }
    report.entries = index.len() as u64;
    report.open_writers = open_writers;
    for finding in objects {
        report.found(monitor, finding);
    }
    let snapshots = members::check(repository, members, &marks, &index, monitor, &mut report)?;
    let (judged, left) = packs::check(
        repository,
        &mut index,
        &noted,
        &ledger,
        options.read_data,
        monitor,
        &mut report,
    )?;
    let reader = Reader::with_cache(repository, &index, left).reloading();
    trees::check(&reader, snapshots, &index, monitor, &mut report)?;
    if let Some(error) = index.failure() {
        return Err(error);
    }
    report.settle(&index, monitor);
    finding::explain(&mut report.findings, &index);
    for tainted in &report.tainted {
        let TaintedEntry { path, taint } = &tainted.entry;
        let (id, path) = (tainted.snapshot.short(), String::from_utf8_lossy(path));
        monitor.note(&format!("{id}:{path}: {}", taint.reason()));
    }
    let damage = judged.with(repository.certain_damage(&index, &noted.all()));
    if let Err(error) = repository.settle_damage(&noted, &damage) {
        monitor.trouble(&error.within("note what is damaged in", repository.backend().describe()));
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Handle;
    use crate::id::PackId;
    use crate::monitor::Silent;

    /// Deltas whose bases a prune took away are no errors, however many there are; a pack that is gone is a finding, and
    /// an error where there are more than are kept.
    #[test]
    fn what_nobody_needs_is_no_error() {
        let index = Index::default();
        let gone = || {
            Finding::object(
                Handle::pack(PackId([0; PackId::LEN])),
                Error::damaged("find", "it", "gone"),
            )
        };
        let mut report = CheckReport::default();
        (0..2 * FINDINGS_MOST).for_each(|_| report.suspect_delta(gone()));
        report.settle(&index, &Silent);
        assert_eq!((report.is_healthy(), report.superseded), (true, 0));
        report.suspect(&Silent, gone());
        report.settle(&index, &Silent);
        assert_eq!((report.is_healthy(), report.superseded), (true, 1));
        (0..=FINDINGS_MOST).for_each(|_| report.suspect(&Silent, gone()));
        report.settle(&index, &Silent);
        assert!(!report.is_healthy());
    }
}
