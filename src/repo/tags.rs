//! Tags of snapshots as they are now: those that each was made with, and what notes have changed.

use super::{Notes, Repository, SnapshotKey, StoredSnapshot};
use crate::error::Result;
use crate::format::note::{About, Note, TagChange};
use crate::format::snapshot::Snapshot;
use crate::id::SnapshotId;
use std::collections::{BTreeSet, HashMap};

impl Repository {
    /// Notes what makes the tags of a snapshot these; false if they are that already.
    pub fn change_tags(&self, snapshot: &Snapshot, tags: &BTreeSet<String>) -> Result<bool> {
        let change = TagChange {
            snapshot: snapshot.id,
            remove: snapshot.tags.difference(tags).cloned().collect(),
            add: tags.difference(&snapshot.tags).cloned().collect(),
        };
        if change.remove.is_empty() && change.add.is_empty() {
            return Ok(false);
        }
        self.put_note(About::Tags(change))?;
        Ok(true)
    }
}

impl Notes {
    /// What they have changed of tags. A note that is damaged, newer or gone costs itself: `check`
    /// tells of it, and so does each backup.
    pub(super) fn tag_changes(&self) -> TagChanges {
        let mut notes: Vec<&Note> = self.by_id.values().collect();
        notes.sort_by_key(|note| (note.at, note.id));
        let mut changes = TagChanges::default();
        for note in notes {
            if let About::Tags(change) = &note.about {
                changes.0.entry(change.snapshot).or_default().push(change.clone());
            }
        }
        changes
    }
}

/// The changes of each snapshot, in their order.
#[derive(Debug, Default)]
pub(super) struct TagChanges(HashMap<SnapshotId, Vec<TagChange>>);

impl TagChanges {
    /// A stored snapshot with the tags that it has now.
    pub(super) fn applied(&self, mut snapshot: Snapshot, key: &SnapshotKey) -> StoredSnapshot {
        for change in self.0.get(&snapshot.id).into_iter().flatten() {
            snapshot.tags.retain(|tag| !change.remove.contains(tag));
            snapshot.tags.extend(change.add.iter().cloned());
        }
        StoredSnapshot { snapshot, hash: key.hash, size: key.size }
    }
}
