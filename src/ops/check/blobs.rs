//! Blobs of a pack whose bytes are at hand: each must open, decode and be what its id says.

use crate::error::{Error, Result};
use crate::id::{BaseId, ChunkId};
use crate::repo::{BlobLocation, Index, Plain, Reader};
use rayon::prelude::*;
use std::collections::HashMap;

/// Why a blob cannot be read: it is wrong itself, or its base is.
pub(in crate::ops) enum Unreadable {
    Own(Error),
    Base(BaseId),
    /// Its base could not be read this time.
    Unread(Error),
}

impl From<Error> for Unreadable {
    fn from(error: Error) -> Self {
        Unreadable::Own(error)
    }
}

/// Blobs that are decoded together.
pub(in crate::ops) const BATCH: usize = 48;

/// Which of some blobs of a pack, each known to the caller by something, cannot be read, and why.
pub(in crate::ops) fn unreadable<'p, T: Copy + Send + Sync>(
    reader: &Reader<'_>,
    index: &Index,
    pack: &[u8],
    places: &'p [(T, BlobLocation)],
) -> Vec<(T, &'p BlobLocation, Unreadable)> {
    // A pack has one kind.
    let Some(kind) = places.first().map(|(_, place)| place.kind) else { return Vec::new() };
    let bases: HashMap<BaseId, ChunkId> = places
        .iter()
        .flat_map(|(_, place)| &place.bases)
        .filter_map(|base| Some((*base, index.find_base(kind, base)?.id)))
        .collect();
    let ids: Vec<ChunkId> = bases.values().copied().collect();
    let plains: HashMap<BaseId, Result<Plain>> =
        bases.into_keys().zip(reader.read_all(kind, &ids)).collect();
    places
        .par_iter()
        .filter_map(|(row, place)| {
            Some((*row, place, read_blob(reader, pack, place, &plains).err()?))
        })
        .collect()
}

fn read_blob(
    reader: &Reader<'_>,
    pack: &[u8],
    place: &BlobLocation,
    plains: &HashMap<BaseId, Result<Plain>>,
) -> Result<(), Unreadable> {
    let short = || Error::damaged("read chunk", place.id, "its pack ends before it");
    let start = usize::try_from(place.offset).map_err(|_| short())?;
    let length = usize::try_from(place.stored).map_err(|_| short())?;
    let sealed =
        start.checked_add(length).and_then(|end| pack.get(start..end)).ok_or_else(short)?;
    let payload = reader.open(place, sealed)?;
    let mut prefix = Vec::new();
    for base in &place.bases {
        match plains.get(base) {
            Some(Ok(plain)) => prefix.extend_from_slice(plain),
            Some(Err(error)) if error.kind().says_nothing() => {
                let reason = error.to_string();
                return Err(Unreadable::Unread(Error::unavailable(
                    "check chunk",
                    place.id,
                    reason,
                )));
            }
            _ => return Err(Unreadable::Base(*base)),
        }
    }
    reader.decode_proved(place, &payload, &prefix)?;
    Ok(())
}
