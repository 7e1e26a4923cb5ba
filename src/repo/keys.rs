//! Key slots: several secrets, each of which opens the repository.

use super::Repository;
use crate::backend::{Backend, Handle};
use crate::crypto::{KdfCost, Keyring, Secret, slot};
use crate::env::Time;
use crate::error::{Error, Kind, Result};
use crate::format::slot::{Kdf, Slot};
use crate::format::{ObjectKind, frame, record};
use crate::id::{RepoId, SlotId};

/// What a slot tells without its secret.
#[derive(Clone, Debug)]
pub struct SlotInfo {
    /// The slot.
    pub id: SlotId,
    /// Its name for people.
    pub label: String,
    /// How its secret becomes a key.
    pub kdf: Kdf,
    /// When it was made.
    pub created: Time,
}

/// The keyring, from whichever slot the secret opens.
pub(super) fn unlock(
    backend: &dyn Backend,
    repository: RepoId,
    secret: &Secret,
) -> Result<Keyring> {
    let mut damaged = None;
    let mut handles: Vec<_> =
        backend.list(ObjectKind::Key)?.into_iter().map(|object| object.handle).collect();
    handles.sort();
    for handle in &handles {
        let Some(id) = handle.slot_id() else { continue };
        match backend
            .get(handle, None)
            .and_then(|bytes| slot::unwrap(&bytes, id, secret, repository))
        {
            Ok(keys) => return Ok(keys),
            Err(error) if error.kind() == Kind::WrongKey => {}
            Err(error) => damaged = Some(error),
        }
    }
    if handles.is_empty() {
        return Err(Error::damaged("open", backend.describe(), "it has no key slot")
            .hint("restore the folder `keys` from a copy; without it nothing can be read"));
    }
    let damaged = damaged.map(|error| {
        error.hint("use the secret of another slot, or restore this one from a copy of `keys`")
    });
    Err(damaged.unwrap_or_else(|| {
        Error::new(Kind::WrongKey, "open", backend.describe())
            .because("the password or key file opens none of its key slots")
    }))
}

impl Repository {
    /// All slots, oldest first.
    pub fn slots(&self) -> Result<Vec<SlotInfo>> {
        let mut slots = Vec::new();
        for object in self.backend().list(ObjectKind::Key)? {
            let subject = object.handle.to_string();
            let bytes = self.backend().get(&object.handle, None)?;
            let body = frame::decode_open(&bytes, ObjectKind::Key, &subject)?;
            let slot: Slot = record::decode(body, &subject)?;
            slots.push(SlotInfo {
                id: slot.id,
                label: slot.label,
                kdf: slot.kdf,
                created: slot.created,
            });
        }
        slots.sort_by_key(|slot| (slot.created, slot.id));
        Ok(slots)
    }

    /// Adds a slot for another secret.
    pub fn add_slot(&self, secret: &Secret, cost: KdfCost, label: &str) -> Result<SlotId> {
        let (id, bytes) =
            slot::wrap(self.keys(), secret, cost, label, self.config().repository, self.env())?;
        super::create(&**self.backend(), &Handle::key(id), &bytes)?;
        Ok(id)
    }

    /// The slot that `secret` opens.
    pub fn slot_of(&self, secret: &Secret) -> Result<SlotId> {
        for object in self.backend().list(ObjectKind::Key)? {
            let Some(id) = object.handle.slot_id() else { continue };
            let bytes = self.backend().get(&object.handle, None)?;
            if slot::unwrap(&bytes, id, secret, self.config().repository).is_ok() {
                return Ok(id);
            }
        }
        Err(Error::new(Kind::WrongKey, "find a key slot in", self.backend().describe()))
    }

    /// Removes a slot; never the last one that still opens.
    pub fn remove_slot(&self, id: SlotId) -> Result<()> {
        let slots = self.slots()?;
        if !slots.iter().any(|slot| slot.id == id) {
            return Err(Error::new(Kind::NotFound, "remove the key slot", id)
                .hint("`icecore key list` shows the slots"));
        }
        if slots.len() == 1 {
            return Err(Error::new(Kind::Refused, "remove the key slot", id)
                .because("it is the last one: nobody could open the repository again")
                .hint("add another key first"));
        }
        self.backend().delete(&Handle::key(id))
    }
}
