//! Several blobs on their way: what the cache had, and the runs that bring the rest.

use super::BlobLocation;
use super::fetch::{Fetch, Fetched};
use super::read_cache::Plain;
use super::reader::Reader;
use super::runs::{Run, Sealed, runs};
use crate::error::{Error, Result};
use crate::format::BlobKind;
use crate::id::{BaseId, ChunkId};
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::vec::IntoIter;

/// A read of several blobs that was begun. Its first [`crate::limits::FETCH_AHEAD`] bytes are
/// fetched meanwhile.
pub struct Batch<'b, 'r> {
    reader: &'b Reader<'r>,
    kind: BlobKind,
    ids: Vec<ChunkId>,
    places: HashMap<ChunkId, BlobLocation>,
    plains: HashMap<BaseId, Plain>,
    needed: Vec<BlobLocation>,
    runs: Vec<Run>,
    fetched: Fetched<'r, IntoIter<Fetch>>,
}

impl<'r> Reader<'r> {
    /// Asks for several blobs, so that they are on their way while others are still used.
    pub fn begin(&self, kind: BlobKind, ids: &[ChunkId]) -> Batch<'_, 'r> {
        Batch::begin(self, kind, ids)
    }
}

impl<'b, 'r> Batch<'b, 'r> {
    fn begin(reader: &'b Reader<'r>, kind: BlobKind, ids: &[ChunkId]) -> Self {
        let index = reader.index();
        let distinct: HashSet<&ChunkId> = ids.iter().collect();
        let found = distinct.into_iter().filter_map(|id| Some((*id, index.find(kind, id)?)));
        let places: HashMap<ChunkId, BlobLocation> = found.collect();
        let (plains, needed) = reader.plan(places.values());
        let fetcher = reader.repository().fetcher();
        let runs = runs(&needed, fetcher.read_gap());
        let wanted: Vec<Fetch> = runs.iter().map(Run::fetch).collect();
        let fetched = fetcher.fetch(wanted);
        Batch { reader, kind, ids: ids.to_vec(), places, plains, needed, runs, fetched }
    }

    /// The blobs in the order asked for, each with its own result.
    pub fn finish(self) -> Vec<Result<Plain>> {
        let (reader, kind) = (self.reader, self.kind);
        self.finish_by(|id, _| reader.read_any(kind, id))
    }

    /// All of them together, and those for which that fails `slowly`: unless the store did not
    /// answer, which it need not be asked again for each.
    pub(super) fn finish_by(
        self,
        slowly: impl Fn(&ChunkId, Option<&BlobLocation>) -> Result<Plain> + Sync,
    ) -> Vec<Result<Plain>> {
        let Batch { reader, ids, places, mut plains, needed, runs, fetched, .. } = self;
        let (sealed, unavailable) = Sealed::collect(runs, fetched);
        reader.decode(&needed, &sealed, &mut plains);
        ids.par_iter()
            .map(|id| {
                let place = places.get(id);
                match (place.and_then(|place| plains.get(&place.id.base())), &unavailable) {
                    (Some(plain), _) if reader.proves(place, plain) => Ok(plain.clone()),
                    (_, Some(reason)) => Err(Error::unavailable("read chunk", id, reason)),
                    _ => slowly(id, place),
                }
            })
            .collect()
    }
}
