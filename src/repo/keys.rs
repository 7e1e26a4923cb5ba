//! Key slots (chapter 3): several secrets, each of which opens the repository. Those count that
//! the configuration in force lists; a slot that is not there, or not readable, blocks nobody.

use super::Repository;
use super::config::{self, Newest};
use super::together::each;
use crate::backend::{Backend, Handle};
use crate::crypto::{KdfCost, Keyring, Secret, slot, work_of};
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::slot::Slot;
use crate::id::{RepoId, SlotId};
use crate::limits::{KDF_TRIES_MAX, KEY_SLOTS_MAX};
use std::collections::BTreeSet;

/// How often a change is tried that others were faster with.
const TRIES: usize = 64;
/// How often a repository is read again whose slots changed while it was being opened.
const REREADS: usize = 4;

/// A slot, as far as it can be known without its secret.
#[derive(Debug)]
pub struct SlotInfo {
    /// The slot.
    pub id: SlotId,
    /// Whether the configuration lists it: any other opens nothing.
    pub counts: bool,
    /// What it says of itself, or why that cannot be read.
    pub slot: Result<Slot>,
}

/// What opened a repository.
pub(super) struct Unlocked {
    pub(super) newest: Newest,
    pub(super) slot: SlotId,
    pub(super) keys: Keyring,
}

/// Opens with the secret of any slot that counts.
pub(super) fn unlock(backend: &dyn Backend, secret: &Secret) -> Result<Unlocked> {
    let mut newest = config::newest(backend)?;
    for _ in 0..REREADS {
        let repository = newest.config.repository;
        match open_any(backend, &newest.config.slots, |_| repository, secret) {
            Ok(Some((slot, keys))) => {
                newest.prove(&keys)?;
                return Ok(Unlocked { newest, slot, keys });
            }
            Ok(None) => {
                return Err(Error::damaged("open", backend.describe(), "it lists no key slot"));
            }
            Err(error) => {
                // A slot may have taken another's place meanwhile.
                let again = config::newest(backend)?;
                if !again.follows(&newest) {
                    return Err(error);
                }
                newest = again;
            }
        }
    }
    Err(contended("open", backend))
}

/// The slot that the secret opens, and the keyring in it; none if there is no slot. The cheapest
/// are tried first, so that a costly one keeps nobody waiting whose slot is another.
pub(super) fn open_any(
    backend: &dyn Backend,
    slots: &BTreeSet<SlotId>,
    repository_of: impl Fn(SlotId) -> RepoId,
    secret: &Secret,
) -> Result<Option<(SlotId, Keyring)>> {
    if slots.len() > KEY_SLOTS_MAX {
        let reason = format!("{} key slots are more than {KEY_SLOTS_MAX}", slots.len());
        return Err(Error::new(Kind::Refused, "open", backend.describe()).because(reason));
    }
    let mut trouble = None;
    let mut found = Vec::new();
    let ids: Vec<SlotId> = slots.iter().copied().collect();
    let read = each(backend, &ids, |id| backend.get(&Handle::key(id), None));
    for (id, read) in ids.into_iter().zip(read) {
        match read.and_then(|bytes| Ok((slot::read(&bytes, id)?.kdf, bytes))) {
            Ok((kdf, bytes)) => found.push((work_of(secret, kdf), id, bytes)),
            Err(error) if error.kind() == Kind::NotFound => {
                let missing = Error::damaged("open", slot::subject(id), "it is missing");
                trouble = trouble.or(Some(missing));
            }
            Err(error) => trouble = trouble.or(Some(error)),
        }
    }
    found.sort();
    let mut left = KDF_TRIES_MAX;
    for (work, id, bytes) in found {
        let tried = left.checked_sub(work).ok_or_else(|| too_dear(id)).and_then(|rest| {
            left = rest;
            slot::unwrap(&bytes, id, secret, repository_of(id))
        });
        match tried {
            Ok(keys) => return Ok(Some((id, keys))),
            Err(error) if error.kind() == Kind::WrongKey => {}
            Err(error) => trouble = trouble.or(Some(error)),
        }
    }
    match trouble {
        _ if slots.is_empty() => Ok(None),
        Some(error) if error.hint_text().is_some() => Err(error),
        Some(error) => {
            Err(error
                .hint("use the secret of another slot, or restore this one from a copy of `keys`"))
        }
        None => Err(Error::new(Kind::WrongKey, "open", backend.describe())
            .because("the password or key file opens none of its key slots")),
    }
}

fn too_dear(id: SlotId) -> Error {
    Error::new(Kind::Refused, "try the key slot", id)
        .because("its derivation, after all cheaper ones, would take too long")
}

fn contended(attempted: &str, backend: &dyn Backend) -> Error {
    Error::new(Kind::Locked, attempted, backend.describe())
        .because("others changed its key slots again and again meanwhile")
        .hint("try again")
}

impl Repository {
    /// The slot that opened it.
    pub fn slot(&self) -> SlotId {
        self.slot
    }

    /// The slot that a secret opens, if one that counts and can be read is known to.
    pub fn slot_of(&self, secret: &Secret) -> Option<SlotId> {
        let (slots, repository) =
            (self.newest_config().ok()?.config.slots, self.config().repository);
        let opened = open_any(&**self.backend(), &slots, |_| repository, secret);
        opened.ok().flatten().map(|(id, _)| id)
    }

    /// All slots, oldest first: those that count, and other objects beside them.
    pub fn slots(&self) -> Result<Vec<SlotInfo>> {
        let stored = self.stored_slots()?;
        let listed = self.newest_config()?.config.slots;
        let read = |id: &SlotId| slot::read(&self.backend().get(&Handle::key(*id), None)?, *id);
        let mut slots: Vec<SlotInfo> = listed
            .union(&stored)
            .map(|id| SlotInfo { id: *id, counts: listed.contains(id), slot: read(id) })
            .collect();
        let created = |info: &SlotInfo| info.slot.as_ref().map(|slot| slot.created).ok();
        slots.sort_by_key(|info| (created(info), info.id));
        Ok(slots)
    }

    /// The slots that count, but for the one that opened it: what each says of itself, or why that cannot be
    /// read. One that was removed since it was opened is left out.
    pub fn other_slots(&self) -> Result<Vec<(SlotId, Result<Slot>)>> {
        let ids: Vec<SlotId> =
            self.config().slots.iter().filter(|id| **id != self.slot).copied().collect();
        let store = &**self.backend();
        let read = |id| slot::read(&store.get(&Handle::key(id), None)?, id);
        let mut slots: Vec<_> = ids.iter().copied().zip(each(store, &ids, read)).collect();
        if slots.iter().any(|(_, slot)| slot.is_err()) {
            let counts = self.newest_config()?.config.slots;
            slots.retain(|(id, _)| counts.contains(id));
        }
        Ok(slots)
    }

    fn stored_slots(&self) -> Result<BTreeSet<SlotId>> {
        let listed = self.backend().list(ObjectKind::Key)?;
        Ok(listed.iter().filter_map(|object| object.handle.slot_id()).collect())
    }

    /// Adds a slot for another secret.
    ///
    /// # Errors
    /// After any, a slot that `secret` opens may count, or stand there without counting.
    pub fn add_slot(&self, secret: &Secret, cost: KdfCost, label: &str) -> Result<SlotId> {
        self.put_slot(secret, cost, label, None)
    }

    /// Lets a slot for another secret count in the place of the one that opened this repository;
    /// and whether the old one's object is gone.
    ///
    /// # Errors
    /// As for [`Repository::add_slot`].
    pub fn replace_slot(
        &self,
        secret: &Secret,
        cost: KdfCost,
        label: &str,
    ) -> Result<(SlotId, bool)> {
        let id = self.put_slot(secret, cost, label, Some(self.slot))?;
        Ok((id, self.delete_slot(self.slot)))
    }

    /// A slot is listed by the configuration right after the one that was read before the slot
    /// was made, or never: so that a deletion of one which does not count can shut it out.
    fn put_slot(
        &self,
        secret: &Secret,
        cost: KdfCost,
        label: &str,
        replaced: Option<SlotId>,
    ) -> Result<SlotId> {
        for _ in 0..TRIES {
            let base = self.base("add a key slot to")?;
            let mut slots = base.config.slots.clone();
            replaced.map(|old| slots.remove(&old));
            self.refuse_too_many(&slots)?;
            let repository = self.config().repository;
            let (id, bytes) = slot::wrap(self.keys(), secret, cost, label, repository, self.env())?;
            let handle = Handle::key(id);
            super::create(&**self.backend(), &handle, &bytes)?;
            // Nothing counts that was not opened once as it stands.
            let standing = self.backend().get(&handle, None);
            match standing.and_then(|bytes| slot::unwrap(&bytes, id, secret, repository)) {
                // Another process swept it, and has shut it out before.
                Err(error) if error.kind() == Kind::NotFound => continue,
                opened => opened?,
            };
            slots.insert(id);
            if self.put_slots(&base, slots)? {
                return Ok(id);
            }
            self.delete_slot(id);
        }
        Err(contended("add a key slot to", &**self.backend()))
    }

    /// Lets a slot count no longer, then deletes its object; whether that is gone. Never the slot
    /// that opened this repository: so a user who removes a slot keeps one that they can open.
    pub fn remove_slot(&self, id: SlotId) -> Result<bool> {
        for _ in 0..TRIES {
            // Before the configuration: see `put_slot`.
            let stands = self.stored_slots()?.contains(&id);
            let base = self.base("remove a key slot of")?;
            let mut slots = base.config.slots.clone();
            if id == self.slot {
                return Err(in_use(id, slots.len()));
            }
            if !slots.remove(&id) && !stands {
                return Err(Error::new(Kind::NotFound, "remove the key slot", id)
                    .hint("`icecore key list` shows the slots"));
            }
            if self.put_slots(&base, slots)? {
                return Ok(self.delete_slot(id));
            }
        }
        Err(contended("remove a key slot of", &**self.backend()))
    }

    /// What a change starts from. Only a user whose own slot counts changes anything.
    fn base(&self, attempted: &str) -> Result<Newest> {
        let newest = self.newest_config()?;
        if !newest.config.slots.contains(&self.slot) {
            return Err(Error::new(Kind::Refused, attempted, self.backend().describe())
                .because("the key that opened it was removed meanwhile"));
        }
        Ok(newest)
    }

    fn refuse_too_many(&self, slots: &BTreeSet<SlotId>) -> Result<()> {
        if slots.len() < KEY_SLOTS_MAX {
            return Ok(());
        }
        Err(Error::new(Kind::Refused, "add a key slot to", self.backend().describe())
            .because(format!("it has {KEY_SLOTS_MAX} already"))
            .hint("remove one first: `icecore key list` shows them"))
    }

    /// Deletes the object of a slot that does not count. A store that refuses loses nothing by it.
    fn delete_slot(&self, id: SlotId) -> bool {
        self.backend().delete(&Handle::key(id)).is_ok()
    }
}

fn in_use(id: SlotId, slots: usize) -> Error {
    let refused = Error::new(Kind::Refused, "remove the key slot", id);
    if slots == 1 {
        return refused
            .because("it is the last one: nobody could open the repository again")
            .hint("add another key first");
    }
    refused
        .because("it is the one that is used right now")
        .hint("open the repository with another key, or use `icecore key passwd`")
}
