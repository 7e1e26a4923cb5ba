//! A line to a store, over which bytes go one after another.

use crate::env::{Env, Time};
use parking_lot::Mutex;
use std::time::Duration;

/// So many bytes a second over all connections; none for as many as come.
#[derive(Debug)]
pub(super) struct Line {
    bytes: Option<u64>,
    env: Env,
    /// When all bytes so far have gone over it.
    free_at: Mutex<Time>,
}

impl Line {
    pub(super) fn new(bytes: Option<u64>, env: Env) -> Self {
        let free_at = Mutex::new(env.now());
        Line { bytes, env, free_at }
    }

    /// Waits until so many bytes have gone over the line, after all before them.
    pub(super) fn carry(&self, length: u64) {
        let Some(bytes) = self.bytes else { return };
        let nanoseconds = u128::from(length) * 1_000_000_000 / u128::from(bytes.max(1));
        let takes = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        let now = self.env.now();
        let free_at = {
            let mut free_at = self.free_at.lock();
            *free_at = (*free_at).max(now) + takes;
            *free_at
        };
        self.env.sleep(free_at.since(now));
    }
}
