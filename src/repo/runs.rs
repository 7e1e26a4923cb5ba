//! Blobs that lie together in a pack, and are fetched as one range.

use super::BlobLocation;
use super::fetch::{Fetch, Reading};
use crate::backend::Handle;
use crate::id::PackId;

/// A fetch of several blobs ends at this length; where a request takes much longer than what it
/// carries, at what may be on its way at once.
const RUN_MAX: u32 = 4 << 20;
const RUN_MAX_FAR: u32 = 16 << 20;

/// A range of one pack that is fetched at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pack: PackId,
    start: u32,
    end: u32,
}

/// The ranges that hold these blobs, in the order of packs and offsets. In a store that is far away they
/// reach to the beginning and the end of their pack where these are no further off than what lies between
/// two blobs of one range may be: the next reads are spared, and a small pack is read once.
pub(super) fn runs<'p>(
    needed: impl IntoIterator<Item = &'p BlobLocation>,
    reading: Reading,
    length_of: impl Fn(&PackId) -> Option<u32>,
) -> Vec<Run> {
    let mut order: Vec<&BlobLocation> = needed.into_iter().collect();
    order.sort_by_key(|place| (place.pack, place.offset));
    let mut runs: Vec<Run> = Vec::new();
    for place in order {
        match runs.last_mut() {
            Some(run) if run.takes(place, reading) => {
                run.end = place.offset.saturating_add(place.stored);
            }
            _ => runs.push(Run::of(place)),
        }
    }
    if reading.far {
        for run in &mut runs {
            if run.start <= reading.gap {
                run.start = 0;
            }
            let length = length_of(&run.pack).unwrap_or_default();
            if length > run.end && length - run.end <= reading.gap {
                run.end = length;
            }
        }
        // One that was full may reach over the next now.
        runs.dedup_by(|next, run| next.pack == run.pack && next.end <= run.end);
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

    /// All of a pack of this length.
    pub(super) fn whole(pack: PackId, length: u32) -> Self {
        Run { pack, start: 0, end: length }
    }

    fn takes(&self, place: &BlobLocation, reading: Reading) -> bool {
        let most = if reading.far { RUN_MAX_FAR } else { RUN_MAX };
        place.pack == self.pack
            && place.offset.saturating_sub(self.end) <= reading.gap
            && place.offset >= self.end
            && place.offset.saturating_add(place.stored) - self.start <= most
    }

    /// Where it begins.
    pub(super) fn begin(&self) -> (PackId, u32) {
        (self.pack, self.start)
    }

    pub(super) fn length(&self) -> u64 {
        u64::from(self.end.saturating_sub(self.start))
    }

    /// Whether a blob lies in it.
    pub(super) fn holds(&self, place: &BlobLocation) -> bool {
        let end = place.offset.saturating_add(place.stored);
        self.pack == place.pack && self.start <= place.offset && end <= self.end
    }

    pub(super) fn fetch(&self) -> Fetch {
        Fetch::part(Handle::pack(self.pack), u64::from(self.start)..u64::from(self.end))
    }
}
