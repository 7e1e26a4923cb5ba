//! Who goes on: of all actors one at a time, chosen by the seed at each of their requests.

use crate::common::chance::Chance;
use std::sync::{Condvar, Mutex, MutexGuard};

/// Hands the turn around. An actor is one thread; whatever it does between two requests it does alone.
pub struct Scheduler {
    state: Mutex<State>,
    /// For each actor, that it is its turn.
    mine: Vec<Condvar>,
}

struct State {
    /// Whose turn it is; nobody's once all have ended.
    now: Option<usize>,
    turn: u64,
    /// Of each actor the turn until which it sleeps; none once it has ended.
    wakes: Vec<Option<u64>>,
    chance: Chance,
    /// One request in so many is followed by another actor's.
    pace: usize,
    /// One request in so many is followed by a long sleep; 0 for none.
    stalls: usize,
}

/// The longest sleep, in turns: longer than most operations.
const LONGEST_SLEEP: usize = 400;

impl Scheduler {
    pub fn new(actors: usize, chance: Chance, pace: usize, stalls: usize) -> Self {
        let wakes = vec![Some(0); actors];
        let mut state = State { now: None, turn: 0, wakes, chance, pace, stalls };
        state.now = state.choose();
        let mine = (0..actors).map(|_| Condvar::new()).collect();
        Scheduler { state: Mutex::new(state), mine }
    }

    /// Waits for an actor's first turn.
    pub fn begin(&self, me: usize) {
        drop(self.wait(self.state.lock().unwrap(), me));
    }

    /// Lets others go on first, as the seed will have it; the number of the turn that begins then.
    pub fn next(&self, me: usize) -> u64 {
        let mut guard = self.state.lock().unwrap();
        let state = &mut *guard;
        assert_eq!(state.now, Some(me), "two requests of one actor at once cannot be replayed");
        if state.stalls > 0 && state.chance.below(state.stalls) == 0 {
            let sleep = state.chance.below(LONGEST_SLEEP) as u64;
            state.wakes[me] = Some(state.turn + sleep);
        }
        let (pace, turn) = (state.pace, state.turn);
        if state.chance.below(pace) == 0 || state.wakes[me] > Some(turn) {
            state.now = state.choose();
        }
        self.tell(state, me);
        let mut state = self.wait(guard, me);
        state.turn += 1;
        state.turn
    }

    /// An actor has nothing more to do.
    pub fn end(&self, me: usize) {
        let mut state = self.state.lock().unwrap();
        state.wakes[me] = None;
        state.now = state.choose();
        self.tell(&state, me);
    }

    fn tell(&self, state: &State, me: usize) {
        if let Some(next) = state.now.filter(|next| *next != me) {
            self.mine[next].notify_one();
        }
    }

    fn wait<'s>(&self, state: MutexGuard<'s, State>, me: usize) -> MutexGuard<'s, State> {
        self.mine[me].wait_while(state, |state| state.now != Some(me)).unwrap()
    }
}

impl State {
    /// One of those that are awake; if all sleep, the one that wakes first.
    fn choose(&mut self) -> Option<usize> {
        let left = || self.wakes.iter().enumerate().filter_map(|(at, wakes)| Some((at, (*wakes)?)));
        let awake: Vec<usize> =
            left().filter(|(_, wakes)| *wakes <= self.turn).map(|(at, _)| at).collect();
        match awake.is_empty() {
            true => left().min_by_key(|(at, wakes)| (*wakes, *at)).map(|(at, _)| at),
            false => Some(awake[self.chance.below(awake.len())]),
        }
    }
}
