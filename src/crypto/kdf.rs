//! Secrets of people and machines, and how they become keys (chapter 3).

use super::keyring::Key;
use crate::env::memory_limit;
use crate::error::{Error, Kind, Result};
use crate::format::slot::Kdf;
use crate::limits::{
    KDF_LANES_MAX, KDF_MEMORY_MAX_KIB, KDF_MEMORY_MIN_KIB, KDF_PASSES_MAX, KDF_PASSES_MIN,
    KDF_WORK_MAX,
};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use std::fmt;
use zeroize::{Zeroize, Zeroizing};

/// Stands before the salt when a key file is derived.
const KEY_FILE_DOMAIN: &[u8] = b"icecore 1 key file";

/// What opens a slot.
pub enum Secret {
    /// What a person types: its UTF-8 bytes as they are.
    Passphrase(Zeroizing<String>),
    /// The 32 random bytes of a key file.
    KeyFile(Zeroizing<[u8; 32]>),
}

impl fmt::Debug for Secret {
    /// Which sort, never what.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Secret::Passphrase(_) => "Passphrase(..)",
            Secret::KeyFile(_) => "KeyFile(..)",
        })
    }
}

/// What a guess at a passphrase costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KdfCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes, computed in parallel.
    pub lanes: u32,
}

impl Default for KdfCost {
    /// 64 MiB, 3 passes, 4 lanes: the second choice of RFC 9106, section 4.
    fn default() -> Self {
        KdfCost { memory_kib: 64 << 10, passes: 3, lanes: 4 }
    }
}

impl KdfCost {
    /// Refuses costs that are too weak to use or too great to be honest, before anything is
    /// allocated for them.
    pub fn check(self) -> Result<()> {
        let refuse = |reason: String| {
            Err(Error::new(Kind::Refused, "derive a key with", self).because(reason))
        };
        let KdfCost { memory_kib, passes, lanes } = self;
        if memory_kib < KDF_MEMORY_MIN_KIB || passes < KDF_PASSES_MIN || lanes == 0 {
            return refuse(format!(
                "weaker than {KDF_MEMORY_MIN_KIB} KiB and {KDF_PASSES_MIN} passes"
            ));
        }
        if memory_kib > KDF_MEMORY_MAX_KIB || passes > KDF_PASSES_MAX || lanes > KDF_LANES_MAX {
            return refuse(format!(
                "above {KDF_MEMORY_MAX_KIB} KiB, {KDF_PASSES_MAX} passes or {KDF_LANES_MAX} lanes"
            ));
        }
        if self.work() > KDF_WORK_MAX {
            return refuse(format!("memory times passes is above {KDF_WORK_MAX} KiB"));
        }
        let half = memory_limit() / 1024 / 2;
        if u64::from(memory_kib) > half {
            return refuse(format!("more than the {half} KiB that are half of the memory here"))
                .map_err(|error| error.hint("allow it more memory, or use a key file"));
        }
        Ok(())
    }

    /// How long it takes, in KiB of memory that are passed over.
    pub fn work(self) -> u64 {
        u64::from(self.memory_kib).saturating_mul(u64::from(self.passes))
    }
}

impl fmt::Display for KdfCost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} KiB, {} passes, {} lanes", self.memory_kib, self.passes, self.lanes)
    }
}

/// What a secret becomes under a slot's salt.
pub(super) struct Derived {
    /// Wraps the keyring.
    pub wrap: Key,
    /// Tells the right secret from a wrong one before anything is decrypted.
    pub commitment: Key,
}

/// How long it takes to try a secret on a slot; nothing where it is of another sort.
pub fn work_of(secret: &Secret, kdf: Kdf) -> u64 {
    match (secret, kdf) {
        (Secret::Passphrase(_), Kdf::Argon2id { memory_kib, passes, lanes }) => {
            KdfCost { memory_kib, passes, lanes }.work()
        }
        _ => 0,
    }
}

/// Derives the two keys of a slot.
///
/// # Errors
/// `WrongKey` if the slot takes another sort of secret, `Refused` for a cost out of bounds.
pub(super) fn derive(secret: &Secret, kdf: Kdf, salt: &[u8; 32], subject: &str) -> Result<Derived> {
    let mut output = Zeroizing::new([0_u8; 64]);
    match (secret, kdf) {
        (Secret::Passphrase(phrase), Kdf::Argon2id { memory_kib, passes, lanes }) => {
            let cost = KdfCost { memory_kib, passes, lanes };
            argon2id(phrase.as_bytes(), cost, salt, &mut output)?;
        }
        (Secret::KeyFile(key), Kdf::KeyFile) => {
            let mut hasher = blake3::Hasher::new_keyed(key);
            hasher.update(KEY_FILE_DOMAIN).update(salt);
            hasher.finalize_xof().fill(&mut *output);
        }
        (Secret::Passphrase(_), Kdf::KeyFile) => {
            return Err(Error::new(Kind::WrongKey, "open", subject).because("it takes a key file"));
        }
        (Secret::KeyFile(_), Kdf::Argon2id { .. }) => {
            return Err(
                Error::new(Kind::WrongKey, "open", subject).because("it takes a passphrase")
            );
        }
    }
    let mut derived = Derived { wrap: Key::default(), commitment: Key::default() };
    let (wrap, commitment) = output.split_at(32);
    derived.wrap.copy_from_slice(wrap);
    derived.commitment.copy_from_slice(commitment);
    Ok(derived)
}

fn argon2id(phrase: &[u8], cost: KdfCost, salt: &[u8; 32], output: &mut [u8; 64]) -> Result<()> {
    cost.check()?;
    let failed = |cause: argon2::Error| {
        Error::new(Kind::Failed, "derive a key with", cost).because(cause.to_string())
    };
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(output.len()))
        .map_err(failed)?;
    let mut memory = Vec::new();
    memory.try_reserve_exact(params.block_count()).map_err(|cause| {
        Error::new(Kind::Failed, "get memory for a key derivation of", cost).caused_by(cause)
    })?;
    memory.resize(params.block_count(), Block::new());
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let done = argon2.hash_password_into_with_memory(phrase, salt, output, &mut memory);
    memory.iter_mut().for_each(Zeroize::zeroize);
    done.map_err(failed)
}
