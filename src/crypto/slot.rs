//! Key slots (chapter 3): the keyring, wrapped under a passphrase or a key file.

use super::kdf::{KdfCost, Secret, derive};
use super::keyring::{Key, Keyring};
use super::seal::Cipher;
use crate::env::Env;
use crate::error::{Error, Kind, Result};
use crate::format::slot::{Kdf, Slot};
use crate::format::{ObjectKind, VERSION, frame, record};
use crate::id::{RepoId, SlotId};
use crate::limits::SLOT_LABEL_MAX;
use zeroize::Zeroizing;

/// Bytes of the wrap's associated data, without the label.
pub const WRAP_AAD: usize = 2 + 1 + 1 + RepoId::LEN + SlotId::LEN + 3 * 4 + 32 + 8;
/// Context of the key that derives the nonce of a slot's one seal.
const NONCE_CONTEXT: &str = "icecore 1 slot nonce";

/// A new slot for `secret`, and the object to store as `keys/<id>`. `cost` counts for passphrases.
///
/// # Errors
/// `Refused` for a cost out of bounds, `InvalidInput` for an empty passphrase or a long label.
pub fn wrap(
    keyring: &Keyring,
    secret: &Secret,
    cost: KdfCost,
    label: &str,
    repository: RepoId,
    env: &Env,
) -> Result<(SlotId, Vec<u8>)> {
    wrap_as(SlotId(env.random()?), keyring, secret, cost, label, repository, env)
}

/// The slot that a new repository begins with: their ids are the same, so that the slot alone
/// tells which repository it is of.
pub fn wrap_first(
    keyring: &Keyring,
    secret: &Secret,
    cost: KdfCost,
    label: &str,
    env: &Env,
) -> Result<(SlotId, Vec<u8>)> {
    let id = SlotId(env.random()?);
    wrap_as(id, keyring, secret, cost, label, repository_of_first(id), env)
}

/// The repository that a slot is the first of, if it is the first of any.
pub fn repository_of_first(slot: SlotId) -> RepoId {
    RepoId(slot.0)
}

fn wrap_as(
    id: SlotId,
    keyring: &Keyring,
    secret: &Secret,
    cost: KdfCost,
    label: &str,
    repository: RepoId,
    env: &Env,
) -> Result<(SlotId, Vec<u8>)> {
    check_label(label)?;
    check_secret(secret)?;
    let mut slot = Slot {
        id,
        kdf: kdf_of(secret, cost),
        salt: env.random()?,
        commitment: [0; 32],
        wrapped: Vec::new(),
        label: label.to_owned(),
        created: env.now(),
    };
    let derived = derive(secret, slot.kdf, &slot.salt, "the new key slot")?;
    slot.commitment = *derived.commitment;
    let (keys, aad) = (keyring.encode()?, aad(&slot, repository));
    let nonce_key = nonce_key(&derived.wrap);
    slot.wrapped = Cipher::new(&derived.wrap).seal(&nonce_key, &slot.salt, 0, &aad, &keys)?;
    Ok((slot.id, frame::encode_open(ObjectKind::Key, &record::encode(&slot)?)))
}

/// The keyring in the slot `id`, whose object is `bytes`.
///
/// # Errors
/// `WrongKey` if the secret is not this slot's; `Damaged` if the slot is not what was written;
/// `Refused` if its cost is out of bounds.
pub fn unwrap(bytes: &[u8], id: SlotId, secret: &Secret, repository: RepoId) -> Result<Keyring> {
    let subject = subject(id);
    let slot = read(bytes, id)?;
    let derived = derive(secret, slot.kdf, &slot.salt, &subject)?;
    // Hashes compare in constant time.
    if blake3::Hash::from_bytes(*derived.commitment) != slot.commitment {
        return Err(Error::new(Kind::WrongKey, "open", subject)
            .because("the secret is not the one that it was made for"));
    }
    let keys = Cipher::new(&derived.wrap)
        .open(&aad(&slot, repository), &slot.wrapped)
        .map_err(|error| error.retold("open", &subject))?;
    Keyring::decode(&Zeroizing::new(keys), &subject)
}

/// What a slot says openly. Only [`unwrap`] proves any of it.
///
/// # Errors
/// `Damaged` if the checksum does not match or the slot was written under another name.
pub fn read(bytes: &[u8], id: SlotId) -> Result<Slot> {
    let subject = subject(id);
    let slot: Slot =
        record::decode(frame::decode_open(bytes, ObjectKind::Key, &subject)?, &subject)?;
    if slot.id != id {
        let reason = format!("it was written as {}", slot.id);
        return Err(Error::damaged("read", subject, reason));
    }
    Ok(slot)
}

/// A slot's name in messages.
pub fn subject(id: SlotId) -> String {
    format!("the key slot {id}")
}

/// Refuses a label that no slot takes.
pub fn check_label(label: &str) -> Result<()> {
    if label.len() > SLOT_LABEL_MAX {
        return Err(senseless("the label is too long"));
    }
    Ok(())
}

fn check_secret(secret: &Secret) -> Result<()> {
    match secret {
        Secret::Passphrase(phrase) if phrase.is_empty() => {
            Err(senseless("the passphrase is empty"))
        }
        _ => Ok(()),
    }
}

fn senseless(reason: &str) -> Error {
    Error::new(Kind::InvalidInput, "make", "the key slot").because(reason)
}

fn kdf_of(secret: &Secret, cost: KdfCost) -> Kdf {
    let KdfCost { memory_kib, passes, lanes } = cost;
    match secret {
        Secret::Passphrase(_) => Kdf::Argon2id { memory_kib, passes, lanes },
        Secret::KeyFile(_) => Kdf::KeyFile,
    }
}

/// What the wrap covers besides the keyring: everything else in the slot, and the repository.
fn aad(slot: &Slot, repository: RepoId) -> Vec<u8> {
    let (kdf, costs) = match slot.kdf {
        Kdf::Argon2id { memory_kib, passes, lanes } => (1, [memory_kib, passes, lanes]),
        Kdf::KeyFile => (2, [0; 3]),
    };
    let mut bytes = Vec::with_capacity(WRAP_AAD + slot.label.len());
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&[ObjectKind::Key.number(), kdf]);
    bytes.extend_from_slice(&repository.0);
    bytes.extend_from_slice(&slot.id.0);
    bytes.extend(costs.into_iter().flat_map(u32::to_le_bytes));
    bytes.extend_from_slice(&slot.salt);
    bytes.extend_from_slice(&slot.created.0.to_le_bytes());
    bytes.extend_from_slice(slot.label.as_bytes());
    bytes
}

fn nonce_key(wrap: &Key) -> Key {
    Key::new(blake3::derive_key(NONCE_CONTEXT, &**wrap))
}
