//! Tags of snapshots as they are now: those that each was made with, and what notes have changed.

use super::{Repository, StoredSnapshot};
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

    /// Gives snapshots the tags that they have now. A note that is damaged, newer or gone costs
    /// itself: `check` tells of it, and so does each backup.
    pub(super) fn apply_tag_changes(&self, snapshots: &mut [StoredSnapshot]) -> Result<()> {
        let mut changes: Vec<Note> = Vec::new();
        let mut withdrawn: HashSet<NoteId> = HashSet::new();
        let listed = self.backend().list(ObjectKind::Note)?;
        let read = |object: Listed| self.get_record::<Note>(&object.handle);
        for note in listed.into_par_iter().map(read).collect::<Vec<_>>() {
            match note {
                Ok((Note { about: About::Withdrawal(withdrawal), .. }, _)) => {
                    withdrawn.extend(withdrawal.notes);
                }
                Ok((note, _)) => changes.push(note),
                Err(error) if error.kind() == Kind::NotFound => {}
                Err(error) if matches!(error.kind(), Kind::Damaged | Kind::Unsupported) => {}
                Err(error) => return Err(error),
            }
        }
        changes.retain(|note| !withdrawn.contains(&note.id));
        changes.sort_by_key(|note| (note.at, note.id));
        let mut by_id: HashMap<SnapshotId, &mut StoredSnapshot> =
            snapshots.iter_mut().map(|stored| (stored.snapshot.id, stored)).collect();
        for note in changes {
            let About::Tags(change) = note.about else { continue };
            if let Some(stored) = by_id.get_mut(&change.snapshot) {
                let tags = &mut stored.snapshot.tags;
                tags.retain(|tag| !change.remove.contains(tag));
                tags.extend(change.add);
            }
        }
        Ok(())
    }
}
