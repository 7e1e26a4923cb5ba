//! Several blobs on their way: what the cache had, and the runs that bring the rest.

use super::BlobLocation;
use super::ranges::{Ranges, SharedRange};
use super::read_cache::Plain;
use super::reader::Reader;
use super::runs::runs;
use crate::error::{Error, Result};
use crate::format::BlobKind;
use crate::id::{BaseId, ChunkId, PackId};
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};

/// A read of several blobs that was begun. Its first [`crate::limits::FETCH_AHEAD`] bytes are
/// fetched meanwhile.
pub struct Batch<'b, 'r> {
    reader: &'b Reader<'r>,
    kind: BlobKind,
    ids: Vec<ChunkId>,
    places: HashMap<ChunkId, BlobLocation>,
    plains: HashMap<BaseId, Plain>,
    needed: Vec<BlobLocation>,
    ranges: Ranges,
}

impl<'r> Reader<'r> {
    /// Asks for all of these that are in a store which is far away, as much as may be on its way at once:
    /// they are read in few large ranges, whichever of them are taken, and how often.
    pub fn announce(&self, kind: BlobKind, ids: &[ChunkId]) {
        let fetcher = self.repository().fetcher();
        if fetcher.reading().far {
            let distinct: HashSet<&ChunkId> = ids.iter().collect();
            let places = distinct.into_iter().filter_map(|id| self.index().find(kind, id));
            let places: Vec<BlobLocation> = places.collect();
            let (_, needed) = self.plan(places.iter());
            self.ranges(&needed).ask(fetcher, 0);
        }
    }

    /// The ranges that hold these blobs: those that are on their way already, and others.
    pub(super) fn ranges(&self, needed: &[BlobLocation]) -> Ranges {
        let reading = self.repository().fetcher().reading();
        let mut kept = self.kept_ranges().lock();
        let mut ranges = Vec::new();
        let missing = needed.iter().filter(|place| match kept.find(place) {
            Some(range) => {
                ranges.push(range);
                false
            }
            None => true,
        });
        let missing: Vec<&BlobLocation> = missing.collect();
        let length_of = |pack: &PackId| self.pack_lengths().get(pack).copied();
        for run in runs(missing, reading, length_of) {
            let range = SharedRange::new(run);
            if reading.far {
                kept.keep(&range);
            }
            ranges.push(range);
        }
        Ranges::new(ranges)
    }

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
        let mut ranges = reader.ranges(&needed);
        ranges.ask(reader.repository().fetcher(), 0);
        Batch { reader, kind, ids: ids.to_vec(), places, plains, needed, ranges }
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
        let Batch { reader, ids, places, mut plains, needed, ranges, .. } = self;
        let fetcher = reader.repository().fetcher();
        let (sealed, unavailable) = ranges.finish(fetcher, reader.kept_ranges());
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
