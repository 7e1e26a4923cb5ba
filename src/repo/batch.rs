//! Several blobs on their way: what the cache had, and the ranges of packs that bring the rest.

use super::BlobLocation;
use super::fetch::{Fetch, Fetched};
use super::reader::{Plain, Reader};
use crate::backend::Handle;
use crate::error::{Error, Kind, Result};
use crate::id::{BaseId, ChunkId, PackId};
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::vec::IntoIter;

/// A read of several blobs that was begun. Its first [`crate::limits::FETCH_AHEAD`] bytes are
/// fetched meanwhile.
pub struct Batch<'b, 'r> {
    reader: &'b Reader<'r>,
    ids: Vec<ChunkId>,
    places: HashMap<ChunkId, BlobLocation>,
    plains: HashMap<BaseId, Plain>,
    needed: Vec<BlobLocation>,
    runs: Vec<Run>,
    fetched: Fetched<'r, IntoIter<Fetch>>,
}

impl<'b, 'r> Batch<'b, 'r> {
    pub(super) fn begin(reader: &'b Reader<'r>, ids: &[ChunkId]) -> Self {
        let index = reader.index();
        let places: HashMap<ChunkId, BlobLocation> = ids
            .iter()
            .collect::<HashSet<_>>()
            .into_par_iter()
            .filter_map(|id| Some((*id, index.find(id)?)))
            .collect();
        let (plains, needed) = reader.plan(places.values());
        let fetcher = reader.repository().fetcher();
        let runs = runs(&needed, fetcher.read_gap());
        let wanted: Vec<Fetch> = runs.iter().map(Run::fetch).collect();
        let fetched = fetcher.fetch(wanted);
        Batch { reader, ids: ids.to_vec(), places, plains, needed, runs, fetched }
    }

    /// The blobs in the order asked for, each with its own result.
    pub fn finish(self) -> Vec<Result<Plain>> {
        let reader = self.reader;
        self.finish_by(|id, _| reader.read_any(id))
    }

    /// All of them together, and those for which that fails `slowly`: unless the store did not
    /// answer, which it need not be asked again for each.
    pub(super) fn finish_by(
        self,
        slowly: impl Fn(&ChunkId, Option<&BlobLocation>) -> Result<Plain> + Sync,
    ) -> Vec<Result<Plain>> {
        let Batch { reader, ids, places, mut plains, needed, runs, fetched } = self;
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

/// A fetch of several blobs ends at this length.
const RUN_MAX: u32 = 4 << 20;

/// A range of one pack that is fetched at once.
struct Run {
    pack: PackId,
    start: u32,
    end: u32,
}

/// The ranges that hold these blobs, in the order of packs and offsets. Ranges of one pack that lie
/// no more than `gap` apart are one.
fn runs(needed: &[BlobLocation], gap: u32) -> Vec<Run> {
    let mut order: Vec<&BlobLocation> = needed.iter().collect();
    order.sort_by_key(|place| (place.pack, place.offset));
    let mut runs: Vec<Run> = Vec::new();
    for place in order {
        match runs.last_mut() {
            Some(run) if run.takes(place, gap) => run.end = place.offset + place.stored,
            _ => runs.push(Run::of(place)),
        }
    }
    runs
}

impl Run {
    fn of(place: &BlobLocation) -> Self {
        Run {
            pack: place.pack,
            start: place.offset,
            end: place.offset.saturating_add(place.stored),
        }
    }

    fn takes(&self, place: &BlobLocation, gap: u32) -> bool {
        place.pack == self.pack
            && place.offset.saturating_sub(self.end) <= gap
            && place.offset >= self.end
            && place.offset.saturating_add(place.stored) - self.start <= RUN_MAX
    }

    fn fetch(&self) -> Fetch {
        Fetch::part(Handle::pack(self.pack), u64::from(self.start)..u64::from(self.end))
    }
}

/// Fetched runs, sorted by pack and start.
pub(super) struct Sealed(Vec<(Run, Vec<u8>)>);

impl Sealed {
    /// What came, and why something did not that may come another time.
    fn collect(
        runs: Vec<Run>,
        fetched: impl Iterator<Item = Result<Vec<u8>>>,
    ) -> (Self, Option<String>) {
        let (mut sealed, mut unavailable) = (Vec::with_capacity(runs.len()), None);
        for (run, bytes) in runs.into_iter().zip(fetched) {
            match bytes {
                Ok(bytes) => sealed.push((run, bytes)),
                Err(error) if error.kind() == Kind::Unavailable => {
                    // The others would wait in vain as well.
                    unavailable = Some(error.to_string());
                    break;
                }
                // Whoever needs it finds out, and may read the blob elsewhere.
                Err(_) => {}
            }
        }
        (Sealed(sealed), unavailable)
    }

    pub(super) fn get(&self, place: &BlobLocation) -> Option<&[u8]> {
        let after =
            self.0.partition_point(|(run, _)| (run.pack, run.start) <= (place.pack, place.offset));
        let (run, bytes) = self.0.get(after.checked_sub(1)?)?;
        let start = usize::try_from(place.offset.checked_sub(run.start)?).ok()?;
        let length = usize::try_from(place.stored).ok()?;
        bytes.get(start..start.checked_add(length)?).filter(|_| run.pack == place.pack)
    }
}
