//! What a target has already, and where a copy takes its place there.

use super::tree::Former;
use crate::env::Time;
use crate::error::{Error, Result};
use crate::format::gc::{Forgotten, Position};
use crate::format::snapshot::{Origin, Part, SeriesName, Snapshot, SourceName};
use crate::id::{RepoId, SeriesId, SnapshotId};
use crate::limits::CLOCK_TOLERANCE;
use crate::repo::{Repository, Snapshots, StoredSnapshot};
use std::collections::HashMap;

/// Names a snapshot wherever it was copied to.
type Name = (RepoId, SnapshotId, [u8; 32]);

/// Where a snapshot of this repository was first.
pub(super) fn origin(repository: &Repository, stored: &StoredSnapshot) -> Origin {
    let StoredSnapshot { snapshot, hash, .. } = stored;
    let here = || Origin {
        repository: repository.config().repository,
        snapshot: snapshot.id,
        hash: *hash,
        late: false,
    };
    Origin { late: false, ..snapshot.origin.clone().unwrap_or_else(here) }
}

/// The snapshots of a repository, by where they were first.
pub(super) struct Origins(HashMap<Name, SnapshotId>);

impl Origins {
    pub(super) fn of(repository: &Repository, all: &Snapshots<'_>) -> Result<Self> {
        let mut origins = HashMap::new();
        for stored in all.iter() {
            let stored = stored?;
            // One that goes with its last hold will not be there.
            if !all.is_given_up(stored.snapshot.id) {
                origins.insert(name(&origin(repository, &stored)), stored.snapshot.id);
            }
        }
        Ok(Origins(origins))
    }

    fn add(&mut self, repository: &Repository, stored: &StoredSnapshot) {
        self.0.insert(name(&origin(repository, stored)), stored.snapshot.id);
    }

    pub(super) fn get(&self, origin: &Origin) -> Option<SnapshotId> {
        self.0.get(&name(origin)).copied()
    }
}

fn name(origin: &Origin) -> Name {
    (origin.repository, origin.snapshot, origin.hash)
}

/// All that a target shows.
pub(super) struct Standing<'t> {
    target: &'t Repository,
    all: Snapshots<'t>,
    marks: Vec<Forgotten>,
    origins: Origins,
    /// What has captured each source of each host.
    captures: HashMap<String, Vec<(SourceName, Vec<Capture>)>>,
    /// The one that was added last.
    last: Option<StoredSnapshot>,
}

/// A snapshot in which a source stands.
#[derive(Clone, Copy)]
struct Capture {
    id: SnapshotId,
    started: Time,
    /// Where it was first, if not there.
    origin: Option<Name>,
}

/// Where a copy stands.
pub(super) struct Place {
    pub(super) series: SeriesId,
    pub(super) sequence: u64,
    pub(super) previous: Option<[u8; 32]>,
    pub(super) late: bool,
}

impl<'t> Standing<'t> {
    /// What cannot be read goes to `trouble`.
    pub(super) fn read(target: &'t Repository, mut trouble: impl FnMut(Error)) -> Result<Self> {
        let all = target.snapshots(&mut trouble)?;
        let (marks, origins) = (all.marks(trouble)?, Origins::of(target, &all)?);
        let (captures, last) = (HashMap::new(), None);
        let mut standing = Standing { target, all: all.clone(), marks, origins, captures, last };
        for stored in all.iter() {
            standing.capture(&stored?.snapshot);
        }
        Ok(standing)
    }

    /// Adds what was committed just now: nobody reads all of it again for that.
    pub(super) fn add(&mut self, stored: StoredSnapshot) {
        self.all.add(stored.key());
        self.origins.add(self.target, &stored);
        self.capture(&stored.snapshot);
        self.last = Some(stored);
    }

    fn capture(&mut self, snapshot: &Snapshot) {
        let origin = snapshot.origin.as_ref().map(name);
        let capture = Capture { id: snapshot.id, started: snapshot.started, origin };
        let of_host = self.captures.entry(snapshot.host.clone()).or_default();
        for source in snapshot.parts.iter().map(Part::source) {
            match of_host.iter_mut().find(|(known, _)| *known == source) {
                Some((_, captures)) => captures.push(capture),
                None => of_host.push((source, vec![capture])),
            }
        }
    }

    /// Whether it has a copy of what was first there.
    pub(super) fn has(&self, origin: &Origin) -> bool {
        self.copy_of(origin).is_some()
    }

    /// Its copy of what was first there.
    pub(super) fn copy_of(&self, origin: &Origin) -> Option<SnapshotId> {
        self.origins.get(origin)
    }

    /// The end of its series; where something newer is there already, a series of its own, since the
    /// order of a series is that of its numbers.
    pub(super) fn place(&self, snapshot: &Snapshot, origin: &Origin) -> Result<Place> {
        let mut name = SeriesName {
            host: snapshot.host.clone(),
            sources: snapshot.sources(),
            original: snapshot.original,
            origin: None,
        };
        let series = self.target.ids().of_series(&name)?;
        let possible = Time(self.target.env().now().0.saturating_add(CLOCK_TOLERANCE));
        let mut members = self.all.keys().filter(|key| key.series == series);
        if !members.any(|key| key.started > snapshot.started && key.started <= possible) {
            return Ok(self.end_of(series, false));
        }
        name.origin = Some(origin.snapshot);
        Ok(self.end_of(self.target.ids().of_series(&name)?, true))
    }

    fn end_of(&self, series: SeriesId, late: bool) -> Place {
        let live = self.all.keys().map(|key| Position {
            series: key.series,
            sequence: key.sequence,
            hash: Some(key.hash),
        });
        let given_up = self.marks.iter().filter_map(|mark| mark.position);
        let members = live.chain(given_up).filter(|position| position.series == series);
        let last = members.max_by_key(|position| position.sequence);
        Place {
            series,
            sequence: last.map_or(1, |last| last.sequence.saturating_add(1)),
            previous: last.and_then(|last| last.hash),
            late,
        }
    }

    /// What stood in the place of each part: in the newest that is no newer and whose original the source
    /// has, or else in another. One that is no more teaches nothing.
    pub(super) fn formers(
        &self,
        snapshot: &Snapshot,
        source: &Snapshots<'_>,
        origins: &Origins,
    ) -> Result<Vec<Option<(SnapshotId, Former)>>> {
        let of_host = self.captures.get(&snapshot.host).map(Vec::as_slice).unwrap_or_default();
        let mut formers = Vec::with_capacity(snapshot.parts.len());
        for part in &snapshot.parts {
            let wanted = part.source();
            let captures = of_host.iter().find(|(known, _)| *known == wanted);
            let theirs = |capture: &Capture| origins.0.get(&capture.origin?).copied();
            let rank = |capture: &&Capture| {
                let is_older = capture.started <= snapshot.started;
                (theirs(capture).is_some(), is_older, capture.started)
            };
            let Some(best) = captures.and_then(|(_, captures)| captures.iter().max_by_key(rank))
            else {
                formers.push(None);
                continue;
            };
            let root = |stored: &StoredSnapshot| {
                let part = stored.snapshot.parts.iter().find(|it| it.source() == wanted);
                part.map(|part| part.root.clone())
            };
            let ours = match self.last.as_ref().filter(|last| last.snapshot.id == best.id) {
                Some(last) => root(last),
                None => self.all.get(best.id)?.and_then(|stored| root(&stored)),
            };
            let theirs = theirs(best).and_then(|id| source.get(id).ok().flatten());
            let theirs = theirs.and_then(|stored| root(&stored));
            formers.push(ours.map(|ours| (best.id, Former { theirs, ours })));
        }
        Ok(formers)
    }
}
