//! The series that a snapshot continues, and the parent that it leans on.

use crate::error::{Error, Kind, Result};
use crate::format::snapshot::{Part, PartKind, Snapshot};
use crate::id::{SeriesId, SnapshotId};
use crate::repo::{Repository, StoredSnapshot};
use crate::source::Description;
use std::collections::BTreeSet;

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
    newest: Option<(SeriesId, u64, [u8; 32])>,
    parent: Option<StoredSnapshot>,
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
        let mut all = repository.snapshots(|error| remember(&mut trouble, error))?;
        refuse(trouble)?;
        let of_series = |stored: &StoredSnapshot| {
            let snapshot = &stored.snapshot;
            snapshot.host == host && parts(snapshot) == wanted
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
                let at = all.iter().position(|stored| stored.snapshot.id == *id);
                let at = at.ok_or_else(|| Error::new(Kind::NotFound, "find the parent", id))?;
                Some(all.swap_remove(at))
            }
        };
        let newest =
            newest.map(|stored| (stored.snapshot.series, stored.snapshot.sequence, stored.hash));
        Ok(Series { newest: after_forgotten(repository, newest)?, parent })
    }

    pub(super) fn id(&self) -> Option<SeriesId> {
        self.newest.map(|(series, ..)| series)
    }

    pub(super) fn next_sequence(&self) -> u64 {
        self.newest.map_or(1, |(_, sequence, _)| sequence.saturating_add(1))
    }

    pub(super) fn previous_hash(&self) -> Option<Vec<u8>> {
        self.newest.map(|(.., hash)| hash.to_vec())
    }

    pub(super) fn parent(&self) -> Option<&StoredSnapshot> {
        self.parent.as_ref()
    }

    pub(super) fn parent_had_bytes(&self) -> bool {
        self.parent.as_ref().is_some_and(|stored| stored.snapshot.summary.bytes > 0)
    }
}

/// The series goes on after its last member, also where that one was given up.
fn after_forgotten(
    repository: &Repository,
    newest: Option<(SeriesId, u64, [u8; 32])>,
) -> Result<Option<(SeriesId, u64, [u8; 32])>> {
    let Some((series, sequence, hash)) = newest else { return Ok(None) };
    let mut trouble = None;
    let forgotten = repository.forgotten(|error| remember(&mut trouble, error))?;
    refuse(trouble)?;
    let last = forgotten
        .iter()
        .filter(|mark| mark.series == series && mark.sequence > sequence)
        .max_by_key(|mark| mark.sequence);
    Ok(Some(last.map_or((series, sequence, hash), |mark| (series, mark.sequence, mark.hash))))
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

fn parts(snapshot: &Snapshot) -> BTreeSet<(PartKind, &[u8])> {
    snapshot.parts.iter().map(|part| (part.kind, part.path.as_slice())).collect()
}

/// The part of a snapshot that stands at the same place.
pub(super) fn part_of<'s>(snapshot: &'s Snapshot, source: &Description) -> Option<&'s Part> {
    snapshot.parts.iter().find(|part| part.path == source.path)
}
