//! The file behind a table, which is made anew when a part of it turns out not to be what was written.

use crate::error::{Error, Result};
use parking_lot::{Mutex, RwLock};
use std::fs::File;
use std::sync::{Arc, OnceLock};

/// Makes a file anew, with the same bytes.
pub(in crate::repo) type Rebuild = Box<dyn Fn() -> Result<Arc<File>> + Send + Sync>;

/// A file that is read until a read fails, and then another with the same bytes.
pub(super) struct Mender {
    file: RwLock<Arc<File>>,
    rebuild: Mutex<Option<Rebuild>>,
    failure: OnceLock<Error>,
}

impl Mender {
    /// A file that nobody makes anew.
    pub(super) fn of(file: File) -> Self {
        let file = RwLock::new(Arc::new(file));
        Mender { file, rebuild: Mutex::default(), failure: OnceLock::new() }
    }

    /// From now on it is made anew, once.
    pub(super) fn rebuild_by(&mut self, rebuild: Rebuild) {
        self.rebuild = Mutex::new(Some(rebuild));
    }

    /// Why it could neither be read nor be made anew.
    pub(super) fn failure(&self) -> Option<&Error> {
        self.failure.get()
    }

    /// Reads from the file; nothing if neither it nor a new one can be read.
    pub(super) fn read<T>(&self, read: impl Fn(&File) -> Result<T>) -> Option<T> {
        let file = self.file();
        let error = match read(&file) {
            Ok(found) => return Some(found),
            Err(error) => error,
        };
        match self.renew(&file, error).and_then(|file| read(&file)) {
            Ok(found) => Some(found),
            Err(error) => {
                // Only the first is told.
                drop(self.failure.set(error));
                None
            }
        }
    }

    /// The file that is read now.
    pub(super) fn file(&self) -> Arc<File> {
        Arc::clone(&self.file.read())
    }

    /// The file to read instead of `failed`; of several that wait, one makes it.
    fn renew(&self, failed: &Arc<File>, error: Error) -> Result<Arc<File>> {
        let mut rebuild = self.rebuild.lock();
        let now = self.file();
        if !Arc::ptr_eq(&now, failed) {
            return Ok(now);
        }
        let Some(rebuild) = rebuild.take() else { return Err(error) };
        let new = rebuild()?;
        *self.file.write() = Arc::clone(&new);
        Ok(new)
    }
}
