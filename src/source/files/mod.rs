//! Files and folders: a walk in the order of names that gives each entry with its metadata, and
//! opens the content of files only when asked to.

mod content;
mod excludes;
mod listing;
mod metadata;
mod owners;
mod walk;

pub use excludes::Excludes;
pub(crate) use excludes::glob;
pub(crate) use metadata::metadata_of;

use super::{ByteStream, Description, Item, PartProof, Source};
use crate::env::Env;
use crate::error::{Attempt, Result};
use crate::format::snapshot::PartKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use walk::Walk;

/// Captures the database at a path through SQLite.
pub type OpenDatabase = Arc<dyn Fn(&Path) -> Result<Box<dyn ByteStream>> + Send + Sync>;

/// What of a tree is captured, and how.
pub struct FilesOptions {
    /// Names and paths to leave out.
    pub excludes: Excludes,
    /// Leave out the content of folders that hold such a file; where a header is given, only if
    /// the file begins with it.
    pub exclude_if_present: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Leave out files of more than so many bytes.
    pub larger_than: Option<u64>,
    /// Stay on the file system of the root; mount points are kept as empty folders.
    pub one_file_system: bool,
    /// How SQLite databases are captured; without it they are files like any other, and so are
    /// their -wal and -journal.
    pub sqlite: Option<OpenDatabase>,
    /// Tells the time, which decides what is [`settled`](super::FileItem::settled).
    pub env: Env,
}

impl Default for FilesOptions {
    fn default() -> Self {
        FilesOptions {
            excludes: Excludes::default(),
            exclude_if_present: Vec::new(),
            larger_than: None,
            one_file_system: false,
            sqlite: None,
            env: Env::real(),
        }
    }
}

/// A file, or a folder with all beneath it.
///
/// Memory: the names of one directory for each level, 8 bytes and the name each; ten million
/// files in one folder take some 300 MB, and nothing else grows with their number.
pub struct FilesSource {
    path: PathBuf,
    walk: Walk,
}

impl FilesSource {
    /// The file or folder at `path`. A symbolic link is followed here, since whoever names it
    /// means what it leads to, and nowhere beneath.
    pub fn new(path: &Path, options: FilesOptions) -> Result<Self> {
        let path = absolute(path)?;
        let walk = Walk::new(&path, options)?;
        Ok(FilesSource { path, walk })
    }
}

impl Source for FilesSource {
    fn describe(&self) -> Description {
        Description { kind: PartKind::Files, path: self.path.as_os_str().as_bytes().to_vec() }
    }

    fn next(&mut self) -> Result<Option<Item>> {
        self.walk.next()
    }

    fn finish(self: Box<Self>) -> Result<PartProof> {
        Ok(PartProof { warnings: self.walk.into_warnings(), ..PartProof::default() })
    }
}

/// The path from `/` on, as written where that is unambiguous; `..` has to be resolved, since
/// it may lead out of a symbolic link.
fn absolute(path: &Path) -> Result<PathBuf> {
    if path.components().any(|component| component == Component::ParentDir) {
        return path.canonicalize().attempt("find", path.display());
    }
    let path = std::path::absolute(path).attempt("find", path.display())?;
    Ok(path.components().collect())
}
