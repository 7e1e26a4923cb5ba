//! What need not be stored, and what the rest may be a delta of.

use super::bases::{Bases, read_bases};
use super::read_cache::ReadCache;
use super::{Index, NewBlob, Reader, Repository};
use crate::error::{Attempt, Error, Kind, Result};
use crate::format::BlobKind;
use crate::id::ChunkId;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::{Builder, scope};

/// Knows the blobs of an index, and those that are new since.
pub(super) struct Dedup<'r> {
    repository: &'r Repository,
    index: Arc<Index>,
    /// Blobs that are being stored, and that the index does not know yet.
    fresh: HashSet<ChunkId>,
    /// Bases that were decoded: neighbours in a stream share theirs.
    cache: Arc<ReadCache>,
    /// Whether anything may be a delta.
    deltas: bool,
}

/// New blobs whose bases are read together. Those of two such parts are in memory.
const PART: usize = 16;

/// Takes a part of the new blobs, and what each may be a delta of.
type TakePart<'t> = dyn FnMut(&[&NewBlob<'_>], &[Option<Bases>]) -> Result<()> + 't;

impl<'r> Dedup<'r> {
    pub(super) fn new(repository: &'r Repository, index: Index, deltas: bool) -> Self {
        let (fresh, cache) = (HashSet::new(), Arc::default());
        Dedup { repository, index: Arc::new(index), fresh, cache, deltas }
    }

    pub(super) fn index(&self) -> &Arc<Index> {
        &self.index
    }

    /// Goes on with a newer index, which knows all that was new. What was met as damaged stays so.
    pub(super) fn renew(&mut self, mut index: Index) {
        index.share_damage(&self.index);
        self.index = Arc::new(index);
        self.fresh.clear();
    }

    /// Whether a blob can be read from what is stored, or is being stored.
    pub(super) fn knows(&self, kind: BlobKind, id: &ChunkId) -> bool {
        self.fresh.contains(id) || self.index.knows(kind, id)
    }

    /// Which blobs of a batch have to be stored; of equal ones the first. From now on they are known.
    pub(super) fn take_new(&mut self, batch: &[NewBlob<'_>]) -> Vec<usize> {
        let index = &self.index;
        let known = batch.iter().map(|blob| index.knows(blob.kind, &blob.id));
        let known: Vec<bool> = known.collect();
        let mut new = Vec::new();
        for (at, (blob, known)) in batch.iter().zip(known).enumerate() {
            if !known && self.fresh.insert(blob.id) {
                new.push(at);
            }
        }
        new
    }

    /// Hands out blobs in order with what each may be a delta of. While one part is with `take`,
    /// the bases of the next are read.
    pub(super) fn each_part(&self, blobs: &[&NewBlob<'_>], take: &mut TakePart<'_>) -> Result<()> {
        if !self.deltas || blobs.iter().all(|blob| blob.bases.is_empty()) {
            let none: Vec<Option<Bases>> = blobs.iter().map(|_| None).collect();
            return take(blobs, &none);
        }
        if blobs.len() <= PART {
            return take(blobs, &self.bases(blobs));
        }
        scope(|scope| {
            let (send, bases) = sync_channel(0);
            let read = move || {
                // Nobody takes them any more after an error.
                blobs.chunks(PART).try_for_each(|part| send.send(self.bases(part))).unwrap_or(());
            };
            Builder::new().spawn_scoped(scope, read).attempt("start a thread for", "bases")?;
            for part in blobs.chunks(PART) {
                let stopped = |_| Error::new(Kind::Failed, "read", "bases of chunks");
                take(part, &bases.recv().map_err(stopped)?)?;
            }
            Ok(())
        })
    }

    fn bases(&self, blobs: &[&NewBlob<'_>]) -> Vec<Option<Bases>> {
        let reader = Reader::with_cache(self.repository, &self.index, self.cache.clone());
        read_bases(&reader, blobs)
    }
}
