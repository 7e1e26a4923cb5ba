//! A store in memory that behaves like one on another machine.

use crate::backend::{Backend, Bytes, Capabilities, Handle, Listed, Memory, Put, Visit};
use crate::env::{Env, Time};
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How a [`Remote`] behaves. The default answers at once and keeps every promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manners {
    /// What each request takes.
    pub latency: Duration,
    /// Bytes a second over all connections; none for as many as come.
    pub bandwidth: Option<u64>,
    /// So many requests of a hundred are not answered; of changes among them, half are made.
    pub failures: u8,
    /// An object is listed only after so many more requests.
    pub lag: u64,
    /// Whether of several creators of one name exactly one wins.
    pub exclusive_create: bool,
    /// So many requests are worth having in flight.
    pub connections: usize,
}

impl Default for Manners {
    fn default() -> Self {
        Manners {
            latency: Duration::ZERO,
            bandwidth: None,
            failures: 0,
            lag: 0,
            exclusive_create: true,
            connections: 16,
        }
    }
}

/// Objects that are far away. Each page of a listing is a request, and each object that is deleted.
pub struct Remote {
    store: Arc<Memory>,
    manners: Manners,
    env: Env,
    chance: Env,
    line: Mutex<Line>,
}

/// What goes over the line, and what has.
struct Line {
    /// When all bytes so far have gone over it.
    free_at: Time,
    requests: u64,
    in_flight: u64,
    most_in_flight: u64,
    /// The number of the request that created each object.
    created: HashMap<Handle, u64>,
}

/// Objects on one page of a listing.
const PAGE: usize = 1000;
/// Ranges that lie closer than this cost less as one: about 50 ms of a line of 20 MB a second.
const READ_GAP: u32 = 1 << 20;

impl Remote {
    /// The objects in `store`. Time passes by the clock of `env`; `seed` decides which requests fail.
    pub fn new(store: Arc<Memory>, manners: Manners, env: Env, seed: u64) -> Self {
        let (chance, _) = Env::seeded(seed, Time(0));
        let (free_at, created) = (env.now(), HashMap::new());
        let line = Line { free_at, requests: 0, in_flight: 0, most_in_flight: 0, created };
        Remote { store, manners, env, chance, line: Mutex::new(line) }
    }

    /// Requests so far, those without an answer too.
    pub fn requests(&self) -> u64 {
        self.line().requests
    }

    /// The most requests that were on their way at once.
    pub fn most_in_flight(&self) -> u64 {
        self.line().most_in_flight
    }

    /// One request, which carries so many bytes, or its answer does.
    fn request<T>(
        &self,
        attempted: &str,
        subject: &dyn std::fmt::Display,
        act: impl FnOnce(&Memory, u64) -> Result<T>,
        length: impl FnOnce(&T) -> usize,
    ) -> Result<T> {
        let number = {
            let mut line = self.line();
            line.requests += 1;
            line.in_flight += 1;
            line.most_in_flight = line.most_in_flight.max(line.in_flight);
            line.requests
        };
        self.env.sleep(self.manners.latency);
        let answer = self.answer(number, attempted, subject, act);
        let length = answer.as_ref().map_or(0, length);
        self.env.sleep(self.turn_of(length));
        self.line().in_flight -= 1;
        answer
    }

    fn answer<T>(
        &self,
        number: u64,
        attempted: &str,
        subject: &dyn std::fmt::Display,
        act: impl FnOnce(&Memory, u64) -> Result<T>,
    ) -> Result<T> {
        let [fails, lost] = self.chance.random()?;
        if u32::from(fails) * 100 >= u32::from(self.manners.failures) * 256 {
            return act(&self.store, number);
        }
        if lost.is_multiple_of(2) {
            act(&self.store, number)?;
        }
        Err(Error::unavailable(attempted, subject, "no answer came"))
    }

    /// How long to wait until so many bytes have gone over the line, after all before them.
    fn turn_of(&self, length: usize) -> Duration {
        let Some(bandwidth) = self.manners.bandwidth else { return Duration::ZERO };
        let nanoseconds = length as u128 * 1_000_000_000 / u128::from(bandwidth.max(1));
        let takes = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        let now = self.env.now();
        let mut line = self.line();
        line.free_at = line.free_at.max(now) + takes;
        line.free_at.since(now)
    }

    /// Looks, and then writes: between the two another creator may come.
    fn put_carelessly(&self, handle: &Handle, bytes: Bytes, number: u64) -> Result<Put> {
        match self.store.size(handle) {
            Err(error) if error.kind() == Kind::NotFound => {}
            found => return found.map(|_| Put::Exists),
        }
        std::thread::yield_now();
        self.store.delete(handle)?;
        self.store.put_shared(handle, bytes)?;
        self.line().created.insert(handle.clone(), number);
        Ok(Put::Created)
    }

    fn put(&self, handle: &Handle, bytes: Bytes, number: u64) -> Result<Put> {
        if !self.manners.exclusive_create {
            return self.put_carelessly(handle, bytes, number);
        }
        let put = self.store.put_shared(handle, bytes)?;
        if put == Put::Created {
            self.line().created.insert(handle.clone(), number);
        }
        Ok(put)
    }

    /// What a listing shows that begins with this request.
    fn visible(&self, kind: ObjectKind, prefix: &str) -> Result<Vec<Listed>> {
        let mut listed = Vec::new();
        self.store.list_pages(kind, prefix, &mut |page| {
            listed.extend(page);
            Ok(())
        })?;
        let line = self.line();
        let is_old = |object: &Listed| {
            let created = line.created.get(&object.handle).copied().unwrap_or(0);
            created.saturating_add(self.manners.lag) <= line.requests
        };
        listed.retain(is_old);
        Ok(listed)
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend for Remote {
    fn describe(&self) -> String {
        "a remote store".to_owned()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            exclusive_create: self.manners.exclusive_create,
            list_after_write: self.manners.lag == 0,
            connections: self.manners.connections,
            read_gap: READ_GAP,
        }
    }

    fn put_shared(&self, handle: &Handle, bytes: Bytes) -> Result<Put> {
        let length = bytes.len();
        let put = |_: &Memory, number| self.put(handle, bytes, number);
        self.request("create", handle, put, |_| length)
    }

    fn get(&self, handle: &Handle, range: Option<Range<u64>>) -> Result<Vec<u8>> {
        self.request("read", handle, |store, _| store.get(handle, range), Vec::len)
    }

    fn size(&self, handle: &Handle) -> Result<u64> {
        self.request("find", handle, |store, _| store.size(handle), |_| 0)
    }

    fn list_pages(&self, kind: ObjectKind, prefix: &str, visit: &mut Visit<'_>) -> Result<()> {
        let mut listed = self.visible(kind, prefix)?.into_iter();
        loop {
            let page: Vec<Listed> = listed.by_ref().take(PAGE).collect();
            let last = page.len() < PAGE;
            visit(self.request("list", &kind.folder(), |_, _| Ok(page), |_| 0)?)?;
            if last {
                return Ok(());
            }
        }
    }

    fn delete_all(&self, handles: &[Handle]) -> Result<()> {
        let mut deleted = Ok(());
        for handle in handles {
            let one = self.request("delete", handle, |store, _| store.delete(handle), |()| 0);
            deleted = deleted.and(one);
        }
        deleted
    }
}
