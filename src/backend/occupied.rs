//! What else a folder may hold that was named as the place of a repository.

use super::temp;
use crate::error::{Attempt, Error, Kind, Result};
use crate::format::ObjectKind;
use std::ffi::OsStr;
use std::path::Path;

/// Folders that a repository of restic has beside its file `config`.
const RESTIC: [&str; 3] = ["data", "keys", "snapshots"];

/// Refuses a repository of restic, which only looks a little like one of this program.
///
/// # Errors
/// `refusal`, completed, if it is one.
pub(super) fn refuse_restic(root: &Path, refusal: Error) -> Result<()> {
    let is_restic =
        root.join("config").is_file() && RESTIC.iter().all(|folder| root.join(folder).is_dir());
    if !is_restic {
        return Ok(());
    }
    Err(refusal
        .because("it is a repository of restic, which this program does not read")
        .hint("restore from it with restic, and make a repository in another folder"))
}

/// Refuses a folder that is in use for something else, as a place for a new repository. File systems
/// and desktops put what they need into any folder: `lost+found`, and hidden files.
///
/// # Errors
/// `Refused` if it is; those of listing it.
pub(super) fn refuse_foreign(root: &Path) -> Result<()> {
    let kinds = ObjectKind::ALL.into_iter().map(ObjectKind::folder);
    let own: Vec<&str> = kinds.chain([temp::FOLDER, "lost+found"]).collect();
    let is_foreign = |name: &OsStr| {
        !name.as_encoded_bytes().starts_with(b".") && !own.iter().any(|own| name == *own)
    };
    for entry in root.read_dir().attempt("list", root.display())? {
        let name = entry.attempt("list", root.display())?.file_name();
        if is_foreign(&name) {
            return Err(Error::new(Kind::Refused, "create a repository in", root.display())
                .because(format!("it holds something else: {}", name.display()))
                .hint("choose an empty folder, or one that is not there yet"));
        }
    }
    Ok(())
}
