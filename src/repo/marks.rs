//! Giving up what cannot be read, or is not there any more; and writers that never ended.

use super::Repository;
use crate::backend::Handle;
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::gc::{Forgotten, Position};
use crate::format::snapshot::{Maintenance, Outcome, Tombstone};
use crate::format::writer::Registration;
use crate::id::SnapshotId;
use std::collections::BTreeSet;

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

    /// Registers a writer by `register` (W1). Where the store bears only one, others are looked for
    /// before, and again after: of two that come together neither may have seen the other before.
    pub(super) fn admit(
        &self,
        verb: &str,
        register: impl FnOnce() -> Result<SnapshotId>,
    ) -> Result<SnapshotId> {
        if !self.config().single_writer {
            return register();
        }
        self.refuse_beside(None)?;
        let id = register()?;
        if let Err(error) = self.refuse_beside(Some(id)) {
            let at = self.env().now();
            let generation = self.generations()?.newest();
            let ended = Maintenance { id, generation, verb: verb.to_owned(), at };
            self.put_record(&Handle::snapshot(id), &Outcome::Maintenance(ended))?;
            return Err(error);
        }
        Ok(id)
    }

    fn refuse_beside(&self, myself: Option<SnapshotId>) -> Result<()> {
        let open = self.open_writers()?;
        let Some(other) = open.into_iter().find(|id| Some(*id) != myself) else { return Ok(()) };
        let who = match self.get_record::<Registration>(&Handle::writer(other)) {
            Ok((writer, _)) => format!(
                "`{}` of {}, process {}, since {}",
                writer.verb, writer.host, writer.process, writer.started
            ),
            Err(_) => "a writer".to_owned(),
        };
        Err(Error::new(Kind::Locked, "write to", self.backend().describe())
            .because(format!("its store takes one writer at a time, and {who} has not ended"))
            .hint(format!(
                "wait for it; if it was stopped, `icecore forget --writer {other}` gives it up"
            )))
    }

    /// Writers that have no outcome: still at work, or stopped.
    pub fn open_writers(&self) -> Result<BTreeSet<SnapshotId>> {
        // Before the outcomes: whoever ends meanwhile has ended.
        let registered = self.backend().list(ObjectKind::Writer)?;
        let mut open: BTreeSet<SnapshotId> = registered
            .iter()
            .filter(|object| object.handle.number().is_none())
            .filter_map(|object| object.handle.snapshot_id())
            .collect();
        for kind in [ObjectKind::Snapshot, ObjectKind::Forgotten] {
            for object in self.backend().list(kind)? {
                object.handle.snapshot_id().map(|id| open.remove(&id));
            }
        }
        Ok(open)
    }

    /// Gives a writer up that never ended: it can commit nothing any more.
    ///
    /// # Errors
    /// `NotFound` unless it is registered and has no outcome.
    pub fn fence(&self, id: SnapshotId) -> Result<()> {
        if !self.open_writers()?.contains(&id) {
            return Err(Error::new(Kind::NotFound, "give up the writer", id)
                .because("no writer of this id is without an outcome"));
        }
        let (generation, at) = (self.generations()?.newest(), self.env().now());
        let tombstone = Outcome::Tombstone(Tombstone { id, generation, at });
        self.put_record(&Handle::snapshot(id), &tombstone).map(drop)
    }
}
