//! The MAC under which the configuration stands in the open (chapter 2).

use super::keyring::{Key, Keyring, Purpose};
use crate::error::{Error, Result};

/// Stands before the record when the MAC is computed.
const DOMAIN: &[u8] = b"icecore 1 config";

/// The MAC of a configuration record, which follows it in the object's body.
pub fn config_mac(keyring: &Keyring, record: &[u8]) -> Result<[u8; 32]> {
    Ok(*mac(&keyring.key(Purpose::Config)?, record).as_bytes())
}

/// The record in the body of a configuration object, its MAC proved under any of the config keys.
///
/// # Errors
/// `Damaged` if the MAC is not one of ours.
pub fn open_config<'a>(keyring: &Keyring, body: &'a [u8], subject: &str) -> Result<&'a [u8]> {
    let (record, found) = body
        .split_last_chunk::<32>()
        .ok_or_else(|| Error::damaged("read", subject, "too short for its MAC"))?;
    keyring.epoch(Purpose::Config)?;
    // Hashes compare in constant time.
    if keyring.keys(Purpose::Config).any(|key| mac(&key, record) == *found) {
        return Ok(record);
    }
    Err(Error::damaged("read", subject, "its MAC does not match: it was not written with this key"))
}

fn mac(key: &Key, record: &[u8]) -> blake3::Hash {
    blake3::Hasher::new_keyed(key).update(DOMAIN).update(record).finalize()
}
