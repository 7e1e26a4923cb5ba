//! Asks again where a store did not answer.

use super::{Backend, Bytes, Handle, Put, Visit};
use crate::env::{Env, Time};
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The first pause, before chance makes it shorter; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// How long one call is tried.
const PATIENCE: Duration = Duration::from_secs(120);
/// The most that one attempt counts: a machine that slept in the middle of it has not waited.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(30);

/// A backend whose calls are repeated, after pauses, as long as they are [`Kind::Unavailable`] and
/// no longer than about two minutes. Nothing else is tried again. Once a call was tried in vain for
/// so long, each of the others is tried once, until one succeeds: a store that is away costs two
/// minutes, not two for each call.
#[derive(Debug)]
pub struct Retry<B> {
    inner: B,
    env: Env,
    /// Whether patience was spent, and nothing was heard since.
    is_away: AtomicBool,
}

impl<B> Retry<B> {
    /// Repeats what fails of `inner`; pauses are those of `env`.
    pub fn new(inner: B, env: Env) -> Self {
        Retry { inner, env, is_away: AtomicBool::new(false) }
    }

    /// The backend beneath.
    pub fn inner(&self) -> &B {
        &self.inner
    }

    /// Makes a call as often as it takes.
    pub(super) fn persist<T>(&self, mut call: impl FnMut() -> Result<T>) -> Result<T> {
        let (mut spent, mut longest) = (Duration::ZERO, FIRST_PAUSE);
        loop {
            let begun = self.env.now();
            let done = call();
            if !matches!(&done, Err(error) if error.kind() == Kind::Unavailable) {
                self.is_away.store(false, Ordering::Relaxed);
                return done;
            }
            spent += self.env.now().since(begun).min(LONGEST_ATTEMPT);
            if spent >= PATIENCE {
                self.is_away.store(true, Ordering::Relaxed);
            }
            if self.is_away.load(Ordering::Relaxed) {
                return done.map_err(Error::with_retry_hint);
            }
            let pause = self.shortened(longest)?;
            self.env.sleep(pause);
            spent += pause;
            longest = (longest * 2).min(LONGEST_PAUSE);
        }
    }

    /// Between half of a pause and all of it, by chance: those who failed together come back apart.
    fn shortened(&self, pause: Duration) -> Result<Duration> {
        let [chance] = self.env.random()?;
        Ok(pause.mul_f64(0.5 + f64::from(chance) / 512.0))
    }
}

impl<B: Backend> Backend for Retry<B> {
    forward!([inner] describe capabilities);

    /// What was created by an attempt whose answer was lost says [`Put::Exists`] to the next.
    fn put_shared(&self, handle: &Handle, bytes: Bytes) -> Result<Put> {
        self.persist(|| self.inner.put_shared(handle, bytes.clone()))
    }

    fn get(&self, handle: &Handle, range: Option<Range<u64>>) -> Result<Vec<u8>> {
        self.persist(|| self.inner.get(handle, range.clone()))
    }

    fn size(&self, handle: &Handle) -> Result<u64> {
        self.persist(|| self.inner.size(handle))
    }

    /// From its beginning again: the pages before the failure come twice.
    fn list_pages(&self, kind: ObjectKind, prefix: &str, visit: &mut Visit<'_>) -> Result<()> {
        let mut stopped = None;
        let listed = self.persist(|| {
            self.inner.list_pages(kind, prefix, &mut |page| {
                visit(page).map_err(|error| {
                    stopped = Some(error);
                    Error::new(Kind::Interrupted, "list", kind.folder())
                })
            })
        });
        stopped.map_or(listed, Err)
    }

    fn delete_all(&self, handles: &[Handle]) -> Result<()> {
        self.persist(|| self.inner.delete_all(handles))
    }

    fn retained(&self, handles: &[Handle]) -> Result<Vec<Option<Time>>> {
        self.persist(|| self.inner.retained(handles))
    }

    /// What an attempt did that failed later is not counted.
    fn retain(&self, handles: &[Handle]) -> Result<u64> {
        self.persist(|| self.inner.retain(handles))
    }
}
