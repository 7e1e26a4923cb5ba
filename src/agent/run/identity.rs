//! Remembers the id of the repository behind each name of a job, and reports once if another repository has
//! taken its place, as when a disk is not mounted. Kept for each job, since another file of jobs may use the
//! same name for another repository.

use super::Run;
use super::log::Log;
use crate::env::state;
use crate::error::{Attempt, Error, Kind, Result};
use crate::id::RepoId;
use crate::repo::Repository;
use std::fs;
use std::io;
use std::path::Path;

/// Remembers the repository of a name, and tells if another one was there before.
pub fn recognize(run: &Run<'_>, log: &mut Log<'_>, name: &str, repository: &Repository) {
    let id = repository.config().repository;
    let folder = log.state().join("repositories").join(run.name);
    match remember(&folder, name, id) {
        Ok(None) => {}
        Ok(Some(before)) => log.incomplete_because(
            &Error::new(Kind::Failed, "find what was captured before in", name)
                .because(format!("another repository is there: {id}, and before it was {before}"))
                .hint(
                    "mount its disk if that is missing, and see what `icecore snapshots` says; this is not told again",
                ),
        ),
        Err(error) => run.context.monitor().trouble(&error),
    }
}

/// Which other repository had the name before, if one had.
fn remember(folder: &Path, name: &str, id: RepoId) -> Result<Option<String>> {
    let path = folder.join(name);
    let before = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        before => before.attempt("read", path.display())?,
    };
    let (before, id) = (before.trim(), id.to_string());
    if before == id {
        return Ok(None);
    }
    state::private_folder(folder)?;
    state::replace(&path, format!("{id}\n").as_bytes(), 0o600)?;
    Ok(Some(before.to_owned()).filter(|before| !before.is_empty()))
}
