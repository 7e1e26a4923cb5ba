//! The snapshots of a repository as a list, the newest first. Of each its key is held; its record
//! only while all that are held together are small. Others are read again when they are asked for,
//! so that memory has a bound however many there are and however large.

use super::snapshots::OutcomesShown;
use super::tags::TagChanges;
use super::together::both;
use super::{Generations, Holds, Repository, SnapshotKey, StoredSnapshot};
use crate::backend::Listed;
use crate::env::Time;
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::gc::Forgotten;
use crate::format::snapshot::{Outcome, Snapshot};
use crate::id::{SeriesId, SnapshotId};
use crate::limits::{CLOCK_TOLERANCE, SNAPSHOTS_HELD};
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Snapshots, the newest first.
#[derive(Clone)]
pub struct Snapshots<'r> {
    repository: &'r Repository,
    changes: Arc<TagChanges>,
    entries: Vec<Entry>,
    given_up: Arc<HashSet<SnapshotId>>,
    marks: Arc<Vec<Listed>>,
    /// None if notes were read for something else, before the marks.
    holds: Option<Arc<Holds>>,
}

#[derive(Clone)]
struct Entry {
    key: SnapshotKey,
    /// With the tags that it has now.
    held: Option<Arc<StoredSnapshot>>,
}

impl Repository {
    /// Every live snapshot that was not given up.
    ///
    /// # Errors
    /// What cannot be read is handed to `trouble` and left out; errors of listing end it.
    pub fn snapshots(&self, trouble: impl FnMut(Error)) -> Result<Snapshots<'_>> {
        let store = &**self.backend();
        let listed = || store.list(ObjectKind::Snapshot);
        // In whichever order: what is alive by one verdict is by the next, unless it has a mark.
        let (outcomes, generations) = both(store, listed, || self.generations())?;
        // Marks and notes after snapshots: a forget puts its mark first, and a process that
        // changes tags has seen the snapshot.
        let marks = || store.list(ObjectKind::Forgotten);
        let (marks, mut notes) = both(store, marks, || self.notes())?;
        let mut shown = OutcomesShown::of(outcomes, marks);
        let changes = Arc::new(notes.tag_changes());
        if !shown.given_up.is_empty() {
            // Notes after marks: a hold puts its note first.
            notes = self.notes()?;
        }
        let holds = notes.into_holds(self.env().now());
        if !shown.given_up.is_empty() {
            shown.retain_held(&holds);
        }
        self.snapshots_of(shown, &generations, changes, Some(Arc::new(holds)), trouble)
    }

    /// The same as W2 found it for a writer (chapter 11): the chain, and notes but for holds.
    pub(super) fn snapshots_to_write(
        &self,
        generations: &Generations,
        changes: Arc<TagChanges>,
        trouble: impl FnMut(Error),
    ) -> Result<Snapshots<'_>> {
        self.snapshots_of(self.outcomes_shown()?, generations, changes, None, trouble)
    }

    fn snapshots_of(
        &self,
        shown: OutcomesShown,
        generations: &Generations,
        changes: Arc<TagChanges>,
        holds: Option<Arc<Holds>>,
        mut trouble: impl FnMut(Error),
    ) -> Result<Snapshots<'_>> {
        let mut outcomes = Vec::new();
        let mut room = SNAPSHOTS_HELD;
        self.each_outcome_of(&shown, &mut |_, outcome| {
            match outcome {
                Ok((Outcome::Snapshot(snapshot), hash, size))
                    if generations.outcome_lives(&snapshot.id, snapshot.generation) =>
                {
                    let key = SnapshotKey::new(&snapshot, hash, size);
                    let left = room.checked_sub(size);
                    room = left.unwrap_or(room);
                    outcomes.push((key, left.map(|_| snapshot)));
                }
                Ok(_) => {}
                Err(error) => trouble(error),
            }
            Ok(())
        })?;
        let entry = |(key, snapshot): (SnapshotKey, Option<Box<Snapshot>>)| {
            let held = snapshot.map(|snapshot| Arc::new(changes.applied(*snapshot, &key)));
            Entry { key, held }
        };
        let mut entries: Vec<Entry> = outcomes.into_iter().map(entry).collect();
        newest_first(&mut entries, self.env().now());
        let (given_up, marks) = (Arc::new(shown.given_up), Arc::new(shown.marks));
        Ok(Snapshots { repository: self, changes, entries, given_up, marks, holds })
    }
}

impl Snapshots<'_> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether one of them was given up and is there only as long as it is held, or may be by a note
    /// that cannot be read.
    pub fn is_given_up(&self, id: SnapshotId) -> bool {
        self.given_up.contains(&id)
    }

    /// The holds that last, of these snapshots and others.
    pub fn holds(&self) -> Result<Arc<Holds>> {
        match &self.holds {
            Some(holds) => Ok(Arc::clone(holds)),
            None => self.repository.holds().map(Arc::new),
        }
    }

    /// The marks of snapshots that were given up, as they were listed after the snapshots. What cannot be
    /// read goes to `trouble`: its name alone gives the snapshot up.
    pub fn marks(&self, trouble: impl FnMut(Error)) -> Result<Vec<Forgotten>> {
        self.repository.forgotten_of(self.marks.to_vec(), trouble)
    }

    /// The keys.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &SnapshotKey> + ExactSizeIterator {
        self.entries.iter().map(|entry| &entry.key)
    }

    /// The records, each read when it is its turn. One that was given up meanwhile is passed over.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Result<Arc<StoredSnapshot>>> {
        self.entries.iter().filter_map(|entry| self.read(entry).transpose())
    }

    /// The record of one of them; none if it is not among them or was given up meanwhile.
    pub fn get(&self, id: SnapshotId) -> Result<Option<Arc<StoredSnapshot>>> {
        match self.entries.iter().find(|entry| entry.key.id == id) {
            Some(entry) => self.read(entry),
            None => Ok(None),
        }
    }

    /// Those whose records are wanted.
    pub fn filtered(&self, mut wanted: impl FnMut(&Snapshot) -> bool) -> Result<Self> {
        let mut entries = Vec::new();
        for entry in &self.entries {
            if self.read(entry)?.is_some_and(|stored| wanted(&stored.snapshot)) {
                entries.push(entry.clone());
            }
        }
        Ok(Snapshots { entries, ..self.clone() })
    }

    /// All records at once: for few, and small ones.
    ///
    /// # Errors
    /// The first of reading.
    pub fn all(&self) -> Result<Vec<StoredSnapshot>> {
        self.iter().map(|stored| stored.map(Arc::unwrap_or_clone)).collect()
    }

    /// Adds one that was committed just now, in front of the others.
    pub fn add(&mut self, key: SnapshotKey) {
        self.entries.insert(0, Entry { key, held: None });
    }

    /// Leaves those whose keys are wanted.
    pub fn retain(&mut self, mut wanted: impl FnMut(&SnapshotKey) -> bool) {
        self.entries.retain(|entry| wanted(&entry.key));
    }

    fn read(&self, entry: &Entry) -> Result<Option<Arc<StoredSnapshot>>> {
        if let Some(stored) = &entry.held {
            return Ok(Some(Arc::clone(stored)));
        }
        let id = entry.key.id;
        match self.repository.outcome_of(&entry.key) {
            Ok((Outcome::Snapshot(snapshot), hash)) if hash == entry.key.hash => {
                Ok(Some(Arc::new(self.changes.applied(*snapshot, &entry.key))))
            }
            Ok(_) => Err(Error::damaged("read", format!("snapshot {id}"), "it has changed")),
            Err(error) if error.kind() == Kind::NotFound && self.repository.is_forgotten(id)? => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Newest first. Within a series the number decides, so that a wrong clock cannot reorder it.
/// Across series it is the claimed time, no earlier than any before it in its series; of a time
/// that is still to come nothing is believed but that of the snapshots before it, and without one
/// it comes last.
fn newest_first(entries: &mut [Entry], now: Time) {
    let possible = Time(now.0.saturating_add(CLOCK_TOLERANCE));
    entries.sort_by_key(|entry| (entry.key.series, entry.key.sequence));
    let mut latest: HashMap<SeriesId, (Option<Time>, Time)> = HashMap::new();
    let times: HashMap<SnapshotId, (Option<Time>, Time)> = entries
        .iter()
        .map(|Entry { key, .. }| {
            let believed = Some(key.started).filter(|time| *time <= possible);
            let times = latest.entry(key.series).or_insert((None, key.started));
            *times = (times.0.max(believed), times.1.max(key.started));
            (key.id, *times)
        })
        .collect();
    entries.sort_by_key(|Entry { key, .. }| {
        Reverse((times.get(&key.id).copied(), key.series, key.sequence, key.id))
    });
}
