//! One writer, from its registration to its outcome (chapter 11: W1, W2, W5). A process that uploads packs
//! or takes part in a collection is one; it knows nothing of packs and blobs itself.
//!
//! A writer that is dropped without an outcome, because of an error or a crash, stays registered.
//! That harms nothing, but a collector waits for it before it gives it up, and a store that takes
//! one writer at a time takes no other: [`Writer::end`] spares both.

use super::tags::TagChanges;
use super::{Index, Repository};
use crate::backend::{Handle, Put};
use crate::env::Time;
use crate::error::{Error, Kind, Result};
use crate::format::fault;
use crate::format::snapshot::{Maintenance, Outcome, Partial};
use crate::format::writer::Heartbeat;
use crate::id::{PackId, SnapshotId};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a writer says of itself.
#[derive(Clone, Debug)]
pub struct WriterOptions {
    /// What it does: `backup`, `copy`.
    pub verb: String,
    /// This machine.
    pub host: String,
    /// Program and version.
    pub tool: String,
}

/// A registered writer.
pub struct Writer<'r> {
    repository: &'r Repository,
    options: WriterOptions,
    id: SnapshotId,
    /// The newest collection that it has read, once it has.
    generation: Option<u64>,
    /// What notes have changed of tags, as W2 found it.
    tags: Arc<TagChanges>,
    registered: Time,
    last_beat: Time,
    beats: u64,
    written: u64,
}

/// A writer tells that it is alive this often.
const BEAT: i64 = 10 * 60 * Time::SECOND;
/// A writer that has run this long commits a partial and goes on as another.
const PARTIAL: i64 = 60 * 60 * Time::SECOND;

impl Repository {
    /// W1: registers a writer before it reads anything (C4).
    ///
    /// # Errors
    /// `Locked` while another is at work that it may not meet.
    pub fn register(&self, options: WriterOptions) -> Result<Writer<'_>> {
        let id = self.admit(&options)?;
        let now = self.env().now();
        Ok(Writer {
            repository: self,
            options,
            id,
            generation: None,
            tags: Arc::default(),
            registered: now,
            last_beat: now,
            beats: 0,
            written: 0,
        })
    }
}

impl Writer<'_> {
    /// The name of its outcome.
    pub fn id(&self) -> SnapshotId {
        self.id
    }

    /// Bytes of its heartbeats and partials.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// W2: the collection chain and the index, as it is for writers.
    pub fn read_index(&mut self) -> Result<Index> {
        let (index, tags) = self.repository.load_index_to_write()?;
        self.tags = Arc::new(tags);
        self.generation = Some(index.generation());
        Ok(index)
    }

    /// What notes have changed of tags, as W2 found it.
    pub(super) fn tags(&self) -> &Arc<TagChanges> {
        &self.tags
    }

    /// W2 of a writer that counts on no stored chunk: the newest collection alone.
    pub fn read_chain(&mut self) -> Result<u64> {
        let newest = self.repository.generations()?.newest();
        self.generation = Some(newest);
        Ok(newest)
    }

    /// Tells others that it is at work, now and then: to be called often.
    pub fn stay_alive(&mut self) -> Result<()> {
        let now = self.repository.env().now();
        if now.0.saturating_sub(self.last_beat.0) < BEAT {
            return Ok(());
        }
        self.beats += 1;
        self.last_beat = now;
        let beat = Heartbeat { id: self.id, beat: self.beats, at: now };
        let handle = Handle::heartbeat(self.id, self.beats);
        let bytes = self.repository.seal_record(&handle, &beat)?;
        if self.repository.backend().put_new(&handle, &bytes)? == Put::Created {
            self.written += bytes.len() as u64;
        }
        Ok(())
    }

    /// Whether it is time for a partial.
    pub fn is_long_at_work(&self) -> bool {
        let now = self.repository.env().now();
        now.0.saturating_sub(self.registered.0) >= PARTIAL
    }

    /// Commits a partial that keeps `packs`, which are indexed, and goes on as another writer: a
    /// fence then costs only what comes after. The index is read again for the new one.
    ///
    /// # Errors
    /// `Fenced` if a collection began. What was counted on so far is safe as long as each
    /// collection waits for a writer without an outcome; one that listed the writers before the
    /// next was registered may not. What was stored is not lost.
    pub fn go_on(&mut self, packs: BTreeSet<PackId>) -> Result<Index> {
        let (before, now) = (self.read_generation()?, self.repository.env().now());
        let partial = Partial { id: self.id, generation: before, packs, at: now };
        // Registered first: there is no moment without a writer that has no outcome.
        let next = self.repository.put_registration(&self.options, Some(self.id))?;
        let written = self.put_outcome(&Outcome::Partial(partial)).inspect_err(|_| {
            // Nothing rests on it yet; what matters is the error.
            drop(self.repository.withdraw(next, &self.options.verb));
        });
        self.written += written?.1;
        self.id = next;
        (self.registered, self.last_beat, self.beats) = (now, now, 0);
        let index = self.read_index()?;
        if index.generation() == before {
            return Ok(index);
        }
        Err(Error::new(Kind::Fenced, "go on as writer", self.id)
            .because("a collection began meanwhile")
            .hint("run the command again: what was stored so far is used"))
    }

    /// W5: the outcome, of whatever sort. What it rests on is durable.
    ///
    /// # Errors
    /// `Fenced` if a collector gave this writer up: start again. `InvalidInput` for an outcome
    /// that no reader takes; the writer has ended without it then.
    pub fn finish(self, outcome: &Outcome) -> Result<()> {
        self.finish_stored(outcome).map(drop)
    }

    /// The same; the hash of its object, and its length.
    pub(super) fn finish_stored(self, outcome: &Outcome) -> Result<([u8; 32], u64)> {
        if let Err(error) = self.check(outcome) {
            // The error is what matters; an outcome only spares others a wait.
            drop(self.end());
            return Err(error);
        }
        self.put_outcome(outcome)
    }

    /// Ends a writer that stored nothing, as if it had never begun.
    pub fn withdraw(self) -> Result<()> {
        self.repository.withdraw(self.id, &self.options.verb)
    }

    /// Ends a writer that captured nothing: it still has an outcome.
    pub fn end(self) -> Result<()> {
        let ended = Maintenance {
            id: self.id,
            generation: self.read_generation()?,
            verb: self.options.verb.clone(),
            at: self.repository.env().now(),
        };
        self.put_outcome(&Outcome::Maintenance(ended)).map(drop)
    }

    /// The newest collection that it has read, which may be now.
    fn read_generation(&self) -> Result<u64> {
        match self.generation {
            Some(generation) => Ok(generation),
            None => Ok(self.repository.generations()?.newest()),
        }
    }

    /// Whether readers take this as the outcome of this writer.
    fn check(&self, outcome: &Outcome) -> Result<()> {
        let refused = |reason| Error::new(Kind::InvalidInput, "commit", self.id).because(reason);
        if outcome.id() != self.id {
            return Err(refused("it is the outcome of another writer"));
        }
        let Outcome::Snapshot(snapshot) = outcome else { return Ok(()) };
        match fault::of_snapshot(snapshot) {
            None => Ok(()),
            Some(reason) => {
                Err(refused(reason).hint("name fewer sources, or give it fewer tags and labels"))
            }
        }
    }

    /// Creates the outcome; the hash of its object, and its length.
    fn put_outcome(&self, outcome: &Outcome) -> Result<([u8; 32], u64)> {
        let handle = Handle::snapshot(self.id);
        let bytes = self.repository.seal_record(&handle, outcome)?;
        if self.repository.put_same(&handle, &bytes)? {
            return Ok((*blake3::hash(&bytes).as_bytes(), bytes.len() as u64));
        }
        Err(Error::new(Kind::Fenced, "commit", handle)
            .because("a collector gave this writer up")
            .hint("run the command again"))
    }
}
