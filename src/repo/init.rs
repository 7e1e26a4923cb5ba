//! Making a repository: a key slot, then the configuration, which is what makes it one.

use super::fetch::Fetcher;
use super::together::each;
use super::{Repository, config, create, keys};
use crate::backend::{Backend, Capabilities, Handle, is_of_probe};
use crate::crypto::{Ids, KdfCost, Keyring, Secret, slot};
use crate::env::Env;
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::config::Config;
use crate::id::SlotId;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What `init` is asked for.
#[derive(Clone, Debug, Default)]
pub struct InitOptions {
    /// Cost of the passphrase's derivation.
    pub cost: KdfCost,
    /// Name of the first key slot.
    pub label: String,
    /// What the store can be trusted with, as it was tried out.
    pub capabilities: Capabilities,
}

impl Repository {
    /// Creates a repository where none is. What an earlier call left that was stopped on the way
    /// is finished, with the secret that was given to it.
    ///
    /// # Errors
    /// `AlreadyExists` if there is a repository, or anything that looks like one; `WrongKey` if
    /// nothing but key slots is there, and the secret opens none of them.
    pub fn init(
        backend: Arc<dyn Backend>,
        env: Env,
        secret: &Secret,
        options: &InitOptions,
    ) -> Result<Self> {
        refuse_occupied(&*backend)?;
        let (slot, keys) = match begun(&*backend, secret)? {
            Some(found) => found,
            None => begin(&*backend, &env, secret, options)?,
        };
        let repository = slot::repository_of_first(slot);
        let config = Config {
            repository,
            created: env.now(),
            previous: None,
            slots: [slot].into(),
            features: BTreeSet::new(),
            single_writer: !options.capabilities.exclusive_create,
            listing_after_write: options.capabilities.list_after_write,
        };
        create(&*backend, &Handle::config(0), &config::encode(&config, &keys)?)?;
        let ids = Ids::new(&keys)?;
        let (fetcher, keys) = (Fetcher::new(Arc::clone(&backend)), Arc::new(keys));
        Ok(Repository { backend, fetcher, env, config, slot, keys, ids, cache: None })
    }
}

/// New keys, and the first slot, which holds them.
fn begin(
    backend: &dyn Backend,
    env: &Env,
    secret: &Secret,
    options: &InitOptions,
) -> Result<(SlotId, Keyring)> {
    let keys = Keyring::generate(env)?;
    let (id, bytes) = slot::wrap_first(&keys, secret, options.cost, &options.label, env)?;
    create(backend, &Handle::key(id), &bytes)?;
    Ok((id, keys))
}

/// The keys that stand in the slot of an `init` that was stopped. They may as well be all that is
/// within reach of a repository, so no other is made beside them: `init` with their secret goes on
/// with the same repository.
fn begun(backend: &dyn Backend, secret: &Secret) -> Result<Option<(SlotId, Keyring)>> {
    let slots = stored(backend)?;
    keys::open_any(backend, &slots, slot::repository_of_first, secret)
        .map_err(|error| error.within(BESIDE, backend.describe()).hint(BEGUN))
}

/// Refuses a store that holds key slots, which a secret that was just made cannot open.
///
/// # Errors
/// `WrongKey` if there are any.
pub fn refuse_begun(backend: &dyn Backend) -> Result<()> {
    if stored(backend)?.is_empty() {
        return Ok(());
    }
    Err(Error::new(Kind::WrongKey, BESIDE, backend.describe()).hint(BEGUN))
}

fn stored(backend: &dyn Backend) -> Result<BTreeSet<SlotId>> {
    let listed = backend.list(ObjectKind::Key)?;
    Ok(listed.iter().filter_map(|object| object.handle.slot_id()).collect())
}

const BESIDE: &str = "create a repository beside the key slots in";
const BEGUN: &str = "an `init` that was stopped left them, or all else is out of reach: give the \
                     password (`--password-file`) or key file (`--key-file`) that they were made \
                     with, or name an empty place";

/// Refuses a store that holds a repository, or anything that looks like one. Key slots alone, and
/// what trying out a store leaves, are no repository yet.
pub fn refuse_occupied(backend: &dyn Backend) -> Result<()> {
    let kinds = ObjectKind::ALL.into_iter().filter(|kind| *kind != ObjectKind::Key);
    let kinds: Vec<ObjectKind> = kinds.collect();
    for (kind, listed) in kinds.iter().zip(each(backend, &kinds, |kind| backend.list(kind))) {
        for object in listed? {
            if is_of_probe(backend, &object)? {
                continue;
            }
            let place = backend.describe();
            return Err(Error::new(Kind::AlreadyExists, "create a repository in", place)
                .because(format!("its folder `{}` is not empty", kind.folder()))
                .hint("name an empty place, or use the repository that is there"));
        }
    }
    Ok(())
}
