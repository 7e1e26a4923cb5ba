//! Holds: snapshots that must stay, whatever is given up, and why.

use super::{Notes, Repository};
use crate::env::Time;
use crate::error::{Error, Kind, Result};
use crate::format::note::{self, About, Note, Withdrawal};
use crate::id::{NoteId, SnapshotId};
use std::collections::{BTreeSet, HashMap};
use std::fmt;

/// A hold of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Names it.
    pub id: NoteId,
    /// When it was put.
    pub since: Time,
    /// Why, in words.
    pub reason: String,
    /// When it ends by itself, if it does.
    pub until: Option<Time>,
}

/// The holds that last, of each snapshot from the oldest to the newest.
#[derive(Debug, Default)]
pub struct Holds {
    by_snapshot: HashMap<SnapshotId, Vec<Hold>>,
    /// Why some notes could not be read: each may be a hold of any snapshot.
    pub troubles: Vec<Error>,
}

/// The outcome of a wish to hold a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewHold {
    /// Names the hold.
    pub id: NoteId,
    /// Whether the snapshot has been given up, so that it goes with its last hold.
    pub given_up: bool,
}

impl Holds {
    /// The holds of one snapshot.
    pub fn of(&self, snapshot: SnapshotId) -> &[Hold] {
        self.by_snapshot.get(&snapshot).map_or(&[], Vec::as_slice)
    }

    /// Whether a snapshot must stay: it is held, or may be by a note that cannot be read.
    pub fn may_hold(&self, snapshot: SnapshotId) -> bool {
        !self.troubles.is_empty() || !self.of(snapshot).is_empty()
    }
}

impl Notes {
    /// The holds that last at a moment.
    pub(super) fn into_holds(self, now: Time) -> Holds {
        let mut holds = Holds::default();
        holds.troubles.extend(self.troubles.into_iter().map(|(_, error)| error));
        for (id, Note { at: since, about, .. }) in self.by_id {
            if let About::Hold(hold) = about
                && hold.lasts(now)
            {
                let note::Hold { snapshot, reason, until } = hold;
                let all = holds.by_snapshot.entry(snapshot).or_default();
                all.push(Hold { id, since, reason, until });
            }
        }
        for all in holds.by_snapshot.values_mut() {
            all.sort_by_key(|hold| (hold.since, hold.id));
        }
        holds
    }
}

impl Repository {
    /// The holds that last at this moment.
    pub fn holds(&self) -> Result<Holds> {
        Ok(self.notes()?.into_holds(self.env().now()))
    }

    /// Holds a snapshot, also beside others who hold it, for whose sake one that was given up is
    /// still there.
    ///
    /// # Errors
    /// `Refused` if the snapshot is given up and nobody else holds it: nobody knows who was first.
    /// The hold is withdrawn then.
    pub fn hold(&self, snapshot: SnapshotId, reason: &str, until: Option<Time>) -> Result<NewHold> {
        let hold = note::Hold { snapshot, reason: reason.to_owned(), until };
        let id = self.put_note(About::Hold(hold))?;
        // The note before the mark: a forget puts the mark before it reads notes.
        let given_up = self.is_forgotten(snapshot)?;
        if given_up {
            let holds = self.holds()?;
            let others = holds.of(snapshot).iter().any(|hold| hold.id != id);
            if !others && holds.troubles.is_empty() {
                self.release([id].into())?;
                return Err(Error::new(Kind::Refused, "hold snapshot", snapshot.short())
                    .because("it has just been given up")
                    .hint("hold another one: `icecore snapshots` lists them"));
            }
        }
        Ok(NewHold { id, given_up })
    }

    /// Ends holds.
    pub fn release(&self, holds: BTreeSet<NoteId>) -> Result<()> {
        self.put_note(About::Withdrawal(Withdrawal { notes: holds })).map(drop)
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.until {
            Some(until) => write!(f, "held until {until}: {}", self.reason),
            None => write!(f, "held: {}", self.reason),
        }
    }
}
