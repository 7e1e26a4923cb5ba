//! What a target has already, and where a copy takes its place there.

use super::tree::Former;
use crate::env::Time;
use crate::error::{Error, Result};
use crate::format::gc::{Forgotten, Position};
use crate::format::snapshot::{Origin, Part, SeriesName, Snapshot};
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
    pub(super) all: Snapshots<'t>,
    marks: Vec<Forgotten>,
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
        let marks = all.marks(trouble)?;
        Ok(Standing { target, all, marks })
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
    /// has, or else in another.
    pub(super) fn formers(
        &self,
        snapshot: &Snapshot,
        source: &Snapshots<'_>,
        origins: &Origins,
    ) -> Result<Vec<Option<(SnapshotId, Former)>>> {
        let mut best: Vec<Option<(Rank, Candidate)>> = vec![None; snapshot.parts.len()];
        for stored in self.all.iter() {
            let other = &stored?.snapshot;
            let theirs = other.origin.as_ref().and_then(|origin| origins.get(origin));
            let rank = (theirs.is_some(), other.started <= snapshot.started);
            for (part, best) in snapshot.parts.iter().zip(&mut best) {
                let same = |it: &&Part| it.source() == part.source();
                let is_better = best.as_ref().is_none_or(|(known, _)| rank > *known);
                if let Some(ours) = other.parts.iter().find(same).filter(|_| is_better)
                    && other.host == snapshot.host
                {
                    *best = Some((rank, Candidate { id: other.id, ours: ours.clone(), theirs }));
                }
            }
        }
        let former = |best: Option<(Rank, Candidate)>| {
            let Candidate { id, ours, theirs } = best?.1;
            // One that is no more just teaches nothing.
            let theirs = theirs.and_then(|id| source.get(id).ok().flatten());
            let same = |it: &&Part| it.source() == ours.source();
            let theirs = theirs.and_then(|it| it.snapshot.parts.iter().find(same).cloned());
            Some((id, Former { theirs: theirs.map(|part| part.root), ours: ours.root }))
        };
        Ok(best.into_iter().map(former).collect())
    }
}

/// Whether the source has its original, and whether it is no newer.
type Rank = (bool, bool);

#[derive(Clone)]
struct Candidate {
    id: SnapshotId,
    ours: Part,
    theirs: Option<SnapshotId>,
}
