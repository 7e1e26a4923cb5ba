//! A store in memory that behaves like one on another machine.

use crate::backend::line::Line;
use crate::backend::{Backend, Bytes, Capabilities, Handle, Listed, Memory, Put, Visit};
use crate::env::{Env, Time};
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
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
    line: Line,
    traffic: Mutex<Traffic>,
}

/// A request that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What was asked for: `read packs/..`.
    pub what: String,
    /// So many requests have to be waited for, one after the other, for all that were answered before this
    /// one was made, and for itself.
    pub round: u64,
}

/// What is on its way, and what was.
#[derive(Default)]
struct Traffic {
    requests: u64,
    in_flight: u64,
    most_in_flight: u64,
    log: Vec<Asked>,
    /// The most rounds that any request took which was answered.
    rounds: u64,
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
        let line = Line::new(manners.bandwidth, env.clone());
        Remote { store, manners, env, chance, line, traffic: Mutex::default() }
    }

    /// Requests so far, those without an answer too.
    pub fn requests(&self) -> u64 {
        self.traffic().requests
    }

    /// The most requests that were on their way at once.
    pub fn most_in_flight(&self) -> u64 {
        self.traffic().most_in_flight
    }

    /// The requests since they were taken last.
    pub fn take_log(&self) -> Vec<Asked> {
        let mut traffic = self.traffic();
        traffic.rounds = 0;
        std::mem::take(&mut traffic.log)
    }

    /// One request, which carries so many bytes, or its answer does.
    fn request<T>(
        &self,
        attempted: &str,
        subject: &dyn std::fmt::Display,
        act: impl FnOnce(&Memory, u64) -> Result<T>,
        length: impl FnOnce(&T) -> usize,
    ) -> Result<T> {
        let (number, round) = {
            let mut traffic = self.traffic();
            traffic.requests += 1;
            traffic.in_flight += 1;
            traffic.most_in_flight = traffic.most_in_flight.max(traffic.in_flight);
            let round = traffic.rounds + 1;
            traffic.log.push(Asked { what: format!("{attempted} {subject}"), round });
            (traffic.requests, round)
        };
        self.env.sleep(self.manners.latency);
        let answer = self.answer(number, attempted, subject, act);
        let length = answer.as_ref().map_or(0, length);
        self.line.carry(length as u64);
        let mut traffic = self.traffic();
        traffic.in_flight -= 1;
        traffic.rounds = traffic.rounds.max(round);
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

    /// Looks, and then writes: between the two another creator may come.
    fn put_carelessly(&self, handle: &Handle, bytes: Bytes, number: u64) -> Result<Put> {
        match self.store.size(handle) {
            Err(error) if error.kind() == Kind::NotFound => {}
            found => return found.map(|_| Put::Exists),
        }
        std::thread::yield_now();
        self.store.delete(handle)?;
        self.store.put_shared(handle, bytes)?;
        self.traffic().created.insert(handle.clone(), number);
        Ok(Put::Created)
    }

    fn put(&self, handle: &Handle, bytes: Bytes, number: u64) -> Result<Put> {
        if !self.manners.exclusive_create {
            return self.put_carelessly(handle, bytes, number);
        }
        let put = self.store.put_shared(handle, bytes)?;
        if put == Put::Created {
            self.traffic().created.insert(handle.clone(), number);
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
        let traffic = self.traffic();
        let is_old = |object: &Listed| {
            let created = traffic.created.get(&object.handle).copied().unwrap_or(0);
            created.saturating_add(self.manners.lag) <= traffic.requests
        };
        listed.retain(is_old);
        Ok(listed)
    }

    fn traffic(&self) -> MutexGuard<'_, Traffic> {
        self.traffic.lock()
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
            far: true,
            retention: None,
        }
    }

    fn put_shared(&self, handle: &Handle, bytes: Bytes) -> Result<Put> {
        let length = bytes.len();
        let put = |_: &Memory, number| self.put(handle, bytes, number);
        self.request("create", handle, put, |_| length)
    }

    fn get(&self, handle: &Handle, range: Option<Range<u64>>) -> Result<Vec<u8>> {
        let attempted = if range.is_some() { "read of" } else { "read" };
        self.request(attempted, handle, |store, _| store.get(handle, range), Vec::len)
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
