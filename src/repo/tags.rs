//! Tags of snapshots as they are now: those that each was made with, and what notes have changed.

use super::{Repository, SnapshotKey, StoredSnapshot};
use crate::backend::{Handle, Listed};
use crate::error::{Kind, Result};
use crate::format::ObjectKind;
use crate::format::note::{About, Note, TagChange};
use crate::format::snapshot::Snapshot;
use crate::id::{NoteId, SnapshotId};
use rayon::prelude::*;
use std::collections::{BTreeSet, HashMap, HashSet};

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
        let id = NoteId(self.env().random()?);
        let note = Note { id, at: self.env().now(), about: About::Tags(change) };
        self.put_record(&Handle::note(id), &note)?;
        Ok(true)
    }

    /// What notes have changed. A note that is damaged, newer or gone costs itself: `check` tells
    /// of it, and so does each backup.
    pub(super) fn tag_changes(&self) -> Result<TagChanges> {
        let mut notes: Vec<Note> = Vec::new();
        let mut withdrawn: HashSet<NoteId> = HashSet::new();
        let listed = self.backend().list(ObjectKind::Note)?;
        let read = |object: Listed| self.get_record::<Note>(&object.handle);
        for note in listed.into_par_iter().map(read).collect::<Vec<_>>() {
            match note {
                Ok((Note { about: About::Withdrawal(withdrawal), .. }, _)) => {
                    withdrawn.extend(withdrawal.notes);
                }
                Ok((note, _)) => notes.push(note),
                Err(error) if error.kind() == Kind::NotFound => {}
                Err(error) if matches!(error.kind(), Kind::Damaged | Kind::Unsupported) => {}
                Err(error) => return Err(error),
            }
        }
        notes.retain(|note| !withdrawn.contains(&note.id));
        notes.sort_by_key(|note| (note.at, note.id));
        let mut changes = TagChanges::default();
        for note in notes {
            if let About::Tags(change) = note.about {
                changes.0.entry(change.snapshot).or_default().push(change);
            }
        }
        Ok(changes)
    }
}

/// The changes of each snapshot, in their order.
#[derive(Default)]
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
