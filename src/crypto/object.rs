//! Sealed whole objects (chapter 4): index segments, snapshots, notes and the collector's records.

use super::keyring::{Keyring, Purpose};
use super::seal::{Decryptor, Sealer};
use crate::error::{Error, Kind, Result};
use crate::format::cursor::{Reader, length32};
use crate::format::frame::{INNER_HEAD, SALT, SEAL, SEALED_HEAD, SealedHead};
use crate::format::pack::Salt;
use crate::format::{Codec, Form, Handle, ObjectKind, SealedBy, padme};
use crate::id::{IndexId, RepoId};
use zeroize::Zeroizing;

/// Bytes of an object's associated data, without its place.
pub const OBJECT_AAD: usize = SEALED_HEAD + RepoId::LEN;

/// The object that is to be stored at `handle`: `payload`, sealed for this very place and padded.
/// The key follows from the kind.
///
/// # Errors
/// `InvalidInput` for a payload above its bound, and for kinds that are not sealed whole: open
/// ones, packs, and index segments, which have their own [`seal_index`].
pub fn seal_object(
    keyring: &Keyring,
    handle: &Handle,
    repository: RepoId,
    salt: &[u8; SALT],
    counter: u64,
    payload: &[u8],
) -> Result<Vec<u8>> {
    if handle.kind() == ObjectKind::Index {
        return Err(not_sealed(handle.kind()));
    }
    seal(keyring, handle.kind(), &handle.path(), repository, salt, counter, payload)
}

/// A sealed index segment, and the name that follows from its bytes. Errors as [`seal_object`].
pub fn seal_index(
    keyring: &Keyring,
    repository: RepoId,
    salt: &[u8; SALT],
    counter: u64,
    payload: &[u8],
) -> Result<(IndexId, Vec<u8>)> {
    let kind = ObjectKind::Index;
    let bytes = seal(keyring, kind, kind.folder(), repository, salt, counter, payload)?;
    Ok((IndexId(*blake3::hash(&bytes).as_bytes()), bytes))
}

/// The payload of a sealed object that was found at `handle`.
///
/// # Errors
/// `Damaged` unless it was sealed for this place in this repository, and as
/// [`crate::format::frame::read_head`] and [`Keyring::key_at`].
pub fn open_object(
    keyring: &Keyring,
    handle: &Handle,
    repository: RepoId,
    bytes: &[u8],
) -> Result<Vec<u8>> {
    let kind = handle.kind();
    let purpose = purpose(kind)?;
    let path = handle.path();
    if bytes.len() > kind.largest() {
        return Err(Error::damaged("open", path, format!("{} bytes are too many", bytes.len())));
    }
    let place = match handle.index_id() {
        Some(id) if blake3::hash(bytes) != id.0 => {
            return Err(Error::damaged("open", path, "its bytes are not what its name says"));
        }
        Some(_) => kind.folder(),
        None => path.as_str(),
    };
    let (head, sealed) = SealedHead::decode(bytes, kind, &path)?;
    let salt = Salt { epoch: head.epoch, bytes: head.salt };
    let inner = Decryptor::new(keyring, purpose, &salt)
        .and_then(|decryptor| decryptor.open(&aad(&head, repository, place), sealed))
        .map_err(|error| error.retold("open", &path))?;
    decode_inner(inner, &path)
}

fn seal(
    keyring: &Keyring,
    kind: ObjectKind,
    place: &str,
    repository: RepoId,
    salt: &[u8; SALT],
    counter: u64,
    payload: &[u8],
) -> Result<Vec<u8>> {
    let purpose = purpose(kind)?;
    let inner = encode_inner(payload, kind.largest())?;
    let head = SealedHead { kind, epoch: keyring.epoch(purpose)?, salt: *salt };
    let sealer = Sealer::new(keyring, purpose, Salt { epoch: head.epoch, bytes: *salt })?;
    let mut bytes = head.encode().to_vec();
    bytes.extend(sealer.seal(counter, &aad(&head, repository, place), &inner)?);
    Ok(bytes)
}

/// What is sealed: lengths, codec, payload, and zeros up to a Padme length of the whole file.
fn encode_inner(payload: &[u8], bound: usize) -> Result<Zeroizing<Vec<u8>>> {
    let outside = SEALED_HEAD + SEAL;
    let file = padme::padded((outside + INNER_HEAD + payload.len()) as u64);
    let file = usize::try_from(file).unwrap_or(usize::MAX);
    if file > bound {
        return Err(Error::new(Kind::InvalidInput, "seal", format!("{} bytes", payload.len()))
            .because(format!("an object of this kind has at most {bound}")));
    }
    let length = length32(payload.len(), "a payload")?.to_le_bytes();
    let mut inner = Zeroizing::new(Vec::with_capacity(file - outside));
    inner.extend_from_slice(&length);
    inner.extend_from_slice(&length);
    inner.extend_from_slice(&[Codec::Raw.number(), 0, 0, 0]);
    inner.extend_from_slice(payload);
    inner.resize(file - outside, 0);
    Ok(inner)
}

/// The payload, in the memory of what held it: an index segment has megabytes.
fn decode_inner(mut bytes: Vec<u8>, subject: &str) -> Result<Vec<u8>> {
    let mut reader = Reader::new(&bytes, subject);
    let length = reader.bounded(bytes.len(), "the payload's length")?;
    let plain = reader.bounded(bytes.len(), "the plaintext's length")?;
    let [codec, zeros @ ..] = reader.array::<4>()?;
    if Codec::from_number(codec) != Some(Codec::Raw) {
        return Err(Error::new(Kind::Unsupported, "open", subject)
            .because(format!("its payload has codec {codec}"))
            .hint("a newer icecore may have written it: use that version"));
    }
    if plain != length || zeros != [0; 3] {
        return Err(reader.damaged("the head of its payload contradicts itself"));
    }
    let head = bytes.len() - reader.rest().len();
    reader.bytes(length)?;
    reader.zero_to_end()?;
    bytes.truncate(head + length);
    bytes.drain(..head);
    Ok(bytes)
}

/// What the seal covers besides the payload: head, repository and place.
fn aad(head: &SealedHead, repository: RepoId, place: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(OBJECT_AAD + place.len());
    bytes.extend_from_slice(&head.encode());
    bytes.extend_from_slice(&repository.0);
    bytes.extend_from_slice(place.as_bytes());
    bytes
}

/// The key that seals objects of a kind.
fn purpose(kind: ObjectKind) -> Result<Purpose> {
    match kind.facts().form {
        Form::Sealed(SealedBy::Index) => Ok(Purpose::SealIndex),
        Form::Sealed(SealedBy::Writer) => Ok(Purpose::SealWriter),
        Form::Sealed(SealedBy::Snapshot) => Ok(Purpose::SealSnapshot),
        Form::Sealed(SealedBy::Gc) => Ok(Purpose::SealGc),
        Form::Open | Form::Own | Form::AsFound => Err(not_sealed(kind)),
    }
}

fn not_sealed(kind: ObjectKind) -> Error {
    Error::new(Kind::InvalidInput, "seal or open as one object", kind)
        .because("objects of this kind have a form of their own")
}
