//! Blobs moved from packs to other packs, as they are: sealed.

use super::runs::{Run, Sealed, runs};
use super::seal::SealedBlob;
use super::{BlobLocation, PackWriter, Reader};
use crate::error::{Error, Result};

impl PackWriter<'_> {
    /// Adds the blobs in these places, which are of one pack. Each is opened on the way, so that only
    /// what is sound arrives anywhere; it keeps its seal. `trouble` hears of what cannot be read: that
    /// stays where it is.
    ///
    /// # Errors
    /// As [`PackWriter::add`].
    pub fn add_moved(
        &mut self,
        reader: &Reader<'_>,
        places: &[BlobLocation],
        trouble: &mut dyn FnMut(Error),
    ) -> Result<u64> {
        let fetcher = reader.repository().fetcher();
        let runs = runs(places, fetcher.read_gap());
        let fetched = fetcher.fetch(runs.iter().map(Run::fetch).collect::<Vec<_>>());
        let (sealed, unavailable) = Sealed::collect(runs, fetched);
        let mut moved = 0;
        for place in places {
            let bytes = sealed.get(place).ok_or_else(|| match &unavailable {
                Some(reason) => Error::unavailable("move chunk", place.id, reason),
                None => Error::damaged("move chunk", place.id, "its pack does not hold it"),
            });
            match bytes.and_then(|bytes| reader.open(place, bytes).map(|_| bytes)) {
                Ok(bytes) => {
                    moved += u64::from(place.stored);
                    self.add(SealedBlob::moved(place.clone(), bytes.to_vec())?)?;
                }
                Err(error) => trouble(error),
            }
        }
        Ok(moved)
    }
}
