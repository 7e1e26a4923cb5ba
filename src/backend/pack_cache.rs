//! Packs on this machine, for a store that is far away: those that were written from here last. A backup
//! reads its parent's trees and the bases of its deltas from them.

use super::{Backend, Bytes, Handle, Put};
use crate::error::Result;
use crate::id::PackId;
use parking_lot::Mutex;
use rustix::fs::{Timespec, Timestamps, UTIME_NOW, futimens};
use std::collections::HashSet;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How the names of files end that hold a pack.
const PACK: &str = "pack";

/// A backend whose packs are kept in a folder, up to so many bytes; those that were not used for
/// longest go first. A file is proved by its name, which is its hash, before anything is
/// read from it. The folder may be deleted at any time, serves several processes, and where
/// nothing can be written to it, nothing is kept.
///
/// What is read from it says nothing about the store: checks and deletions do without.
#[derive(Debug)]
pub struct PackCache<B> {
    inner: B,
    folder: PathBuf,
    room: u64,
    /// Those that were proved by this process.
    proved: Mutex<HashSet<PackId>>,
}

impl<B: Backend> PackCache<B> {
    /// Keeps `room` bytes of packs of `inner` in `folder`, which is made when something is kept.
    pub fn new(inner: B, folder: &Path, room: u64) -> Self {
        PackCache { inner, folder: folder.to_owned(), room, proved: Mutex::default() }
    }

    fn path(&self, pack: &PackId) -> PathBuf {
        self.folder.join(format!("{pack}.{PACK}"))
    }

    /// Part of a pack that is kept.
    fn read(&self, pack: &PackId, range: &Range<u64>) -> Option<Vec<u8>> {
        let path = self.path(pack);
        let file = File::open(&path).ok()?;
        if !self.proved.lock().contains(pack) {
            self.prove(pack, &file, &path)?;
        }
        let mut bytes = vec![0; usize::try_from(range.end.checked_sub(range.start)?).ok()?];
        file.read_exact_at(&mut bytes, range.start).ok()?;
        Some(bytes)
    }

    /// Proves a file once, and notes that it was used; one that is wrong goes.
    fn prove(&self, pack: &PackId, file: &File, path: &Path) -> Option<()> {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(file).ok()?;
        if hasher.finalize().as_bytes() != &pack.0 {
            drop(fs::remove_file(path));
            return None;
        }
        // A file of another user can be read all the same.
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let _ = futimens(file, &Timestamps { last_access: now, last_modification: now });
        self.proved.lock().insert(*pack);
        Some(())
    }

    /// Keeps a pack; where that fails, it is not kept.
    fn keep(&self, pack: &PackId, bytes: &[u8]) {
        if self.write(pack, bytes).is_ok() {
            drop(self.make_room());
        }
    }

    fn write(&self, pack: &PackId, bytes: &[u8]) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let mut temp = tempfile::NamedTempFile::new_in(&self.folder)?;
        temp.write_all(bytes)?;
        temp.persist(self.path(pack))?;
        Ok(())
    }

    /// Removes what was not used for longest, and what others left unfinished long ago.
    fn make_room(&self) -> io::Result<()> {
        let mut files = kept_files(&self.folder)?;
        files.sort_by_key(|(used, ..)| *used);
        let mut bytes: u64 = files.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in files {
            if bytes <= self.room {
                return Ok(());
            }
            fs::remove_file(path)?;
            bytes -= size;
        }
        Ok(())
    }
}

/// When each file was used last, its length, and where it is. An unfinished one counts like any other: its
/// writer then fails to keep a pack, and nothing else.
fn kept_files(folder: &Path) -> io::Result<Vec<(SystemTime, u64, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.metadata() {
            Ok(facts) if facts.is_file() => {
                files.push((facts.modified()?, facts.len(), entry.path()));
            }
            _ => {}
        }
    }
    Ok(files)
}

impl<B: Backend> Backend for PackCache<B> {
    forward!([inner] describe capabilities size list_pages retained retain);

    fn put_shared(&self, handle: &Handle, bytes: Bytes) -> Result<Put> {
        let put = self.inner.put_shared(handle, bytes.clone())?;
        // What stood there already may be damaged, and would be covered up.
        if let Some(pack) = handle.pack_id().filter(|_| put == Put::Created) {
            self.keep(&pack, &bytes);
        }
        Ok(put)
    }

    /// A whole pack is read from the store: that is asked for to prove what the store has.
    fn get(&self, handle: &Handle, range: Option<Range<u64>>) -> Result<Vec<u8>> {
        let kept = |range: &Range<u64>| self.read(&handle.pack_id()?, range);
        match range.as_ref().and_then(kept) {
            Some(bytes) => Ok(bytes),
            None => self.inner.get(handle, range),
        }
    }

    fn delete_all(&self, handles: &[Handle]) -> Result<()> {
        for pack in handles.iter().filter_map(Handle::pack_id) {
            drop(fs::remove_file(self.path(&pack)));
        }
        self.inner.delete_all(handles)
    }
}
