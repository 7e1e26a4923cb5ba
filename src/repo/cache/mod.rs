//! A folder of this machine that keeps what was read of a repository: the index as sorted tables, and
//! small records as they are stored. It is only ever faster than the store: whatever is wrong with a
//! file of it costs that file, and where nothing can be written, nothing is kept.
//!
//! Tables are proved by MACs under the repository's key of the local cache, records by their own seals:
//! what is counted on as stored was once read from the store.

mod blocks;
mod filter;
mod head;
mod kept;
mod mend;
mod merge;
mod records;
mod table;

pub use kept::{KeptCache, clear_cache, kept_caches};
pub(super) use merge::NewSegment;
pub(super) use table::{FileTable, Shown};

use crate::crypto::CacheKeys;
use crate::env::{Env, Time, state};
use crate::error::{Attempt, Result};
use crate::id::RepoId;
use blocks::KeptBlocks;
use merge::Merge;
use std::fs::{self, DirEntry, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// The folder of tables.
const TABLES: &str = "index";
/// The folder of packs.
const PACKS: &str = "packs";
/// How the names of tables end.
const TABLE: &str = "table";
/// Seconds after which a file that is no table was surely left by a crash.
const STRAY_AGE: i64 = 24 * 60 * 60;
/// Tells backups to leave a folder out (https://bford.info/cachedir/).
const TAG: &str = "CACHEDIR.TAG";
const TAG_TEXT: &str = "Signature: 8a477f597d28d172789f06886806bc55\n\
                        # This folder keeps what icecore has read. It may be deleted at any time.\n";

/// The local cache of one repository.
#[derive(Debug)]
pub(super) struct LocalCache {
    folder: PathBuf,
    keys: CacheKeys,
    env: Env,
    kept: Arc<KeptBlocks>,
}

impl LocalCache {
    /// The folder of a repository beneath that of all caches; it is made when something is kept.
    pub(super) fn new(root: &Path, repository: RepoId, keys: CacheKeys, env: Env) -> Self {
        let (folder, kept) = (root.join(repository.to_string()), Arc::new(KeptBlocks::new()));
        LocalCache { folder, keys, env, kept }
    }

    /// Where packs are kept, if any can be.
    pub(super) fn packs(&self) -> Option<PathBuf> {
        self.make(PACKS).ok()
    }

    /// Every table that can be opened, the largest first. Others are removed.
    pub(super) fn tables(&self) -> Vec<FileTable> {
        let entries = fs::read_dir(self.folder.join(TABLES)).into_iter().flatten().flatten();
        let mut tables: Vec<FileTable> = entries.filter_map(|entry| self.table(&entry)).collect();
        tables.sort_by_key(|table| std::cmp::Reverse(table.rows()));
        tables
    }

    fn table(&self, entry: &DirEntry) -> Option<FileTable> {
        let path = entry.path();
        if path.extension() != Some(TABLE.as_ref()) {
            if self.is_stray(entry) {
                remove(&path);
            }
            return None;
        }
        let opened =
            open(&path).and_then(|file| FileTable::open(&path, file, &self.keys, &self.kept));
        if opened.is_err() {
            remove(&path);
        }
        opened.ok()
    }

    fn is_stray(&self, entry: &DirEntry) -> bool {
        let modified = entry.metadata().and_then(|facts| facts.modified()).ok();
        let modified = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        modified.is_some_and(|age| {
            self.env.now().since(Time(0) + age).as_secs() > STRAY_AGE.unsigned_abs()
        })
    }

    /// Keeps segments, and what other tables hold, in a table of its own.
    pub(super) fn write(
        &self,
        segments: &[NewSegment],
        tables: &[&FileTable],
    ) -> Result<FileTable> {
        let folder = self.make(TABLES)?;
        let (temp, scratch) =
            (tempfile::NamedTempFile::new_in(&folder), tempfile::tempfile_in(&folder));
        let (temp, scratch) = (
            temp.attempt("write to", folder.display())?,
            scratch.attempt("write to", folder.display())?,
        );
        let (file, temp) = temp.into_parts();
        let file = Merge::of(segments, tables)?.write(file, scratch, &self.keys)?;
        let mut table = FileTable::open(&temp, file, &self.keys, &self.kept)?;
        table.keep(temp, &folder, TABLE)?;
        Ok(table)
    }

    /// Removes the file of a table, which others may still read.
    pub(super) fn remove(path: &Path) {
        remove(path);
    }

    /// A folder of this cache, for its owner alone.
    fn make(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        if !folder.is_dir() {
            state::private_folder(&folder)?;
            if let Some(root) = self.folder.parent().filter(|root| !root.join(TAG).exists()) {
                fs::write(root.join(TAG), TAG_TEXT).attempt("write to", root.display())?;
            }
        }
        Ok(folder)
    }
}

/// Opens a regular file to read; opening anything else may block.
fn open(path: &Path) -> Result<File> {
    let opened = fs::symlink_metadata(path).and_then(|facts| match facts.is_file() {
        true => File::open(path),
        false => Err(io::Error::other("it is not a regular file")),
    });
    opened.attempt("open", path.display())
}

/// What cannot be removed stays, and is removed another time.
fn remove(path: &Path) {
    drop(fs::remove_file(path));
}
