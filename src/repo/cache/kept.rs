//! What the local caches of all repositories hold, to show and to clear them.

use super::{PACKS, TABLES, TAG};
use crate::env::Time;
use crate::error::{Attempt, Error, Kind, Result};
use crate::id::RepoId;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// The local cache of one repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptCache {
    /// Of which.
    pub repository: RepoId,
    /// Bytes of the index.
    pub index: u64,
    /// Bytes of snapshots, and other small objects.
    pub records: u64,
    /// Bytes of packs.
    pub packs: u64,
    /// When something was kept last.
    pub changed: Time,
}

impl KeptCache {
    /// Bytes of all.
    pub fn bytes(&self) -> u64 {
        self.index + self.records + self.packs
    }
}

/// The caches in a cache folder, in the order of their repositories' ids; none if there is no such folder.
///
/// # Errors
/// Those of listing.
pub fn kept_caches(root: &Path) -> Result<Vec<KeptCache>> {
    let mut caches = Vec::new();
    for folder in entries(root)? {
        let Some(repository) = repository_of(&folder) else { continue };
        let (index, packs) = (files_of(&folder.join(TABLES))?, files_of(&folder.join(PACKS))?);
        let mut records = Files::NONE;
        for kind in entries(&folder)? {
            if !kind.ends_with(TABLES) && !kind.ends_with(PACKS) {
                records.join(files_of(&kind)?);
            }
        }
        let changed = index.changed.max(packs.changed).max(records.changed);
        let (index, records, packs) = (index.bytes, records.bytes, packs.bytes);
        caches.push(KeptCache { repository, index, records, packs, changed });
    }
    caches.sort_by_key(|cache| cache.repository.0);
    Ok(caches)
}

/// Removes the cache of a repository, which may be in use: its users go on without.
///
/// # Errors
/// `Refused` if the folder was not made for caches; those of removing.
pub fn clear_cache(root: &Path, repository: RepoId) -> Result<()> {
    if !root.join(TAG).is_file() {
        return Err(Error::new(Kind::Refused, "clear the cache in", root.display())
            .because(format!("it has no {TAG}, and is no cache folder")));
    }
    let folder = root.join(repository.to_string());
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.attempt("remove", folder.display()),
    }
}

fn repository_of(folder: &Path) -> Option<RepoId> {
    folder.file_name()?.to_str()?.parse().ok()
}

struct Files {
    bytes: u64,
    changed: Time,
}

impl Files {
    const NONE: Files = Files { bytes: 0, changed: Time(0) };

    fn join(&mut self, other: Files) {
        self.bytes += other.bytes;
        self.changed = self.changed.max(other.changed);
    }
}

/// The files of a folder; one that goes meanwhile is not counted.
fn files_of(folder: &Path) -> Result<Files> {
    let mut files = Files::NONE;
    for path in entries(folder)? {
        let Ok(facts) = fs::symlink_metadata(&path) else { continue };
        let changed = facts.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let changed = changed.map_or(Time(0), |age| Time(0) + age);
        files.join(Files { bytes: if facts.is_file() { facts.len() } else { 0 }, changed });
    }
    Ok(files)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let listed = match fs::read_dir(folder) {
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Ok(Vec::new());
        }
        listed => listed.attempt("list", folder.display())?,
    };
    listed.map(|entry| entry.map(|it| it.path()).attempt("list", folder.display())).collect()
}
