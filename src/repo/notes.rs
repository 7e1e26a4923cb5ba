//! Notes: those that hold, which are all that can be read but those that were withdrawn; new ones.

use super::Repository;
use crate::backend::{Handle, Listed};
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::note::{About, Note};
use crate::id::{NoteId, SnapshotId};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// The notes that hold, as they were found once.
#[derive(Debug, Default)]
pub struct Notes {
    pub(super) by_id: BTreeMap<NoteId, Note>,
    /// Those that are damaged or newer than this program.
    pub(super) troubles: Vec<(Handle, Error)>,
}

impl Repository {
    /// The notes that hold. One that is damaged, newer or gone costs itself.
    ///
    /// # Errors
    /// Those of a store that cannot be read.
    pub fn notes(&self) -> Result<Notes> {
        self.notes_of(self.backend().list(ObjectKind::Note)?)
    }

    /// The same of those that were listed.
    pub(super) fn notes_of(&self, listed: Vec<Listed>) -> Result<Notes> {
        let mut troubles = Vec::new();
        let trouble = |handle, error| troubles.push((handle, error));
        let (mut by_id, withdrawn) = self.notes_and_withdrawn(listed, trouble)?;
        by_id.retain(|id, _| !withdrawn.contains(id));
        Ok(Notes { by_id, troubles })
    }

    /// Notes about these snapshots, withdrawn ones too, as far as they can be read.
    ///
    /// # Errors
    /// Those of a store that cannot be read.
    pub fn notes_about(&self, snapshots: &BTreeSet<SnapshotId>) -> Result<BTreeSet<NoteId>> {
        let listed = self.backend().list(ObjectKind::Note)?;
        let (mut notes, _) = self.notes_and_withdrawn(listed, |_, _| {})?;
        notes.retain(|_, note| note.snapshot().is_some_and(|id| snapshots.contains(&id)));
        Ok(notes.into_keys().collect())
    }

    /// All notes but withdrawals, and the ids that these name.
    ///
    /// What takes the place of a note is there before the withdrawal of that note, but a listing may
    /// have shown the withdrawal alone: where there is one, they are listed again.
    fn notes_and_withdrawn(
        &self,
        mut listed: Vec<Listed>,
        mut trouble: impl FnMut(Handle, Error),
    ) -> Result<(BTreeMap<NoteId, Note>, BTreeSet<NoteId>)> {
        let mut notes = BTreeMap::new();
        let (mut seen, mut withdrawn) = (HashSet::new(), BTreeSet::new());
        loop {
            self.retain_records(ObjectKind::Note, &listed);
            listed.retain(|object| seen.insert(object.handle.clone()));
            let before = withdrawn.len();
            for (handle, note) in self.get_records(listed) {
                match note.and_then(|(note, _)| named(note, &handle)) {
                    Ok(Note { about: About::Withdrawal(withdrawal), .. }) => {
                        withdrawn.extend(withdrawal.notes);
                    }
                    Ok(note) => drop(notes.insert(note.id, note)),
                    Err(error) if error.kind() == Kind::NotFound => {}
                    Err(error) if matches!(error.kind(), Kind::Damaged | Kind::Unsupported) => {
                        trouble(handle, error);
                    }
                    Err(error) => return Err(error),
                }
            }
            if withdrawn.len() == before {
                break;
            }
            listed = self.backend().list(ObjectKind::Note)?;
        }
        Ok((notes, withdrawn))
    }

    /// Notes something under a new id.
    pub(super) fn put_note(&self, about: About) -> Result<NoteId> {
        let id = NoteId(self.env().random()?);
        let note = Note { id, at: self.env().now(), about };
        self.put_record(&Handle::note(id), &note)?;
        Ok(id)
    }
}

/// A note, which must name itself.
fn named(note: Note, handle: &Handle) -> Result<Note> {
    match *handle == Handle::note(note.id) {
        true => Ok(note),
        false => Err(Error::damaged("read", handle, "it names another note")),
    }
}
