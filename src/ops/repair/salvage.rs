//! What is whole of one damaged pack: found by reading every blob, and moved sealed as it is.

use super::copy::Copy;
use crate::backend::Handle;
use crate::error::{Kind, Result};
use crate::id::PackId;
use crate::limits::PACK_MAX;
use crate::ops::check::{BATCH, Unreadable, unreadable};
use crate::repo::{BlobLocation, Index, PackWriter, Reader, Repository};
use std::collections::HashSet;

/// Reads packs by the index as it is stored, and by a copy of the repository if there is one.
pub(super) struct Salvage<'s> {
    pub(super) repository: &'s Repository,
    pub(super) index: &'s Index,
    pub(super) reader: Reader<'s>,
    pub(super) copy: Option<&'s Copy<'s>>,
}

/// What was found of a pack.
pub(super) struct Found {
    pub(super) state: State,
    /// Blobs that are whole, and were moved.
    pub(super) whole: Vec<BlobLocation>,
    /// Blobs that are not.
    pub(super) lost: Vec<BlobLocation>,
    /// Bytes of the blobs that were moved.
    pub(super) moved: u64,
}

/// What stands under a pack's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The pack, and nothing is wrong with it.
    Sound,
    /// Nothing.
    Gone,
    /// Something of this hash that is not the pack, or a pack with false blobs in it.
    Damaged([u8; 32]),
    /// Something that the disk gives in parts at best, and why.
    Unread(String),
}

impl Salvage<'_> {
    /// Moves what is whole of a pack, of which the index has these places.
    ///
    /// # Errors
    /// `Unavailable` while nobody can know what is damaged, and those of writing.
    pub(super) fn pack(
        &self,
        pack: PackId,
        named: Vec<BlobLocation>,
        packs: &mut PackWriter<'_>,
    ) -> Result<Found> {
        let (own, mut state) = self.read(pack, &named)?;
        let is_itself = blake3::hash(&own) == pack.0;
        let places = self.places(pack, named, &own, is_itself);
        let bad = self.bad(&own, &places)?;
        match state {
            State::Damaged(_) if is_itself && bad.is_empty() => state = State::Sound,
            _ => {}
        }
        if state == State::Sound {
            return Ok(Found { state, whole: Vec::new(), lost: Vec::new(), moved: 0 });
        }
        let good = match is_itself {
            // What is false there is false in every copy.
            true => None,
            false => self.copy.map(|copy| copy.pack(pack)).transpose()?.flatten(),
        };
        let (bytes, places, bad) = match good {
            None => (own, places, bad),
            Some(bytes) => {
                let places = self.places(pack, places, &bytes, true);
                let bad = self.bad(&bytes, &places)?;
                (bytes, places, bad)
            }
        };
        let (lost, whole): (Vec<_>, Vec<_>) =
            places.into_iter().partition(|place| bad.contains(place));
        let mut moved = 0;
        for place in &whole {
            moved += packs.add_from(place, &bytes)?;
        }
        Ok(Found { state, whole, lost, moved })
    }

    /// What a pack has, read once more where it cannot be read whole: blob by blob, and zeros for what
    /// the disk does not give.
    fn read(&self, pack: PackId, named: &[BlobLocation]) -> Result<(Vec<u8>, State)> {
        let (store, handle) = (self.repository.backend(), Handle::pack(pack));
        let error = match store.get(&handle, None) {
            Ok(bytes) => {
                let hash = blake3::hash(&bytes);
                // What is wrong is read once more, and counts only if it is wrong in the same way.
                let again = if hash == pack.0 { None } else { Some(store.get(&handle, None)?) };
                return Ok(match again {
                    Some(again) if blake3::hash(&again) == pack.0 => {
                        (again, State::Damaged(pack.0))
                    }
                    Some(again) if again != bytes => {
                        (bytes, State::Unread("it reads differently each time".to_owned()))
                    }
                    _ => (bytes, State::Damaged(*hash.as_bytes())),
                });
            }
            Err(error) => error,
        };
        match error.kind() {
            Kind::NotFound => return Ok((Vec::new(), State::Gone)),
            Kind::Unavailable | Kind::Unsupported | Kind::Interrupted => return Err(error),
            _ => {}
        }
        let mut bytes = Vec::new();
        for place in named {
            let (start, length) = (u64::from(place.offset), u64::from(place.stored));
            let range = start..start + length;
            match store.get(&handle, Some(range.clone())) {
                Ok(part) => put_at(&mut bytes, range.start, &part),
                Err(error) if error.kind() == Kind::Unavailable => return Err(error),
                Err(_) => {}
            }
        }
        Ok((bytes, State::Unread(error.to_string())))
    }

    /// Where blobs may lie: by the pack's own account alone if that is beyond doubt, else also by the
    /// index.
    fn places(
        &self,
        pack: PackId,
        named: Vec<BlobLocation>,
        bytes: &[u8],
        is_itself: bool,
    ) -> Vec<BlobLocation> {
        let own = self.repository.pack_contents_of(pack, bytes).map(|contents| contents.places);
        let mut places = match own {
            Ok(own) if is_itself => own,
            Ok(own) => [named, own].concat(),
            Err(_) => named,
        };
        let mut seen = HashSet::new();
        places.retain(|place| seen.insert(place.clone()));
        places
    }

    /// The blobs that do not open, or prove false. Those that only lack a base are whole.
    fn bad(&self, bytes: &[u8], places: &[BlobLocation]) -> Result<HashSet<BlobLocation>> {
        let mut bad = HashSet::new();
        for places in places.chunks(BATCH) {
            let places: Vec<((), BlobLocation)> =
                places.iter().map(|place| ((), place.clone())).collect();
            for (_, place, trouble) in unreadable(&self.reader, self.index, bytes, &places) {
                match trouble {
                    Unreadable::Own(_) => drop(bad.insert(place.clone())),
                    Unreadable::Base(_) => {}
                    Unreadable::Unread(error) => return Err(error),
                }
            }
        }
        Ok(bad)
    }
}

/// Puts a part in its place, and zeros before it.
fn put_at(bytes: &mut Vec<u8>, start: u64, part: &[u8]) {
    let Ok(start) = usize::try_from(start) else { return };
    let end = start.saturating_add(part.len());
    if end > PACK_MAX {
        return;
    }
    bytes.resize(bytes.len().max(end), 0);
    if let Some(room) = bytes.get_mut(start..end) {
        room.copy_from_slice(part);
    }
}
