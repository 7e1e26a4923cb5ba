//! Giving snapshots up, and what cannot be read or is not there any more.

use super::{Repository, SnapshotKey};
use crate::backend::Handle;
use crate::error::{Kind, Result};
use crate::format::gc::{Forgotten, Position};
use crate::id::SnapshotId;

/// The outcome of the objects of snapshots that have a mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// How many the store did not let go.
    pub retained: u64,
    /// How many stay, and their snapshots with them, since they are held, or may be by a note
    /// that cannot be read.
    pub held: u64,
}

impl Repository {
    /// Gives a snapshot up; false if its object stays. A store that refuses deletion loses nothing
    /// by it.
    pub fn forget(&self, snapshot: &SnapshotKey) -> Result<bool> {
        self.mark_forgotten(snapshot)?;
        Ok(self.remove_forgotten(&[snapshot.id])? == Removed::default())
    }

    /// Marks a snapshot as given up. It is gone then, unless it is held.
    pub fn mark_forgotten(&self, snapshot: &SnapshotKey) -> Result<()> {
        let SnapshotKey { id, series, sequence, hash, .. } = *snapshot;
        self.mark(id, Some(Position { series, sequence, hash: Some(hash) }))
    }

    /// The same of one that cannot be read, so that nobody knows its place.
    pub fn mark_unread(&self, id: SnapshotId) -> Result<()> {
        self.mark(id, None)
    }

    /// Removes the objects of snapshots that have a mark, but not of those that are held: after the
    /// marks, since a hold looks for the mark of its snapshot after that. Where listings lag, a hold
    /// may be there that none shows yet, and no room is given back anyway: there all of them stay.
    pub fn remove_forgotten(&self, ids: &[SnapshotId]) -> Result<Removed> {
        let holds = self.holds()?;
        let mut removed = Removed::default();
        for id in ids {
            match holds.may_hold(*id) {
                false if !self.config().listing_after_write => {}
                true => removed.held += 1,
                false => match self.backend().delete(&Handle::snapshot(*id)) {
                    Ok(()) => {}
                    // It is given up all the same; the next prune removes it.
                    Err(error) if error.kind() == Kind::Unavailable => return Err(error),
                    Err(_) => removed.retained += 1,
                },
            }
        }
        Ok(removed)
    }

    /// Gives up a place in a series where nothing is any more, and all numbers before it from
    /// `first` on.
    pub fn forget_place(&self, first: u64, position: Position) -> Result<()> {
        let mark = Forgotten {
            id: SnapshotId(self.env().random()?),
            first: (first < position.sequence).then_some(first),
            position: Some(position),
            at: self.env().now(),
        };
        self.put_record(&Handle::forgotten(mark.id), &mark).map(drop)
    }

    fn mark(&self, id: SnapshotId, position: Option<Position>) -> Result<()> {
        let handle = Handle::forgotten(id);
        if self.find_record::<Forgotten>(&handle)?.is_none() {
            let mark = Forgotten { id, position, first: None, at: self.env().now() };
            // If another was quicker, its mark gives it up.
            self.put_same(&handle, &self.seal_record(&handle, &mark)?)?;
        }
        Ok(())
    }
}
