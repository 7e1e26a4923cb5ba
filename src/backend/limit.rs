//! Keeps a store from being asked too much at once.

use super::line::Line;
use super::options::Rates;
use super::{Backend, Bytes, Capabilities, Handle, Put, Visit};
use crate::env::{Env, Time};
use crate::error::Result;
use crate::format::ObjectKind;
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::ops::Range;

/// A backend of which so many calls are made at once, and over which so many bytes go in a second each way.
#[derive(Debug)]
pub struct Limit<B> {
    inner: B,
    connections: usize,
    upload: Line,
    download: Line,
    in_flight: Mutex<usize>,
    freed: Condvar,
}

impl<B: Backend> Limit<B> {
    /// At most `connections` calls at once, and bytes as fast as `rates` say.
    pub fn new(inner: B, env: Env, connections: usize, rates: Rates) -> Self {
        let connections = connections.max(1);
        let upload = Line::new(rates.upload, env.clone());
        let download = Line::new(rates.download, env);
        let (in_flight, freed) = (Mutex::new(0), Condvar::new());
        Limit { inner, connections, upload, download, in_flight, freed }
    }

    /// Makes a call when there is room for it, and keeps it as long as its bytes take on the line.
    fn within<T>(
        &self,
        line: &Line,
        call: impl FnOnce(&B) -> Result<T>,
        length: impl FnOnce(&T) -> usize,
    ) -> Result<T> {
        let full = |in_flight: &mut usize| *in_flight >= self.connections;
        let mut in_flight = self.in_flight();
        self.freed.wait_while(&mut in_flight, full);
        *in_flight += 1;
        drop(in_flight);
        let result = call(&self.inner);
        let length = result.as_ref().map_or(0, length) as u64;
        line.carry(length);
        *self.in_flight() -= 1;
        self.freed.notify_one();
        result
    }

    fn in_flight(&self) -> MutexGuard<'_, usize> {
        self.in_flight.lock()
    }
}

impl<B: Backend> Backend for Limit<B> {
    forward!([inner] describe);

    fn capabilities(&self) -> Capabilities {
        let inner = self.inner.capabilities();
        Capabilities { connections: inner.connections.min(self.connections), ..inner }
    }

    fn put_shared(&self, handle: &Handle, bytes: Bytes) -> Result<Put> {
        let length = bytes.len();
        self.within(&self.upload, |inner| inner.put_shared(handle, bytes), |_| length)
    }

    fn get(&self, handle: &Handle, range: Option<Range<u64>>) -> Result<Vec<u8>> {
        self.within(&self.download, |inner| inner.get(handle, range), Vec::len)
    }

    fn size(&self, handle: &Handle) -> Result<u64> {
        self.within(&self.download, |inner| inner.size(handle), |_| 0)
    }

    /// Not counted: `visit` may call the store again.
    fn list_pages(&self, kind: ObjectKind, prefix: &str, visit: &mut Visit<'_>) -> Result<()> {
        self.inner.list_pages(kind, prefix, visit)
    }

    fn delete_all(&self, handles: &[Handle]) -> Result<()> {
        self.within(&self.upload, |inner| inner.delete_all(handles), |()| 0)
    }

    fn retained(&self, handles: &[Handle]) -> Result<Vec<Option<Time>>> {
        self.within(&self.download, |inner| inner.retained(handles), |_| 0)
    }

    fn retain(&self, handles: &[Handle]) -> Result<u64> {
        self.within(&self.upload, |inner| inner.retain(handles), |_| 0)
    }
}
