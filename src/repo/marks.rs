//! Giving up what cannot be read, or is not there any more.

use super::Repository;
use crate::backend::Handle;
use crate::error::Result;
use crate::format::gc::{Forgotten, Position};
use crate::id::SnapshotId;

impl Repository {
    /// Gives up a snapshot that cannot be read, so that nobody knows its place; false if the store
    /// keeps its object.
    pub fn forget_unread(&self, id: SnapshotId) -> Result<bool> {
        let handle = Handle::forgotten(id);
        if self.find_record::<Forgotten>(&handle)?.is_none() {
            let mark = Forgotten { id, position: None, first: None, at: self.env().now() };
            self.put_record(&handle, &mark)?;
        }
        Ok(self.backend().delete(&Handle::snapshot(id)).is_ok())
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
}
