//! One blob from plaintext to sealed bytes: delta or whole, sealed, opened again, id proved. Or
//! one as it lies in another pack.

use super::Repository;
use super::bases::Bases;
use super::reader::blob_purpose;
use crate::codec::{self, Encoded, Encoder};
use crate::crypto::{Decryptor, Ids, Key, Purpose, Sealer};
use crate::error::{Error, Result};
use crate::format::pack::{BlobAad, PackEntry, Salt};
use crate::format::{BlobKind, Codec, cursor};
use crate::id::{ChunkId, RepoId};

/// A blob ready for a pack.
pub struct SealedBlob {
    pub(super) kind: BlobKind,
    /// What it is sealed under.
    pub(super) salt: Salt,
    /// What its pack and the index will say of it; the pack gives its salt a number.
    pub(super) entry: PackEntry,
    pub(super) bytes: Vec<u8>,
    /// [`proof_of`] all of these, taken when they were proved.
    pub(super) proof: [u8; 32],
}

impl SealedBlob {
    /// A blob as it lies in another pack: it keeps its seal, and so the salt of that. The caller
    /// knows that `sealed` is sound: from the hash of the pack, or because it was opened.
    ///
    /// # Errors
    /// `Damaged` if these cannot be the bytes in that place.
    pub fn moved(place: super::BlobLocation, sealed: Vec<u8>) -> Result<Self> {
        if sealed.len() as u64 != u64::from(place.stored) {
            return Err(Error::damaged(
                "move chunk",
                place.id,
                "it is not as long as it should be",
            ));
        }
        let entry = PackEntry {
            id: place.id,
            stored: place.stored,
            plain: place.plain,
            codec: place.codec,
            depth: place.depth,
            salt: 0,
            bases: place.bases,
        };
        Ok(Self::proved(place.kind, place.salt, entry, sealed))
    }

    fn proved(kind: BlobKind, salt: Salt, entry: PackEntry, bytes: Vec<u8>) -> Self {
        let proof = proof_of(&salt, &entry, &bytes);
        SealedBlob { kind, salt, entry, bytes, proof }
    }
}

/// BLAKE3 of a blob's sealed bytes and of all that its pack and the index will say of it.
pub(super) fn proof_of(salt: &Salt, entry: &PackEntry, bytes: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&salt.epoch.to_le_bytes()).update(&salt.bytes);
    hasher.update(&entry.id.0).update(&entry.stored.to_le_bytes());
    hasher.update(&entry.plain.to_le_bytes());
    hasher.update(&[entry.codec.number(), entry.depth]);
    for base in &entry.bases {
        hasher.update(&base.0);
    }
    *hasher.update(bytes).finalize().as_bytes()
}

/// Seals blobs of one kind, and the packs that hold them, under one salt.
pub(super) struct BlobSealer {
    pub(super) repository: RepoId,
    pub(super) kind: BlobKind,
    pub(super) salt: Salt,
    pub(super) sealer: Sealer,
    pub(super) decryptor: Decryptor,
    /// Makes the filler of packs.
    pub(super) filler_key: Key,
}

/// A delta that saves at least this much may be kept at three quarters of the whole's size.
const CLEAR_SAVING: usize = 4 << 10;

impl BlobSealer {
    /// Seals under the newest key with this salt, which nobody else uses.
    pub(super) fn new(repository: &Repository, kind: BlobKind, salt: [u8; 32]) -> Result<Self> {
        let (keys, purpose) = (repository.keys(), blob_purpose(kind));
        let salt = Salt { epoch: keys.epoch(purpose)?, bytes: salt };
        Ok(BlobSealer {
            repository: repository.config().repository,
            kind,
            salt,
            sealer: Sealer::new(keys, purpose, salt)?,
            decryptor: Decryptor::new(keys, purpose, &salt)?,
            filler_key: keys.key(Purpose::Nonce)?,
        })
    }

    /// Encodes, seals, and proves that the sealed bytes lead back to the id.
    pub(super) fn seal(
        &self,
        ids: &Ids,
        encoder: &mut Encoder,
        id: &ChunkId,
        plain: &[u8],
        bases: Option<&Bases>,
    ) -> Result<SealedBlob> {
        let encoded = encode(encoder, plain, bases)?;
        self.seal_encoded(ids, id, plain.len(), &encoded, bases)
    }

    /// The same as a delta if that is smaller at all: for what takes the place of a delta.
    pub(super) fn seal_smallest(
        &self,
        ids: &Ids,
        encoder: &mut Encoder,
        id: &ChunkId,
        plain: &[u8],
        bases: Option<&Bases>,
    ) -> Result<SealedBlob> {
        let whole = encoder.whole(plain)?;
        let delta = bases.map(|bases| encoder.delta(plain, &bases.prefix)).transpose()?;
        let smaller = delta.filter(|delta| delta.bytes.len() < whole.bytes.len());
        self.seal_encoded(ids, id, plain.len(), &smaller.unwrap_or(whole), bases)
    }

    /// The same for what an encoder made of it, which is not trusted.
    fn seal_encoded(
        &self,
        ids: &Ids,
        id: &ChunkId,
        length: usize,
        encoded: &Encoded,
        bases: Option<&Bases>,
    ) -> Result<SealedBlob> {
        let bases = bases.filter(|_| encoded.codec == Codec::Delta);
        let base_ids = bases.map_or(&[][..], |bases| &bases.ids);
        let aad = BlobAad {
            repository: self.repository,
            salt: &self.salt,
            kind: self.kind,
            id,
            plain: cursor::length32(length, "a chunk")?,
            codec: encoded.codec,
            bases: base_ids,
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
            bases: base_ids.to_vec(),
        };
        let prefix = bases.map_or(&[][..], |bases| &bases.prefix[..]);
        self.prove(ids, &entry, &associated, &bytes, prefix)?;
        Ok(SealedBlob::proved(self.kind, self.salt, entry, bytes))
    }

    /// Reads the sealed blob back as a reader would: a wrong encoder or a flipped bit ends here.
    fn prove(
        &self,
        ids: &Ids,
        entry: &PackEntry,
        aad: &[u8],
        sealed: &[u8],
        prefix: &[u8],
    ) -> Result<()> {
        let payload = self.decryptor.open(aad, sealed)?;
        let length = usize::try_from(entry.plain).unwrap_or(usize::MAX);
        let plain = codec::decode(entry.codec, &payload, prefix, length)?;
        if ids.of(self.kind, &plain) == entry.id {
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

#[cfg(test)]
mod tests {
    use super::super::InitOptions;
    use super::super::pack::OpenPack;
    use super::*;
    use crate::backend::Memory;
    use crate::codec::Level;
    use crate::crypto::Secret;
    use crate::env::{Env, Time};
    use crate::error::Kind;
    use crate::id::BaseId;
    use std::sync::Arc;
    use zeroize::Zeroizing;

    fn repository() -> Repository {
        let secret = Secret::KeyFile(Zeroizing::new([9; 32]));
        let (env, _) = Env::seeded(1, Time(0));
        Repository::init(Arc::new(Memory::new()), env, &secret, &InitOptions::default()).unwrap()
    }

    /// Like no other text, but for a few words.
    fn text(number: usize) -> Vec<u8> {
        let word = |at: usize| blake3::hash(&[number + 1, at].map(usize::to_le_bytes).concat());
        (0..200).flat_map(|at| format!("row {at} says {};", word(at)).into_bytes()).collect()
    }

    fn bases(plain: &[u8]) -> Bases {
        Bases { ids: vec![BaseId([7; 16])], depth: 1, prefix: Arc::new(plain.to_vec()), ratio: 256 }
    }

    /// An encoder that writes a wrong frame, whole, raw or delta, and one that takes the wrong
    /// base, seal nothing; what the right one writes is sealed.
    #[test]
    fn a_wrong_frame_is_not_sealed() {
        let repository = repository();
        let sealer = Arc::new(BlobSealer::new(&repository, BlobKind::Data, [3; 32]).unwrap());
        let (plain, mut other) = (text(1), text(1));
        other[3000..3040].fill(b'x');
        let id = repository.ids().of(BlobKind::Data, &plain);
        let (right, wrong) = (bases(&other), bases(&text(3)));
        let seal = |encoded: &Encoded, bases| {
            sealer.seal_encoded(repository.ids(), &id, plain.len(), encoded, Some(bases))
        };
        let delta = Encoder::new(Level::default()).delta(&plain, &right.prefix).unwrap();
        let whole = Encoder::new(Level::default()).whole(&plain).unwrap();
        let raw = Encoded { codec: Codec::Raw, bytes: plain.clone() };
        let mut harmless_bits = 0;
        for encoded in [&delta, &whole, &raw] {
            let sealed = seal(encoded, &right).unwrap();
            assert_eq!(sealed.entry.bases.len(), usize::from(encoded.codec == Codec::Delta));
            for at in 0..encoded.bytes.len().min(500) {
                let mut bytes = encoded.bytes.clone();
                bytes[at] ^= 1 << (at % 8);
                // A bit that means nothing may flip.
                let harmless = codec::decode(encoded.codec, &bytes, &right.prefix, plain.len())
                    .is_ok_and(|decoded| decoded == plain);
                let flipped = seal(&Encoded { codec: encoded.codec, bytes }, &right);
                assert_eq!(flipped.is_ok(), harmless, "{:?}, byte {at}", encoded.codec);
                harmless_bits += u32::from(harmless);
            }
            for codec in [Codec::Raw, Codec::Zstd, Codec::Delta] {
                // Where it refers to nothing of its base, a frame is right as either.
                let wrong = codec != encoded.codec && [codec, encoded.codec].contains(&Codec::Raw);
                let sealed = seal(&Encoded { codec, bytes: encoded.bytes.clone() }, &right);
                assert!(sealed.is_err() || !wrong, "{:?} for {codec:?}", encoded.codec);
            }
        }
        assert!(harmless_bits < 50, "{harmless_bits}");
        assert!(seal(&delta, &wrong).is_err(), "a delta against another base");
        let frame = Encoder::new(Level::default()).whole(&other).unwrap();
        let error = seal(&frame, &right).err().unwrap();
        assert_eq!(error.kind(), Kind::Damaged);
        assert!(error.hint_text().unwrap().contains("memory"), "{error}");
    }

    /// A bit that flips in a pack before it leaves, in a blob or in what is said of one, stops
    /// it; untouched it reads back.
    #[test]
    fn a_flipped_bit_stops_the_pack() {
        let repository = repository();
        let sealer = Arc::new(BlobSealer::new(&repository, BlobKind::Data, [3; 32]).unwrap());
        let finish = |spoil: &dyn Fn(&mut SealedBlob)| {
            let mut pack = OpenPack::new(sealer.clone());
            for number in 0..3 {
                let plain = text(number);
                let old = bases(&[&plain[50..], b"and more"].concat());
                let id = repository.ids().of(BlobKind::Data, &plain);
                let mut encoder = Encoder::new(Level::default());
                let delta = (number == 1).then_some(&old);
                let sealed = sealer.seal(repository.ids(), &mut encoder, &id, &plain, delta);
                let mut blob = sealed.unwrap();
                if number == 1 {
                    assert_eq!(blob.entry.codec, Codec::Delta);
                    spoil(&mut blob);
                }
                pack.add(blob).unwrap();
            }
            pack.close()
        };
        finish(&|_| {}).unwrap();
        let spoils: [&dyn Fn(&mut SealedBlob); 9] = [
            &|blob| blob.salt.bytes[7] ^= 1,
            &|blob| blob.bytes[0] ^= 1,
            &|blob| *blob.bytes.last_mut().unwrap() ^= 0x80,
            &|blob| blob.proof[5] ^= 1,
            &|blob| blob.entry.id.0[31] ^= 4,
            &|blob| blob.entry.stored ^= 1,
            &|blob| blob.entry.plain ^= 0x100,
            &|blob| blob.entry.depth ^= 2,
            &|blob| blob.entry.bases[0].0[0] ^= 1,
        ];
        for (number, spoil) in spoils.iter().enumerate() {
            assert!(finish(spoil).is_err(), "spoil {number}");
        }
    }
}
