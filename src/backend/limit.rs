//! Keeps a store from being asked too much at once.

use super::{Backend, Bytes, Capabilities, Handle, Put, Visit};
use crate::env::{Env, Time};
use crate::error::Result;
use crate::format::ObjectKind;
use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A backend of which so many calls are made at once, and over which so many bytes go in a second.
#[derive(Debug)]
pub struct Limit<B> {
    inner: B,
    env: Env,
    connections: usize,
    /// Of objects, a second; none for as many as come.
    bytes: Option<u64>,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug)]
struct State {
    in_flight: usize,
    /// When all bytes so far have gone over the line.
    free_at: Time,
}

impl<B: Backend> Limit<B> {
    /// At most `connections` calls at once, and `bytes` a second if that is limited.
    pub fn new(inner: B, env: Env, connections: usize, bytes: Option<u64>) -> Self {
        let state = Mutex::new(State { in_flight: 0, free_at: env.now() });
        let connections = connections.max(1);
        Limit { inner, env, connections, bytes, state, freed: Condvar::new() }
    }

    /// Makes a call when there is room for it, and keeps it as long as its bytes take.
    fn within<T>(
        &self,
        call: impl FnOnce(&B) -> Result<T>,
        length: impl FnOnce(&T) -> usize,
    ) -> Result<T> {
        let full = |state: &mut State| state.in_flight >= self.connections;
        let waited = self.freed.wait_while(self.state(), full);
        waited.unwrap_or_else(PoisonError::into_inner).in_flight += 1;
        let result = call(&self.inner);
        let length = result.as_ref().map_or(0, length) as u64;
        self.env.sleep(self.turn_of(length));
        self.state().in_flight -= 1;
        self.freed.notify_one();
        result
    }

    /// How long to wait until so many bytes have gone over the line, after all before them.
    fn turn_of(&self, length: u64) -> Duration {
        let Some(bytes) = self.bytes else { return Duration::ZERO };
        let nanoseconds = u128::from(length) * 1_000_000_000 / u128::from(bytes.max(1));
        let takes = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        let now = self.env.now();
        let mut state = self.state();
        state.free_at = state.free_at.max(now) + takes;
        state.free_at.since(now)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.within(|inner| inner.put_shared(handle, bytes), |_| length)
    }

    fn get(&self, handle: &Handle, range: Option<Range<u64>>) -> Result<Vec<u8>> {
        self.within(|inner| inner.get(handle, range), Vec::len)
    }

    fn size(&self, handle: &Handle) -> Result<u64> {
        self.within(|inner| inner.size(handle), |_| 0)
    }

    /// Not among those that are counted: whoever takes the pages may well call in between.
    fn list_pages(&self, kind: ObjectKind, prefix: &str, visit: &mut Visit<'_>) -> Result<()> {
        self.inner.list_pages(kind, prefix, visit)
    }

    fn delete_all(&self, handles: &[Handle]) -> Result<()> {
        self.within(|inner| inner.delete_all(handles), |()| 0)
    }
}
