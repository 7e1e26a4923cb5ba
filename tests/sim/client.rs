//! A process on its way to the store, and what goes wrong on it.

use super::world::{Change, LATEST, LEAPS, Late, State, World, named};
use icecore::backend::{Backend, Bytes, Capabilities, Handle, Listed, Memory, Put, Visit};
use icecore::error::{Error, Kind, Result};
use icecore::format::ObjectKind;
use std::fmt::Display;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// It is not made, and nobody answers.
    Lost,
    /// It is made, and nobody answers.
    Unheard,
    /// Nobody answers, and it is made much later.
    Late,
    /// It is made, and a change once more, much later.
    Twice,
    /// It is not made, and it fails for good.
    Fails,
    /// It is made, and it fails for good.
    FailsDone,
    /// The process ends before it.
    Crash,
    /// The process ends after it.
    CrashDone,
}

/// Requests of one operation: more of them, and it does not end.
const REQUESTS_MOST: u64 = 20_000;
/// A process on its way to the store.
pub struct Client {
    world: Arc<World>,
    actor: usize,
    name: String,
    requests: AtomicU64,
    faults: AtomicU64,
    is_gone: AtomicBool,
}

impl Client {
    pub fn new(world: &Arc<World>, actor: usize, name: String) -> Self {
        let (requests, faults) = (AtomicU64::new(0), AtomicU64::new(0));
        Client { world: world.clone(), actor, name, requests, faults, is_gone: false.into() }
    }

    /// Whether it met any trouble.
    pub fn is_troubled(&self) -> bool {
        self.faults.load(Ordering::SeqCst) > 0
    }

    /// One request, in its turn.
    fn request<T>(
        &self,
        verb: &str,
        subject: &dyn Display,
        change: Option<&Change>,
        make: impl FnOnce(&Memory, &mut State, u64) -> Result<T>,
        tell: impl FnOnce(&T) -> String,
    ) -> Result<T> {
        let world = &self.world;
        if self.is_gone.load(Ordering::SeqCst) {
            return Err(gone(verb, subject));
        }
        let turn = world.scheduler.next(self.actor);
        let mut state = world.state();
        if state.broken.is_some() {
            return Err(gone(verb, subject));
        }
        if self.requests.fetch_add(1, Ordering::SeqCst) > REQUESTS_MOST {
            state.broken.get_or_insert(format!("{} does not end", self.name));
        }
        state.arrive(turn, &world.objects);
        if state.one_in(world.weather.leaps) {
            let leap = LEAPS[state.chance.below(LEAPS.len())];
            state.leap(leap);
            state.log.push(format!("{turn:>5} the clocks leap by {leap} s"));
        }
        let fault = state.fault(&world.weather);
        let made = match fault {
            Some(Fault::Lost | Fault::Late | Fault::Fails | Fault::Crash) => None,
            _ => Some(make(&world.objects, &mut state, turn)),
        };
        if let (Some(Fault::Late | Fault::Twice), Some(change)) = (fault, change) {
            let turn = turn + state.chance.below(LATEST) as u64;
            state.late.push(Late { turn, change: change.clone() });
        }
        let outcome = match &made {
            Some(made) => made.as_ref().map_or_else(|error| format!("{:?}", error.kind()), tell),
            None => "not made".to_owned(),
        };
        let fault_told = fault.map_or(String::new(), |fault| format!(" ({fault:?})"));
        state.log.push(format!("{turn:>5} {}: {verb} {subject} {outcome}{fault_told}", self.name));
        self.faults.fetch_add(u64::from(fault.is_some()), Ordering::SeqCst);
        match (fault, made) {
            (None | Some(Fault::Twice), Some(made)) => made,
            (Some(Fault::Fails | Fault::FailsDone), _) => {
                Err(Error::new(Kind::Failed, verb, subject).because("the seed wants it so"))
            }
            (Some(Fault::Crash | Fault::CrashDone), _) => {
                self.is_gone.store(true, Ordering::SeqCst);
                Err(gone(verb, subject))
            }
            _ => Err(Error::unavailable(verb, subject, "no answer came")),
        }
    }

    fn put(&self, handle: &Handle, bytes: &Bytes) -> Result<Put> {
        let change = Change::Put(handle.clone(), bytes.clone());
        let digest = blake3::hash(bytes).to_hex();
        let subject = format!("{handle} of {} bytes, {}", bytes.len(), &digest[..8]);
        let make = |objects: &Memory, state: &mut State, turn| {
            if !self.world.weather.exclusive {
                objects.delete(handle)?;
            }
            let put = objects.put_shared(handle, bytes.clone())?;
            if put == Put::Created {
                state.created.insert(handle.clone(), turn);
            }
            state.removals += u64::from(handle.kind() == ObjectKind::Gc);
            Ok(put)
        };
        self.request("put", &subject, Some(&change), make, |put| format!("{put:?}"))
    }

    fn list(&self, kind: ObjectKind, prefix: &str, part: Part<'_>) -> Result<Vec<Listed>> {
        let lag = self.world.weather.lag;
        let make = |objects: &Memory, state: &mut State, turn: u64| {
            let mut listed = Vec::new();
            objects.list_pages(kind, prefix, &mut |page| {
                listed.extend(page);
                Ok(())
            })?;
            let is_old = |object: &Listed| {
                lag == 0 || state.created.get(&object.handle).is_none_or(|born| born + lag <= turn)
            };
            listed.retain(|object| is_old(object) && part(object));
            Ok(listed)
        };
        let subject = kind.folder();
        self.request("list", &subject, None, make, |listed| listed.len().to_string())
    }
}

/// Which objects a page of a listing shows.
type Part<'p> = &'p dyn Fn(&Listed) -> bool;

impl Backend for Client {
    fn describe(&self) -> String {
        "a simulated store".to_owned()
    }

    fn capabilities(&self) -> Capabilities {
        self.world.capabilities()
    }

    /// Where creation is not exclusive, it is a look and a write, and others may come in between.
    fn put_shared(&self, handle: &Handle, bytes: Bytes) -> Result<Put> {
        if !self.world.weather.exclusive {
            match self.size(handle) {
                Err(error) if error.kind() == Kind::NotFound => {}
                found => return found.map(|_| Put::Exists),
            }
        }
        self.put(handle, &bytes)
    }

    fn get(&self, handle: &Handle, range: Option<Range<u64>>) -> Result<Vec<u8>> {
        let subject = match &range {
            Some(range) => format!("{handle} {range:?}"),
            None => handle.to_string(),
        };
        let make = |objects: &Memory, _: &mut State, _| objects.get(handle, range);
        self.request("get", &subject, None, make, |bytes| bytes.len().to_string())
    }

    fn size(&self, handle: &Handle) -> Result<u64> {
        let make = |objects: &Memory, _: &mut State, _| objects.size(handle);
        self.request("size", handle, None, make, ToString::to_string)
    }

    /// One page, or two, between which others may go on; one object may be on both.
    fn list_pages(&self, kind: ObjectKind, prefix: &str, visit: &mut Visit<'_>) -> Result<()> {
        let middle = {
            let mut state = self.world.state();
            state.one_in(4).then(|| format!("{:x}", state.chance.below(16)))
        };
        let Some(middle) = middle else { return visit(self.list(kind, prefix, &|_| true)?) };
        let first = self.list(kind, prefix, &|it| it.handle.name() < middle.as_str())?;
        let last = first.last().map_or(middle.clone(), |it| it.handle.name().to_owned());
        visit(first)?;
        visit(self.list(kind, prefix, &|it| it.handle.name() >= last.as_str().min(&middle))?)
    }

    fn delete_all(&self, handles: &[Handle]) -> Result<()> {
        let change = Change::Delete(handles.to_vec());
        let subject = named(handles);
        let make = |objects: &Memory, state: &mut State, _| {
            if self.world.weather.locked {
                return Err(Error::new(Kind::Denied, "delete", &subject).because("it is locked"));
            }
            state.removals += 1;
            objects.delete_all(handles)
        };
        self.request("delete", &subject, Some(&change), make, |()| "done".to_owned())
    }
}

fn gone(verb: &str, subject: &dyn Display) -> Error {
    Error::new(Kind::Failed, verb, subject).because("the process has ended")
}
