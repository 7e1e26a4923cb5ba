//! The configuration (chapter 2): a chain of objects, each of which names the one before. The
//! greatest is in force, and to change it is to win the next number.

use super::Repository;
use super::together::{both, each};
use crate::backend::{Backend, Handle};
use crate::crypto::{Keyring, config_mac, open_config};
use crate::error::{Error, Kind, Result};
use crate::format::config::{Config, FEATURES};
use crate::format::{ObjectKind, frame, record};
use crate::id::SlotId;
use std::collections::BTreeSet;

/// Configurations that are asked for together.
const TOGETHER: usize = 8;

/// The configuration in force. Nothing that it says is proved before [`Newest::prove`].
pub(super) struct Newest {
    pub(super) config: Config,
    number: u64,
    hash: [u8; 32],
    body: Vec<u8>,
}

impl Newest {
    /// Proves the MAC, and with it, by their hashes, all configurations before.
    pub(super) fn prove(&self, keys: &Keyring) -> Result<()> {
        open_config(keys, &self.body, &Handle::config(self.number).to_string()).map(drop)
    }

    /// Whether a later one is in force than `earlier`.
    pub(super) fn follows(&self, earlier: &Newest) -> bool {
        self.number > earlier.number
    }
}

/// The object of a configuration.
pub(super) fn encode(config: &Config, keys: &Keyring) -> Result<Vec<u8>> {
    let mut body = record::encode(config)?;
    let mac = config_mac(keys, &body)?;
    body.extend_from_slice(&mac);
    Ok(frame::encode_open(ObjectKind::Config, &body))
}

/// The newest configuration, its chain of hashes followed from the first.
///
/// # Errors
/// `NoRepository` if there is none; `Unsupported` if it asks for what this program does not know.
pub(super) fn newest(backend: &dyn Backend) -> Result<Newest> {
    let none = || {
        Error::new(Kind::NoRepository, "open", backend.describe())
            .because("there is no repository")
            .hint("is its disk mounted, and the name right? `icecore init` makes a new one")
    };
    let get = |number| backend.get(&Handle::config(number), None);
    // The first need not be listed before it is read.
    let (listed, first) = both(backend, || Ok(backend.list(ObjectKind::Config)), || Ok(get(0)))?;
    let listed = match listed {
        Err(error) if error.kind() == Kind::NotFound => return Err(none()),
        listed => listed?,
    };
    let last = listed.iter().filter_map(|object| object.handle.number()).max();
    let Some(last) = last else { return Err(bare(backend).unwrap_or_else(none)) };
    let mut newest = follow(0, first, None)?;
    let mut next = 1;
    // A forged number must not cost more than what is stored.
    while next <= last {
        let part: Vec<u64> = (next..=last).take(TOGETHER).collect();
        for (number, bytes) in (next..).zip(each(backend, &part, get)) {
            newest = follow(number, bytes, Some(&newest))?;
        }
        next = next.saturating_add(TOGETHER as u64);
    }
    refuse_unknown_features(backend, &newest.config)?;
    Ok(newest)
}

/// The configuration in force in a store, of which nothing is proved: for users without a key.
///
/// # Errors
/// As [`Repository::open`].
pub fn unproved_config(backend: &dyn Backend) -> Result<Config> {
    newest(backend).map(|newest| newest.config)
}

/// Key slots without any configuration: an `init` that was stopped, or a repository that lost it.
fn bare(backend: &dyn Backend) -> Option<Error> {
    let keys = backend.list(ObjectKind::Key).ok()?;
    (!keys.is_empty()).then(|| {
        Error::new(Kind::NoRepository, "open", backend.describe())
            .because("there are key slots, but no configuration")
            .hint(
                "if an `init` was stopped here, run it again with the same password; \
                 otherwise bring the folder `config` back from a copy of the repository",
            )
    })
}

/// Takes a configuration that was read, which must follow the one before it.
fn follow(number: u64, bytes: Result<Vec<u8>>, before: Option<&Newest>) -> Result<Newest> {
    let subject = Handle::config(number).to_string();
    let bytes = bytes.map_err(|error| match error.kind() {
        Kind::NotFound => Error::damaged("open", &subject, "it is missing").caused_by(error),
        _ => error,
    })?;
    let body = frame::decode_open(&bytes, ObjectKind::Config, &subject)?.to_vec();
    let (text, _) = body
        .split_last_chunk::<32>()
        .ok_or_else(|| Error::damaged("read", &subject, "it is too short"))?;
    let config: Config = record::decode(text, &subject)?;
    let same = |before: &Newest| {
        before.config.repository == config.repository && before.config.created == config.created
    };
    if config.previous != before.map(|before| before.hash) || !before.is_none_or(same) {
        return Err(Error::damaged("open", &subject, "it does not follow the one before it"));
    }
    Ok(Newest { config, number, hash: *blake3::hash(&bytes).as_bytes(), body })
}

fn refuse_unknown_features(backend: &dyn Backend, config: &Config) -> Result<()> {
    let known = |name: &&String| FEATURES.contains(&name.as_str());
    match config.features.iter().find(|name| !known(name)) {
        None => Ok(()),
        Some(unknown) => Err(Error::new(Kind::Unsupported, "open", backend.describe())
            .because(format!("it uses the feature {unknown:?}, which this program does not know"))
            .hint("use a newer icecore")),
    }
}

impl Repository {
    /// The configuration in force now, proved: since this repository was opened it may have changed.
    pub(super) fn newest_config(&self) -> Result<Newest> {
        let newest = newest(&**self.backend())?;
        newest.prove(self.keys())?;
        Ok(newest)
    }

    /// Lets these slots count from now on; false if another process has followed `base` already.
    pub(super) fn put_slots(&self, base: &Newest, slots: BTreeSet<SlotId>) -> Result<bool> {
        let config = Config { previous: Some(base.hash), slots, ..base.config.clone() };
        let bytes = encode(&config, self.keys())?;
        let handle = Handle::config(base.number.saturating_add(1));
        self.put_exclusive(&handle, &bytes)
    }
}
