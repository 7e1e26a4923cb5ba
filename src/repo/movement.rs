//! Blobs moved from packs to other packs, as they are: sealed; and chunks from elsewhere.

use super::bases::these;
use super::seal::SealedBlob;
use super::{BlobLocation, PackWriter, Reader};
use crate::codec::{Encoder, Level};
use crate::error::{Error, Result};
use crate::format::BlobKind;
use crate::id::{BaseId, ChunkId};

/// A chunk that is to be stored upon other bases than now.
pub struct Upon {
    /// Which.
    pub id: ChunkId,
    /// Its new bases, in the order of the prefix; none to store it whole.
    pub bases: Vec<BaseId>,
}

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
        let (sealed, unavailable) = reader.ranges(places).finish(fetcher, reader.kept_ranges());
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

    /// Adds the blob in a place of a pack whose bytes are at hand, and which the caller has opened;
    /// its length.
    ///
    /// # Errors
    /// As [`PackWriter::add`].
    pub fn add_from(&mut self, place: &BlobLocation, pack: &[u8]) -> Result<u64> {
        let start = usize::try_from(place.offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(usize::try_from(place.stored).unwrap_or(usize::MAX));
        let sealed = pack
            .get(start..end)
            .ok_or_else(|| Error::damaged("move chunk", place.id, "its pack does not hold it"))?;
        self.add(SealedBlob::moved(place.clone(), sealed.to_vec())?)?;
        Ok(u64::from(place.stored))
    }

    /// Adds chunks upon other bases than they have; of each the bytes that it takes, or none where it
    /// stays as it is. `trouble` hears of what cannot be read.
    ///
    /// # Errors
    /// As [`PackWriter::add`].
    pub fn add_upon(
        &mut self,
        reader: &Reader<'_>,
        kind: BlobKind,
        chunks: &[Upon],
        trouble: &mut dyn FnMut(Error),
    ) -> Result<Vec<Option<u64>>> {
        let sealer = self.sealers().of(kind).clone();
        let mut encoder = Encoder::new(Level::default());
        let ids: Vec<ChunkId> = chunks.iter().map(|chunk| chunk.id).collect();
        let mut added = Vec::new();
        for (chunk, plain) in chunks.iter().zip(reader.read_all(kind, &ids)) {
            let bases = these(reader, kind, &chunk.bases);
            let plain = match plain {
                Ok(plain) if bases.is_some() || chunk.bases.is_empty() => plain,
                read => {
                    read.err().into_iter().for_each(&mut *trouble);
                    added.push(None);
                    continue;
                }
            };
            let ids = self.repository().ids();
            let sealed =
                sealer.seal_smallest(ids, &mut encoder, &chunk.id, &plain, bases.as_ref())?;
            added.push(Some(u64::from(sealed.entry.stored)));
            self.add(sealed)?;
        }
        Ok(added)
    }

    /// Adds a chunk whole, under this writer's own salt.
    ///
    /// # Errors
    /// `Damaged` if the plaintext is not what its id says, and as [`PackWriter::add`].
    pub fn add_whole(&mut self, kind: BlobKind, id: &ChunkId, plain: &[u8]) -> Result<()> {
        let (sealer, mut encoder) =
            (self.sealers().of(kind).clone(), Encoder::new(Level::default()));
        let sealed = sealer.seal(self.repository().ids(), &mut encoder, id, plain, None)?;
        self.add(sealed)
    }
}
