//! What a snapshot is a state of: each database of a server, each source, and its series. The last state of
//! any of these is not forgotten in passing.

use super::select::{Aside, named_sources};
use crate::error::{Error, Kind, Result};
use crate::format::snapshot::{Part, PartKind, Snapshot, SourceName};
use crate::id::SeriesId;
use crate::repo::Snapshots;
use std::collections::{BTreeSet, HashSet};
use std::fmt;

/// Something that a snapshot holds a state of.
#[derive(Clone, Debug)]
pub(super) enum Past<'s> {
    /// A database, so far as the same of it was asked for.
    Database { host: &'s str, path: &'s [u8], scope: Vec<&'s str>, name: &'s str, quality: Quality },
    /// A folder, a file, a stream, a server.
    Source { host: &'s str, kind: PartKind, path: &'s [u8], quality: Quality },
    /// All sources of a series together.
    Series(SeriesId),
    /// The same, as they were named.
    Sources { host: &'s str, sources: BTreeSet<SourceName> },
}

/// How good a state is at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quality {
    /// There is one.
    Any,
    /// Nothing is missing in its part.
    Complete,
    /// Nothing in its part is damaged at its source, either.
    Sound,
}

impl Quality {
    /// What can be said of a part. What was saved because it was about to be replaced, or is what damage
    /// left, takes the place of nothing good.
    fn of(snapshot: &Snapshot, part: &Part) -> &'static [Quality] {
        let is_aside = Aside::of(snapshot).is_some();
        match (is_aside || part.incomplete, part.tainted) {
            (true, _) => &[Quality::Any],
            (false, 1..) => &[Quality::Any, Quality::Complete],
            (false, 0) => &[Quality::Any, Quality::Complete, Quality::Sound],
        }
    }
}

impl<'s> Past<'s> {
    /// All that a snapshot holds.
    pub(super) fn of(snapshot: &'s Snapshot) -> impl Iterator<Item = Past<'s>> {
        let host = snapshot.host.as_str();
        let of_parts = snapshot.parts.iter().flat_map(move |part| {
            let path = part.path.as_slice();
            Quality::of(snapshot, part).iter().flat_map(move |quality| {
                let databases = part.databases().map(move |name| Past::Database {
                    host,
                    path,
                    scope: part.scope().collect(),
                    name,
                    quality: *quality,
                });
                databases.chain([Past::Source { host, kind: part.kind, path, quality: *quality }])
            })
        });
        // A series of its own need not go on.
        let series = (!snapshot.stands_alone()).then_some(Past::Series(snapshot.series));
        of_parts.chain(series)
    }

    /// The sources of its series, by whatever name this goes on.
    fn sources_of(snapshot: &'s Snapshot) -> Past<'s> {
        Past::Sources { host: &snapshot.host, sources: named_sources(snapshot) }
    }

    /// Names it: what it is, however long its words are.
    pub(super) fn id(&self) -> PastId {
        let mut text = Vec::new();
        let mut add = |field: &[u8]| {
            text.extend((field.len() as u64).to_le_bytes());
            text.extend(field);
        };
        match self {
            Past::Database { host, path, scope, name, quality } => {
                add(format!("database {quality:?}").as_bytes());
                [host.as_bytes(), path, name.as_bytes()].into_iter().for_each(&mut add);
                scope.iter().for_each(|word| add(word.as_bytes()));
            }
            Past::Source { host, kind, path, quality } => {
                add(format!("source {kind:?} {quality:?}").as_bytes());
                [host.as_bytes(), path].into_iter().for_each(&mut add);
            }
            Past::Series(series) => add(series.to_string().as_bytes()),
            Past::Sources { host, sources } => {
                add(b"sources");
                add(host.as_bytes());
                for SourceName { kind, path, selection } in sources {
                    add(format!("{kind:?} {}", selection.len()).as_bytes());
                    add(path);
                    selection.iter().for_each(|word| add(word.as_bytes()));
                }
            }
        }
        PastId(*blake3::hash(&text).as_bytes())
    }
}

/// Names a [`Past`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PastId([u8; 32]);

/// All that some snapshots hold.
#[derive(Default)]
pub(super) struct Pasts(HashSet<PastId>);

impl Pasts {
    /// All that these hold, but for those that go with their last hold.
    pub(super) fn of(snapshots: &Snapshots<'_>) -> Result<Self> {
        let mut all = Pasts::default();
        for stored in snapshots.iter() {
            let snapshot = &stored?.snapshot;
            if !snapshots.is_given_up(snapshot.id) {
                all.add(snapshot);
            }
        }
        Ok(all)
    }

    pub(super) fn add(&mut self, snapshot: &Snapshot) {
        self.0.extend(Past::of(snapshot).map(|past| past.id()));
        if !snapshot.stands_alone() {
            self.0.insert(Past::sources_of(snapshot).id());
        }
    }

    /// Whether one of these goes on with the series of a snapshot, or nobody need do so.
    pub(super) fn go_on(&self, snapshot: &Snapshot) -> bool {
        let known = |past: Past<'_>| self.0.contains(&past.id());
        snapshot.stands_alone()
            || known(Past::Series(snapshot.series))
            || known(Past::sources_of(snapshot))
    }

    /// Something that a snapshot holds and none of these does.
    pub(super) fn lack<'s>(&self, snapshot: &'s Snapshot) -> Option<Past<'s>> {
        Past::of(snapshot).find(|past| match past {
            Past::Series(_) => !self.go_on(snapshot),
            past => !self.0.contains(&past.id()),
        })
    }
}

/// Of each series, source and database something has to be left, as good as what goes.
pub(super) fn refuse_last(goes: &Snapshots<'_>, stays: &Snapshots<'_>) -> Result<()> {
    let stays = Pasts::of(stays)?;
    for stored in goes.iter() {
        let snapshot = &stored?.snapshot;
        if let Some(lost) = stays.lack(snapshot) {
            return Err(Error::new(Kind::Refused, "forget", snapshot.id.short())
                .because(format!("it is the {lost}"))
                .hint("`--force` gives it up all the same"));
        }
    }
    Ok(())
}

impl fmt::Display for Past<'_> {
    /// The last snapshot of it, in words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy;
        match self {
            Past::Database { host, path, name, quality, .. } => {
                write!(f, "last {quality} of database {name} in {} from {host}", text(path))
            }
            Past::Source { host, path, quality, .. } => {
                write!(f, "last {quality} of {} from {host}", text(path))
            }
            Past::Series(_) | Past::Sources { .. } => f.write_str("last snapshot of its sources"),
        }
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Quality::Any => "snapshot",
            Quality::Complete => "complete snapshot",
            Quality::Sound => "undamaged snapshot",
        })
    }
}
