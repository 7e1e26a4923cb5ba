//! An open pack: sealed blobs go in; out comes a finished file, read back before it leaves.

use super::Repository;
use super::seal::{BlobSealer, SealedBlob, proof_of};
use crate::crypto::Purpose;
use crate::error::{Error, Result};
use crate::format::BlobKind;
use crate::format::cursor::length32;
use crate::format::frame::SEAL;
use crate::format::index::{IndexEntry, PackRow, SegmentBuilder};
use crate::format::pack::{
    ENTRY, FOOTER, PackEntry, PackHead, Trailer, footer, read_footer, trailer_aad,
};
use crate::format::padme::padded;
use crate::id::PackId;
use crate::limits::{PACK_ENTRIES_MAX, PACK_TARGET};

/// Collects sealed blobs of one kind.
pub(super) struct Packer {
    kind: BlobKind,
    bytes: Vec<u8>,
    entries: Vec<PackEntry>,
    proofs: Vec<[u8; 32]>,
}

/// A finished pack.
pub(super) struct FinishedPack {
    pub(super) id: PackId,
    pub(super) bytes: Vec<u8>,
    pub(super) kind: BlobKind,
    pub(super) entries: Vec<PackEntry>,
}

impl Packer {
    pub(super) fn new(kind: BlobKind) -> Self {
        Packer { kind, bytes: Vec::new(), entries: Vec::new(), proofs: Vec::new() }
    }

    pub(super) fn add(&mut self, sealer: &BlobSealer, blob: SealedBlob) -> Result<()> {
        if self.bytes.is_empty() {
            self.bytes = head(self.kind, sealer).encode()?;
        }
        self.bytes.extend_from_slice(&blob.bytes);
        self.entries.push(blob.entry);
        self.proofs.push(blob.proof);
        Ok(())
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= PACK_TARGET || self.entries.len() >= PACK_ENTRIES_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Closes the pack.
    pub(super) fn finish(
        mut self,
        repository: &Repository,
        sealer: &BlobSealer,
    ) -> Result<FinishedPack> {
        let head = head(self.kind, sealer).encode()?;
        let mut trailer = Trailer { entries: std::mem::take(&mut self.entries), filler: 0 };
        let plain = self.pad(repository, &mut trailer)?;
        let aad = trailer_aad(&head, repository.config().repository);
        let sealed = sealer.sealer().seal(0, &aad, &plain)?;
        self.bytes.extend_from_slice(&sealed);
        self.bytes.extend_from_slice(&footer(sealed.len())?);
        self.read_back(&head, sealer, &aad, &trailer)?;
        let id = PackId(*blake3::hash(&self.bytes).as_bytes());
        Ok(FinishedPack { id, bytes: self.bytes, kind: self.kind, entries: trailer.entries })
    }

    /// Appends filler so that the whole file has a Padme length; the trailer's plaintext.
    fn pad(&mut self, repository: &Repository, trailer: &mut Trailer) -> Result<Vec<u8>> {
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
        let mut hasher = blake3::Hasher::new_keyed(&*repository.keys().key(Purpose::Nonce)?);
        hasher.update(b"filler").update(blake3::hash(&plain).as_bytes());
        if let Some(room) = self.bytes.get_mut(start..) {
            hasher.finalize_xof().fill(room);
        }
        trailer.encode()
    }

    /// The pack must hold, byte for byte, the blobs that were proved, and a trailer that says of
    /// them what was proved.
    fn read_back(
        &self,
        head: &[u8],
        sealer: &BlobSealer,
        aad: &[u8],
        written: &Trailer,
    ) -> Result<()> {
        let faulty = || {
            Error::damaged("store", "a pack", "it does not read back as it was put together")
                .hint("this machine's memory may be faulty; nothing wrong was uploaded")
        };
        let mut rest = self.bytes.strip_prefix(head).ok_or_else(faulty)?;
        for (entry, proof) in written.entries.iter().zip(&self.proofs) {
            let length = usize::try_from(entry.stored).unwrap_or(usize::MAX);
            let (blob, after) = rest.split_at_checked(length).ok_or_else(faulty)?;
            if proof_of(entry, blob) != *proof {
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
        let plain = sealer.opener().open(aad, sealed)?;
        if Trailer::decode(&plain, "a new pack")? != *written {
            return Err(faulty());
        }
        Ok(())
    }
}

fn head(kind: BlobKind, sealer: &BlobSealer) -> PackHead {
    PackHead { kind, salts: vec![sealer.salt()] }
}

impl FinishedPack {
    /// Adds the pack and its blobs to a segment.
    pub(super) fn index(&self, sealer: &BlobSealer, segment: &mut SegmentBuilder) -> Result<()> {
        let pack = length32(segment.packs.len(), "packs")?;
        let size = length32(self.bytes.len(), "a pack")?;
        segment.packs.push(PackRow { id: self.id, size, kind: self.kind });
        let salt = segment.salt_row(sealer.salt())?;
        let mut offset = length32(PackHead::length(1), "a pack's head")?;
        for entry in &self.entries {
            segment.entries.push(IndexEntry {
                id: entry.id,
                pack,
                offset,
                stored: entry.stored,
                plain: entry.plain,
                salt,
                codec: entry.codec,
                depth: entry.depth,
                bases: entry.bases.clone(),
            });
            offset = offset.saturating_add(entry.stored);
        }
        Ok(())
    }
}
