//! Blobs that lie together in a pack, and are fetched as one range.

use super::BlobLocation;
use super::fetch::Fetch;
use crate::backend::Handle;
use crate::error::{Kind, Result};
use crate::id::PackId;

/// A fetch of several blobs ends at this length.
const RUN_MAX: u32 = 4 << 20;

/// A range of one pack that is fetched at once.
pub(super) struct Run {
    pack: PackId,
    start: u32,
    end: u32,
}

/// The ranges that hold these blobs, in the order of packs and offsets. Ranges of one pack that lie
/// no more than `gap` apart are one.
pub(super) fn runs(needed: &[BlobLocation], gap: u32) -> Vec<Run> {
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

    pub(super) fn fetch(&self) -> Fetch {
        Fetch::part(Handle::pack(self.pack), u64::from(self.start)..u64::from(self.end))
    }
}

/// Fetched runs, sorted by pack and start.
pub(super) struct Sealed(Vec<(Run, Vec<u8>)>);

impl Sealed {
    /// What came, and why something did not that may come another time.
    pub(super) fn collect(
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
