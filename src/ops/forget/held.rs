//! What is held, as far as it can be known.

use crate::error::{Error, Kind, Result};
use crate::id::SnapshotId;
use crate::repo::{Holds, Repository};

/// All holds.
///
/// # Errors
/// `Refused` without `force` while a note cannot be read, which may hold any snapshot.
pub(super) fn holds(repository: &Repository, force: bool) -> Result<Holds> {
    let mut holds = repository.holds()?;
    match holds.troubles.pop() {
        Some(trouble) if !force => Err(Error::new(Kind::Refused, "forget", "snapshots")
            .because("a note cannot be read, which may hold them")
            .caused_by(trouble)
            .hint(
                "see what `icecore check` says of it, and bring it back from a copy of the \
                     repository; `--force` goes on, but what goes is removed only once all notes \
                     can be read",
            )),
        trouble => {
            holds.troubles.extend(trouble);
            Ok(holds)
        }
    }
}

/// A hold says when its snapshot may go; `--force` does not override it.
pub(super) fn refuse_held(holds: &Holds, id: SnapshotId) -> Result<()> {
    match holds.of(id).last() {
        None => Ok(()),
        Some(hold) => Err(Error::new(Kind::Refused, "forget", id.short())
            .because(format!("it is {hold}"))
            .hint(format!("`icecore release {}` ends that", id.short()))),
    }
}
