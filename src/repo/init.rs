//! Making a repository: a key slot, then the configuration, which is what makes it one.

use super::{Repository, create};
use crate::backend::{Backend, Handle, is_of_probe};
use crate::crypto::{Ids, KdfCost, Keyring, Secret, config_mac, slot};
use crate::env::Env;
use crate::error::{Error, Kind, Result};
use crate::format::config::Config;
use crate::format::{ObjectKind, frame, record};
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
    /// Whether the store cannot create exclusively, so that one writer at a time is all it bears.
    pub single_writer: bool,
}

impl Repository {
    /// Creates a repository where none is. What an earlier call left that was stopped on the way
    /// is finished, by whoever has the secret that was given to it.
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
            single_writer: options.single_writer,
        };
        let mut body = record::encode(&config)?;
        let mac = config_mac(&keys, &body)?;
        body.extend_from_slice(&mac);
        create(&*backend, &Handle::config(0), &frame::encode_open(ObjectKind::Config, &body))?;
        let ids = Ids::new(&keys)?;
        Ok(Repository { backend, env, config, keys, ids })
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
/// within reach of a repository, so nobody makes another beside them: whoever opens them goes on
/// with the same repository.
fn begun(backend: &dyn Backend, secret: &Secret) -> Result<Option<(SlotId, Keyring)>> {
    let slots: Vec<SlotId> = backend
        .list(ObjectKind::Key)?
        .iter()
        .filter_map(|object| object.handle.slot_id())
        .collect();
    let mut trouble = None;
    for id in slots {
        let repository = slot::repository_of_first(id);
        let opened = backend
            .get(&Handle::key(id), None)
            .and_then(|bytes| slot::unwrap(&bytes, id, secret, repository));
        match opened {
            Ok(keys) => return Ok(Some((id, keys))),
            Err(error) if error.kind() == Kind::WrongKey => trouble = Some(error),
            Err(error) => trouble = trouble.or(Some(error)),
        }
    }
    let Some(error) = trouble else { return Ok(None) };
    Err(error.within("create a repository beside the key slots in", backend.describe()).hint(
        "an `init` that was stopped left them, or all else is out of reach: give the password or \
         key file that they were made with, or name an empty place",
    ))
}

/// Refuses a store that holds a repository, or anything that looks like one. Key slots alone, and
/// what trying out a store leaves, are no repository yet.
pub fn refuse_occupied(backend: &dyn Backend) -> Result<()> {
    for kind in ObjectKind::ALL.into_iter().filter(|kind| *kind != ObjectKind::Key) {
        for object in backend.list(kind)? {
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
