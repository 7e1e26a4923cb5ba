//! Who meets whom, over what, and what may go wrong; and the promises that nobody may break.

use super::collector;
use super::rules::Rules;
use super::search::{Model, Step};
use super::state::{Content, Faults, Kind, Outcome, Set, Stage, State, WRITERS, has, members, set};
use super::{faults, reader, writer};
use std::fmt::{Display, Formatter};

/// A small repository with one snapshot, that of writer 0, and those who come to it.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// The packs that are there, each named by one segment of all.
    pub packs: &'static [Content],
    /// What the snapshot needs.
    pub needs: Set,
    /// Writers 1 and on.
    pub writers: &'static [Role],
    pub collectors: usize,
    /// How many collections there are at most.
    pub generations: u8,
    pub faults: Faults,
    /// Whether somebody restores a snapshot.
    pub reads: bool,
    /// Whether the first mark condemns only what it finds not to be needed; else anything at all.
    pub honest: bool,
}

impl Scenario {
    /// One snapshot of one chunk, nobody about.
    pub const QUIET: Scenario = Scenario {
        packs: &[1],
        needs: 1,
        writers: &[],
        collectors: 1,
        generations: 1,
        faults: NONE,
        reads: false,
        honest: false,
    };
}

/// No faults.
pub const NONE: Faults = Faults {
    forgets: 0,
    losses: 0,
    repeats: 0,
    crashes: 0,
    forgeries: 0,
    unreadable: 0,
    holds: 0,
    lags: 0,
};

/// What a writer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Makes a snapshot that needs these chunks.
    Backup(Set),
    /// The same; what it has to store is a delta, if the base is known.
    Delta(Set),
    /// The same, and it reads the chain again before it commits (W4).
    Careful(Set),
    /// Handles these chunks and commits a partial; the next writer continues.
    Begins(Set),
    /// Continues, and makes a snapshot that needs these chunks.
    Continues(Set),
    /// Stores these chunks again, whole, in a pack of its own.
    Repack(Set),
    /// Makes entries for packs that have none.
    Repair,
}

impl Role {
    /// The chunks that it handles itself or that its snapshot needs.
    pub fn chunks(self) -> Set {
        match self {
            Role::Backup(chunks)
            | Role::Delta(chunks)
            | Role::Careful(chunks)
            | Role::Begins(chunks)
            | Role::Continues(chunks)
            | Role::Repack(chunks) => chunks,
            Role::Repair => 0,
        }
    }

    /// What it commits.
    pub fn outcome(self) -> Kind {
        match self {
            Role::Repack(_) | Role::Repair => Kind::Maintenance,
            Role::Begins(_) => Kind::Partial,
            _ => Kind::Snapshot,
        }
    }
}

/// The protocol under some rules, in a scenario.
#[derive(Clone, Copy)]
pub struct Protocol {
    pub scenario: Scenario,
    pub rules: Rules,
}

/// One step of somebody.
#[derive(Clone, Copy)]
pub struct Action {
    pub who: Who,
    pub what: &'static str,
    /// The packs, segments or writers that it is about.
    pub set: Set,
}

#[derive(Clone, Copy)]
pub enum Who {
    Writer(usize),
    /// Collectors have no names: the first in the state is the less advanced one.
    Collector(usize),
    Reader,
    World,
}

impl Display for Action {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self.who {
            Who::Writer(at) => write!(f, "writer {at} {}", self.what)?,
            Who::Collector(at) => write!(f, "collector {at} {}", self.what)?,
            Who::Reader => write!(f, "the reader {}", self.what)?,
            Who::World => write!(f, "{}", self.what)?,
        }
        let set: Vec<String> = members(self.set).map(|at| at.to_string()).collect();
        if set.is_empty() { Ok(()) } else { write!(f, " {{{}}}", set.join(", ")) }
    }
}

/// Where steps are gathered.
pub struct Steps<'a> {
    protocol: &'a Protocol,
    before: &'a State,
    steps: &'a mut Vec<Step<Protocol>>,
}

/// Adds a step: what is done, to which of them, and what it changes.
pub type AddStep<'a> = &'a mut dyn FnMut(&'static str, Set, &dyn Fn(&mut State));

impl Steps<'_> {
    /// Somebody may take this step.
    pub fn add(&mut self, who: Who, what: &'static str, set: Set, mut state: State) {
        state.collectors[..self.protocol.scenario.collectors].sort_unstable();
        let broken = self.protocol.broken(self.before, &state);
        self.steps.push(Step { action: Action { who, what, set }, state, broken });
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn initial(&self) -> State {
        let mut state = State { faults: self.scenario.faults, ..State::default() };
        for content in self.scenario.packs {
            state.put_pack(*content);
        }
        state.put_segment(state.there, 0);
        state.outcomes[0] = Outcome { kind: Kind::Snapshot, read: 0 };
        state.writers[0].at = Stage::Told;
        state
    }

    fn steps(&self, state: &State, steps: &mut Vec<Step<Self>>) {
        let mut steps = Steps { protocol: self, before: state, steps };
        for at in 1..=self.scenario.writers.len() {
            writer::steps(self, state, at, &mut steps);
        }
        for at in 0..self.scenario.collectors {
            // Of two that are alike one is enough.
            if at == 0 || state.collectors[at] != state.collectors[at - 1] {
                collector::steps(self, state, at, &mut steps);
            }
        }
        if self.scenario.reads {
            reader::steps(self, state, &mut steps);
        }
        faults::steps(self, state, &mut steps);
    }
}

impl Protocol {
    /// What a writer does; the first has done it.
    pub fn role(&self, writer: usize) -> Role {
        match writer {
            0 => Role::Backup(self.scenario.needs),
            _ => self.scenario.writers[writer - 1],
        }
    }

    /// Whether somebody forges.
    pub fn is_hostile(&self) -> bool {
        self.scenario.faults.forgeries > 0
    }

    /// Snapshots that are there and that nobody gave up, or that are held.
    pub fn snapshots(state: &State) -> impl Iterator<Item = usize> {
        let kept = |at: &usize| !has(state.forgotten, *at) || has(state.held, *at);
        (0..WRITERS).filter(|at| state.outcomes[*at].kind == Kind::Snapshot).filter(kept)
    }

    /// Whether a partial lasts: the writer that continues it is registered and has not ended.
    fn lasts(&self, state: &State, writer: usize) -> bool {
        state.outcomes[writer].kind == Kind::Partial
            && has(state.registered, writer + 1)
            && state.outcomes[writer + 1].kind == Kind::None
    }

    /// The partials that last, and the packs that they keep (C20).
    pub fn lasting(&self, state: &State) -> (Set, Set) {
        if !self.rules.partials_last {
            return (0, 0);
        }
        let lasting = set((0..WRITERS).filter(|at| self.lasts(state, *at)));
        let named = |at: usize| match self.rules.partials_name_all {
            true => state.writers[at].made | state.writers[at].counts,
            false => state.writers[at].made,
        };
        (lasting, members(lasting).fold(0, |all, at| all | named(at)))
    }

    /// Chunks that all of these snapshots need.
    pub fn needs(&self, snapshots: Set) -> Set {
        members(snapshots).fold(0, |all, at| all | self.role(at).chunks())
    }

    /// The promise that a step breaks.
    fn broken(&self, before: &State, after: &State) -> Option<&'static str> {
        let hostile = self.is_hostile();
        let deleted = (before.there & !after.there) != 0 && before.lost == after.lost
            || (before.indexed & !after.indexed) != 0;
        // Of a backup that met a chunk which is not its id nobody promises anything (chapter 13).
        let is_honest = |at: &usize| after.writers[*at].counts & after.forged == 0;
        for at in Self::snapshots(after).filter(is_honest) {
            let needs = self.role(at).chunks();
            let given = |state: &State, segments: Set, there: Set| {
                let packs = state.named_by(segments) & there & !state.forged;
                needs & !state.usable(packs, &Rules::PROTOCOL) == 0
            };
            // In segments that are dead, too: those of an honest collection a forger may call dead.
            if deleted
                && given(before, before.indexed, before.there)
                && !given(after, after.indexed, after.there)
            {
                return Some("the last copy of a chunk that is needed was deleted");
            }
            let alive = after.outcome_lives(after.view(), at);
            // What the store lost meanwhile is not the protocol's fault; what it had lost before is healed.
            let lost_meanwhile = after.lost & !after.writers[at].lost_before;
            let segments = after.alive(after.view(), after.indexed);
            let is_new = before.outcomes[at].kind == Kind::None;
            if hostile || !alive {
                continue;
            }
            if !given(after, segments, after.there | after.lost) {
                return Some("a live snapshot lacks a chunk");
            }
            if is_new && !given(after, segments, after.there | lost_meanwhile) {
                return Some("a backup counted on what was lost before");
            }
        }
        for at in 0..WRITERS {
            let kept = !has(after.forgotten, at) || has(after.held, at);
            let told = after.writers[at].at == Stage::Told && kept;
            let (kind, wanted) = (after.outcomes[at].kind, Kind::Snapshot);
            if !told || at > self.scenario.writers.len() || self.role(at).outcome() != wanted {
                continue;
            }
            if kind != wanted || !hostile && !after.outcome_lives(after.view(), at) {
                return Some("a writer was told that all is well, and its snapshot is dead");
            }
        }
        reader::broken(self, after)
    }
}
