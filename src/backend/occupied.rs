//! What else a folder may hold that was named as the place of a repository.

use super::temp;
use crate::error::{Attempt, Error, Kind, Result};
use crate::format::ObjectKind;
use std::ffi::OsStr;
use std::path::Path;

/// Folders that a repository of restic has beside its file `config`.
const RESTIC: [&str; 3] = ["data", "keys", "snapshots"];

/// What the names of folders begin with in which `doctor` tries a store: one that was stopped leaves them.
pub const TRIALS: &str = "doctor-";

/// Refuses a repository of restic, which only looks a little like one of this program.
///
/// # Errors
/// `refusal`, completed, if it is one.
pub(super) fn refuse_restic(root: &Path, refusal: Error) -> Result<()> {
    let is_restic =
        root.join("config").is_file() && RESTIC.iter().all(|folder| root.join(folder).is_dir());
    if is_restic { Err(of_restic(refusal)) } else { Ok(()) }
}

/// Refuses a folder that is in use for something else, as a place for a new repository. File systems
/// and desktops put what they need into any folder: `lost+found`, and hidden files.
///
/// # Errors
/// `Refused` if it is; those of listing it.
pub(super) fn refuse_foreign(root: &Path) -> Result<()> {
    for entry in root.read_dir().attempt("list", root.display())? {
        let name = entry.attempt("list", root.display())?.file_name();
        if is_foreign(&name) {
            let refusal = Error::new(Kind::Refused, "create a repository in", root.display());
            return Err(of_other_use(refusal, &name));
        }
    }
    Ok(())
}

/// Refuses what a bucket holds in place of a folder, by the names in it; those of folders end with
/// `/`. For a repository that is there already, nothing is refused.
///
/// # Errors
/// `refusal`, completed, if it is in use for something else.
pub(super) fn refuse_names(names: &[String], refusal: Error) -> Result<()> {
    let has = |name: &str| names.iter().any(|found| found == name);
    if has("config") && RESTIC.iter().all(|folder| has(&format!("{folder}/"))) {
        return Err(of_restic(refusal));
    }
    let is_ours = has(&format!("{}/", ObjectKind::Config.folder()));
    let names = names.iter().map(|name| OsStr::new(name.trim_end_matches('/')));
    match names.filter(|_| !is_ours).find(|name| is_foreign(name)) {
        Some(name) => Err(of_other_use(refusal, name)),
        None => Ok(()),
    }
}

fn is_foreign(name: &OsStr) -> bool {
    let mut kinds = ObjectKind::ALL.into_iter().map(ObjectKind::folder);
    let is_own = kinds.any(|folder| name == folder) || name == temp::FOLDER || name == "lost+found";
    let may_stay = |start: &[u8]| name.as_encoded_bytes().starts_with(start);
    !is_own && !may_stay(b".") && !may_stay(TRIALS.as_bytes())
}

fn of_other_use(refusal: Error, name: &OsStr) -> Error {
    refusal
        .because(format!("it holds something else: {}", name.display()))
        .hint("choose an empty folder, or one that is not there yet")
}

fn of_restic(refusal: Error) -> Error {
    refusal
        .because("it is a repository of restic, which this program does not read")
        .hint("restore from it with restic, and make a repository in another folder")
}
