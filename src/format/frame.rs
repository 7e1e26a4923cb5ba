//! The outer frames of objects (chapter 4): open ones, which end in a checksum, and sealed ones.

use super::cursor::Reader;
use super::{MAGIC, ObjectKind, VERSION};
use crate::error::{Error, Kind, Result};

/// Bytes of the head that every object begins with: magic, version, kind, one byte of its own.
pub const HEAD: usize = 8;
/// Bytes of the checksum at the end of an open object: BLAKE3 of everything before it.
pub const CHECKSUM: usize = 32;
/// Bytes of a salt.
pub const SALT: usize = 32;
/// Bytes of a nonce.
pub const NONCE: usize = 24;
/// Bytes of an authentication tag.
pub const TAG: usize = 16;
/// Bytes that sealing adds: the nonce before, the tag after.
pub const SEAL: usize = NONCE + TAG;
/// Bytes before the nonce of a sealed object: head, key epoch, salt.
pub const SEALED_HEAD: usize = HEAD + 4 + SALT;
/// Bytes before the payload inside a sealed object: payload length, plain length, codec, zeros.
pub const INNER_HEAD: usize = 12;

/// The head of an object; `own` is the byte that kinds use for themselves, else zero.
pub fn head(kind: ObjectKind, own: u8) -> [u8; HEAD] {
    let [m0, m1, m2, m3] = MAGIC;
    let [v0, v1] = VERSION.to_le_bytes();
    [m0, m1, m2, m3, v0, v1, kind.number(), own]
}

/// Reads a head; the kind must be `kind`. Returns the byte of the kind's own.
///
/// # Errors
/// `Unsupported` for another format version, `Damaged` for anything else.
pub fn read_head(reader: &mut Reader<'_>, kind: ObjectKind, subject: &str) -> Result<u8> {
    if reader.array::<4>()? != MAGIC {
        return Err(reader.damaged("it does not begin with the magic number"));
    }
    let version = reader.u16()?;
    if version != VERSION {
        return Err(Error::new(Kind::Unsupported, "decode", subject)
            .because(format!("it has format version {version}, this program knows {VERSION}"))
            .hint("use the version of icecore that wrote it"));
    }
    let number = reader.u8()?;
    if number != kind.number() {
        return Err(reader.damaged(format!(
            "an object of kind {number} stands where one of kind {} belongs",
            kind.number()
        )));
    }
    reader.u8()
}

/// An open object: head, body, checksum.
pub fn encode_open(kind: ObjectKind, body: &[u8]) -> Vec<u8> {
    let mut bytes = head(kind, 0).to_vec();
    bytes.extend_from_slice(body);
    let checksum = blake3::hash(&bytes);
    bytes.extend_from_slice(checksum.as_bytes());
    bytes
}

/// The body of an open object, its checksum proved.
pub fn decode_open<'a>(bytes: &'a [u8], kind: ObjectKind, subject: &'a str) -> Result<&'a [u8]> {
    let mut reader = Reader::new(bytes, subject);
    let own = read_head(&mut reader, kind, subject)?;
    let length = reader.rest().len().checked_sub(CHECKSUM);
    let length = length.ok_or_else(|| reader.damaged("too short for its checksum"))?;
    let body = reader.bytes(length)?;
    let (summed, checksum) = bytes.split_at(bytes.len() - CHECKSUM);
    if blake3::hash(summed).as_bytes() != checksum || own != 0 {
        return Err(Error::damaged("decode", subject, "its checksum does not match"));
    }
    Ok(body)
}

/// The part of a sealed object before its nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedHead {
    /// What the object is.
    pub kind: ObjectKind,
    /// Which key of the purpose sealed it.
    pub epoch: u32,
    /// The writer's salt.
    pub salt: [u8; SALT],
}

impl SealedHead {
    /// The bytes, which are associated data too.
    pub fn encode(&self) -> [u8; SEALED_HEAD] {
        let mut bytes = [0; SEALED_HEAD];
        let (start, salt) = bytes.split_at_mut(HEAD + 4);
        let (own, epoch) = start.split_at_mut(HEAD);
        own.copy_from_slice(&head(self.kind, 0));
        epoch.copy_from_slice(&self.epoch.to_le_bytes());
        salt.copy_from_slice(&self.salt);
        bytes
    }

    /// The head, and what follows it: nonce, ciphertext, tag.
    pub fn decode<'a>(
        bytes: &'a [u8],
        kind: ObjectKind,
        subject: &'a str,
    ) -> Result<(Self, &'a [u8])> {
        let mut reader = Reader::new(bytes, subject);
        if read_head(&mut reader, kind, subject)? != 0 {
            return Err(reader.damaged("a reserved byte is not zero"));
        }
        let head = SealedHead { kind, epoch: reader.u32()?, salt: reader.array()? };
        Ok((head, reader.rest()))
    }
}
