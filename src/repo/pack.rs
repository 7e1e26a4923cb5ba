//! A pack from its first blob to the finished file, which is read back before it leaves.

use super::seal::{BlobSealer, SealedBlob, proof_of};
use crate::error::{Error, Kind, Result};
use crate::format::cursor::{length8, length32};
use crate::format::frame::SEAL;
use crate::format::index::{IndexEntry, PackRow, SegmentBuilder};
use crate::format::pack::{
    ENTRY, FOOTER, PackEntry, PackHead, Salt, Trailer, footer, read_footer, trailer_aad,
};
use crate::format::padme::padded;
use crate::id::PackId;
use crate::limits::{PACK_ENTRIES_MAX, PACK_SALTS_MAX, PACK_TARGET, STORED_BLOB_MAX};
use std::sync::Arc;

/// Collects sealed blobs of one kind.
pub(super) struct OpenPack {
    sealer: Arc<BlobSealer>,
    /// The sealer's, and after it those of blobs that were moved here.
    salts: Vec<Salt>,
    /// The blobs, after room for a head with one salt: nearly all packs have no more.
    bytes: Vec<u8>,
    entries: Vec<PackEntry>,
    proofs: Vec<[u8; 32]>,
}

/// A finished pack.
pub(super) struct ClosedPack {
    pub(super) bytes: Vec<u8>,
    pub(super) contents: IndexedPack,
}

/// What the index says of a pack.
pub(super) struct IndexedPack {
    pub(super) pack: PackRow,
    salts: Vec<Salt>,
    entries: Vec<PackEntry>,
}

/// Bytes of a head with one salt.
const HEAD: usize = PackHead::length(1);
/// Room for a pack, reserved at once so that it is never moved. It is more than allocators keep for
/// themselves: it comes from the system, takes memory as it is filled, and goes back when freed.
const ROOM: usize = 2 * PACK_TARGET + STORED_BLOB_MAX;

impl OpenPack {
    /// An empty one. The sealer's salt is its first, so that no other pack is ever the same.
    pub(super) fn new(sealer: Arc<BlobSealer>) -> Self {
        let salts = vec![sealer.salt];
        OpenPack { sealer, salts, bytes: Vec::new(), entries: Vec::new(), proofs: Vec::new() }
    }

    /// Whether there is room for a blob that is sealed under this salt.
    pub(super) fn takes(&self, salt: &Salt) -> bool {
        !self.is_full() && (self.salts.len() < PACK_SALTS_MAX || self.salts.contains(salt))
    }

    /// Adds a blob; it was asked before whether there is room.
    pub(super) fn add(&mut self, blob: SealedBlob) -> Result<()> {
        let SealedBlob { kind, salt, mut entry, bytes, proof } = blob;
        if kind != self.sealer.kind {
            return Err(Error::new(Kind::InvalidInput, "pack", entry.id)
                .because("it is of another kind than its pack"));
        }
        let known = self.salts.iter().position(|known| *known == salt);
        let number = known.unwrap_or_else(|| {
            self.salts.push(salt);
            self.salts.len() - 1
        });
        entry.salt = length8(number, "salts")?;
        if self.bytes.is_empty() {
            self.bytes.reserve_exact(ROOM);
            self.bytes.resize(HEAD, 0);
        }
        self.bytes.extend_from_slice(&bytes);
        self.entries.push(entry);
        self.proofs.push(proof);
        Ok(())
    }

    /// Bytes in memory.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= PACK_TARGET || self.entries.len() >= PACK_ENTRIES_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Head, filler, trailer and footer around the blobs; then everything is read back.
    pub(super) fn close(mut self) -> Result<ClosedPack> {
        let head = PackHead { kind: self.sealer.kind, salts: std::mem::take(&mut self.salts) };
        let encoded = head.encode()?;
        self.bytes.splice(..HEAD.min(self.bytes.len()), encoded.iter().copied());
        let mut trailer = Trailer { entries: std::mem::take(&mut self.entries), filler: 0 };
        let plain = self.pad(&mut trailer)?;
        let aad = trailer_aad(&encoded, self.sealer.repository);
        let sealed = self.sealer.sealer.seal(0, &aad, &plain)?;
        self.bytes.extend_from_slice(&sealed);
        self.bytes.extend_from_slice(&footer(sealed.len())?);
        self.read_back(&head, &aad, &trailer)?;
        let id = PackId(*blake3::hash(&self.bytes).as_bytes());
        let size = length32(self.bytes.len(), "a pack")?;
        let pack = PackRow { id, size, kind: head.kind };
        let contents = IndexedPack { pack, salts: head.salts, entries: trailer.entries };
        Ok(ClosedPack { bytes: self.bytes, contents })
    }

    /// Appends filler so that the whole file has a Padme length; the trailer's plaintext.
    fn pad(&mut self, trailer: &mut Trailer) -> Result<Vec<u8>> {
        let mut plain = trailer.encode()?;
        let bare = self.bytes.len() + plain.len() + SEAL + FOOTER;
        let wanted = |length: usize| usize::try_from(padded(length as u64)).unwrap_or(length);
        if wanted(bare) == bare {
            return Ok(plain);
        }
        let filler = wanted(bare + ENTRY) - bare - ENTRY;
        if filler == 0 {
            plain.resize(plain.len() + ENTRY, 0);
            return Ok(plain);
        }
        trailer.filler = length32(filler, "filler")?;
        let start = self.bytes.len();
        self.bytes.resize(start + filler, 0);
        // Pseudorandom, so that it looks like any other blob.
        let mut hasher = blake3::Hasher::new_keyed(&self.sealer.filler_key);
        hasher.update(b"filler").update(blake3::hash(&plain).as_bytes());
        if let Some(room) = self.bytes.get_mut(start..) {
            hasher.finalize_xof().fill(room);
        }
        trailer.encode()
    }

    /// The pack must hold, byte for byte, the blobs that were proved, and a trailer that says of
    /// them what was proved.
    fn read_back(&self, head: &PackHead, aad: &[u8], written: &Trailer) -> Result<()> {
        let faulty = || {
            Error::damaged("store", "a pack", "it does not read back as it was put together")
                .hint("this machine's memory may be faulty; nothing wrong was uploaded")
        };
        let (front, mut rest) =
            self.bytes.split_at_checked(PackHead::length(head.salts.len())).ok_or_else(faulty)?;
        let read = PackHead::decode(front, "a new pack")?;
        if read != *head {
            return Err(faulty());
        }
        for (entry, proof) in written.entries.iter().zip(&self.proofs) {
            let length = usize::try_from(entry.stored).unwrap_or(usize::MAX);
            let (blob, after) = rest.split_at_checked(length).ok_or_else(faulty)?;
            let salt = read.salts.get(usize::from(entry.salt)).ok_or_else(faulty)?;
            if proof_of(salt, entry, blob) != *proof {
                return Err(faulty());
            }
            rest = after;
        }
        let (_, end) = rest.split_at_checked(written.filler as usize).ok_or_else(faulty)?;
        let (sealed, end) = end
            .len()
            .checked_sub(FOOTER)
            .and_then(|at| end.split_at_checked(at))
            .ok_or_else(faulty)?;
        if read_footer(end, "a new pack")? != sealed.len() {
            return Err(faulty());
        }
        let plain = self.sealer.decryptor.open(aad, sealed)?;
        if Trailer::decode(&plain, "a new pack")? != *written {
            return Err(faulty());
        }
        Ok(())
    }
}

impl IndexedPack {
    pub(super) fn entries(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn salts(&self) -> usize {
        self.salts.len()
    }

    /// Adds the pack and its blobs to a segment.
    pub(super) fn add_to(self, segment: &mut SegmentBuilder) -> Result<()> {
        let pack = length32(segment.packs.len(), "packs")?;
        let mut offset = length32(PackHead::length(self.salts.len()), "a pack's head")?;
        let salts =
            self.salts.iter().map(|salt| segment.salt_row(*salt)).collect::<Result<Vec<u16>>>()?;
        segment.packs.push(self.pack);
        for entry in self.entries {
            let PackEntry { id, stored, plain, codec, depth, salt, bases } = entry;
            let salt = salts.get(usize::from(salt)).copied().unwrap_or_default();
            segment.entries.push(IndexEntry {
                id,
                pack,
                offset,
                stored,
                plain,
                salt,
                codec,
                depth,
                bases,
            });
            offset = offset.saturating_add(stored);
        }
        Ok(())
    }
}
