//! A disk whose n-th call fails, once or from then on.

use super::{Disk, DiskEntry};
use rustix::io::Errno;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The calls of a [`Disk`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named after its method")]
pub enum Call {
    Create,
    Write,
    Sync,
    Open,
    Size,
    ReadAt,
    Link,
    RenameNew,
    Rename,
    Remove,
    MakeDir,
    SyncDir,
    Entries,
}

/// What happens instead of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Nothing, and this error is reported.
    Fails(Errno),
    /// The call is done, and this error is reported.
    DoneButFails(Errno),
    /// A read or write handles half of the bytes; other calls are done.
    Short,
}

/// Which calls go wrong, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Only this call; any if `None`.
    pub call: Option<Call>,
    /// The first of these calls that goes wrong, counted from 0.
    pub first: u64,
    /// Whether all later ones go wrong too.
    pub lasting: bool,
    /// How it goes wrong.
    pub how: How,
}

/// A disk that fails by a plan; clones share the count of calls.
#[derive(Clone, Debug)]
pub struct FailingDisk<D> {
    inner: D,
    plan: Plan,
    seen: Arc<AtomicU64>,
}

impl<D: Disk> FailingDisk<D> {
    /// Fails the calls to `inner` as planned.
    pub fn new(inner: D, plan: Plan) -> Self {
        FailingDisk { inner, plan, seen: Arc::default() }
    }

    /// Whether the plan has come into force.
    pub fn has_struck(&self) -> bool {
        self.seen.load(Ordering::SeqCst) > self.plan.first
    }

    /// What is to happen to this call.
    fn fate(&self, call: Call) -> Option<How> {
        if self.plan.call.is_some_and(|only| only != call) {
            return None;
        }
        let number = self.seen.fetch_add(1, Ordering::SeqCst);
        let strikes = number == self.plan.first || number > self.plan.first && self.plan.lasting;
        strikes.then_some(self.plan.how)
    }

    fn run<T>(&self, call: Call, act: impl FnOnce(&D) -> io::Result<T>) -> io::Result<T> {
        match self.fate(call) {
            None | Some(How::Short) => act(&self.inner),
            Some(How::Fails(errno)) => Err(errno.into()),
            Some(How::DoneButFails(errno)) => act(&self.inner).and(Err(errno.into())),
        }
    }
}

impl<D: Disk> Disk for FailingDisk<D> {
    type File = D::File;

    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn create(&self, path: &str) -> io::Result<D::File> {
        self.run(Call::Create, |disk| disk.create(path))
    }

    fn write(&self, file: &mut D::File, bytes: &[u8]) -> io::Result<usize> {
        let half = bytes.get(..bytes.len().div_ceil(2)).unwrap_or(bytes);
        match self.fate(Call::Write) {
            None => self.inner.write(file, bytes),
            Some(How::Short) => self.inner.write(file, half),
            Some(How::Fails(errno)) => Err(errno.into()),
            Some(How::DoneButFails(errno)) => self.inner.write(file, half).and(Err(errno.into())),
        }
    }

    fn sync(&self, file: &mut D::File) -> io::Result<()> {
        self.run(Call::Sync, |disk| disk.sync(file))
    }

    fn open(&self, path: &str) -> io::Result<D::File> {
        self.run(Call::Open, |disk| disk.open(path))
    }

    fn size(&self, file: &D::File) -> io::Result<u64> {
        self.run(Call::Size, |disk| disk.size(file))
    }

    fn read_at(&self, file: &D::File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let half = buffer.len().div_ceil(2);
        match self.fate(Call::ReadAt) {
            None => self.inner.read_at(file, buffer, offset),
            Some(How::Short) => {
                self.inner.read_at(file, buffer.get_mut(..half).unwrap_or_default(), offset)
            }
            Some(How::Fails(errno) | How::DoneButFails(errno)) => Err(errno.into()),
        }
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        self.run(Call::Link, |disk| disk.link(from, to))
    }

    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        self.run(Call::RenameNew, |disk| disk.rename_new(from, to))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.run(Call::Rename, |disk| disk.rename(from, to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.run(Call::Remove, |disk| disk.remove(path))
    }

    fn make_dir(&self, path: &str) -> io::Result<()> {
        self.run(Call::MakeDir, |disk| disk.make_dir(path))
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        self.run(Call::SyncDir, |disk| disk.sync_dir(path))
    }

    fn entries(&self, path: &str) -> io::Result<Vec<DiskEntry>> {
        self.run(Call::Entries, |disk| disk.entries(path))
    }
}
