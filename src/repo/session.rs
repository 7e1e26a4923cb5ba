//! A write session (chapter 11, W1-W5): register, read what collectors decided, store blobs,
//! then packs, index and outcome in that order. Consumed by its end.

use super::bases::{Bases, read_bases};
use super::packer::Packer;
use super::seal::{BlobSealer, SealedBlob};
use super::uploader::Uploader;
use super::{Candidate, Index, Repository, Stored};
use crate::backend::{Handle, Put};
use crate::codec::{Encoder, Level};
use crate::env::Time;
use crate::error::{Error, Kind, Result};
use crate::format::index::SegmentBuilder;
use crate::format::pack::Salt;
use crate::format::snapshot::{Maintenance, Outcome, Partial, Snapshot, Summary};
use crate::format::writer::Heartbeat;
use crate::format::{BlobKind, fault};
use crate::id::{ChunkId, PackId, SnapshotId};
use crate::limits::{INDEX_ENTRIES_MAX, PARTIAL_PACKS_MAX};
use rayon::prelude::*;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// How a session writes.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// What the writer does: `backup`, `copy`.
    pub verb: String,
    /// This machine.
    pub host: String,
    /// Program and version.
    pub tool: String,
    /// Compression of whole chunks.
    pub level: Level,
    /// Whether new chunks are stored as deltas.
    pub deltas: bool,
}

/// One writer.
pub struct Session<'r> {
    repository: &'r Repository,
    options: SessionOptions,
    id: SnapshotId,
    index: Arc<Index>,
    troubles: Vec<Error>,
    sealers: [BlobSealer; 2],
    packers: [Packer; 2],
    uploader: Uploader,
    segment: SegmentBuilder,
    packs: BTreeSet<PackId>,
    fresh: HashSet<ChunkId>,
    broken: bool,
    summary: Summary,
    registered: Time,
    last_beat: Time,
    beats: u64,
}

/// New chunks whose bases are in memory together, if there are bases at all.
const TOGETHER: usize = 32;
/// A writer tells that it is alive this often.
const BEAT: i64 = 10 * 60 * Time::SECOND;
/// A writer that has run this long commits a partial and goes on as another.
const PARTIAL: i64 = 60 * 60 * Time::SECOND;

impl Repository {
    /// W1 and W2: registers a writer, only then reads verdicts, condemned packs and the index.
    pub fn begin(&self, options: SessionOptions) -> Result<Session<'_>> {
        let id = self.admit(options.who())?;
        let mut index = self.load_index_to_write()?;
        let troubles = index.take_troubles().into_iter().map(|(_, error)| error).collect();
        let index = Arc::new(index);
        let now = self.env().now();
        Ok(Session {
            sealers: self.sealers()?,
            packers: packers(),
            uploader: Uploader::start(self.backend().clone())?,
            segment: SegmentBuilder { generation: index.generation(), ..Default::default() },
            packs: BTreeSet::new(),
            fresh: HashSet::new(),
            broken: false,
            summary: Summary::default(),
            repository: self,
            options,
            id,
            index,
            troubles,
            registered: now,
            last_beat: now,
            beats: 0,
        })
    }

    /// Sealers for data and metadata under one fresh salt.
    fn sealers(&self) -> Result<[BlobSealer; 2]> {
        let bytes = self.env().random()?;
        let sealer = |kind| {
            let epoch = self.keys().epoch(super::reader::blob_purpose(kind))?;
            BlobSealer::new(self, kind, Salt { epoch, bytes })
        };
        Ok([sealer(BlobKind::Data)?, sealer(BlobKind::Meta)?])
    }
}

fn packers() -> [Packer; 2] {
    [Packer::new(BlobKind::Data), Packer::new(BlobKind::Meta)]
}

impl<'r> Session<'r> {
    /// The repository.
    pub fn repository(&self) -> &'r Repository {
        self.repository
    }

    /// The id that its snapshot will have.
    pub fn id(&self) -> SnapshotId {
        self.id
    }

    /// The index as it was when the session began.
    pub fn index(&self) -> &Arc<Index> {
        &self.index
    }

    /// Why some of the index or of the notes could not be read, told once.
    pub fn take_troubles(&mut self) -> Vec<Error> {
        std::mem::take(&mut self.troubles)
    }

    /// Counts so far; bytes written only after packs were closed.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Whether a chunk is stored already, in a usable place.
    pub fn knows(&self, id: &ChunkId) -> bool {
        self.fresh.contains(id) || self.index.knows(id)
    }

    /// Stores what is not known yet; what became of each, in order.
    ///
    /// # Errors
    /// After any, this session stores and commits nothing more: what was handed to it may be lost.
    pub fn store(&mut self, batch: &[Candidate<'_>]) -> Result<Vec<Stored>> {
        self.refuse_broken()?;
        let stored = self.store_new(batch);
        self.broken |= stored.is_err();
        stored
    }

    /// Whether an earlier write failed.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    fn refuse_broken(&self) -> Result<()> {
        if self.broken {
            return Err(Error::new(Kind::Failed, "go on as writer", self.id)
                .because("an earlier write failed"));
        }
        Ok(())
    }

    fn store_new(&mut self, batch: &[Candidate<'_>]) -> Result<Vec<Stored>> {
        self.stay_alive()?;
        let new = self.select(batch);
        let sealed = self.seal(batch, &new)?;
        let mut outcome = vec![Stored::Known; batch.len()];
        self.summary.chunks_known += (batch.len() - new.len()) as u64;
        for (at, blob) in new.into_iter().zip(sealed) {
            let (Some(stored), Some(candidate)) = (outcome.get_mut(at), batch.get(at)) else {
                continue;
            };
            *stored = self.count(&blob);
            self.append(candidate.kind, blob)?;
        }
        Ok(outcome)
    }

    /// Which candidates are new; the first of equal ones.
    fn select(&mut self, batch: &[Candidate<'_>]) -> Vec<usize> {
        let index = &self.index;
        let known: Vec<bool> =
            batch.par_iter().map(|candidate| index.knows(&candidate.id)).collect();
        let mut new = Vec::new();
        for (at, (candidate, known)) in batch.iter().zip(known).enumerate() {
            if !known && self.fresh.insert(candidate.id) {
                new.push(at);
            }
        }
        new
    }

    /// Seals the new ones, so many at a time that their bases take little memory.
    fn seal(&self, batch: &[Candidate<'_>], new: &[usize]) -> Result<Vec<SealedBlob>> {
        let candidates: Vec<&Candidate<'_>> = new.iter().filter_map(|at| batch.get(*at)).collect();
        let mut sealed = Vec::with_capacity(candidates.len());
        let delta = candidates.iter().any(|candidate| !candidate.bases.is_empty());
        let together = if delta { TOGETHER } else { candidates.len().max(1) };
        for part in candidates.chunks(together) {
            let bases: Vec<Option<Bases>> = match self.options.deltas {
                true => read_bases(self.repository, &self.index, part),
                false => part.iter().map(|_| None).collect(),
            };
            sealed.extend(self.seal_part(part, &bases)?);
        }
        Ok(sealed)
    }

    fn seal_part(
        &self,
        candidates: &[&Candidate<'_>],
        bases: &[Option<Bases>],
    ) -> Result<Vec<SealedBlob>> {
        let jobs: Vec<_> = candidates.iter().zip(bases).collect();
        let part = jobs.len().div_ceil(4 * rayon::current_num_threads()).max(1);
        let sealed: Result<Vec<Vec<SealedBlob>>> = jobs
            .par_chunks(part)
            .map(|jobs| {
                let mut encoder = Encoder::new(self.options.level);
                jobs.iter().map(|(job, bases)| self.seal_one(&mut encoder, job, bases)).collect()
            })
            .collect();
        Ok(sealed?.into_iter().flatten().collect())
    }

    fn seal_one(
        &self,
        encoder: &mut Encoder,
        candidate: &Candidate<'_>,
        bases: &Option<Bases>,
    ) -> Result<SealedBlob> {
        let [data, meta] = &self.sealers;
        let sealer = if candidate.kind == BlobKind::Data { data } else { meta };
        sealer.seal(self.repository, encoder, &candidate.id, candidate.plain, bases.as_ref())
    }

    fn count(&mut self, blob: &SealedBlob) -> Stored {
        let (stored, plain) = (blob.entry.stored, blob.entry.plain);
        let delta = !blob.entry.bases.is_empty();
        let tally = if delta { &mut self.summary.delta } else { &mut self.summary.whole };
        tally.blobs += 1;
        tally.plain += u64::from(plain);
        tally.stored += u64::from(stored);
        self.summary.chunks_new += 1;
        if delta { Stored::Delta(stored) } else { Stored::Whole(stored) }
    }

    fn append(&mut self, kind: BlobKind, blob: SealedBlob) -> Result<()> {
        let ([data_packer, meta_packer], [data, meta]) = (&mut self.packers, &self.sealers);
        let (packer, sealer) = match kind {
            BlobKind::Data => (data_packer, data),
            BlobKind::Meta => (meta_packer, meta),
        };
        packer.add(sealer, blob)?;
        if packer.is_full() {
            self.close_pack(kind)?;
        }
        if self.segment.entries.len() >= INDEX_ENTRIES_MAX {
            self.flush()?;
        }
        Ok(())
    }

    fn close_pack(&mut self, kind: BlobKind) -> Result<()> {
        let ([data_packer, meta_packer], [data, meta]) = (&mut self.packers, &self.sealers);
        let (packer, sealer) = match kind {
            BlobKind::Data => (data_packer, data),
            BlobKind::Meta => (meta_packer, meta),
        };
        if packer.is_empty() {
            return Ok(());
        }
        let pack = std::mem::replace(packer, Packer::new(kind)).finish(self.repository, sealer)?;
        pack.index(sealer, &mut self.segment)?;
        self.packs.insert(pack.id);
        self.summary.packed += pack.bytes.len() as u64;
        self.summary.written += pack.bytes.len() as u64;
        self.uploader.send(pack.id, pack.bytes)
    }

    /// Packs, then index: everything that an outcome may rest on.
    fn flush(&mut self) -> Result<()> {
        self.close_pack(BlobKind::Data)?;
        self.close_pack(BlobKind::Meta)?;
        self.uploader.finish()?;
        self.uploader = Uploader::start(self.repository.backend().clone())?;
        let fresh = SegmentBuilder { generation: self.index.generation(), ..Default::default() };
        let segment = std::mem::replace(&mut self.segment, fresh);
        self.summary.written += self.repository.put_segments(segment)?;
        Ok(())
    }

    /// W5: flushes and commits. `make` gets the id and the summary, and gives the snapshot.
    ///
    /// # Errors
    /// `Fenced` if a collector gave this writer up: start again.
    pub fn commit(
        mut self,
        make: impl FnOnce(SnapshotId, Summary) -> Snapshot,
    ) -> Result<Snapshot> {
        self.refuse_broken()?;
        self.flush()?;
        let snapshot = make(self.id, self.summary.clone());
        if let Some(reason) = fault::of_snapshot(&snapshot) {
            drop(self.abandon());
            return Err(Error::new(Kind::InvalidInput, "commit", snapshot.id)
                .because(reason)
                .hint("name fewer sources, or give it fewer tags and labels"));
        }
        let outcome = Outcome::Snapshot(Box::new(snapshot));
        self.put_outcome(&outcome)?;
        match outcome {
            Outcome::Snapshot(snapshot) => Ok(*snapshot),
            _ => Err(Error::new(Kind::Failed, "commit", self.id)),
        }
    }

    /// Ends a writer that captured nothing: it still has an outcome.
    pub fn abandon(mut self) -> Result<()> {
        self.flush()?;
        let outcome = Outcome::Maintenance(Maintenance {
            id: self.id,
            generation: self.index.generation(),
            verb: self.options.verb.clone(),
            at: self.repository.env().now(),
        });
        self.put_outcome(&outcome)
    }

    fn put_outcome(&mut self, outcome: &Outcome) -> Result<()> {
        let handle = Handle::snapshot(self.id);
        let bytes = self.repository.seal_record(&handle, outcome)?;
        if self.repository.put_same(&handle, &bytes)? {
            self.summary.written += bytes.len() as u64;
            return Ok(());
        }
        Err(Error::new(Kind::Fenced, "commit", handle)
            .because("a collector gave this writer up")
            .hint("run the command again"))
    }

    /// Heartbeats, and after an hour a partial outcome: what is stored so far is then safe
    /// from a fence, and the session goes on as a new writer.
    fn stay_alive(&mut self) -> Result<()> {
        let now = self.repository.env().now();
        let long = now.0.saturating_sub(self.registered.0) >= PARTIAL;
        if long || self.packs.len() >= PARTIAL_PACKS_MAX {
            return self.roll(now);
        }
        if now.0.saturating_sub(self.last_beat.0) >= BEAT {
            self.beats += 1;
            self.last_beat = now;
            let beat = Heartbeat { id: self.id, beat: self.beats, at: now };
            let handle = Handle::heartbeat(self.id, self.beats);
            let bytes = self.repository.seal_record(&handle, &beat)?;
            if self.repository.backend().put_new(&handle, &bytes)? == Put::Created {
                self.summary.written += bytes.len() as u64;
            }
        }
        Ok(())
    }

    /// What was counted on so far is safe as long as each collection since waits for a writer
    /// without an outcome. One that listed the writers before the next was registered may not:
    /// then this session is over; what it stored is not lost.
    fn roll(&mut self, now: Time) -> Result<()> {
        self.flush()?;
        let partial = Outcome::Partial(Partial {
            id: self.id,
            generation: self.index.generation(),
            packs: std::mem::take(&mut self.packs),
            at: now,
        });
        let next = self.repository.register(self.options.who(), Some(self.id))?;
        self.put_outcome(&partial)?;
        self.id = next;
        let mut index = self.repository.load_index_to_write()?;
        index.share_damage(&self.index);
        if index.generation() != self.index.generation() {
            return Err(Error::new(Kind::Fenced, "go on as writer", self.id)
                .because("a collection began meanwhile")
                .hint("run the command again: what was stored so far is used"));
        }
        self.index = Arc::new(index);
        self.segment.generation = self.index.generation();
        self.fresh.clear();
        self.registered = now;
        self.last_beat = now;
        self.beats = 0;
        Ok(())
    }
}
