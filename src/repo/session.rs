//! A backup's way into the repository. Three parts that do not know each other are joined here: a
//! [`Writer`], which is registered and has an outcome; [`Dedup`], which knows what is stored; a
//! [`PackWriter`], which makes packs and their index of sealed blobs.
//!
//! A blob passes them like this, and its sealed bytes are copied once, into their pack:
//!
//! | step | by | meanwhile |
//! |---|---|---|
//! | cut | a thread of the `stream` room, window by window | the window before passes the next steps |
//! | known? | [`Dedup::take_new`], on all cores | |
//! | bases | [`Dedup::each_part`]: decoded on all cores, and kept for a while | the blobs before are encoded |
//! | encode, seal, prove | `BlobSealer::seal`, on all cores: it is opened again and gives its id | bases are read, packs uploaded |
//! | pack | [`PackWriter::add`] | packs before are uploaded |
//! | prove, upload | a thread for each full pack, which is read back before it leaves | the next pack is filled |
//! | index | [`PackWriter::flush`], once the packs are durable | |
//! | commit | [`Writer::finish`], once the index is | |
//!
//! None waits for another while there is room: windows are bounded by `WINDOW`, bases by two parts
//! of a window and `BASE_CACHE`, packs by `PACKS_HELD`. Memory is the sum of these.

use super::bases::Bases;
use super::dedup::Dedup;
use super::pack_writer::Sealers;
use super::seal::SealedBlob;
use super::{
    Index, NewBlob, PackWriter, Repository, Snapshots, Stored, StoredSnapshot, Writer,
    WriterOptions,
};
use crate::codec::{Encoder, Level};
use crate::crypto::Ids;
use crate::error::{Error, Kind, Result};
use crate::format::BlobKind;
use crate::format::snapshot::{Outcome, Snapshot, Summary};
use crate::id::{ChunkId, SnapshotId};
use crate::limits::PARTIAL_PACKS_MAX;
use rayon::prelude::*;
use std::sync::Arc;

/// How a session writes.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// What it says of itself.
    pub writer: WriterOptions,
    /// Compression of whole chunks.
    pub level: Level,
    /// Whether new chunks are stored as deltas.
    pub deltas: bool,
}

/// One backup, from its registration to its outcome, which consumes it.
pub struct Session<'r> {
    repository: &'r Repository,
    level: Level,
    writer: Writer<'r>,
    dedup: Dedup<'r>,
    packs: PackWriter<'r>,
    counts: Summary,
    troubles: Vec<Error>,
    broken: bool,
}

impl Repository {
    /// W1 and W2: registers a writer, only then reads verdicts, condemned packs and the index.
    pub fn begin(&self, options: SessionOptions) -> Result<Session<'_>> {
        let mut writer = self.register(options.writer)?;
        let begun = writer.read_index().and_then(|index| {
            let packs = PackWriter::new(self, index.generation())?;
            Ok((index, packs))
        });
        let (mut index, packs) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                drop(writer.withdraw());
                return Err(error);
            }
        };
        Ok(Session {
            repository: self,
            level: options.level,
            writer,
            packs,
            troubles: troubles_of(&mut index),
            dedup: Dedup::new(self, index, options.deltas),
            counts: Summary::default(),
            broken: false,
        })
    }
}

impl<'r> Session<'r> {
    /// The repository.
    pub fn repository(&self) -> &'r Repository {
        self.repository
    }

    /// The id that its snapshot will have.
    pub fn id(&self) -> SnapshotId {
        self.writer.id()
    }

    /// The index as it was when the session began, or last went on as another writer.
    pub fn index(&self) -> &Arc<Index> {
        self.dedup.index()
    }

    /// Every live snapshot that was not given up, by the collections and notes that were read with the
    /// index. What cannot be read goes to `trouble`.
    ///
    /// # Errors
    /// Those of listing.
    pub fn snapshots(&self, trouble: impl FnMut(Error)) -> Result<Snapshots<'r>> {
        let tags = Arc::clone(self.writer.tags());
        self.repository.snapshots_to_write(self.index().generations(), tags, trouble)
    }

    /// Why some of the index or of the notes could not be read, each told once: at the beginning, and
    /// where the session went on as another writer.
    pub fn take_troubles(&mut self) -> Vec<Error> {
        std::mem::take(&mut self.troubles)
    }

    /// Counts so far; bytes written only of packs that are indexed.
    pub fn summary(&self) -> Summary {
        Summary {
            packed: self.packs.packed(),
            written: self.packs.written() + self.writer.written(),
            ..self.counts.clone()
        }
    }

    /// Whether a chunk is stored already, in a usable place.
    pub fn knows(&self, kind: BlobKind, id: &ChunkId) -> bool {
        self.dedup.knows(kind, id)
    }

    /// Whether an earlier write failed.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Stores what is not known yet; the outcome for each, in order.
    ///
    /// # Errors
    /// After any, this session stores and commits nothing more: what was handed to it may be lost.
    pub fn store(&mut self, batch: &[NewBlob<'_>]) -> Result<Vec<Stored>> {
        self.refuse_broken()?;
        let stored = self.store_new(batch);
        self.broken |= stored.is_err();
        stored
    }

    fn refuse_broken(&self) -> Result<()> {
        if self.broken {
            return Err(Error::new(Kind::Failed, "go on as writer", self.id())
                .because("an earlier write failed"));
        }
        Ok(())
    }

    fn store_new(&mut self, batch: &[NewBlob<'_>]) -> Result<Vec<Stored>> {
        self.stay_alive()?;
        let new = self.dedup.take_new(batch);
        self.counts.chunks_known += (batch.len() - new.len()) as u64;
        let blobs: Vec<&NewBlob<'_>> = new.iter().filter_map(|at| batch.get(*at)).collect();
        let (ids, level) = (self.repository.ids(), self.level);
        let (packs, counts) = (&mut self.packs, &mut self.counts);
        let sealers = packs.sealers().clone();
        let mut outcomes = vec![Stored::Known; batch.len()];
        let mut places = new.into_iter();
        self.dedup.each_part(&blobs, &mut |part, bases| {
            for (blob, at) in seal(ids, &sealers, level, part, bases)?.into_iter().zip(&mut places)
            {
                if let Some(outcome) = outcomes.get_mut(at) {
                    *outcome = count(counts, &blob);
                }
                packs.add(blob)?;
            }
            Ok(())
        })?;
        Ok(outcomes)
    }

    /// Heartbeats, and after an hour a partial: what is stored so far is then safe from a fence.
    fn stay_alive(&mut self) -> Result<()> {
        if !self.writer.is_long_at_work() && self.packs.packs() < PARTIAL_PACKS_MAX {
            return self.writer.stay_alive();
        }
        self.save_partial()
    }

    /// Stores and indexes all that was handed to it so far, keeps it by a partial, and goes on as another
    /// writer with an index that knows it.
    ///
    /// # Errors
    /// `Fenced` if a collection began meanwhile: start again.
    pub fn save_partial(&mut self) -> Result<()> {
        self.packs.flush()?;
        let mut index = self.writer.go_on(self.packs.take_indexed())?;
        self.troubles.extend(troubles_of(&mut index));
        self.dedup.renew(index);
        Ok(())
    }

    /// W5: flushes and commits. `make` gets the id and the summary, and gives the snapshot.
    ///
    /// # Errors
    /// `Fenced` if a collector gave this writer up: start again.
    pub fn commit(self, make: impl FnOnce(SnapshotId, Summary) -> Snapshot) -> Result<Snapshot> {
        self.commit_stored(make).map(|stored| stored.snapshot)
    }

    /// The same; the snapshot as it is stored.
    ///
    /// # Errors
    /// As [`Session::commit`].
    pub fn commit_stored(
        mut self,
        make: impl FnOnce(SnapshotId, Summary) -> Snapshot,
    ) -> Result<StoredSnapshot> {
        if let Err(error) = self.refuse_broken().and_then(|()| self.packs.flush()) {
            // The error is what matters; an outcome only spares others a wait.
            drop(self.writer.end());
            return Err(error);
        }
        let snapshot = make(self.id(), self.summary());
        let outcome = Outcome::Snapshot(Box::new(snapshot.clone()));
        let (hash, size) = self.writer.finish_stored(&outcome)?;
        Ok(StoredSnapshot { snapshot, hash, size })
    }

    /// Ends without a snapshot. What was stored is indexed, and found by the next backup.
    pub fn abandon(mut self) -> Result<()> {
        let flushed = self.packs.flush();
        self.writer.end()?;
        flushed
    }
}

fn troubles_of(index: &mut Index) -> Vec<Error> {
    index.take_troubles().into_iter().map(|(_, error)| error).collect()
}

/// Encodes and seals on all cores; the blobs in order.
fn seal(
    ids: &Ids,
    sealers: &Sealers,
    level: Level,
    blobs: &[&NewBlob<'_>],
    bases: &[Option<Bases>],
) -> Result<Vec<SealedBlob>> {
    let jobs: Vec<_> = blobs.iter().zip(bases).collect();
    let part = jobs.len().div_ceil(4 * rayon::current_num_threads()).max(1);
    let sealed: Result<Vec<Vec<SealedBlob>>> = jobs
        .par_chunks(part)
        .map(|jobs| {
            let mut encoder = Encoder::new(level);
            let seal = |(blob, bases): &(&&NewBlob<'_>, &Option<Bases>)| {
                let sealer = sealers.of(blob.kind);
                sealer.seal(ids, &mut encoder, &blob.id, blob.plain, bases.as_ref())
            };
            jobs.iter().map(seal).collect()
        })
        .collect();
    Ok(sealed?.into_iter().flatten().collect())
}

fn count(counts: &mut Summary, blob: &SealedBlob) -> Stored {
    let (stored, plain) = (blob.entry.stored, blob.entry.plain);
    let delta = !blob.entry.bases.is_empty();
    let tally = if delta { &mut counts.delta } else { &mut counts.whole };
    tally.blobs += 1;
    tally.plain += u64::from(plain);
    tally.stored += u64::from(stored);
    counts.chunks_new += 1;
    if delta { Stored::Delta(stored) } else { Stored::Whole(stored) }
}
