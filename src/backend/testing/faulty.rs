//! A backend that lies, loses and fails as planned.

use crate::backend::{Backend, Bytes, Handle, Listed, Put, Visit};
use crate::env::{Env, Time};
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// What goes wrong with a call. A fault that means nothing to a verb leaves it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Any verb: nothing is done, and it fails.
    Fails,
    /// Any verb: it is done, and its answer is lost (a timeout).
    DoneButFails,
    /// Put: nothing is done, and it says that the object exists.
    SaysExists,
    /// Put: whatever stands there is overwritten.
    Overwrites,
    /// Delete: refused (an object lock).
    Denies,
    /// Get: one bit of the bytes is wrong.
    FlipsBit,
    /// Get: the bytes end early, and nothing says so.
    Truncates,
    /// List: in an arbitrary order.
    Shuffles,
    /// List: in an arbitrary order, some objects twice.
    Duplicates,
    /// List: as it was at the previous listing of the kind.
    ListsLate,
}

/// A backend whose calls go wrong by a seeded plan.
pub struct Faulty<B> {
    inner: B,
    rules: Vec<Rule>,
    calls: AtomicU64,
    chance: Env,
    seen: Mutex<BTreeMap<ObjectKind, Vec<Listed>>>,
}

struct Rule {
    first: u64,
    lasting: bool,
    fault: Fault,
}

impl<B: Backend> Faulty<B> {
    /// Nothing goes wrong yet; `seed` decides what the plan leaves open.
    pub fn new(inner: B, seed: u64) -> Self {
        let (chance, _) = Env::seeded(seed, Time(0));
        let (calls, seen) = (AtomicU64::new(0), Mutex::default());
        Faulty { inner, rules: Vec::new(), calls, chance, seen }
    }

    /// The call numbered `number`, counted from 0 over all verbs, goes wrong.
    pub fn once(mut self, number: u64, fault: Fault) -> Self {
        self.rules.push(Rule { first: number, lasting: false, fault });
        self
    }

    /// That call and all later ones go wrong.
    pub fn from(mut self, number: u64, fault: Fault) -> Self {
        self.rules.push(Rule { first: number, lasting: true, fault });
        self
    }

    /// Calls so far.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    fn next_fault(&self) -> Option<Fault> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        let strikes = |rule: &&Rule| number == rule.first || number > rule.first && rule.lasting;
        self.rules.iter().find(strikes).map(|rule| rule.fault)
    }

    /// Whether a fault keeps the reader from an answer.
    fn fails(&self, fault: Option<Fault>, attempted: &str, subject: impl Display) -> Result<()> {
        match fault {
            Some(Fault::Fails) => Err(planned(attempted, subject)),
            Some(Fault::DoneButFails) => Err(lost(attempted, subject)),
            _ => Ok(()),
        }
    }

    /// A number below `bound`, or 0.
    fn below(&self, bound: usize) -> Result<usize> {
        let number = u64::from_le_bytes(self.chance.random()?);
        let below = number.checked_rem(bound as u64).unwrap_or(0);
        Ok(usize::try_from(below).unwrap_or(0))
    }

    fn shuffled(&self, mut listed: Vec<Listed>) -> Result<Vec<Listed>> {
        for at in (1..listed.len()).rev() {
            listed.swap(at, self.below(at + 1)?);
        }
        Ok(listed)
    }

    fn flipped(&self, mut bytes: Vec<u8>) -> Result<Vec<u8>> {
        let (at, bit) = (self.below(bytes.len())?, self.below(8)?);
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << bit;
        }
        Ok(bytes)
    }

    fn overwrite(&self, handle: &Handle, bytes: Bytes) -> Result<Put> {
        self.inner.delete(handle)?;
        self.inner.put_shared(handle, bytes)?;
        Ok(Put::Created)
    }
}

impl<B: Backend> Backend for Faulty<B> {
    forward!([inner] describe capabilities);

    fn put_shared(&self, handle: &Handle, bytes: Bytes) -> Result<Put> {
        match self.next_fault() {
            Some(Fault::Fails) => Err(planned("create", handle)),
            Some(Fault::DoneButFails) => {
                self.inner.put_shared(handle, bytes).and(Err(lost("create", handle)))
            }
            Some(Fault::SaysExists) => Ok(Put::Exists),
            Some(Fault::Overwrites) => self.overwrite(handle, bytes),
            _ => self.inner.put_shared(handle, bytes),
        }
    }

    fn get(&self, handle: &Handle, range: Option<Range<u64>>) -> Result<Vec<u8>> {
        let fault = self.next_fault();
        self.fails(fault, "read", handle)?;
        let mut bytes = self.inner.get(handle, range)?;
        match fault {
            Some(Fault::FlipsBit) => self.flipped(bytes),
            Some(Fault::Truncates) => {
                bytes.truncate(self.below(bytes.len())?);
                Ok(bytes)
            }
            _ => Ok(bytes),
        }
    }

    fn size(&self, handle: &Handle) -> Result<u64> {
        let fault = self.next_fault();
        self.fails(fault, "find", handle)?;
        self.inner.size(handle)
    }

    fn list_pages(&self, kind: ObjectKind, prefix: &str, visit: &mut Visit<'_>) -> Result<()> {
        let fault = self.next_fault();
        self.fails(fault, "list", kind.folder())?;
        let listed = self.inner.list(kind)?;
        let before = self.seen.lock().insert(kind, listed.clone()).unwrap_or_default();
        let mut shown = match fault {
            Some(Fault::Shuffles) => self.shuffled(listed)?,
            Some(Fault::Duplicates) => {
                let twice = listed.iter().step_by(2).cloned().collect();
                self.shuffled([listed, twice].concat())?
            }
            Some(Fault::ListsLate) => before,
            _ => listed,
        };
        shown.retain(|object| object.handle.name().starts_with(prefix));
        visit(shown)
    }

    fn delete_all(&self, handles: &[Handle]) -> Result<()> {
        let subject = || handles.first().map(Handle::to_string).unwrap_or_default();
        match self.next_fault() {
            Some(Fault::Fails) => Err(planned("delete", subject())),
            Some(Fault::DoneButFails) => {
                self.inner.delete_all(handles).and(Err(lost("delete", subject())))
            }
            Some(Fault::Denies) => {
                Err(Error::new(Kind::Denied, "delete", subject()).because("it is under a lock"))
            }
            _ => self.inner.delete_all(handles),
        }
    }
}

fn lost(attempted: &str, subject: impl Display) -> Error {
    Error::unavailable(attempted, subject, "the test loses its answer")
}

fn planned(attempted: &str, subject: impl Display) -> Error {
    Error::new(Kind::Failed, attempted, subject).because("the test wants it so")
}
