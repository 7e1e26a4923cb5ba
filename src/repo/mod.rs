//! Chunks in and out by id: the repository over a backend. The phases are types: an open
//! [`Repository`], an [`Index`] that was loaded, a [`Reader`] over it, a [`Session`] that writes.

mod at_work;
mod bases;
mod batch;
mod cache;
mod catalog;
mod closure;
mod collection;
mod config;
mod damage;
mod dedup;
mod fetch;
mod gather;
mod generations;
mod holds;
mod index;
mod init;
mod inventory;
mod keys;
mod ledger;
mod load;
mod location;
mod marks;
mod movement;
mod new_blob;
mod notes;
mod objects;
mod pack;
mod pack_writer;
mod quarantine;
mod ranges;
mod read_cache;
mod reader;
mod runs;
mod scan;
mod seal;
mod segments;
mod session;
mod snapshot;
mod snapshots;
mod standing;
mod table;
mod tags;
mod together;
mod trailers;
mod uploads;
mod writer;
mod writers;

pub use at_work::WriterAtWork;
pub use batch::Batch;
pub use cache::{KeptCache, clear_cache, kept_caches};
pub use catalog::Snapshots;
#[cfg(feature = "testing")]
pub use collection::Replacement;
pub use config::unproved_config;
pub use damage::NotedDamage;
pub use generations::Generations;
pub use holds::{Hold, Holds, NewHold};
pub use index::{Index, place_of};
pub use init::{InitOptions, refuse_begun, refuse_occupied};
pub use keys::SlotInfo;
#[cfg(feature = "testing")]
pub use ledger::Reading;
pub use ledger::{Ledger, LedgerEntry};
pub use location::BlobLocation;
pub use movement::Upon;
pub use new_blob::{NewBlob, Stored};
pub use notes::Notes;
pub use pack_writer::PackWriter;
pub use quarantine::Moved;
pub use read_cache::{Plain, ReadCache};
pub use reader::Reader;
pub use scan::{BlobSet, EntryRef};
#[cfg(feature = "testing")]
pub use seal::SealedBlob;
pub use session::{Session, SessionOptions};
pub use snapshot::{SnapshotKey, StoredSnapshot};
#[cfg(feature = "testing")]
pub use snapshots::StoredOutcome;
pub use snapshots::VisitOutcome;
pub use trailers::{PackContents, ReadPack, WantedPack};
pub use writer::{Writer, WriterOptions};

use crate::backend::{Backend, Bytes, Handle, PackCache, Put, Spool};
use crate::crypto::{CacheKeys, Ids, Keyring, Secret};
use crate::env::Env;
use crate::error::{Error, Kind, Result};
use crate::format::config::Config;
use crate::id::SlotId;
use crate::limits::{PACKS_KEPT, PACKS_SPOOLED};
use cache::LocalCache;
use fetch::Fetcher;
use std::path::Path;
use std::sync::Arc;

/// An open repository: where it is, what it is, and its keys.
pub struct Repository {
    backend: Arc<dyn Backend>,
    fetcher: Fetcher,
    env: Env,
    config: Config,
    slot: SlotId,
    keys: Arc<Keyring>,
    ids: Ids,
    /// What was read before, on this machine.
    cache: Option<Arc<LocalCache>>,
}

impl Repository {
    /// Opens the repository with the secret of any of its slots.
    ///
    /// # Errors
    /// `NoRepository`, `WrongKey`, `Damaged`, or `Unsupported` for a newer format.
    pub fn open(backend: Arc<dyn Backend>, env: Env, secret: &Secret) -> Result<Self> {
        let unlocked = keys::unlock(&*backend, secret)?;
        let ids = Ids::new(&unlocked.keys)?;
        let keys::Unlocked { newest, slot, keys } = unlocked;
        let (fetcher, keys) = (Fetcher::new(Arc::clone(&backend)), Arc::new(keys));
        let config = newest.config;
        Ok(Repository { backend, fetcher, env, config, slot, keys, ids, cache: None })
    }

    /// Keeps what is read of the index, and small records, in a folder of its own beneath `folder`. The
    /// store stays what counts: anything wrong with the cache costs speed alone.
    pub fn with_cache(mut self, folder: &Path) -> Self {
        // A slot that grants no cache does without.
        let keys = CacheKeys::new(&self.keys).ok();
        let of_keys =
            |keys| LocalCache::new(folder, self.config.repository, keys, self.env.clone());
        self.cache = keys.map(of_keys).map(Arc::new);
        self
    }

    /// Packs can be held back in `folder`, by what is handed out.
    pub fn spooling(mut self, folder: &Path) -> (Self, Arc<Spool<Arc<dyn Backend>>>) {
        let spool = Arc::new(Spool::new(Arc::clone(&self.backend), folder, PACKS_SPOOLED));
        self.backend = spool.clone();
        self.fetcher = Fetcher::new(Arc::clone(&self.backend));
        (self, spool)
    }

    /// Reads packs from the cache, and keeps in it those that are written, where the store is far away.
    /// Not for checks, restores or deletions: it says nothing about what the store has.
    pub fn keeping_packs(mut self) -> Self {
        let far = self.backend.capabilities().far;
        let cache = self.cache.as_ref().filter(|_| far);
        if let Some(folder) = cache.and_then(|cache| cache.packs()) {
            let kept = PackCache::new(Arc::clone(&self.backend), &folder, PACKS_KEPT);
            self.backend = Arc::new(kept);
            self.fetcher = Fetcher::new(Arc::clone(&self.backend));
        }
        self
    }

    /// The store beneath.
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    /// Clock and randomness.
    pub fn env(&self) -> &Env {
        &self.env
    }

    /// The configuration, as it was when the repository was opened.
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

    /// All objects of the repository are read by it.
    pub(crate) fn fetcher(&self) -> &Fetcher {
        &self.fetcher
    }

    fn cache(&self) -> Option<&Arc<LocalCache>> {
        self.cache.as_ref()
    }

    pub(crate) fn keys(&self) -> &Keyring {
        &self.keys
    }
}

/// Creates an object; false if other bytes stand under its name. That the same ones do (an answer
/// was lost) is as good.
fn put_same(backend: &dyn Backend, handle: &Handle, bytes: Bytes) -> Result<bool> {
    match backend.put_shared(handle, bytes.clone())? {
        Put::Created => Ok(true),
        Put::Exists => Ok(backend.get(handle, None)? == bytes),
    }
}

/// Creates an object all of whose bytes are its own.
fn create(backend: &dyn Backend, handle: &Handle, bytes: &[u8]) -> Result<()> {
    match put_same(backend, handle, Bytes::copy_from_slice(bytes))? {
        true => Ok(()),
        false => Err(Error::new(Kind::AlreadyExists, "create", handle)
            .because("something else stands there already")),
    }
}
