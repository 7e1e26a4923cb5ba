//! Counts the calls and bytes of another backend: for summaries, and for tests that hold an
//! operation to its budget.

use super::{Backend, Bytes, Handle, Put, Visit};
use crate::error::Result;
use crate::format::ObjectKind;
use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::ops::{AddAssign, Range};

/// What a backend was asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// [`Backend::put_shared`]
    Put,
    /// [`Backend::get`]
    Get,
    /// [`Backend::size`]
    Size,
    /// [`Backend::list_pages`]
    List,
    /// [`Backend::delete_all`]
    Delete,
}

/// How often, and how much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Calls, the failed ones too.
    pub calls: u64,
    /// Bytes of the objects that were created, or that were read.
    pub bytes: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.calls = self.calls.saturating_add(other.calls);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// A backend whose traffic is counted by verb and kind.
#[derive(Debug)]
pub struct Counting<B> {
    inner: B,
    counts: Mutex<Counts>,
}

type Counts = BTreeMap<(Verb, ObjectKind), Tally>;

impl<B: Backend> Counting<B> {
    /// Counts what goes through to `inner` from now on.
    pub fn new(inner: B) -> Self {
        Counting { inner, counts: Mutex::default() }
    }

    /// The traffic of one verb on one kind.
    pub fn tally(&self, verb: Verb, kind: ObjectKind) -> Tally {
        self.counts().get(&(verb, kind)).copied().unwrap_or_default()
    }

    /// The traffic of one verb on all kinds.
    pub fn total(&self, verb: Verb) -> Tally {
        let mut total = Tally::default();
        for kind in ObjectKind::ALL {
            total += self.tally(verb, kind);
        }
        total
    }

    /// Bytes of all objects created.
    pub fn written(&self) -> u64 {
        self.total(Verb::Put).bytes
    }

    /// Bytes read from all objects.
    pub fn read(&self) -> u64 {
        self.total(Verb::Get).bytes
    }

    /// Starts again from nought.
    pub fn reset(&self) {
        self.counts().clear();
    }

    fn count<T>(
        &self,
        verb: Verb,
        kind: ObjectKind,
        result: Result<T>,
        bytes: impl FnOnce(&T) -> usize,
    ) -> Result<T> {
        let bytes = result.as_ref().map_or(0, bytes) as u64;
        *self.counts().entry((verb, kind)).or_default() += Tally { calls: 1, bytes };
        result
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock()
    }
}

impl<B: Backend> Backend for Counting<B> {
    forward!([inner] describe capabilities);

    fn put_shared(&self, handle: &Handle, bytes: Bytes) -> Result<Put> {
        let length = bytes.len();
        let result = self.inner.put_shared(handle, bytes);
        self.count(Verb::Put, handle.kind(), result, |put| match put {
            Put::Created => length,
            Put::Exists => 0,
        })
    }

    fn get(&self, handle: &Handle, range: Option<Range<u64>>) -> Result<Vec<u8>> {
        let result = self.inner.get(handle, range);
        self.count(Verb::Get, handle.kind(), result, Vec::len)
    }

    fn size(&self, handle: &Handle) -> Result<u64> {
        self.count(Verb::Size, handle.kind(), self.inner.size(handle), |_| 0)
    }

    fn list_pages(&self, kind: ObjectKind, prefix: &str, visit: &mut Visit<'_>) -> Result<()> {
        let result = self.inner.list_pages(kind, prefix, visit);
        self.count(Verb::List, kind, result, |()| 0)
    }

    fn delete_all(&self, handles: &[Handle]) -> Result<()> {
        let result = self.inner.delete_all(handles);
        match handles.first() {
            Some(first) => self.count(Verb::Delete, first.kind(), result, |()| 0),
            None => result,
        }
    }
}
