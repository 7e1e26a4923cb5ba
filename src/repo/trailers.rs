//! What a pack says of itself: its head and trailer, from which an index can be made anew.

use super::reader::blob_purpose;
use super::{Place, Repository};
use crate::backend::Handle;
use crate::crypto::Opener;
use crate::error::{Error, Result};
use crate::format::BlobKind;
use crate::format::pack::{
    FOOTER, PackHead, SALT_HEADER, Trailer, check_length, read_footer, trailer_aad,
};
use crate::id::PackId;

/// A pack's own account of its blobs.
#[derive(Clone, Debug)]
pub struct PackContents {
    /// Data or metadata.
    pub kind: BlobKind,
    /// Where each blob lies, in order.
    pub places: Vec<Place>,
}

impl Repository {
    /// Reads a pack's trailer by ranges.
    pub fn pack_contents(&self, id: PackId) -> Result<PackContents> {
        let handle = Handle::pack(id);
        let size = self.backend().size(&handle)?;
        check_length(size, &handle.to_string())?;
        self.contents(id, size, |range| self.backend().get(&handle, Some(range)))
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
        read: impl Fn(std::ops::Range<u64>) -> Result<Vec<u8>>,
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
        let opener = Opener::new(self.keys(), blob_purpose(head.kind), salt)?;
        let plain = opener
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
        read: &impl Fn(std::ops::Range<u64>) -> Result<Vec<u8>>,
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
fn locate(id: PackId, head: &PackHead, trailer: &Trailer, start: u64) -> Option<(Vec<Place>, u64)> {
    let mut offset = u32::try_from(start).ok()?;
    let mut places = Vec::with_capacity(trailer.entries.len());
    for entry in &trailer.entries {
        places.push(Place {
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
