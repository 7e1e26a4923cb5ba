//! The keyring: one independent random key for each purpose and epoch (chapter 3).

use crate::env::Env;
use crate::error::{Error, Kind, Result};
use crate::format::record;
use crate::format::slot::{KeyEntry, KeyringRecord};
use crate::limits::KEYRING_KEYS_MAX;
use std::fmt;
use zeroize::Zeroizing;

/// A key; wiped when dropped.
pub type Key = Zeroizing<[u8; 32]>;

/// What a key is for. No key serves two purposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Ids of content.
    DataId,
    /// Ids of chunk lists and directories.
    MetaId,
    /// The table that cuts chunks.
    Gear,
    /// Seals packs of content.
    SealData,
    /// Seals packs of chunk lists and directories.
    SealMeta,
    /// Seals index segments.
    SealIndex,
    /// Seals snapshots, notes on them and marks that give them up.
    SealSnapshot,
    /// Seals condemnations and verdicts.
    SealGc,
    /// Seals registrations and heartbeats.
    SealWriter,
    /// Seals the log between snapshots.
    SealLog,
    /// Hides the names of log objects.
    LogName,
    /// Derives nonces.
    Nonce,
    /// Seals the local cache.
    Cache,
    /// Authenticates the configuration.
    Config,
}

impl Purpose {
    /// Every purpose; a new keyring holds a key for each.
    pub const ALL: [Purpose; 14] = [
        Purpose::DataId,
        Purpose::MetaId,
        Purpose::Gear,
        Purpose::SealData,
        Purpose::SealMeta,
        Purpose::SealIndex,
        Purpose::SealSnapshot,
        Purpose::SealGc,
        Purpose::SealWriter,
        Purpose::SealLog,
        Purpose::LogName,
        Purpose::Nonce,
        Purpose::Cache,
        Purpose::Config,
    ];

    /// The name that stands in the keyring.
    pub fn name(self) -> &'static str {
        match self {
            Purpose::DataId => "data-id",
            Purpose::MetaId => "meta-id",
            Purpose::Gear => "gear",
            Purpose::SealData => "seal-data",
            Purpose::SealMeta => "seal-meta",
            Purpose::SealIndex => "seal-index",
            Purpose::SealSnapshot => "seal-snapshot",
            Purpose::SealGc => "seal-gc",
            Purpose::SealWriter => "seal-writer",
            Purpose::SealLog => "seal-log",
            Purpose::LogName => "log-name",
            Purpose::Nonce => "nonce",
            Purpose::Cache => "cache",
            Purpose::Config => "config",
        }
    }

    /// Whether there is one key for good: other ids or cuts would make known content unknown.
    fn is_fixed(self) -> bool {
        matches!(self, Purpose::DataId | Purpose::MetaId | Purpose::Gear)
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.name() == name)
    }
}

/// The keys of a repository, or those of them that a slot grants. Wiped when dropped.
pub struct Keyring {
    entries: Vec<Entry>,
}

struct Entry {
    purpose: Purpose,
    epoch: u32,
    key: Box<Key>,
}

impl Keyring {
    /// A new keyring: a random key of epoch 0 for each purpose.
    pub fn generate(env: &Env) -> Result<Self> {
        let mut entries = Vec::with_capacity(Purpose::ALL.len());
        for purpose in Purpose::ALL {
            entries.push(Entry { purpose, epoch: 0, key: Box::new(Key::new(env.random()?)) });
        }
        Ok(Keyring { entries })
    }

    /// The newest key of a purpose, which is the one that seals.
    ///
    /// # Errors
    /// `Denied` if the slot that was opened does not grant this purpose.
    pub fn key(&self, purpose: Purpose) -> Result<Key> {
        self.newest(purpose).map(|entry| (*entry.key).clone())
    }

    /// The epoch of the newest key of a purpose. Errors as [`Keyring::key`].
    pub fn epoch(&self, purpose: Purpose) -> Result<u32> {
        self.newest(purpose).map(|entry| entry.epoch)
    }

    /// The key of a purpose and an epoch.
    ///
    /// # Errors
    /// `Denied` if the slot does not grant the purpose, `Damaged` if it does, but has no such epoch.
    pub fn key_at(&self, purpose: Purpose, epoch: u32) -> Result<Key> {
        let newest = self.epoch(purpose)?;
        self.entries
            .iter()
            .find(|entry| entry.purpose == purpose && entry.epoch == epoch)
            .map(|entry| (*entry.key).clone())
            .ok_or_else(|| {
                Error::damaged(
                    "find the key",
                    format!("{} of epoch {epoch}", purpose.name()),
                    format!("the keyring ends at epoch {newest}"),
                )
            })
    }

    /// Every key of a purpose, the newest first.
    pub(super) fn keys(&self, purpose: Purpose) -> impl Iterator<Item = Key> {
        let mut entries: Vec<&Entry> =
            self.entries.iter().filter(|entry| entry.purpose == purpose).collect();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.epoch));
        entries.into_iter().map(|entry| (*entry.key).clone())
    }

    /// The keyring's record, as it is wrapped in slots.
    pub(super) fn encode(&self) -> Result<Zeroizing<Vec<u8>>> {
        let entry = |entry: &Entry| KeyEntry {
            purpose: entry.purpose.name().to_owned(),
            epoch: entry.epoch,
            key: **entry.key,
        };
        let keys = self.entries.iter().map(entry).collect();
        record::encode(&KeyringRecord { keys }).map(Zeroizing::new)
    }

    /// The keyring in a slot that has been unwrapped.
    ///
    /// # Errors
    /// `Unsupported` for a purpose that this program does not know, `Damaged` for keys given twice
    /// and for a second epoch of a purpose that has only one.
    pub fn decode(bytes: &[u8], subject: &str) -> Result<Self> {
        let record: KeyringRecord = record::decode(bytes, subject)?;
        if record.keys.len() > KEYRING_KEYS_MAX {
            return Err(Error::damaged("open", subject, "more keys than a keyring may hold"));
        }
        let mut entries: Vec<Entry> = Vec::with_capacity(record.keys.len());
        for key in &record.keys {
            let purpose = Purpose::from_name(&key.purpose).ok_or_else(|| {
                Error::new(Kind::Unsupported, "open", subject)
                    .because(format!("it holds a key of unknown purpose {:?}", key.purpose))
                    .hint("a newer icecore may have written it: use that version")
            })?;
            let twice = |entry: &Entry| {
                entry.purpose == purpose && (entry.epoch == key.epoch || purpose.is_fixed())
            };
            if entries.iter().any(twice) {
                return Err(Error::damaged("open", subject, "a key stands in it twice"));
            }
            let epoch = key.epoch;
            entries.push(Entry { purpose, epoch, key: Box::new(Key::new(key.key)) });
        }
        Ok(Keyring { entries })
    }

    fn newest(&self, purpose: Purpose) -> Result<&Entry> {
        self.entries
            .iter()
            .filter(|entry| entry.purpose == purpose)
            .max_by_key(|entry| entry.epoch)
            .ok_or_else(|| {
                Error::new(Kind::Denied, "use the key", purpose.name())
                    .because("the secret that was given does not grant it")
                    .hint("open the repository with a secret whose key slot does")
            })
    }
}

impl fmt::Debug for Keyring {
    /// How many keys, never which.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} keys)", self.entries.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(keys: &[(&str, u32)]) -> Vec<u8> {
        let entry = |(at, (purpose, epoch)): (usize, &(&str, u32))| KeyEntry {
            purpose: (*purpose).to_owned(),
            epoch: *epoch,
            key: [u8::try_from(at % 256).unwrap(); 32],
        };
        record::encode(&KeyringRecord { keys: keys.iter().enumerate().map(entry).collect() })
            .unwrap()
    }

    /// The newest epoch seals whatever the order of the entries; older ones still open; what a
    /// slot does not grant is denied.
    #[test]
    fn epochs_and_grants() {
        let ring = ring(&[("gear", 0), ("seal-data", 2), ("seal-data", 7), ("seal-data", 3)]);
        let keyring = Keyring::decode(&ring, "test").unwrap();
        assert_eq!(keyring.epoch(Purpose::SealData).unwrap(), 7);
        assert_eq!(*keyring.key(Purpose::SealData).unwrap(), [2; 32]);
        assert_eq!(*keyring.key_at(Purpose::SealData, 3).unwrap(), [3; 32]);
        let keys: Vec<u8> = keyring.keys(Purpose::SealData).map(|key| key[0]).collect();
        assert_eq!(keys, [2, 3, 1]);
        let missing = keyring.key_at(Purpose::SealData, 1).err().unwrap();
        assert_eq!(missing.kind(), Kind::Damaged);
        for denied in [keyring.key(Purpose::Nonce), keyring.key_at(Purpose::Nonce, 0)] {
            assert_eq!(denied.err().unwrap().kind(), Kind::Denied);
        }
    }

    /// A keyring comes back from its record as it was.
    #[test]
    fn record_and_keyring_agree() {
        let ring = ring(&[("gear", 0), ("seal-data", 2), ("nonce", 1)]);
        let again = Keyring::decode(&ring, "test").unwrap().encode().unwrap();
        assert_eq!(*again, ring);
    }

    /// Unknown purposes mean a newer program; keys given twice and endless rings are damage.
    #[test]
    fn strange_keyrings_are_refused() {
        let kind =
            |keys: &[(&str, u32)]| Keyring::decode(&ring(keys), "test").err().unwrap().kind();
        assert_eq!(kind(&[("gear", 0), ("seal-future", 0)]), Kind::Unsupported);
        assert_eq!(kind(&[("cache", 0), ("cache", 0)]), Kind::Damaged);
        assert_eq!(kind(&[("gear", 0), ("gear", 1)]), Kind::Damaged);
        let keys: Vec<_> = (0..=1024).map(|epoch| ("cache", epoch)).collect();
        let endless = ring(&keys);
        assert_eq!(Keyring::decode(&endless, "test").err().unwrap().kind(), Kind::Damaged);
    }
}
