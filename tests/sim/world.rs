//! The store that all actors share, the clocks, and what is still on its way.

use super::client::Fault;
use super::scheduler::Scheduler;
use super::weather::Weather;
use crate::common::chance::Chance;
use icecore::backend::{Backend, Bytes, Capabilities, Handle, Memory};
use icecore::env::{ManualClock, Time};
use icecore::error::Result;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// The store, whose turn it is, and everything that was asked.
pub struct World {
    pub objects: Arc<Memory>,
    pub scheduler: Scheduler,
    pub weather: Weather,
    state: Mutex<State>,
}

pub struct State {
    pub chance: Chance,
    now: Time,
    clocks: Vec<Arc<ManualClock>>,
    pub late: Vec<Late>,
    /// The turn in which each object was created, where listings lag.
    pub created: HashMap<Handle, u64>,
    /// Deletions and decisions so far, after which something may be missing.
    pub removals: u64,
    pub log: Vec<String>,
    pub broken: Option<String>,
}

/// A request that is made long after its caller was told that it failed, or once more.
pub struct Late {
    pub turn: u64,
    pub change: Change,
}

/// What a request changes.
#[derive(Clone)]
pub enum Change {
    Put(Handle, Bytes),
    Delete(Vec<Handle>),
}

/// The longest way of a late request, in turns.
pub const LATEST: usize = 300;
/// How far the clocks leap, in seconds: past a partial, past a heartbeat, past a writer's silence.
pub const LEAPS: [i64; 4] = [600, 3700, 3700 * 13, 3700 * 25];

impl World {
    pub fn new(scheduler: Scheduler, weather: Weather, chance: Chance, now: Time) -> Self {
        let state = State {
            chance,
            now,
            clocks: Vec::new(),
            late: Vec::new(),
            created: HashMap::new(),
            removals: 0,
            log: Vec::new(),
            broken: None,
        };
        World { objects: Arc::default(), scheduler, weather, state: Mutex::new(state) }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The true time.
    pub fn now(&self) -> Time {
        self.state().now
    }

    /// Lets time pass on all clocks, this one too from now on.
    pub fn pass(&self, seconds: i64) {
        self.state().leap(seconds);
    }

    pub fn add_clock(&self, clock: Arc<ManualClock>) {
        self.state().clocks.push(clock);
    }

    /// Writes something down between the requests.
    pub fn say(&self, line: String) {
        self.state().log.push(line);
    }

    /// A promise was broken: everything ends.
    pub fn fail(&self, what: String) {
        let mut state = self.state();
        state.log.push(format!("BROKEN: {what}"));
        state.broken.get_or_insert(what);
    }

    pub fn broken(&self) -> Option<String> {
        self.state().broken.clone()
    }

    pub fn removals(&self) -> u64 {
        self.state().removals
    }

    pub fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.state().log)
    }

    /// Makes all that is still on its way.
    pub fn arrive_all(&self) {
        self.state().arrive(u64::MAX, &self.objects);
    }

    pub fn capabilities(&self) -> Capabilities {
        Capabilities {
            exclusive_create: self.weather.exclusive,
            list_after_write: self.weather.lag == 0,
            connections: 0,
            ..Capabilities::default()
        }
    }
}

impl State {
    pub fn leap(&mut self, seconds: i64) {
        self.now = Time(self.now.0 + seconds * Time::SECOND);
        self.clocks.iter().for_each(|clock| clock.advance(seconds));
    }

    pub fn one_in(&mut self, many: usize) -> bool {
        many > 0 && self.chance.below(many) == 0
    }

    /// What is due is made.
    pub fn arrive(&mut self, turn: u64, objects: &Memory) {
        while let Some(at) = self.late.iter().position(|late| late.turn <= turn) {
            let Late { change, .. } = self.late.remove(at);
            let (subject, made) = match &change {
                Change::Put(handle, bytes) => {
                    (handle.to_string(), objects.put_shared(handle, bytes.clone()).map(drop))
                }
                Change::Delete(handles) => (named(handles), objects.delete_all(handles)),
            };
            self.removals += 1;
            self.log.push(format!("{turn:>5} late: {subject} {}", told(&made)));
        }
    }

    pub fn fault(&mut self, weather: &Weather) -> Option<Fault> {
        if self.one_in(weather.crashes) {
            return Some([Fault::Crash, Fault::CrashDone][self.chance.below(2)]);
        }
        let many = [
            Fault::Lost,
            Fault::Unheard,
            Fault::Late,
            Fault::Twice,
            Fault::Fails,
            Fault::FailsDone,
        ];
        self.one_in(weather.faults).then(|| many[self.chance.below(many.len())])
    }
}

pub fn named(handles: &[Handle]) -> String {
    handles.iter().map(Handle::to_string).collect::<Vec<_>>().join(" ")
}

fn told(made: &Result<()>) -> String {
    made.as_ref().map_or_else(|error| format!("{:?}", error.kind()), |()| "done".to_owned())
}
