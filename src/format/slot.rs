//! Key slots (chapter 3): `keys/<id>`, an open object whose body is this record.

use super::record::Record;
use crate::env::Time;
use crate::id::SlotId;
use serde::{Deserialize, Serialize};

/// A wrapped keyring, and how the secret that unwraps it becomes a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// The slot's own id: the name of the object.
    pub id: SlotId,
    /// How the secret becomes 64 bytes.
    pub kdf: Kdf,
    /// Salt of the derivation.
    #[serde(with = "serde_bytes")]
    pub salt: [u8; 32],
    /// The second 32 of the 64 derived bytes, compared before anything is decrypted.
    #[serde(with = "serde_bytes")]
    pub commitment: [u8; 32],
    /// Nonce, ciphertext and tag of the keyring.
    #[serde(with = "serde_bytes")]
    pub wrapped: Vec<u8>,
    /// A name for people.
    pub label: String,
    /// When the slot was made.
    pub created: Time,
}

impl Record for Slot {
    const KIND: &'static str = "key-slot";
}

/// A key derivation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Kdf {
    /// A passphrase by Argon2id version 0x13.
    Argon2id {
        /// Memory in KiB.
        memory_kib: u32,
        /// Passes.
        passes: u32,
        /// Lanes.
        lanes: u32,
    },
    /// A key file of 32 random bytes by keyed BLAKE3.
    KeyFile,
}

/// The keyring as it stands inside a slot.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyringRecord {
    /// Typed keys.
    pub keys: Vec<KeyEntry>,
}

impl Record for KeyringRecord {
    const KIND: &'static str = "keyring";
}

/// One key of a keyring. Its name of purpose is one of chapter 3's table.
#[derive(
    Clone, PartialEq, Eq, Serialize, Deserialize, zeroize::Zeroize, zeroize::ZeroizeOnDrop,
)]
#[serde(deny_unknown_fields)]
pub struct KeyEntry {
    /// What the key is for.
    pub purpose: String,
    /// Which generation of it; the greatest one seals, all of them open.
    pub epoch: u32,
    /// The key.
    #[serde(with = "serde_bytes")]
    pub key: [u8; 32],
}
