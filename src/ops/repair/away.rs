//! What is damaged goes out of the way, once nothing rests on it any more.

use super::RepairOptions;
use crate::backend::Handle;
use crate::error::{Error, Kind, Result};
use crate::monitor::Monitor;
use crate::repo::{Moved, Repository};

/// Damaged objects that were to go into quarantine.
#[derive(Debug, Default)]
pub struct Left {
    /// They are there.
    pub quarantined: Vec<Handle>,
    /// They are there, and still in their places as well: the store lets nothing go.
    pub retained: Vec<Handle>,
    /// They are in their places, and why.
    pub kept: Vec<(Handle, String)>,
}

impl Left {
    /// Moves one that has just these bytes. What another moved meanwhile is gone.
    pub(super) fn take(
        &mut self,
        repository: &Repository,
        found: Handle,
        bytes: &[u8],
        options: &RepairOptions,
        monitor: &dyn Monitor,
    ) -> Result<()> {
        if options.dry_run {
            self.quarantined.push(found);
            return Ok(());
        }
        match repository.quarantine(&found, bytes) {
            Ok(Moved::Away) => self.quarantined.push(found),
            Ok(Moved::Retained) => self.retained.push(found),
            Err(error) if error.kind() == Kind::NotFound => {}
            Err(error) if error.kind() == Kind::Unavailable => return Err(error),
            Err(error) => {
                monitor.trouble(&error);
                self.kept.push((found, error.why()));
            }
        }
        Ok(())
    }

    /// One stays where it is.
    pub(super) fn keep(&mut self, found: Handle, why: &str) {
        self.kept.push((found, why.to_owned()));
    }
}

/// Why nothing may leave its place at the moment, if that is so.
pub(super) fn forbidden(repository: &Repository) -> Result<Option<&'static str>> {
    if !repository.config().listing_after_write {
        return Ok(Some("its store lists late: what took its place may not be seen yet"));
    }
    let open = repository.generations()?.open();
    Ok(open.map(|_| "a collection is not decided yet: run `icecore prune`, and then this again"))
}

/// What an object has, and why it is damaged; nothing if it is well, or gone. Read again: what cannot be
/// had at the moment is no damage.
pub(super) fn still_damaged(
    repository: &Repository,
    found: &Handle,
    judge: impl Fn(&[u8]) -> Result<()>,
) -> Result<Option<(Vec<u8>, Error)>> {
    let bytes = match repository.backend().get(found, None) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == Kind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match judge(&bytes) {
        Ok(()) => Ok(None),
        Err(error) if error.kind() == Kind::Damaged => Ok(Some((bytes, error))),
        Err(error) => Err(error),
    }
}
