//! Writers: each makes itself known before it reads anything (W1), stands in the way of others where
//! they may not meet (chapter 11), and is given up by hand where it never ended.

use super::{Repository, WriterOptions};
use crate::backend::{Handle, Listed};
use crate::env::TOOL;
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::snapshot::{Maintenance, Outcome, Tombstone};
use crate::format::writer::Registration;
use crate::id::SnapshotId;
use std::collections::BTreeSet;

/// The verb of a writer that gives snapshots up because others stay.
const FORGET: &str = "forget";

/// Which of the writers that were listed are not among outcomes and marks that were listed after them.
pub(super) fn open_among(writers: &[Listed], ended: [&[Listed]; 2]) -> BTreeSet<SnapshotId> {
    let registered = writers.iter().filter(|object| object.handle.number().is_none());
    let mut open: BTreeSet<SnapshotId> =
        registered.filter_map(|object| object.handle.snapshot_id()).collect();
    let ended = ended.into_iter().flatten().filter_map(|object| object.handle.snapshot_id());
    let ended: BTreeSet<SnapshotId> = ended.collect();
    open.retain(|id| !ended.contains(id));
    open
}

impl Repository {
    /// Registers a writer under a fresh id; one that goes on from another names it.
    pub(super) fn put_registration(
        &self,
        options: &WriterOptions,
        continues: Option<SnapshotId>,
    ) -> Result<SnapshotId> {
        let id = SnapshotId(self.env().random()?);
        let registration = Registration {
            id,
            started: self.env().now(),
            verb: options.verb.clone(),
            host: options.host.clone(),
            process: self.env().process(),
            tool: options.tool.clone(),
            continues,
        };
        let handle = Handle::writer(id);
        self.put_record(&handle, &registration).inspect_err(|_| {
            // Where only the answer was lost, nobody would end it.
            drop(self.backend().delete(&handle));
        })?;
        Ok(id)
    }

    /// Registers a writer. Others in whose company it may not work are looked for before, and again
    /// after: of two that come together neither may have seen the other before.
    pub(super) fn admit(&self, options: &WriterOptions) -> Result<SnapshotId> {
        if !self.config().single_writer && options.verb != FORGET {
            return self.put_registration(options, None);
        }
        self.refuse_beside(None)?;
        let id = self.put_registration(options, None)?;
        if let Err(error) = self.refuse_beside(Some(id)) {
            // What stands in the way is what matters.
            drop(self.withdraw(id, &options.verb));
            return Err(error);
        }
        Ok(id)
    }

    /// Says that snapshots are about to be given up because others stay: the only one that does
    /// may look once more which stay, and go by it until [`Repository::end_forgetting`].
    ///
    /// # Errors
    /// `Locked` while another writer does it.
    pub fn begin_forgetting(&self) -> Result<SnapshotId> {
        self.admit(&WriterOptions {
            verb: FORGET.to_owned(),
            host: self.env().host(),
            tool: TOOL.to_owned(),
        })
    }

    /// Whether one that slept for long may still go by what it saw (chapter 11, F3).
    ///
    /// # Errors
    /// `Fenced` if it was given up meanwhile.
    pub fn goes_on_forgetting(&self, id: SnapshotId) -> Result<()> {
        match self.backend().size(&Handle::snapshot(id)) {
            Err(error) if error.kind() == Kind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(Error::new(Kind::Fenced, "forget in", self.backend().describe())
                .because("this forget was silent for so long that others have given it up")
                .hint("run it again")),
        }
    }

    /// Lets others give snapshots up.
    pub fn end_forgetting(&self, id: SnapshotId) -> Result<()> {
        self.withdraw(id, FORGET)
    }

    /// Ends a writer on whose registration nothing rests: it is deleted, and where the store keeps
    /// it, it gets an outcome, unless a collector gave it one meanwhile.
    pub(super) fn withdraw(&self, id: SnapshotId, verb: &str) -> Result<()> {
        if self.backend().delete(&Handle::writer(id)).is_ok() {
            return Ok(());
        }
        let (generation, at) = (self.generations()?.newest(), self.env().now());
        let ended = Maintenance { id, generation, verb: verb.to_owned(), at };
        let handle = Handle::snapshot(id);
        let bytes = self.seal_record(&handle, &Outcome::Maintenance(ended))?;
        self.put_same(&handle, &bytes).map(drop)
    }

    fn refuse_beside(&self, myself: Option<SnapshotId>) -> Result<()> {
        for other in self.open_writers()? {
            if Some(other) == myself {
                continue;
            }
            let who = match self.get_record::<Registration>(&Handle::writer(other)) {
                // It has ended.
                Err(error) if error.kind() == Kind::NotFound => continue,
                Ok((writer, _)) if !self.config().single_writer && writer.verb != FORGET => {
                    continue;
                }
                Ok((writer, _)) => format!(
                    "`{}` of {}, process {}, since {}",
                    writer.verb, writer.host, writer.process, writer.started
                ),
                Err(error) if matches!(error.kind(), Kind::Damaged | Kind::Unsupported) => {
                    "a writer that cannot be read".to_owned()
                }
                Err(error) => return Err(error),
            };
            let why = match self.config().single_writer {
                true => "its store takes one writer at a time",
                false => "what others give up may be what has to stay",
            };
            return Err(Error::new(Kind::Locked, "write to", self.backend().describe())
                .because(format!("{why}, and {who} has not ended"))
                .hint(format!(
                    "wait for it; if it was stopped, `icecore forget --writer {other}` gives it up"
                )));
        }
        Ok(())
    }

    /// Writers that have no outcome: still at work, or stopped.
    pub fn open_writers(&self) -> Result<BTreeSet<SnapshotId>> {
        // Before the outcomes: a writer that ends meanwhile has ended.
        let registered = self.backend().list(ObjectKind::Writer)?;
        let outcomes = self.backend().list(ObjectKind::Snapshot)?;
        let marks = self.backend().list(ObjectKind::Forgotten)?;
        Ok(open_among(&registered, [&outcomes, &marks]))
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
        let generation = self.generations()?.newest();
        match self.put_tombstone(id, generation)? {
            true => Ok(()),
            false => Err(Error::new(Kind::AlreadyExists, "give up the writer", id)
                .because("it has just ended by itself")),
        }
    }

    /// The outcome of a writer that is given up in favour of a collection; false if it has another.
    pub fn put_tombstone(&self, id: SnapshotId, generation: u64) -> Result<bool> {
        let tombstone = Tombstone { id, generation, at: self.env().now() };
        let handle = Handle::snapshot(id);
        let bytes = self.seal_record(&handle, &Outcome::Tombstone(tombstone))?;
        match self.put_same(&handle, &bytes) {
            // It had another one, which is gone already.
            Err(error) if error.kind() == Kind::NotFound => Ok(false),
            put => put,
        }
    }
}
