//! Chunks in and out by id: the repository over a backend. The phases are types: an open
//! [`Repository`], an [`Index`] that was loaded, a [`Reader`] over it, a [`Session`] that writes.

mod bases;
mod candidate;
mod closure;
mod generations;
mod index;
mod init;
mod keys;
mod objects;
mod packer;
mod reader;
mod rows;
mod seal;
mod session;
mod snapshots;
mod trailers;
mod uploader;

pub use candidate::{Candidate, Stored};
pub use generations::Generations;
pub use index::{Index, Place};
pub use init::{InitOptions, refuse_occupied};
pub use keys::SlotInfo;
pub use reader::{Plain, Reader};
pub use rows::{BlobSet, Row};
pub use session::{Progress, Session, SessionOptions};
pub use snapshots::{StoredSnapshot, newest_first};
pub use trailers::PackContents;

use crate::backend::{Backend, Handle, Put};
use crate::crypto::{Ids, Keyring, Secret, open_config};
use crate::env::Env;
use crate::error::{Error, Kind, Result};
use crate::format::config::{Config, FEATURES};
use crate::format::{ObjectKind, frame, record};
use std::sync::Arc;

/// An open repository: where it is, what it is, and its keys.
pub struct Repository {
    backend: Arc<dyn Backend>,
    env: Env,
    config: Config,
    keys: Keyring,
    ids: Ids,
}

impl Repository {
    /// Opens the repository with the secret of any of its slots.
    ///
    /// # Errors
    /// `NoRepository`, `WrongKey`, `Damaged`, or `Unsupported` for a newer format.
    pub fn open(backend: Arc<dyn Backend>, env: Env, secret: &Secret) -> Result<Self> {
        let (handle, body) = read_config(&*backend)?;
        let subject = handle.to_string();
        let text = record_of(&body, &subject)?;
        let config: Config = record::decode(text, &subject)?;
        if let Some(unknown) =
            config.features.iter().find(|name| !FEATURES.contains(&name.as_str()))
        {
            return Err(Error::new(Kind::Unsupported, "open", backend.describe())
                .because(format!(
                    "it uses the feature {unknown:?}, which this program does not know"
                ))
                .hint("use a newer icecore"));
        }
        let keys = keys::unlock(&*backend, config.repository, secret)?;
        open_config(&keys, &body, &subject)?;
        let ids = Ids::new(&keys)?;
        Ok(Repository { backend, env, config, keys, ids })
    }

    /// The store beneath.
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    /// Clock and randomness.
    pub fn env(&self) -> &Env {
        &self.env
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Names plaintext.
    pub fn ids(&self) -> &Ids {
        &self.ids
    }

    /// The gear key of this repository's chunker.
    pub fn gear_key(&self) -> Result<zeroize::Zeroizing<[u8; 32]>> {
        let key = self.keys.key(crate::crypto::Purpose::Gear)?;
        Ok(zeroize::Zeroizing::new(*key))
    }

    pub(crate) fn keys(&self) -> &Keyring {
        &self.keys
    }
}

/// Creates an object; that it exists with the same bytes (an answer was lost) is as good.
fn create(backend: &dyn Backend, handle: &Handle, bytes: &[u8]) -> Result<()> {
    match backend.put_new(handle, bytes)? {
        Put::Created => Ok(()),
        Put::Exists if backend.get(handle, None)? == bytes => Ok(()),
        Put::Exists => Err(Error::new(Kind::AlreadyExists, "create", handle)
            .because("something else stands there already")),
    }
}

/// The newest configuration's handle and body, its chain of hashes proved.
fn read_config(backend: &dyn Backend) -> Result<(Handle, Vec<u8>)> {
    let none = || {
        Error::new(Kind::NoRepository, "open", backend.describe())
            .because("there is no repository")
            .hint("create one with `icecore init`, or check the place's name")
    };
    let listed = match backend.list(ObjectKind::Config) {
        Err(error) if error.kind() == Kind::NotFound => return Err(none()),
        listed => listed?,
    };
    let newest =
        listed.iter().filter_map(|object| object.handle.number()).max().ok_or_else(none)?;
    let mut previous: Option<[u8; 32]> = None;
    let (mut first, mut last) = (None, None);
    for number in 0..=newest {
        let handle = Handle::config(number);
        let subject = handle.to_string();
        let bytes = backend.get(&handle, None)?;
        let body = frame::decode_open(&bytes, ObjectKind::Config, &subject)?.to_vec();
        let record: Config = record::decode(record_of(&body, &subject)?, &subject)?;
        let same = first.get_or_insert((record.repository, record.created));
        if record.previous != previous || *same != (record.repository, record.created) {
            return Err(Error::damaged("open", &subject, "it does not follow the one before it"));
        }
        previous = Some(*blake3::hash(&bytes).as_bytes());
        last = Some((handle, body));
    }
    last.ok_or_else(none)
}

/// The record in a configuration's body, its MAC not proved yet: it says which keys to ask for.
fn record_of<'a>(body: &'a [u8], subject: &str) -> Result<&'a [u8]> {
    let split = body.split_last_chunk::<32>();
    split
        .map(|(record, _)| record)
        .ok_or_else(|| Error::damaged("read", subject, "it is too short"))
}
