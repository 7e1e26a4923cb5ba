//! Files that are not objects yet. What a crash leaves of them is never read, and swept when old.

use super::disk::{Disk, DiskEntry, patiently, place, write_all};
use crate::env::Env;
use crate::error::{Attempt, Error, Kind, Result};
use crate::id::hex;
use std::io;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

/// The folder that holds them, below the root.
pub(super) const FOLDER: &str = "tmp";
/// One of them that stays.
pub(super) const RESERVE: &str = "tmp/reserve";
/// Names tried for one file.
const NAMES: u32 = 64;
/// Seconds after which a file has surely been left by a crash. Should it not have been, its
/// writer fails; nothing is lost.
const STRAY_AGE: i64 = 24 * 60 * 60;

/// Makes temporary files under names that no other process uses.
#[derive(Debug)]
pub(super) struct Temps {
    session: String,
    next: AtomicU64,
    swept: Once,
}

impl Temps {
    /// Names of this process.
    pub(super) fn new() -> Result<Self> {
        let session = hex(&Env::real().random::<8>()?);
        Ok(Temps { session, next: AtomicU64::new(0), swept: Once::new() })
    }

    /// Writes a durable file, and gives its path; or leaves none.
    pub(super) fn write<D: Disk>(&self, disk: &D, bytes: &[u8]) -> Result<String> {
        let (path, mut file) = self.create(disk)?;
        let written = write_all(disk, &mut file, bytes).attempt("write", place(disk, &path));
        // A failed sync is never repeated: the system may have dropped the pages and call
        // the next attempt a success. The file is given up, whatever the reason.
        let synced =
            written.and_then(|()| disk.sync(&mut file).attempt("sync", place(disk, &path)));
        if synced.is_err() {
            self.discard(disk, &path);
        }
        synced.map(|()| path)
    }

    /// An empty file, and its path.
    pub(super) fn create<D: Disk>(&self, disk: &D) -> Result<(String, D::File)> {
        for _ in 0..NAMES {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let name = format!("{}.{number}", self.session);
            let path = format!("{FOLDER}/{name}");
            match patiently(|| disk.create(&path)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => make_folder(disk)?,
                result => {
                    let file = result.attempt("create", place(disk, &path))?;
                    self.swept.call_once(|| self.sweep(disk, &name));
                    return Ok((path, file));
                }
            }
        }
        Err(Error::new(Kind::Failed, "create a file in", place(disk, FOLDER))
            .because("every name tried was taken"))
    }

    /// Removes a file. Should that fail, it stays as one more stray that nobody reads.
    pub(super) fn discard<D: Disk>(&self, disk: &D, path: &str) {
        let _ = patiently(|| disk.remove(path));
    }

    /// Removes what crashes left, if it can: files much older than `newest`, which was made now.
    fn sweep<D: Disk>(&self, disk: &D, newest: &str) {
        let entries = patiently(|| disk.entries(FOLDER)).unwrap_or_default();
        let Some(now) = entries.iter().find(|entry| entry.name == newest) else { return };
        let is_stray = |entry: &&DiskEntry| {
            entry.size.is_some() && entry.modified.saturating_add(STRAY_AGE) < now.modified
        };
        let strays =
            entries.iter().filter(is_stray).map(|stray| format!("{FOLDER}/{}", stray.name));
        strays.filter(|path| path != RESERVE).for_each(|path| self.discard(disk, &path));
    }
}

/// Nobody misses this folder after a crash, so it needs no sync.
fn make_folder<D: Disk>(disk: &D) -> Result<()> {
    match patiently(|| disk.make_dir(FOLDER)) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result.attempt("make the directory", place(disk, FOLDER)),
    }
}
