//! Packs that wait on this machine while nothing may wait for the store.

use super::{Backend, Bytes, Handle, Put};
use crate::error::{Attempt, Error, Kind, Result};
use crate::format::ObjectKind;
use crate::id::PackId;
use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;

/// A backend that can be told to hold packs back, in files without a name, up to so many bytes. They go on
/// their way before anything else is created, so that nothing is stored that rests on them before they are.
///
/// While packs are held back none is read from the store, either: readers do without.
#[derive(Debug)]
pub struct Spool<B> {
    inner: B,
    folder: PathBuf,
    room: u64,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    is_holding: bool,
    bytes: u64,
    packs: BTreeMap<PackId, Held>,
}

/// A pack in a file.
#[derive(Debug)]
struct Held {
    file: File,
    length: u64,
}

impl Held {
    fn read(&self, range: Option<Range<u64>>) -> io::Result<Vec<u8>> {
        let range = range.unwrap_or(0..self.length);
        let length = range.end.min(self.length).saturating_sub(range.start);
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut bytes, range.start)?;
        Ok(bytes)
    }
}

impl<B: Backend> Spool<B> {
    /// Holds back `room` bytes at most, in files in `folder`. It begins when it is told to.
    pub fn new(inner: B, folder: &Path, room: u64) -> Self {
        Spool { inner, folder: folder.to_owned(), room, waiting: Mutex::default() }
    }

    /// From now on packs are held back, if the store is far away.
    pub fn hold(&self) {
        self.waiting().is_holding = self.inner.capabilities().far;
    }

    /// From now on packs are stored at once; those that were held back are before whatever else comes next.
    pub fn release(&self) {
        self.waiting().is_holding = false;
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock()
    }

    /// Holds a pack back if that is wanted, and there is room for it.
    fn keep(&self, pack: PackId, bytes: &[u8]) -> bool {
        let length = bytes.len() as u64;
        let mut waiting = self.waiting();
        let is_wanted = waiting.is_holding && waiting.bytes.saturating_add(length) <= self.room;
        if !is_wanted {
            return false;
        }
        waiting.bytes += length;
        drop(waiting);
        let written = tempfile::tempfile_in(&self.folder).and_then(|mut file| {
            file.write_all(bytes)?;
            Ok(file)
        });
        // Where it cannot be written it goes to the store at once.
        let Ok(file) = written else { return false };
        self.waiting().packs.insert(pack, Held { file, length });
        true
    }

    /// Stores what was held back, as much at once as is best for the store.
    fn store_held(&self) -> Result<()> {
        let held: Vec<PackId> = self.waiting().packs.keys().copied().collect();
        let left = Mutex::new(held.into_iter());
        let next = || left.lock().next();
        let store_some = || -> Result<()> {
            while let Some(pack) = next() {
                self.store(pack)?;
            }
            Ok(())
        };
        thread::scope(|scope| {
            let others = 1..self.inner.capabilities().connections;
            let others: Vec<_> = others
                .filter_map(|_| thread::Builder::new().spawn_scoped(scope, store_some).ok())
                .collect();
            let panicked = || Error::new(Kind::Failed, "store", "packs that were held back");
            let stored = store_some();
            let joined = others.into_iter().map(|it| it.join().unwrap_or_else(|_| Err(panicked())));
            joined.fold(stored, Result::and)
        })
    }

    /// Stores one; until that is done it waits.
    fn store(&self, pack: PackId) -> Result<()> {
        let handle = Handle::pack(pack);
        let Some(bytes) = self.waiting().packs.get(&pack).map(|held| held.read(None)) else {
            return Ok(());
        };
        let bytes = bytes.attempt("read what was held back of", &handle)?;
        match self.inner.put_new(&handle, &bytes)? {
            Put::Created => {}
            Put::Exists if self.inner.get(&handle, None)? == bytes => {}
            Put::Exists => {
                return Err(Error::damaged("store", handle, "other bytes stand under its name"));
            }
        }
        let mut waiting = self.waiting();
        if let Some(stored) = waiting.packs.remove(&pack) {
            waiting.bytes -= stored.length;
        }
        Ok(())
    }
}

impl<B: Backend> Backend for Spool<B> {
    forward!([inner] describe capabilities list_pages delete_all retained retain);

    fn put_shared(&self, handle: &Handle, bytes: Bytes) -> Result<Put> {
        match handle.pack_id() {
            Some(pack) if self.keep(pack, &bytes) => Ok(Put::Created),
            Some(_) => self.inner.put_shared(handle, bytes),
            // That a writer is at work rests on nothing.
            None if handle.kind() == ObjectKind::Writer => self.inner.put_shared(handle, bytes),
            None => {
                self.store_held()?;
                self.inner.put_shared(handle, bytes)
            }
        }
    }

    fn get(&self, handle: &Handle, range: Option<Range<u64>>) -> Result<Vec<u8>> {
        let waiting = self.waiting();
        if let Some(held) = handle.pack_id().and_then(|pack| waiting.packs.get(&pack)) {
            return held.read(range).attempt("read what was held back of", handle);
        }
        if handle.pack_id().is_some() && waiting.is_holding {
            return Err(Error::new(Kind::Unavailable, "read", handle)
                .because("nothing waits for the store now"));
        }
        drop(waiting);
        self.inner.get(handle, range)
    }

    fn size(&self, handle: &Handle) -> Result<u64> {
        let held = handle.pack_id().and_then(|pack| Some(self.waiting().packs.get(&pack)?.length));
        held.map_or_else(|| self.inner.size(handle), Ok)
    }
}
