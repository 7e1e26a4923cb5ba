//! What earlier snapshots hold of the sources of a backup, found in one pass over all of them.

use super::BackupOptions;
use super::parent::{Parent, ParentChoice, Parents};
use super::series::{Series, refused};
use crate::error::{Error, Kind, Result};
use crate::format::gc::Forgotten;
use crate::format::snapshot::{Part, Snapshot, SourceName};
use crate::id::SnapshotId;
use crate::limits::PARENTS_MAX;
use crate::ops::series::Chains;
use crate::repo::{Reader, Session, Snapshots};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What is known of earlier snapshots.
pub(super) struct History {
    pub(super) series: Series,
    /// The newest snapshot of the series.
    pub(super) last: Option<Snapshot>,
    /// Of each source.
    pub(super) sources: Vec<SourceHistory>,
    pub(super) warnings: Vec<String>,
    /// All series.
    pub(super) chains: Chains,
}

/// What is known of one source.
pub(super) struct SourceHistory {
    pub(super) parents: Parents,
    /// Its newest part, whether it is a parent or not.
    pub(super) newest: Option<Part>,
}

impl History {
    pub(super) fn find(
        reader: &Reader<'_>,
        session: &Session<'_>,
        options: &BackupOptions,
        sources: &[SourceName],
    ) -> Result<Self> {
        let repository = session.repository();
        let now = repository.env().now();
        let all = snapshots(session)?;
        let marks = marks(&all)?;
        let mut series = Series::find(repository, &options.host, sources, &all, &marks)?;
        let places = Places::of(sources);
        let mut found: Vec<Candidates> = sources.iter().map(|_| Candidates::default()).collect();
        for stored in all.iter() {
            let Some(stored) = readable(stored)? else { continue };
            series.compare(&stored.snapshot, now);
            for part in &stored.snapshot.parts {
                for at in places.overlapping(&part.path) {
                    if let (Some(found), Some(source)) = (found.get_mut(at), sources.get(at)) {
                        found.offer(&stored.snapshot, part, source, &options.host);
                    }
                }
            }
        }
        let last = series.last(&all).map(|key| key.id);
        let last = last.map(|id| all.get(id)).transpose()?.flatten();
        let newest: Vec<_> = found.iter_mut().map(|found| found.newest.take()).collect();
        let parents = parents(reader, &all, options, sources, &found)?;
        let sources = parents.into_iter().zip(newest);
        Ok(History {
            sources: sources.map(|(parents, newest)| SourceHistory { parents, newest }).collect(),
            last: last.map(|stored| stored.snapshot.clone()),
            warnings: series.warnings(&all, now),
            chains: Chains::new(all.keys().copied(), &marks),
            series,
        })
    }
}

/// The parents of each source. Each snapshot is read once, for all sources that it is one of.
fn parents(
    reader: &Reader<'_>,
    all: &Snapshots<'_>,
    options: &BackupOptions,
    sources: &[SourceName],
    found: &[Candidates],
) -> Result<Vec<Parents>> {
    let (chosen, none) = match &options.parent {
        ParentChoice::None => (vec![Vec::new(); found.len()], "none was to be used".to_owned()),
        ParentChoice::Auto => (
            sources.iter().zip(found).map(|(source, found)| found.chosen(source)).collect(),
            "no snapshot holds it yet".to_owned(),
        ),
        ParentChoice::Snapshot(id) => {
            if !all.keys().any(|key| key.id == *id) {
                return Err(Error::new(Kind::NotFound, "find the parent", id));
            }
            let none = format!("snapshot {} does not hold it", id.short());
            (vec![vec![*id]; found.len()], none)
        }
    };
    let mut by_snapshot: BTreeMap<SnapshotId, Vec<(usize, usize)>> = BTreeMap::new();
    for (at, ids) in chosen.iter().enumerate() {
        for (rank, id) in ids.iter().enumerate() {
            by_snapshot.entry(*id).or_default().push((at, rank));
        }
    }
    let mut ranked: Vec<BTreeMap<usize, Parent>> = found.iter().map(|_| BTreeMap::new()).collect();
    for (id, uses) in by_snapshot {
        let Some(stored) = all.get(id)? else { continue };
        for (at, rank) in uses {
            let (Some(source), Some(ranked)) = (sources.get(at), ranked.get_mut(at)) else {
                continue;
            };
            let parent = Parent::find(reader, &stored.snapshot, &options.host, source);
            ranked.extend(parent.map(|parent| (rank, parent)));
        }
    }
    let list = ranked.into_iter().map(|parents| parents.into_values().collect());
    Ok(list.map(|list| Parents { list, none: none.clone() }).collect())
}

/// Every snapshot. What is damaged, newer than this program or just being deleted can be no
/// parent, and `check` is where it is reported. But a store that only fails for a moment must not
/// break the series.
fn snapshots<'r>(session: &Session<'r>) -> Result<Snapshots<'r>> {
    let mut trouble = None;
    let all = session.snapshots(|error| trouble = refused(error).or(trouble.take()))?;
    trouble.map_or(Ok(all), Err)
}

/// The marks of what was given up, likewise.
fn marks(all: &Snapshots<'_>) -> Result<Vec<Forgotten>> {
    let mut trouble = None;
    let marks = all.marks(|error| trouble = refused(error).or(trouble.take()))?;
    trouble.map_or(Ok(marks), Err)
}

fn readable<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Ok(stored) => Ok(Some(stored)),
        Err(error) => refused(error).map_or(Ok(None), Err),
    }
}

/// The sources by their paths.
struct Places<'s>(BTreeMap<&'s [u8], Vec<usize>>);

impl<'s> Places<'s> {
    fn of(sources: &'s [SourceName]) -> Self {
        let mut places: BTreeMap<&[u8], Vec<usize>> = BTreeMap::new();
        for (at, source) in sources.iter().enumerate() {
            places.entry(&source.path).or_default().push(at);
        }
        Places(places)
    }

    /// Those at a path, around it and within it.
    fn overlapping(&self, path: &[u8]) -> Vec<usize> {
        let separators = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        // "/a/b" lies within "/a", and everything absolute within "/".
        let ends = separators.flat_map(|(at, _)| [at, at + 1]).chain([path.len()]);
        let around: BTreeSet<&[u8]> = ends.filter_map(|end| path.get(..end)).collect();
        let around = around.into_iter().filter_map(|path| self.0.get(path));
        let begin = if path.ends_with(b"/") { path.to_vec() } else { [path, b"/"].concat() };
        let within =
            self.0.range(begin.as_slice()..).take_while(|(path, _)| path.starts_with(&begin));
        let within = within.filter(|(other, _)| **other != path).map(|(_, sources)| sources);
        around.chain(within).flatten().copied().collect()
    }
}

/// What was found of one source.
#[derive(Default)]
struct Candidates {
    newest: Option<Part>,
    own: Newest,
    others: Newest,
}

impl Candidates {
    /// Takes up a part that stands at the source's place, around it or within it. Newer ones come
    /// first.
    fn offer(&mut self, snapshot: &Snapshot, part: &Part, source: &SourceName, host: &str) {
        let is_own = snapshot.host == host;
        let is_it = part.kind == source.kind && is_same_place(part, source);
        if is_own && is_it && self.newest.is_none() {
            self.newest = Some(part.clone());
        }
        let newest = if is_own { &mut self.own } else { &mut self.others };
        newest.offer(snapshot.id, part, is_same_place(part, source));
    }

    /// For each selection of the source, and each place around or within it, the newest snapshot
    /// that holds it, and if something is missing there the newest that has it all. This host's
    /// come first; another's only where this one has none.
    fn chosen(&self, source: &SourceName) -> Vec<SnapshotId> {
        let has_own = !self.own.chosen.is_empty();
        let others = self.others.chosen.iter().filter(|(_, place)| {
            !self.own.met.contains_key(place) && (!has_own || place.0 == source.path)
        });
        let chosen = self.own.chosen.iter().chain(others).enumerate();
        let counts = |(at, (_, place)): &(usize, &(SnapshotId, Place))| {
            *at < PARENTS_MAX || (&place.0, &place.1) == (&source.path, &source.selection)
        };
        let mut ids = Vec::new();
        for (_, (id, _)) in chosen.filter(counts) {
            if !ids.contains(id) {
                ids.push(*id);
            }
        }
        ids
    }
}

fn is_same_place(part: &Part, source: &SourceName) -> bool {
    part.path == source.path && part.selection == source.selection
}

/// Path and selection of a part.
type Place = (Vec<u8>, BTreeSet<String>);

/// Of each place the newest part, and the newest that is whole.
#[derive(Default)]
struct Newest {
    chosen: Vec<(SnapshotId, Place)>,
    /// Whether a whole one was met.
    met: HashMap<Place, bool>,
}

impl Newest {
    fn offer(&mut self, id: SnapshotId, part: &Part, is_same_place: bool) {
        // More would only be passed over.
        if self.met.len() >= 2 * PARENTS_MAX && !is_same_place {
            return;
        }
        let place = (part.path.clone(), part.selection.clone());
        let whole = !part.incomplete;
        match self.met.get(&place) {
            None => {}
            Some(false) if whole => {}
            Some(_) => return,
        }
        self.met.insert(place.clone(), whole);
        self.chosen.push((id, place));
    }
}
