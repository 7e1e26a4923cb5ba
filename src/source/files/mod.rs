//! Files and folders: a walk in the order of names that gives each entry with its metadata, and
//! opens the content of files only when asked to.

mod content;
mod databases;
mod directory;
mod excludes;
mod generated;
mod listing;
mod logs;
mod metadata;
mod named_database;
mod open;
mod options;
mod owners;
mod refused;
mod scope;
mod servers;
mod settled;
mod stream;
mod walk;
mod xattrs;

pub(crate) use excludes::glob;
pub use excludes::{Excludes, Pattern};
pub(crate) use logs::{Logs, Unlogged};
pub(crate) use named_database::NamedDatabase;
pub use options::FilesOptions;
#[cfg(feature = "testing")]
pub use options::OpenDatabase;
pub(crate) use scope::Scope;
pub(crate) use xattrs::with_xattrs;

use super::{FileAt, Item, PartProof, Source, Together};
use crate::error::{Attempt, Result};
use crate::format::snapshot::{PartKind, SourceName};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use walk::{Walk, find};

/// A file, or a folder with all beneath it.
///
/// Memory: the names of one directory for each level, 8 bytes and the name each; ten million
/// files in one folder take some 300 MB, and nothing else grows with their number.
pub struct FilesSource {
    /// Where it stands in the snapshot.
    path: PathBuf,
    /// Where it lies.
    real: PathBuf,
    allow_empty: bool,
    together: Arc<Together>,
    scope: Arc<Scope>,
    walk: Walk,
}

impl FilesSource {
    /// The file or folder at `path`, which is not looked at yet. A symbolic link is followed here,
    /// since naming it means what it leads to, and nowhere beneath; one that leads nowhere is
    /// captured itself.
    pub fn new(path: &Path, mut options: FilesOptions) -> Result<Self> {
        let real = absolute(path)?;
        let scope = Scope::of_files(&real, &mut options);
        let FilesOptions { together, sqlite, env, stored, allow_empty, .. } = options;
        together.add(scope.clone());
        let path = stored.unwrap_or_else(|| real.clone());
        let name = path.file_name().unwrap_or_default().as_bytes();
        let walk = Walk::new(&real, name, scope.clone(), together.clone(), sqlite, env);
        Ok(FilesSource { path, real, allow_empty, together, scope, walk })
    }
}

impl Source for FilesSource {
    fn describe(&self) -> SourceName {
        let path = self.path.as_os_str().as_bytes().to_vec();
        SourceName { kind: PartKind::Files, path, selection: BTreeSet::new() }
    }

    fn allow_empty(&self) -> bool {
        self.allow_empty
    }

    fn left_out(&mut self) -> Result<Option<String>> {
        let path = self.real.display();
        let real = find(&self.real).attempt("find", &path)?;
        if let Some(what) = self.together.kept_out_at(&real) {
            return Ok(Some(format!("{path} is, or is in, {what}: it is left out")));
        }
        let database = self.together.database_of(&real, &self.real);
        Ok(database.map(|database| {
            let database = database.display();
            format!("{path} is left out: it belongs to {database}, which holds all of it")
        }))
    }

    fn covers(&self, path: &[u8]) -> bool {
        let path = Path::new(OsStr::from_bytes(path));
        path == self.path || self.path == self.real && self.scope.reaches(path)
    }

    fn next_database(&mut self) -> Option<FileAt> {
        self.walk.next_database()
    }

    fn next(&mut self) -> Result<Option<Item>> {
        self.walk.next()
    }

    fn finish(self: Box<Self>) -> Result<PartProof> {
        let is_incomplete = self.walk.leads_nowhere();
        let warnings = self.walk.into_warnings();
        Ok(PartProof { warnings, is_incomplete, ..PartProof::default() })
    }
}

/// The path from `/` on, as written where that is unambiguous; `..` has to be resolved, since
/// it may lead out of a symbolic link.
pub(super) fn absolute(path: &Path) -> Result<PathBuf> {
    let climbs = path.components().any(|component| component == Component::ParentDir);
    if climbs && let Ok(real) = path.canonicalize() {
        return Ok(real);
    }
    let path = std::path::absolute(path).attempt("find", path.display())?;
    let mut resolved = PathBuf::new();
    for component in path.components() {
        if component == Component::ParentDir {
            resolved = resolved.canonicalize().unwrap_or(resolved);
            resolved.pop();
        } else {
            resolved.push(component);
        }
    }
    Ok(resolved)
}
