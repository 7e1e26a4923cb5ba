//! `doctor`: holds a store to what repositories need of it, and measures it.

use crate::backend::{Backend, Capabilities, LARGE, PROMISES, Promise, probe_thoroughly};
use crate::env::{Env, Time};
use crate::error::Result;
use crate::format::{Handle, ObjectKind};
use crate::id::SnapshotId;
use crate::limits::PACK_MAX;
use crate::monitor::{Counter, Monitor, go_on};
use std::time::Duration;

/// What was found out about a store.
#[derive(Debug)]
pub struct Diagnosis {
    /// What it was held to, and how that went.
    pub tried: Vec<Tried>,
    /// What it can be trusted with, as far as that could be measured.
    pub capabilities: Result<Capabilities>,
    /// How long a small object takes to be read: the middle of several.
    pub latency: Option<Duration>,
    /// Whether something of the trials is still there, which could not be deleted.
    pub left: bool,
}

/// One trial.
#[derive(Debug)]
pub struct Tried {
    /// Of what.
    pub promise: &'static Promise,
    /// How long it took, if it went well.
    pub outcome: Result<Duration>,
}

impl Diagnosis {
    /// Whether a repository can lie there.
    pub fn is_fit(&self) -> bool {
        self.tried.iter().all(|it| it.outcome.is_ok() || it.promise.otherwise.is_some())
    }

    /// Bytes a second in which a large object comes and goes, if it did.
    pub fn throughput(&self) -> Option<u64> {
        let large = self.tried.iter().find(|it| std::ptr::eq(it.promise, &LARGE_TRIAL))?;
        let took = large.outcome.as_ref().ok()?.as_millis().max(1);
        u64::try_from(2 * 1000 * PACK_MAX as u128 / took).ok()
    }
}

static TRIALS: [Promise; 8] = PROMISES;
static LARGE_TRIAL: Promise = LARGE;

/// Reads of a small object that are measured.
const READS: usize = 7;

/// Tries everything, each in a folder of its own, which `make` opens by its name; nothing else is touched, and
/// what was put is deleted again.
///
/// # Errors
/// The user's wish to stop, and those of `make`.
pub fn doctor(
    make: &dyn Fn(&str) -> Result<Box<dyn Backend>>,
    env: &Env,
    monitor: &dyn Monitor,
) -> Result<Diagnosis> {
    let trials = TRIALS.iter().chain([&LARGE_TRIAL]);
    monitor.begin("try the store", Some((Counter::Items, trials.clone().count() as u64 + 1)));
    let (mut tried, mut left) = (Vec::new(), false);
    for (number, promise) in trials.enumerate() {
        go_on(monitor, "try the store")?;
        let store = make(&number.to_string())?;
        let began = env.now();
        let outcome = promise.try_on(&*store).map(|()| env.now().since(began));
        tried.push(Tried { promise, outcome });
        left |= clear(&*store).is_err();
        monitor.count(Counter::Items, 1);
    }
    let store = make("probe")?;
    let (capabilities, latency) = (probe_thoroughly(&*store, env), latency(&*store, env).ok());
    left |= clear(&*store).is_err();
    monitor.end();
    Ok(Diagnosis { tried, capabilities, latency, left })
}

fn latency(store: &dyn Backend, env: &Env) -> Result<Duration> {
    let handle = Handle::snapshot(SnapshotId(env.random()?));
    store.put_new(&handle, &[7; 256])?;
    let read = |_| {
        let began: Time = env.now();
        store.get(&handle, None).map(|_| env.now().since(began))
    };
    let mut reads = (0..READS).map(read).collect::<Result<Vec<Duration>>>()?;
    reads.sort();
    Ok(reads.get(READS / 2).copied().unwrap_or_default())
}

fn clear(store: &dyn Backend) -> Result<()> {
    for kind in ObjectKind::ALL {
        let handles: Vec<Handle> =
            store.list(kind)?.into_iter().map(|object| object.handle).collect();
        store.delete_all(&handles)?;
    }
    Ok(())
}
