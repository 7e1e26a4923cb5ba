//! One blob from plaintext to sealed bytes: delta or whole, sealed, opened again, id proved.

use super::Repository;
use super::bases::Bases;
use crate::codec::{self, Encoded, Encoder};
use crate::crypto::{Opener, Sealer};
use crate::error::{Error, Result};
use crate::format::pack::{BlobAad, PackEntry, Salt};
use crate::format::{BlobKind, Codec, cursor};
use crate::id::ChunkId;

/// A blob ready for a pack.
pub(super) struct SealedBlob {
    pub(super) entry: PackEntry,
    pub(super) bytes: Vec<u8>,
    /// BLAKE3 of `bytes`, taken when they were proved.
    pub(super) proof: [u8; 32],
}

/// Seals blobs of one writer.
pub(super) struct BlobSealer {
    kind: BlobKind,
    salt: Salt,
    sealer: Sealer,
    opener: Opener,
}

/// A delta that saves at least this much may be kept at three quarters of the whole's size.
const CLEAR_SAVING: usize = 4 << 10;

impl BlobSealer {
    pub(super) fn new(repository: &Repository, kind: BlobKind, salt: Salt) -> Result<Self> {
        let purpose = super::reader::blob_purpose(kind);
        let sealer = Sealer::new(repository.keys(), purpose, salt)?;
        let opener = Opener::new(repository.keys(), purpose, &salt)?;
        Ok(BlobSealer { kind, salt, sealer, opener })
    }

    pub(super) fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    pub(super) fn opener(&self) -> &Opener {
        &self.opener
    }

    pub(super) fn salt(&self) -> Salt {
        self.salt
    }

    /// Encodes, seals, and proves that the sealed bytes lead back to the id.
    pub(super) fn seal(
        &self,
        repository: &Repository,
        encoder: &mut Encoder,
        id: &ChunkId,
        plain: &[u8],
        bases: Option<&Bases>,
    ) -> Result<SealedBlob> {
        let encoded = encode(encoder, plain, bases)?;
        let bases = bases.filter(|_| encoded.codec == Codec::Delta);
        let ids = bases.map_or(&[][..], |bases| &bases.ids);
        let aad = BlobAad {
            repository: repository.config().repository,
            salt: &self.salt,
            kind: self.kind,
            id,
            plain: cursor::length32(plain.len(), "a chunk")?,
            codec: encoded.codec,
            bases: ids,
        };
        let associated = aad.encode();
        let bytes = self.sealer.seal(0, &associated, &encoded.bytes)?;
        let entry = PackEntry {
            id: *id,
            stored: cursor::length32(bytes.len(), "a chunk")?,
            plain: aad.plain,
            codec: encoded.codec,
            depth: bases.map_or(0, |bases| bases.depth),
            salt: 0,
            bases: ids.to_vec(),
        };
        let prefix = bases.map_or(&[][..], |bases| &bases.prefix[..]);
        self.prove(repository, &entry, &associated, &bytes, prefix)?;
        let proof = *blake3::hash(&bytes).as_bytes();
        Ok(SealedBlob { entry, bytes, proof })
    }

    /// Reads the sealed blob back as a reader would: a wrong encoder or a flipped bit ends here.
    fn prove(
        &self,
        repository: &Repository,
        entry: &PackEntry,
        aad: &[u8],
        sealed: &[u8],
        prefix: &[u8],
    ) -> Result<()> {
        let payload = self.opener.open(aad, sealed)?;
        let length = usize::try_from(entry.plain).unwrap_or(usize::MAX);
        let plain = codec::decode(entry.codec, &payload, prefix, length)?;
        if repository.ids().of(self.kind, &plain) == entry.id {
            return Ok(());
        }
        Err(Error::damaged("store chunk", entry.id, "what was sealed does not lead back to it")
            .hint("this machine's memory or processor may be faulty; nothing wrong was uploaded"))
    }
}

/// The delta if it is clearly smaller, else the whole. The whole is not compressed just to
/// compare: the stored size of the base estimates it.
fn encode(encoder: &mut Encoder, plain: &[u8], bases: Option<&Bases>) -> Result<Encoded> {
    let Some(bases) = bases else { return encoder.whole(plain) };
    let delta = encoder.delta(plain, &bases.prefix)?;
    let estimate = plain.len() * usize::try_from(bases.ratio).unwrap_or(256) / 256;
    if delta.bytes.len() <= estimate / 2 {
        return Ok(delta);
    }
    let whole = encoder.whole(plain)?;
    let (small, large) = (delta.bytes.len(), whole.bytes.len());
    let clear = small <= large / 2 || (small <= large / 4 * 3 && large - small >= CLEAR_SAVING);
    Ok(if clear { delta } else { whole })
}
