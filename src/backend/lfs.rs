//! Repositories that lie in a work tree of Git, their large objects tracked by Git LFS: what Git has to
//! be told, and what lies in the place of an object that was not fetched. See
//! <https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md>.

use super::temp;
use crate::error::{Attempt, Error, Kind, Result};
use crate::format::{Handle, ObjectKind};
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// What a pointer begins with, whatever its version.
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";
/// Pointers are shorter than this.
const POINTER_MAX: u64 = 1024;
/// Kinds whose objects may be large.
const LARGE: [ObjectKind; 3] = [ObjectKind::Pack, ObjectKind::Index, ObjectKind::Quarantine];

/// Tells Git in the folder at `root` which objects LFS tracks, that no object is text, and that temporary
/// files are none of its concern. What stands there already stays.
///
/// # Errors
/// `Refused` unless the folder lies in a work tree of Git.
pub fn track_by_lfs(root: &Path) -> Result<()> {
    let absolute = std::path::absolute(root).attempt("find", root.display())?;
    if !absolute.ancestors().any(|folder| folder.join(".git").exists()) {
        return Err(Error::new(Kind::Refused, "track by Git LFS", root.display())
            .because("it does not lie in a work tree of Git")
            .hint("run `git init` there or in a folder above, and name that folder again"));
    }
    let mut attributes = String::from("* -text -diff -merge\n");
    for kind in LARGE {
        let _ = writeln!(attributes, "{}/** filter=lfs diff=lfs merge=lfs -text", kind.folder());
    }
    attributes.push_str(".git* !filter text diff merge\n");
    for (name, text) in
        [(".gitattributes", attributes), (".gitignore", format!("/{}/\n", temp::FOLDER))]
    {
        let path = root.join(name);
        if !path.exists() {
            fs::write(&path, text).attempt("write", path.display())?;
        }
    }
    Ok(())
}

/// Whether an object of this kind and length may be a pointer.
pub(super) fn may_be_pointer(kind: ObjectKind, size: u64) -> bool {
    size < POINTER_MAX && LARGE.contains(&kind)
}

/// Refuses a pointer that stands where an object should: nothing is known of the object then.
///
/// # Errors
/// `Denied`: it is neither absent nor damaged, and asking again does not help.
pub(super) fn refuse_pointer(handle: &Handle, bytes: &[u8]) -> Result<()> {
    if !bytes.starts_with(POINTER) {
        return Ok(());
    }
    Err(Error::new(Kind::Denied, "read", handle)
        .because("only a pointer is there: Git LFS has not fetched the object")
        .hint("run `git lfs pull` in the folder of the repository"))
}
