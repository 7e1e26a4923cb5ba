//! Sealing: XChaCha20-Poly1305 under a subkey of one writer's salt, with a nonce that is a keyed
//! hash of everything that is sealed (chapter 4). Nobody outside chooses a nonce.

use super::keyring::{Key, Keyring, Purpose};
use crate::error::{Error, Kind, Result};
use crate::format::frame::{NONCE, SALT, SEAL, TAG};
use crate::format::pack::Salt;
use chacha20poly1305::{AeadInOut, KeyInit, XChaCha20Poly1305};
use std::fmt;

/// Stands before the salt when a subkey is derived.
const SUBKEY_DOMAIN: &[u8] = b"icecore 1 seal";

/// A writer's seal of one purpose: what it seals is bound to its salt.
pub struct Sealer {
    cipher: Cipher,
    nonce_key: Key,
    salt: [u8; SALT],
}

impl Sealer {
    /// Seals under the newest key of `purpose`; `salt` names its epoch and carries 32 random bytes
    /// of this writer.
    ///
    /// # Errors
    /// `Refused` for an epoch that is not the newest: old keys open, they do not seal.
    pub fn new(keyring: &Keyring, purpose: Purpose, salt: Salt) -> Result<Self> {
        if salt.epoch != keyring.epoch(purpose)? {
            return Err(Error::new(Kind::Refused, "seal with the key", purpose.name())
                .because(format!("epoch {} is not the newest", salt.epoch)));
        }
        Ok(Sealer {
            cipher: Cipher::of_salt(&keyring.key(purpose)?, &salt),
            nonce_key: keyring.key(Purpose::Nonce)?,
            salt: salt.bytes,
        })
    }

    /// Nonce, ciphertext and tag of `payload`, bound to `aad`. A counter that differs makes
    /// different bytes of the same input.
    pub fn seal(&self, counter: u64, aad: &[u8], payload: &[u8]) -> Result<Vec<u8>> {
        self.cipher.seal(&self.nonce_key, &self.salt, counter, aad, payload)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer")
    }
}

/// Opens what was sealed for one purpose under one salt.
pub struct Decryptor(Cipher);

impl Decryptor {
    /// The decryptor of a salt. Errors as [`Keyring::key_at`].
    pub fn new(keyring: &Keyring, purpose: Purpose, salt: &Salt) -> Result<Self> {
        Ok(Decryptor(Cipher::of_salt(&keyring.key_at(purpose, salt.epoch)?, salt)))
    }

    /// The payload of `sealed`: nonce, ciphertext, tag.
    ///
    /// # Errors
    /// `Damaged` unless these very bytes were sealed with this associated data.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>> {
        self.0.open(aad, sealed)
    }
}

impl fmt::Debug for Decryptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decryptor")
    }
}

/// XChaCha20-Poly1305 with derived nonces; its key is wiped when dropped.
pub(super) struct Cipher(XChaCha20Poly1305);

impl Cipher {
    /// A cipher of exactly this key.
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Cipher(XChaCha20Poly1305::new(key.into()))
    }

    /// A cipher of the subkey that belongs to a salt.
    fn of_salt(key: &Key, salt: &Salt) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(key);
        hasher.update(SUBKEY_DOMAIN).update(&salt.bytes);
        Cipher::new(&Key::new(*hasher.finalize().as_bytes()))
    }

    pub(super) fn seal(
        &self,
        nonce_key: &Key,
        salt: &[u8; SALT],
        counter: u64,
        aad: &[u8],
        payload: &[u8],
    ) -> Result<Vec<u8>> {
        let nonce = nonce(nonce_key, salt, counter, aad, payload);
        let mut sealed = Vec::with_capacity(payload.len() + SEAL);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(payload);
        let (_, body) = sealed.split_at_mut(NONCE);
        let tag =
            self.0.encrypt_inout_detached((&nonce).into(), aad, body.into()).map_err(|_| {
                Error::new(Kind::InvalidInput, "seal", format!("{} bytes", payload.len()))
                    .because("more than the cipher takes")
            })?;
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    pub(super) fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>> {
        let too_short = || Error::damaged("open", "the seal", "it is shorter than nonce and tag");
        let (nonce, rest) = sealed.split_first_chunk::<NONCE>().ok_or_else(too_short)?;
        let (body, tag) = rest.split_last_chunk::<TAG>().ok_or_else(too_short)?;
        let mut payload = body.to_vec();
        self.0
            .decrypt_inout_detached(nonce.into(), aad, payload.as_mut_slice().into(), tag.into())
            .map_err(|_| {
                Error::damaged(
                    "open",
                    "the seal",
                    "these are not the bytes that were sealed for this place",
                )
            })?;
        Ok(payload)
    }
}

/// The first 24 bytes of the keyed hash of all that is sealed: equal only for equal input, so
/// that a cloned machine or a counter used twice repeats no nonce over different bytes.
fn nonce(key: &Key, salt: &[u8; SALT], counter: u64, aad: &[u8], payload: &[u8]) -> [u8; NONCE] {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(salt);
    hasher.update(&counter.to_le_bytes());
    hasher.update(&(aad.len() as u64).to_le_bytes());
    hasher.update(aad);
    hasher.update(payload);
    let mut nonce = [0; NONCE];
    hasher.finalize_xof().fill(&mut nonce);
    nonce
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::unhex;

    /// The cipher is XChaCha20-Poly1305, laid out as nonce, ciphertext, tag: the test vector of
    /// draft-irtf-cfrg-xchacha-03, appendix A.3.1, opens.
    #[test]
    fn opens_the_published_vector() {
        let mut key = [0; 32];
        key.iter_mut().zip(0x80..).for_each(|(to, byte)| *to = byte);
        let nonce: Vec<u8> = (0x40..0x58).collect();
        let aad: [u8; 12] = unhex("50515253c0c1c2c3c4c5c6c7").unwrap();
        let body: [u8; 114] = unhex(concat!(
            "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb",
            "731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452",
            "2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9",
            "21f9664c97637da9768812f615c68b13b52e",
        ))
        .unwrap();
        let tag: [u8; 16] = unhex("c0875924c1c7987947deafd8780acf49").unwrap();
        let sealed = [nonce.as_slice(), &body, &tag].concat();
        let plain = Cipher::new(&key).open(&aad, &sealed).unwrap();
        assert!(plain.starts_with(b"Ladies and Gentlemen of the class of '99"));
    }

    /// An old epoch opens what it sealed and seals nothing more.
    #[test]
    fn old_epochs_only_open() {
        use crate::format::record;
        use crate::format::slot::{KeyEntry, KeyringRecord};
        let entry = |purpose: Purpose, epoch: u32| KeyEntry {
            purpose: purpose.name().to_owned(),
            epoch,
            key: [purpose.name().as_bytes()[5 % purpose.name().len()] ^ epoch.to_le_bytes()[0]; 32],
        };
        let ring = |keys| {
            let bytes = record::encode(&KeyringRecord { keys }).unwrap();
            Keyring::decode(&bytes, "test").unwrap()
        };
        let (data, nonce) = (Purpose::SealData, Purpose::Nonce);
        let before = ring(vec![entry(data, 0), entry(nonce, 0)]);
        let after = ring(vec![entry(data, 0), entry(data, 1), entry(nonce, 0), entry(nonce, 1)]);
        let old = Salt { epoch: 0, bytes: [1; 32] };
        let new = Salt { epoch: 1, ..old };
        let sealed = Sealer::new(&before, data, old).unwrap().seal(0, b"", b"x").unwrap();
        assert_eq!(Decryptor::new(&after, data, &old).unwrap().open(b"", &sealed).unwrap(), b"x");
        assert!(Decryptor::new(&after, data, &new).unwrap().open(b"", &sealed).is_err());
        assert_eq!(Sealer::new(&after, data, old).err().unwrap().kind(), Kind::Refused);
        assert!(Sealer::new(&after, data, new).is_ok());
    }
}
