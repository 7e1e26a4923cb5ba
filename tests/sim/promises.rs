//! What was promised: which snapshots are there, and every byte of them.

use crate::common::memory::Tree;
use crate::common::repo::content;
use icecore::error::Result;
use icecore::format::snapshot::Snapshot;
use icecore::id::{NoteId, SnapshotId};
use icecore::repo::{Reader, Repository};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The label of a snapshot that says which backup made it.
pub const ATTEMPT: &str = "attempt";

/// What everybody was told so far.
#[derive(Default)]
pub struct Promises {
    /// Backups that began, whatever became of them.
    attempts: Vec<Attempt>,
    /// Snapshots that were reported.
    snapshots: BTreeMap<SnapshotId, Promised>,
    /// Those that were seen whole since something was deleted last.
    seen_whole: HashMap<SnapshotId, u64>,
}

struct Attempt {
    host: usize,
    tree: Tree,
    /// Whether it was told that its snapshot will never be there.
    fenced: bool,
}

struct Promised {
    host: usize,
    given_up: GivenUp,
    /// Holds that were reported and not released.
    holds: BTreeSet<NoteId>,
    /// Whether anybody ever tried to hold it.
    may_be_held: bool,
}

/// Whether somebody has given a snapshot up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenUp {
    No,
    /// It was tried.
    Maybe,
    Yes,
}

impl Promises {
    /// A backup begins; its number.
    pub fn begin(&mut self, host: usize, tree: Tree) -> usize {
        self.attempts.push(Attempt { host, tree, fenced: false });
        self.attempts.len() - 1
    }

    pub fn fenced(&mut self, attempt: usize) {
        self.attempts[attempt].fenced = true;
    }

    pub fn committed(&mut self, attempt: usize, id: SnapshotId) {
        let host = self.attempts[attempt].host;
        let (given_up, holds) = (GivenUp::No, BTreeSet::new());
        let promised = Promised { host, given_up, holds, may_be_held: false };
        self.snapshots.insert(id, promised);
    }

    /// Snapshots that nobody has tried to give up.
    pub fn kept(&self) -> Vec<SnapshotId> {
        let kept = self.snapshots.iter().filter(|(_, it)| it.given_up == GivenUp::No);
        kept.map(|(id, _)| *id).collect()
    }

    pub fn is_kept(&self, id: SnapshotId) -> bool {
        self.snapshots.get(&id).is_none_or(|it| it.given_up == GivenUp::No)
    }

    pub fn tree(&self, snapshot: &Snapshot) -> &Tree {
        let attempt: usize = snapshot.labels[ATTEMPT].parse().unwrap();
        &self.attempts[attempt].tree
    }

    /// Somebody is about to give these up, or has; snapshots that were not reported count, too.
    pub fn give_up(&mut self, ids: &[SnapshotId], given_up: GivenUp) {
        for id in ids {
            if let Some(promised) = self.snapshots.get_mut(id)
                && promised.given_up != GivenUp::Yes
            {
                promised.given_up = given_up;
            }
        }
    }

    pub fn try_hold(&mut self, id: SnapshotId) {
        if let Some(promised) = self.snapshots.get_mut(&id) {
            promised.may_be_held = true;
        }
    }

    pub fn hold(&mut self, id: SnapshotId, note: NoteId) {
        if let Some(promised) = self.snapshots.get_mut(&id) {
            promised.holds.insert(note);
        }
    }

    /// Holds that last, to be released.
    pub fn holds(&self) -> Vec<NoteId> {
        self.snapshots.values().flat_map(|it| it.holds.iter().copied()).collect()
    }

    /// Somebody is about to release a hold.
    pub fn release(&mut self, note: NoteId) {
        self.snapshots.values_mut().for_each(|it| it.holds.retain(|hold| *hold != note));
    }

    /// Looks at all that is there by a look of its own: what was promised, or in which way it is broken.
    /// `removals` is how often something was deleted so far. Where that is promised,
    /// something of each host is left.
    pub fn verify(
        &mut self,
        quiet: &Repository,
        removals: u64,
        keeps_last: bool,
    ) -> Result<(), String> {
        let told = |what: &str, error: &dyn std::fmt::Display| format!("{what}: {error}");
        let mut troubles = Vec::new();
        let listed = quiet.snapshots(|error| troubles.push(error));
        let listed = listed.map_err(|error| told("snapshots cannot be listed", &error))?;
        if let Some(trouble) = troubles.first() {
            return Err(told("a snapshot cannot be read", trouble));
        }
        let index = quiet.load_index().map_err(|error| told("no index", &error))?;
        let reader = Reader::new(quiet, &index);
        let (mut found, mut hosts) = (BTreeSet::new(), BTreeSet::new());
        for stored in listed.iter() {
            let snapshot = &stored.map_err(|error| told("no snapshot", &error))?.snapshot;
            found.insert(snapshot.id);
            let attempt: usize = snapshot.labels[ATTEMPT].parse().unwrap();
            let Attempt { host, tree, fenced } = &self.attempts[attempt];
            if *fenced {
                return Err(format!("{} is there, and its backup was fenced", snapshot.id));
            }
            if !listed.is_given_up(snapshot.id) {
                hosts.insert(*host);
            }
            if self.seen_whole.get(&snapshot.id) == Some(&removals) {
                continue;
            }
            is_whole(&reader, snapshot, tree)?;
            self.seen_whole.insert(snapshot.id, removals);
        }
        for (id, promised) in &self.snapshots {
            let Promised { given_up, holds, may_be_held, host } = promised;
            let stays = *given_up == GivenUp::No || !holds.is_empty();
            if stays && !found.contains(id) {
                return Err(format!("{id} was reported, is kept, and is not there"));
            }
            if *given_up == GivenUp::Yes && !may_be_held && found.contains(id) {
                return Err(format!("{id} was given up, and is there"));
            }
            if keeps_last && !hosts.contains(host) {
                return Err(format!("nothing of host {host} is left"));
            }
        }
        Ok(())
    }
}

/// Every file of a snapshot is there with every byte.
pub fn is_whole(reader: &Reader<'_>, snapshot: &Snapshot, tree: &Tree) -> Result<(), String> {
    for path in tree.files.keys() {
        match content(reader, snapshot, &format!("/data/{path}")) {
            Ok(bytes) if bytes == tree.bytes(path) => {}
            Ok(_) => return Err(format!("{path} of {} has wrong bytes", snapshot.id)),
            Err(error) => return Err(format!("{path} of {}: {error}", snapshot.id)),
        }
    }
    Ok(())
}
