//! Damaged packs and segments are taken out of the way, never just deleted (chapter 2, Quarantine).

use super::Repository;
use crate::backend::Handle;
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;

/// The outcome of an object that was to go into quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// It is there, and no longer in its place.
    Away,
    /// It is there, and still in its place as well: the store lets nothing go.
    Retained,
}

impl Repository {
    /// Moves an object that was read, and found damaged, with just these bytes: they are copied, the
    /// copy is read back, and only then the original is deleted.
    ///
    /// # Errors
    /// `Unavailable` if it has other bytes by now: nobody has judged those. After any error the
    /// original may be there or not, but one of the two is.
    pub fn quarantine(&self, found: &Handle, bytes: &[u8]) -> Result<Moved> {
        let store = self.backend();
        if store.get(found, None)? != bytes {
            return Err(Error::unavailable("move away", found, "it reads differently each time"));
        }
        let copy = Handle::quarantined(found, blake3::hash(bytes).as_bytes());
        super::create(&**store, &copy, bytes)?;
        if store.get(&copy, None)? != bytes {
            return Err(Error::damaged("read back", copy, "it is not what was copied")
                .hint("the original stays where it is; see to the disk"));
        }
        match store.delete(found) {
            Ok(()) => Ok(Moved::Away),
            Err(error) if error.kind() == Kind::Denied => Ok(Moved::Retained),
            Err(error) => Err(error),
        }
    }

    /// How many objects are in quarantine, and their bytes.
    pub fn quarantined(&self) -> Result<(u64, u64)> {
        let listed = self.backend().list(ObjectKind::Quarantine)?;
        Ok((listed.len() as u64, listed.iter().map(|object| object.size).sum()))
    }
}
