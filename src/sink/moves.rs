//! Changes of one directory that are taken back together if one of them fails: names are moved,
//! nothing is written over and nothing removed before all is done.

use super::temporary::{aside, temporary};
use crate::error::{Attempt, Error, Result};
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, fsync, openat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;

/// What was changed so far, the last one last.
pub(super) struct Moves<'d> {
    directory: BorrowedFd<'d>,
    undo: Vec<Undo>,
    /// What is removed when all is done.
    old: Vec<Vec<u8>>,
}

enum Undo {
    /// What is at the first name now goes back to the second.
    Rename(Vec<u8>, Vec<u8>),
    /// An empty directory of this mode stood there.
    Directory(Vec<u8>, Mode),
}

impl<'d> Moves<'d> {
    pub(super) fn new(directory: BorrowedFd<'d>) -> Self {
        Moves { directory, undo: Vec::new(), old: Vec::new() }
    }

    /// Moves what is at `name` aside.
    pub(super) fn aside(&mut self, name: &[u8]) -> Result<()> {
        let moved = aside(|aside| {
            let flags = RenameFlags::NOREPLACE;
            match rustix::fs::renameat_with(self.directory, name, self.directory, aside, flags) {
                // A file system without it; nobody else makes such names.
                Err(Errno::INVAL | Errno::NOSYS) => {
                    rustix::fs::renameat(self.directory, name, self.directory, aside)
                }
                result => result,
            }
        });
        let aside = moved.attempt("move aside", show(name))?;
        self.undo.push(Undo::Rename(aside.clone(), name.to_vec()));
        self.old.push(aside);
        Ok(())
    }

    /// Gives the file at `name` a second name, under which it stays when `name` is taken over.
    pub(super) fn keep(&mut self, name: &[u8]) -> Result<Vec<u8>> {
        let link = |aside: &[u8]| {
            rustix::fs::linkat(self.directory, name, self.directory, aside, AtFlags::empty())
        };
        let kept = aside(link).attempt("keep", show(name))?;
        self.old.push(kept.clone());
        Ok(kept)
    }

    /// Makes something under a new name, for [`Moves::put`].
    pub(super) fn make(
        &mut self,
        make: impl FnMut(&[u8]) -> rustix::io::Result<()>,
    ) -> io::Result<Vec<u8>> {
        let made = temporary(make)?;
        self.old.push(made.clone());
        Ok(made)
    }

    /// Removes the empty directory at `name`.
    pub(super) fn remove_directory(&mut self, name: &[u8], mode: Mode) -> Result<()> {
        let removed = rustix::fs::unlinkat(self.directory, name, AtFlags::REMOVEDIR);
        errno(removed, "replace", name)?;
        self.undo.push(Undo::Directory(name.to_vec(), mode));
        Ok(())
    }

    /// Moves `from` to `name`; what `keep` kept of `name` comes back if a later step fails.
    pub(super) fn put(&mut self, from: &[u8], name: &[u8], kept: Option<&[u8]>) -> Result<()> {
        let put = rustix::fs::renameat(self.directory, from, self.directory, name);
        errno(put, "put a restored database into the place of", name)?;
        let back = match kept {
            Some(kept) => Undo::Rename(kept.to_vec(), name.to_vec()),
            None => Undo::Rename(name.to_vec(), from.to_vec()),
        };
        self.undo.push(back);
        Ok(())
    }

    /// What was done so far is on disk before anything else is done.
    pub(super) fn sync(&self, name: &[u8]) -> Result<()> {
        // A descriptor opened with O_PATH cannot be synced, the directory opened through it can.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let synced = openat(self.directory, ".", flags, Mode::empty()).and_then(fsync);
        errno(synced, "sync the directory of", name)
    }

    /// All is done: removes what was moved aside.
    pub(super) fn done(self) {
        self.remove_old();
    }

    /// Takes everything back because of `error`, and says so if that fails, too.
    pub(super) fn take_back(mut self, error: Error) -> Error {
        while let Some(step) = self.undo.pop() {
            let (taken_back, from) = match &step {
                Undo::Rename(now, then) => (
                    rustix::fs::renameat(
                        self.directory,
                        now.as_slice(),
                        self.directory,
                        then.as_slice(),
                    ),
                    now,
                ),
                Undo::Directory(name, mode) => {
                    (rustix::fs::mkdirat(self.directory, name.as_slice(), *mode), name)
                }
            };
            if let Err(cause) = taken_back {
                let hint =
                    format!("what stood there is whole; it is named {} now: {cause}", show(from));
                return error.hint(hint);
            }
        }
        self.remove_old();
        error
    }

    fn remove_old(&self) {
        for name in &self.old {
            // Of no use to anybody; a name that stays harms nothing.
            let _ = rustix::fs::unlinkat(self.directory, name.as_slice(), AtFlags::empty());
        }
    }
}

pub(super) fn errno<T>(result: rustix::io::Result<T>, attempted: &str, name: &[u8]) -> Result<T> {
    result.map_err(io::Error::from).attempt(attempted, show(name))
}

pub(super) fn show(name: &[u8]) -> String {
    OsStr::from_bytes(name).display().to_string()
}
