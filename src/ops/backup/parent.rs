//! The series that a snapshot continues, and the parent that it leans on.

use crate::error::{Error, Kind, Result};
use crate::format::gc::Position;
use crate::format::list::TreeRef;
use crate::format::node::{Node, NodeKind};
use crate::format::snapshot::{Part, PartKind, Snapshot};
use crate::id::{SeriesId, SnapshotId};
use crate::limits::DIRECTORY_DEPTH_MAX;
use crate::repo::{Reader, Repository, StoredSnapshot};
use crate::source::Description;
use crate::stream::DirectoryEntries;
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashSet};

/// Where deltas and unchanged files are looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ParentChoice {
    /// The newest snapshot of the same sources from the same machine.
    #[default]
    Auto,
    /// Nowhere: everything is read, every new chunk is stored whole.
    None,
    /// In this snapshot.
    Snapshot(SnapshotId),
}

/// What is known of the series, and the parent.
pub(super) struct Series {
    newest: Option<Position>,
    parent: Option<StoredSnapshot>,
    /// Parts that the parent misses, as an earlier snapshot of its series has them.
    older: Vec<Part>,
}

impl Series {
    pub(super) fn find(
        repository: &Repository,
        host: &str,
        sources: &[Description],
        choice: &ParentChoice,
    ) -> Result<Self> {
        let wanted: BTreeSet<(PartKind, &[u8])> =
            sources.iter().map(|source| (source.kind, source.path.as_slice())).collect();
        let mut trouble = None;
        let all = repository.snapshots(|error| remember(&mut trouble, error))?;
        refuse(trouble)?;
        let of_series = |stored: &StoredSnapshot| {
            let snapshot = &stored.snapshot;
            snapshot.host == host && snapshot.sources() == wanted
        };
        let newest = all
            .iter()
            .filter(|stored| of_series(stored))
            .max_by_key(|stored| stored.snapshot.sequence)
            .cloned();
        let parent = match choice {
            ParentChoice::Auto => newest.clone(),
            ParentChoice::None => None,
            ParentChoice::Snapshot(id) => {
                let found = all.iter().find(|stored| stored.snapshot.id == *id).cloned();
                Some(found.ok_or_else(|| Error::new(Kind::NotFound, "find the parent", id))?)
            }
        };
        let older = parent.as_ref().map_or_else(Vec::new, |stored| older(&stored.snapshot, &all));
        let newest = newest.map(|stored| Position {
            series: stored.snapshot.series,
            sequence: stored.snapshot.sequence,
            hash: Some(stored.hash),
        });
        Ok(Series { newest: after_forgotten(repository, newest)?, parent, older })
    }

    pub(super) fn id(&self) -> Option<SeriesId> {
        self.newest.map(|newest| newest.series)
    }

    pub(super) fn next_sequence(&self) -> u64 {
        self.newest.map_or(1, |newest| newest.sequence.saturating_add(1))
    }

    pub(super) fn previous_hash(&self) -> Option<[u8; 32]> {
        self.newest.and_then(|newest| newest.hash)
    }

    pub(super) fn parent(&self) -> Option<&StoredSnapshot> {
        self.parent.as_ref()
    }

    /// The part to compare a source with: the parent's at the same place, or an earlier one.
    pub(super) fn part_of(&self, source: &Description) -> Option<&Part> {
        let parts = self.parent.iter().flat_map(|stored| &stored.snapshot.parts);
        parts.chain(&self.older).find(|part| part.path == source.path)
    }
}

/// Of each part that a snapshot misses, the last one before it in its series.
fn older(parent: &Snapshot, all: &[StoredSnapshot]) -> Vec<Part> {
    let earlier = |snapshot: &Snapshot| {
        snapshot.series == parent.series && snapshot.sequence < parent.sequence
    };
    let mut earlier: Vec<&Snapshot> =
        all.iter().map(|stored| &stored.snapshot).filter(|snapshot| earlier(snapshot)).collect();
    earlier.sort_by_key(|snapshot| Reverse(snapshot.sequence));
    let part_at = |path: &[u8]| {
        earlier.iter().flat_map(|snapshot| &snapshot.parts).find(|part| part.path == path).cloned()
    };
    parent.missing.iter().filter_map(|missing| part_at(&missing.path)).collect()
}

/// Whether there is any content in a part. One that cannot be read to its end counts: nobody
/// knows what it held.
pub(super) fn has_bytes(reader: &Reader<'_>, part: &Part) -> bool {
    node_has_bytes(reader, &part.root, 0, &mut HashSet::new())
}

fn node_has_bytes(
    reader: &Reader<'_>,
    node: &Node,
    depth: usize,
    seen: &mut HashSet<TreeRef>,
) -> bool {
    let entries = match &node.kind {
        NodeKind::File { content, .. } => return content.length > 0,
        NodeKind::Directory { entries } if depth <= DIRECTORY_DEPTH_MAX => *entries,
        _ => return false,
    };
    if !seen.insert(entries) {
        return false;
    }
    let mut entries = DirectoryEntries::new(reader, entries);
    loop {
        match entries.next_entry() {
            Ok(Some(node)) if node_has_bytes(reader, &node, depth + 1, seen) => return true,
            Ok(Some(_)) => {}
            Ok(None) => return false,
            Err(_) => return true,
        }
    }
}

/// The series goes on after its last member, also where that one was given up.
fn after_forgotten(repository: &Repository, newest: Option<Position>) -> Result<Option<Position>> {
    let Some(newest) = newest else { return Ok(None) };
    let mut trouble = None;
    let forgotten = repository.forgotten(|error| remember(&mut trouble, error))?;
    refuse(trouble)?;
    let later = forgotten
        .iter()
        .filter_map(|mark| mark.position)
        .filter(|position| position.series == newest.series && position.sequence > newest.sequence)
        .max_by_key(|position| position.sequence);
    Ok(Some(later.unwrap_or(newest)))
}

/// What is damaged, newer than this program or just being deleted can be no parent, and `check`
/// is where it is reported. But a store that only fails for a moment must not break the series.
fn remember(trouble: &mut Option<Error>, error: Error) {
    if !matches!(error.kind(), Kind::Damaged | Kind::Unsupported | Kind::NotFound) {
        *trouble = Some(error);
    }
}

fn refuse(trouble: Option<Error>) -> Result<()> {
    trouble.map_or(Ok(()), |error| Err(error.within("find", "the snapshot to go on from")))
}
