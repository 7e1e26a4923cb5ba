//! What a pack says of itself: its head and trailer, from which an index can be made anew.

use super::fetch::Fetch;
use super::reader::blob_purpose;
use super::{BlobLocation, Repository};
use crate::backend::{Handle, Listed};
use crate::crypto::Decryptor;
use crate::error::{Error, Kind, Result};
use crate::format::BlobKind;
use crate::format::pack::{
    ENTRY, FOOTER, PackHead, SALT_HEADER, TRAILER_COUNTS, Trailer, check_length, read_footer,
    trailer_aad,
};
use crate::id::{BaseId, PackId};
use std::ops::Range;

/// A pack's own account of its blobs.
#[derive(Clone, Debug)]
pub struct PackContents {
    /// Data or metadata.
    pub kind: BlobKind,
    /// Where each blob lies, in order.
    pub places: Vec<BlobLocation>,
}

/// A pack that is to be read.
#[derive(Clone, Copy, Debug)]
pub struct WantedPack {
    /// Which.
    pub id: PackId,
    /// Its length.
    pub size: u64,
    /// About how many blobs it has.
    pub entries: usize,
    /// All of it; or what it says of itself.
    pub whole: bool,
}

/// What was read of a pack.
pub enum ReadPack {
    /// Its bytes.
    Whole(Result<Vec<u8>>),
    /// Its own account.
    Contents(Result<PackContents>),
}

/// Salts that a head is expected to have at most.
const SALTS: usize = 4;
/// Bases that each blob of a pack is expected to have at most, on average.
const BASES: usize = 2;
/// What a seal adds to a trailer, and more.
const SEAL: usize = 64;

impl WantedPack {
    /// Its head and its trailer, by a guess at their lengths; one range where they lie together.
    fn ends(&self, gap: u32) -> Vec<Range<u64>> {
        let entry = ENTRY + BASES * BaseId::LEN;
        let plain = self.entries.saturating_add(1).saturating_mul(entry) + TRAILER_COUNTS;
        // Padding makes it an eighth longer at most.
        let trailer = plain.saturating_add(plain / 8 + SEAL + FOOTER) as u64;
        let head = self.size.min(PackHead::length(SALTS) as u64);
        let start = self.size.saturating_sub(trailer);
        match start.saturating_sub(head) <= u64::from(gap) {
            true => std::iter::once(0..self.size).collect(),
            false => vec![0..head, start..self.size],
        }
    }

    fn fetches(&self, gap: u32) -> Vec<Fetch> {
        let handle = Handle::pack(self.id);
        if self.whole {
            return vec![Fetch::listed(&Listed { handle, size: self.size })];
        }
        self.ends(gap).into_iter().map(|range| Fetch::part(handle.clone(), range)).collect()
    }
}

impl Repository {
    /// Reads packs, or what they say of themselves, in order and ahead.
    pub fn read_packs<'r>(
        &'r self,
        wanted: impl Iterator<Item = WantedPack> + Clone + 'r,
    ) -> impl Iterator<Item = ReadPack> + 'r {
        let gap = self.fetcher().reading().gap;
        let fetches = wanted.clone().flat_map(move |pack| pack.fetches(gap));
        let mut fetched = self.fetcher().fetch(fetches);
        wanted.map(move |pack| {
            if pack.whole {
                return ReadPack::Whole(fetched.take_next());
            }
            let ends = pack.ends(gap).into_iter();
            let read: Vec<_> = ends.map(|range| (range.start, fetched.take_next())).collect();
            let parts = read.into_iter().map(|(start, bytes)| Ok((start, bytes?)));
            let parts: Result<Vec<_>> = parts.collect();
            ReadPack::Contents(parts.and_then(|parts| self.contents_in(&pack, parts)))
        })
    }

    /// What a pack says of itself.
    pub fn pack_contents(&self, id: PackId) -> Result<PackContents> {
        let size = self.backend().size(&Handle::pack(id))?;
        let wanted = WantedPack { id, size, entries: 0, whole: false };
        match self.read_packs(std::iter::once(wanted)).next() {
            Some(ReadPack::Contents(contents)) => contents,
            _ => Err(Error::new(Kind::Failed, "read", Handle::pack(id))),
        }
    }

    /// The same from parts of it, and from the store where they do not reach.
    fn contents_in(&self, pack: &WantedPack, parts: Vec<(u64, Vec<u8>)>) -> Result<PackContents> {
        let handle = Handle::pack(pack.id);
        check_length(pack.size, &handle.to_string())?;
        self.contents(pack.id, pack.size, |range| {
            let within = parts.iter().find_map(|(start, bytes)| {
                let from = usize::try_from(range.start.checked_sub(*start)?).ok()?;
                let to = usize::try_from(range.end.checked_sub(*start)?).ok()?;
                bytes.get(from..to)
            });
            match within {
                Some(bytes) => Ok(bytes.to_vec()),
                None => self.fetcher().fetch_one(Fetch::part(handle.clone(), range)),
            }
        })
    }

    /// The same from a pack's bytes.
    pub fn pack_contents_of(&self, id: PackId, bytes: &[u8]) -> Result<PackContents> {
        let handle = Handle::pack(id).to_string();
        check_length(bytes.len() as u64, &handle)?;
        self.contents(id, bytes.len() as u64, |range| {
            let start = usize::try_from(range.start).unwrap_or(usize::MAX);
            let end = usize::try_from(range.end).unwrap_or(usize::MAX);
            let part = bytes.get(start..end);
            part.map(<[u8]>::to_vec)
                .ok_or_else(|| Error::damaged("read", &handle, "it ends too early"))
        })
    }

    fn contents(
        &self,
        id: PackId,
        size: u64,
        read: impl Fn(Range<u64>) -> Result<Vec<u8>>,
    ) -> Result<PackContents> {
        let subject = Handle::pack(id).to_string();
        let damaged = |reason: &str| Error::damaged("read", &subject, reason);
        let head = self.head(size, &subject, &read)?;
        let length = read_footer(&read(size - FOOTER as u64..size)?, &subject)? as u64;
        let end = size - FOOTER as u64;
        let start = end.checked_sub(length).ok_or_else(|| damaged("its trailer is too long"))?;
        let encoded = head.encode()?;
        let aad = trailer_aad(&encoded, self.config().repository);
        let salt = head.salts.first().ok_or_else(|| damaged("it has no salt"))?;
        let decryptor = Decryptor::new(self.keys(), blob_purpose(head.kind), salt)?;
        let plain = decryptor
            .open(&aad, &read(start..end)?)
            .map_err(|error| error.retold("open the trailer of", &subject))?;
        let trailer = Trailer::decode(&plain, &subject)?;
        let (places, blobs_end) = locate(id, &head, &trailer, encoded.len() as u64)
            .ok_or_else(|| damaged("its trailer does not fit its head"))?;
        if blobs_end != start {
            return Err(damaged("its blobs do not fill it"));
        }
        Ok(PackContents { kind: head.kind, places })
    }

    fn head(
        &self,
        size: u64,
        subject: &str,
        read: &impl Fn(Range<u64>) -> Result<Vec<u8>>,
    ) -> Result<PackHead> {
        let one = PackHead::length(1) as u64;
        let bytes = read(0..one.min(size))?;
        let count = bytes.get(8..12).and_then(|field| field.first_chunk::<4>());
        let count = count.map_or(0, |field| u32::from_le_bytes(*field)) as usize;
        if count <= 1 {
            return PackHead::decode(&bytes, subject);
        }
        let count = count.min(crate::limits::PACK_SALTS_MAX) - 1;
        let more = one + (count * SALT_HEADER) as u64;
        PackHead::decode(&read(0..more.min(size))?, subject)
    }
}

/// Offsets are the sum of what stands before; the end of the last blob and the filler.
fn locate(
    id: PackId,
    head: &PackHead,
    trailer: &Trailer,
    start: u64,
) -> Option<(Vec<BlobLocation>, u64)> {
    let mut offset = u32::try_from(start).ok()?;
    let mut places = Vec::with_capacity(trailer.entries.len());
    for entry in &trailer.entries {
        places.push(BlobLocation {
            id: entry.id,
            kind: head.kind,
            pack: id,
            offset,
            stored: entry.stored,
            plain: entry.plain,
            salt: *head.salts.get(usize::from(entry.salt))?,
            codec: entry.codec,
            depth: entry.depth,
            bases: entry.bases.clone(),
        });
        offset = offset.checked_add(entry.stored)?;
    }
    Some((places, u64::from(offset.checked_add(trailer.filler)?)))
}
