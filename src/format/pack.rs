//! Packs (chapter 5): head and salts, sealed blobs, filler, sealed trailer, footer.

use super::cursor::{Reader, length8, length32};
use super::frame::{SALT, head, read_head};
use super::{BlobKind, Codec, ObjectKind, VERSION};
use crate::error::{Error, Kind, Result};
use crate::id::{BaseId, ChunkId, RepoId};
use crate::limits::{
    BASES_MAX, BLOB_MAX, DEPTH_MAX, PACK_ENTRIES_MAX, PACK_SALTS_MAX, STORED_BLOB_MAX,
};

/// Bytes at the end of a pack: the trailer's sealed length and a magic number.
pub const FOOTER: usize = 8;
const FOOTER_MAGIC: [u8; 4] = *b"pack";
/// Bytes of a salt header in a pack: type, size, key epoch, salt.
pub const SALT_HEADER: usize = 2 + 4 + SALT;
/// Bytes of the two counts that a trailer begins with.
pub const TRAILER_COUNTS: usize = 8;
/// Bytes of one trailer entry.
pub const ENTRY: usize = 44;
/// Bytes of a blob's associated data before its bases.
pub const BLOB_AAD: usize = 2 + 1 + 1 + 16 + 4 + SALT + 32 + 4;
const SALT_TYPE: u8 = 1;
const FILLER: u8 = 0xff;

/// A writer's salt and the epoch of the key that it was used with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Salt {
    /// Which key of the purpose.
    pub epoch: u32,
    /// 32 random bytes of one writer.
    pub bytes: [u8; SALT],
}

/// The head of a pack: what its blobs hold, and the salts that they were sealed under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackHead {
    /// Data or metadata.
    pub kind: BlobKind,
    /// Salts; the first one seals the trailer.
    pub salts: Vec<Salt>,
}

impl PackHead {
    /// The head's bytes.
    ///
    /// # Errors
    /// `InvalidInput` without a salt, or with too many.
    pub fn encode(&self) -> Result<Vec<u8>> {
        if self.salts.is_empty() || self.salts.len() > PACK_SALTS_MAX {
            return Err(invalid("a pack", "it has no salt, or too many"));
        }
        let mut bytes = head(ObjectKind::Pack, self.kind.number()).to_vec();
        bytes.extend_from_slice(&length32(self.salts.len(), "salts")?.to_le_bytes());
        for salt in &self.salts {
            bytes.push(SALT_TYPE);
            bytes.push(length8(SALT, "a salt")?);
            bytes.extend_from_slice(&salt.epoch.to_le_bytes());
            bytes.extend_from_slice(&salt.bytes);
        }
        Ok(bytes)
    }

    /// Length in bytes of a head with `salts` salts.
    pub const fn length(salts: usize) -> usize {
        super::frame::HEAD + 4 + salts * SALT_HEADER
    }

    /// The head at the front of a pack.
    pub fn decode(bytes: &[u8], subject: &str) -> Result<Self> {
        let mut reader = Reader::new(bytes, subject);
        let own = read_head(&mut reader, ObjectKind::Pack, subject)?;
        let kind = BlobKind::from_number(own)
            .ok_or_else(|| reader.damaged(format!("a pack of unknown kind {own}")))?;
        let count = reader.bounded(PACK_SALTS_MAX, "the number of salts")?;
        let mut salts = Vec::with_capacity(count);
        for _ in 0..count {
            let (typ, size) = (reader.u8()?, reader.u8()?);
            if typ != SALT_TYPE || usize::from(size) != SALT {
                return Err(reader.damaged(format!("a salt of unknown type {typ}, size {size}")));
            }
            salts.push(Salt { epoch: reader.u32()?, bytes: reader.array()? });
        }
        if salts.is_empty() {
            return Err(reader.damaged("it has no salt"));
        }
        Ok(PackHead { kind, salts })
    }
}

/// One blob of a pack, as its trailer describes it. Its offset is the sum of what stands before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackEntry {
    /// The blob.
    pub id: ChunkId,
    /// Bytes in the pack: nonce, ciphertext, tag.
    pub stored: u32,
    /// Bytes of plaintext.
    pub plain: u32,
    /// How the plaintext became the payload.
    pub codec: Codec,
    /// 0 for a whole blob, else 1 + the greatest depth of its bases.
    pub depth: u8,
    /// Which salt of the head it was sealed under.
    pub salt: u8,
    /// Bases of a delta, in the order of the prefix.
    pub bases: Vec<BaseId>,
}

/// The plaintext of a pack's trailer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trailer {
    /// The blobs in order.
    pub entries: Vec<PackEntry>,
    /// Bytes of filler after the last blob.
    pub filler: u32,
}

impl Trailer {
    /// The trailer's plaintext, without padding.
    ///
    /// # Errors
    /// `InvalidInput` for an entry that no reader would take.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let bases: usize = self.entries.iter().map(|entry| entry.bases.len()).sum();
        let filler = usize::from(self.filler > 0);
        let mut bytes = Vec::with_capacity(
            TRAILER_COUNTS + (self.entries.len() + filler) * ENTRY + bases * BaseId::LEN,
        );
        bytes.extend_from_slice(&length32(self.entries.len() + filler, "entries")?.to_le_bytes());
        bytes.extend_from_slice(&length32(bases, "bases")?.to_le_bytes());
        for entry in &self.entries {
            check_blob(entry.codec, entry.depth, entry.bases.len(), entry.stored, entry.plain)
                .map_err(|reason| invalid("a trailer", reason))?;
            bytes.extend_from_slice(&entry.id.0);
            bytes.extend_from_slice(&entry.stored.to_le_bytes());
            bytes.extend_from_slice(&entry.plain.to_le_bytes());
            let count = length8(entry.bases.len(), "bases")?;
            bytes.extend_from_slice(&[entry.codec.number(), entry.depth, count, entry.salt]);
        }
        if self.filler > 0 {
            bytes.extend_from_slice(&[0; 32]);
            bytes.extend_from_slice(&self.filler.to_le_bytes());
            bytes.extend_from_slice(&[0, 0, 0, 0, FILLER, 0, 0, 0]);
        }
        for base in self.entries.iter().flat_map(|entry| &entry.bases) {
            bytes.extend_from_slice(&base.0);
        }
        Ok(bytes)
    }

    /// The trailer in `bytes`, zero padding behind it allowed; every field within its bound.
    pub fn decode(bytes: &[u8], subject: &str) -> Result<Self> {
        let mut reader = Reader::new(bytes, subject);
        let count = reader.bounded(PACK_ENTRIES_MAX + 1, "the number of entries")?;
        let bases = reader.bounded(PACK_ENTRIES_MAX * BASES_MAX, "the number of bases")?;
        let mut counts = Vec::new();
        let mut trailer = Trailer::default();
        for _ in 0..count {
            let (entry, bases) = decode_entry(&mut reader)?;
            match entry {
                Decoded::Blob(entry) if trailer.filler == 0 => {
                    trailer.entries.push(entry);
                    counts.push(bases);
                }
                Decoded::Filler(length) if trailer.filler == 0 && length > 0 => {
                    trailer.filler = length;
                }
                _ => return Err(reader.damaged("an entry after the filler")),
            }
        }
        if counts.iter().sum::<usize>() != bases {
            return Err(reader.damaged("its bases do not add up"));
        }
        for (entry, count) in trailer.entries.iter_mut().zip(counts) {
            for _ in 0..count {
                entry.bases.push(BaseId(reader.array()?));
            }
        }
        reader.zero_to_end()?;
        Ok(trailer)
    }
}

enum Decoded {
    Blob(PackEntry),
    Filler(u32),
}

fn decode_entry(reader: &mut Reader<'_>) -> Result<(Decoded, usize)> {
    let id = ChunkId(reader.array()?);
    let stored = reader.u32()?;
    let plain = reader.u32()?;
    let [codec, depth, bases, salt] = reader.array()?;
    if codec == FILLER {
        if id.0 != [0; 32] || plain != 0 || depth != 0 || bases != 0 || salt != 0 {
            return Err(reader.damaged("filler with content"));
        }
        return Ok((Decoded::Filler(stored), 0));
    }
    let codec = Codec::from_number(codec)
        .ok_or_else(|| reader.damaged(format!("unknown codec {codec}")))?;
    check_blob(codec, depth, usize::from(bases), stored, plain)
        .map_err(|reason| reader.damaged(reason))?;
    let entry = PackEntry { id, stored, plain, codec, depth, salt, bases: Vec::new() };
    Ok((Decoded::Blob(entry), usize::from(bases)))
}

/// The error of an encoder that was given what no decoder takes.
pub(super) fn invalid(subject: &str, reason: &str) -> Error {
    Error::new(Kind::InvalidInput, "encode", subject).because(reason)
}

/// Whether codec, depth, number of bases and lengths of a blob go together; the reason if not.
pub fn check_blob(
    codec: Codec,
    depth: u8,
    bases: usize,
    stored: u32,
    plain: u32,
) -> Result<(), &'static str> {
    if stored as usize > STORED_BLOB_MAX || plain as usize > BLOB_MAX {
        return Err("a blob larger than its bound");
    }
    match codec {
        Codec::Delta if bases == 0 || depth == 0 => Err("a delta without a base"),
        Codec::Delta if bases > BASES_MAX || depth > DEPTH_MAX => Err("a delta past its bounds"),
        Codec::Raw | Codec::Zstd if bases != 0 || depth != 0 => Err("bases of a whole blob"),
        _ => Ok(()),
    }
}

/// The footer of a pack whose sealed trailer has `length` bytes.
pub fn footer(length: usize) -> Result<[u8; FOOTER]> {
    let mut bytes = [0; FOOTER];
    let (size, magic) = bytes.split_at_mut(4);
    size.copy_from_slice(&length32(length, "a trailer")?.to_le_bytes());
    magic.copy_from_slice(&FOOTER_MAGIC);
    Ok(bytes)
}

/// The length of the sealed trailer, from the last [`FOOTER`] bytes of a pack.
pub fn read_footer(bytes: &[u8], subject: &str) -> Result<usize> {
    let mut reader = Reader::new(bytes, subject);
    let length = reader.bounded(crate::limits::PACK_MAX, "the trailer's length")?;
    if reader.array::<4>()? != FOOTER_MAGIC {
        return Err(reader.damaged("it does not end as a pack does"));
    }
    reader.end()?;
    Ok(length)
}

/// What a blob's seal covers besides its payload (chapter 4).
#[derive(Clone, Debug)]
pub struct BlobAad<'a> {
    /// The repository.
    pub repository: RepoId,
    /// The salt that it is sealed under.
    pub salt: &'a Salt,
    /// Data or metadata.
    pub kind: BlobKind,
    /// The blob.
    pub id: &'a ChunkId,
    /// Bytes of plaintext.
    pub plain: u32,
    /// How the plaintext became the payload.
    pub codec: Codec,
    /// Bases of a delta.
    pub bases: &'a [BaseId],
}

impl BlobAad<'_> {
    /// The bytes of the associated data.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BLOB_AAD + self.bases.len() * BaseId::LEN);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&[self.kind.number(), self.codec.number()]);
        bytes.extend_from_slice(&self.repository.0);
        bytes.extend_from_slice(&self.salt.epoch.to_le_bytes());
        bytes.extend_from_slice(&self.salt.bytes);
        bytes.extend_from_slice(&self.id.0);
        bytes.extend_from_slice(&self.plain.to_le_bytes());
        for base in self.bases {
            bytes.extend_from_slice(&base.0);
        }
        bytes
    }
}

/// What a trailer's seal covers besides its plaintext: the pack's head and the repository.
pub fn trailer_aad(head: &[u8], repository: RepoId) -> Vec<u8> {
    let mut bytes = b"trailer".to_vec();
    bytes.extend_from_slice(&repository.0);
    bytes.extend_from_slice(head);
    bytes
}

/// A pack cannot be shorter than head, an empty trailer and footer.
pub fn check_length(length: u64, subject: &str) -> Result<()> {
    let least = PackHead::length(1) + super::frame::SEAL + FOOTER;
    if length < least as u64 || length > crate::limits::PACK_MAX as u64 {
        return Err(Error::damaged("read", subject, format!("{length} bytes are no pack")));
    }
    Ok(())
}
