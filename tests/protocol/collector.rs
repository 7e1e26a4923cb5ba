//! Collectors: G1 to G7, by anybody who finds a generation undecided.

use super::deleter;
use super::mark::{needed_packs, provided};
use super::scenario::{Protocol, Steps, Who};
use super::state::{
    Collector, Generation, Kind, Outcome, Phase, Set, State, View, WRITERS, has, members, only, set,
};

/// The next steps of one collector.
pub fn steps(protocol: &Protocol, state: &State, at: usize, steps: &mut Steps<'_>) {
    let mut turn = Turn { protocol, state, at, steps };
    let myself = state.collectors[at];
    if myself.at != Phase::Idle && state.faults.crashes > 0 {
        turn.step("stops, and begins again", 0, &|next| {
            next.collectors[at] = Collector::default();
            next.faults.crashes -= 1;
        });
    }
    match myself.at {
        Phase::Idle => turn.begin(),
        Phase::Early => turn.condemn(state.condemnations, myself.waits, Phase::Waiting),
        Phase::Condemned => turn.list_writers(),
        Phase::Waiting => turn.wait(),
        Phase::HasIndex => turn.read_marks(),
        Phase::HasNotes => turn.read_marks(),
        Phase::HasMarks => turn.read_notes(),
        Phase::HasSnapshots => turn.list_packs(),
        Phase::Marked => turn.replace(),
        Phase::Replaced => turn.decide(),
        Phase::Decided => turn.replace_late(),
        Phase::DeleterWaits
        | Phase::DeleterHasIndex
        | Phase::DeleterHasSnapshots
        | Phase::Deleting
        | Phase::Tidying => deleter::steps(&mut turn),
    }
}

/// One collector whose turn it is.
pub struct Turn<'a, 'b> {
    pub protocol: &'a Protocol,
    pub state: &'a State,
    pub at: usize,
    steps: &'a mut Steps<'b>,
}

impl Turn<'_, '_> {
    pub fn step(&mut self, what: &'static str, set: Set, change: &dyn Fn(&mut State)) {
        let mut next = *self.state;
        change(&mut next);
        self.steps.add(Who::Collector(self.at), what, set, next);
    }

    /// The same, where only the collector itself changes.
    pub fn change(&mut self, what: &'static str, set: Set, change: &dyn Fn(&mut Collector)) {
        let at = self.at;
        self.step(what, set, &|next| change(&mut next.collectors[at]));
    }

    pub fn myself(&self) -> Collector {
        self.state.collectors[self.at]
    }

    fn is_decided(&self, generation: u8) -> bool {
        has(self.state.verdicts, usize::from(generation) - 1)
    }

    fn begin(&mut self) {
        let (state, newest) = (self.state, self.state.condemnations);
        if newest == 0 || self.is_decided(newest) || !self.protocol.rules.in_order {
            if self.protocol.rules.writers_are_listed_late {
                self.condemn(newest, 0, Phase::Condemned);
            } else if newest < self.protocol.scenario.generations {
                let waits = self.open_writers();
                self.change("lists the writers too early", waits, &|myself| {
                    (myself.at, myself.waits) = (Phase::Early, waits);
                });
            }
        }
        let oldest = if self.protocol.rules.in_order { newest.max(1) } else { 1 };
        for generation in oldest..=newest {
            let decided = has(state.verdicts, usize::from(generation) - 1);
            // In honest company the verdict may as well be its own.
            let waits = self.protocol.rules.deleters_wait && self.protocol.is_hostile();
            let (what, phase) = match (decided, waits) {
                (true, true) => ("G8: lists the writers", Phase::DeleterWaits),
                (true, false) => ("G8: reads all of the index to delete", Phase::DeleterHasIndex),
                (false, _) => ("adopts an open collection", Phase::Condemned),
            };
            let mut fresh = Collector { at: phase, generation, ..Collector::default() };
            match phase {
                Phase::DeleterWaits => fresh.waits = self.open_writers(),
                Phase::DeleterHasIndex => fresh.segments = state.indexed,
                _ => {}
            }
            self.change(what, fresh.waits | fresh.segments, &|myself| *myself = fresh);
        }
    }

    /// G1 and G2, for each set of candidates.
    fn condemn(&mut self, before: u8, waits: Set, phase: Phase) {
        let (protocol, state, at) = (self.protocol, self.state, self.at);
        if before >= protocol.scenario.generations || state.condemnations != before {
            return;
        }
        let marked = state.alive(state.view(), state.indexed);
        let candidates = state.made() & (state.there | state.lost) & !self.unneeded_barred(marked);
        for condemned in (1..=candidates).filter(|set| set & !candidates == 0) {
            self.step("G1, G2: condemns packs", condemned, &|next| {
                next.chain[usize::from(before)] =
                    Generation { condemned, marked, ..Generation::default() };
                next.condemnations += 1;
                next.collectors[at] =
                    Collector { at: phase, generation: before + 1, waits, ..Collector::default() };
            });
        }
    }

    /// Packs that an honest first mark does not condemn.
    fn unneeded_barred(&self, marked: Set) -> Set {
        let (protocol, state) = (self.protocol, self.state);
        if !protocol.scenario.honest && protocol.rules.second_mark {
            return 0;
        }
        let needs = protocol.needs(set(Protocol::snapshots(state)));
        // Of several that hold a chunk, the one of the least number is what the others repeat.
        let mut kept = 0;
        for pack in members(state.named_by(marked) & state.there) {
            let known = state.usable(kept, &protocol.rules);
            if state.holders(needs & !known, only(pack)) != 0 {
                kept |= only(pack);
            }
        }
        kept
    }

    fn open_writers(&self) -> Set {
        let state = self.state;
        let is_open =
            |at: &usize| state.outcomes[*at].kind == Kind::None && !has(state.forgotten, *at);
        set(members(state.registered).filter(is_open))
    }

    fn list_writers(&mut self) {
        let waits = self.open_writers();
        self.change("G3: lists the writers", waits, &|myself| {
            (myself.at, myself.waits) = (Phase::Waiting, waits);
        });
        if !self.protocol.rules.listings_are_complete && self.state.faults.lags > 0 {
            let at = self.at;
            for missed in members(waits) {
                let seen = waits & !only(missed);
                self.step("G3: lists the writers, and the listing lacks", only(missed), &|next| {
                    next.faults.lags -= 1;
                    next.collectors[at].at = Phase::Waiting;
                    next.collectors[at].waits = seen;
                });
            }
        }
    }

    /// Fences writers; those that are left.
    pub fn fence(&mut self) -> Set {
        let myself = self.myself();
        let waits = myself.waits & self.open_writers();
        for writer in members(waits) {
            self.step("G4: fences writer", only(writer), &|next| {
                let read = myself.generation;
                next.outcomes[writer] = Outcome { kind: Kind::Tombstone, read };
            });
        }
        waits
    }

    fn wait(&mut self) {
        let (state, at) = (self.state, self.at);
        let waits = self.fence();
        if waits == 0 || !self.protocol.rules.writers_are_waited_for {
            let segments = state.indexed;
            self.change("G5: reads the index", segments, &|myself| {
                (myself.at, myself.waits, myself.segments) = (Phase::HasIndex, 0, segments);
            });
            let keeps = self.protocol.rules.unreadable_keeps;
            if state.faults.unreadable > 0 {
                for lost in members(segments) {
                    self.step(
                        "G5: reads the index, and cannot read segment",
                        only(lost),
                        &|next| {
                            let myself = &mut next.collectors[at];
                            (myself.at, myself.waits) = (Phase::HasIndex, 0);
                            myself.segments = segments & !only(lost);
                            myself.unread = if keeps { only(lost) } else { 0 };
                            next.faults.unreadable -= 1;
                        },
                    );
                }
            }
        }
    }

    /// The snapshots that are alive and have no mark, and what partials keep.
    fn read_marks(&mut self) {
        let (protocol, state, at) = (self.protocol, self.state, self.at);
        if self.has_verdict() {
            return;
        }
        let holds = protocol.scenario.faults.holds > 0;
        if holds && !protocol.rules.holds_are_read_last && self.myself().at == Phase::HasIndex {
            self.change("G5: reads the notes that hold", state.held, &|myself| {
                (myself.at, myself.packs) = (Phase::HasNotes, state.held);
            });
            return;
        }
        let view = self.view();
        let snapshots = set((0..WRITERS).filter(|writer| {
            state.outcomes[*writer].kind == Kind::Snapshot && state.outcome_lives(view, *writer)
        }));
        let live = snapshots & (!state.forgotten | self.myself().packs);
        let (lasting, keeps) = protocol.lasting(state);
        self.step("G5: reads the outcomes and the marks", live | lasting, &|next| {
            let myself = &mut next.collectors[at];
            myself.at = if holds { Phase::HasMarks } else { Phase::HasSnapshots };
            (myself.keeps, myself.needs) = (keeps, protocol.needs(live));
            (myself.snapshots, myself.packs) = (live | lasting, 0);
        });
        if state.faults.unreadable > 0 {
            for unread in members(live) {
                let known = live & !only(unread);
                self.step("G5: reads the outcomes, and cannot read", only(unread), &|next| {
                    next.faults.unreadable -= 1;
                    let keeps_all = protocol.rules.unreadable_keeps;
                    let myself = &mut next.collectors[at];
                    myself.at = Phase::HasSnapshots;
                    (myself.keeps, myself.needs) = (keeps, protocol.needs(known));
                    myself.snapshots = lasting | if keeps_all { live } else { known };
                    if keeps_all {
                        myself.keeps = Set::MAX;
                    }
                });
            }
        }
    }

    fn read_notes(&mut self) {
        let protocol = self.protocol;
        if !protocol.rules.holds_are_read_last {
            // The notes were read before the marks.
            self.change("G5: goes on", 0, &|myself| myself.at = Phase::HasSnapshots);
            return;
        }
        let held = self.state.held
            & set((0..WRITERS).filter(|at| self.state.outcomes[*at].kind == Kind::Snapshot));
        self.change("G5: reads the notes that hold", held, &|myself| {
            myself.at = Phase::HasSnapshots;
            myself.snapshots |= held;
            myself.needs |= protocol.needs(held);
        });
    }

    /// The chain without the verdict of this collection.
    fn view(&self) -> View {
        let verdict = only(usize::from(self.myself().generation) - 1);
        View { verdicts: self.state.verdicts & (verdict - 1), ..self.state.view() }
    }

    fn has_verdict(&mut self) -> bool {
        let decided = self.is_decided(self.myself().generation);
        if decided {
            self.change("finds a verdict", 0, &|myself| *myself = Collector::default());
        }
        decided
    }

    /// The end of G5: what is swept.
    fn list_packs(&mut self) {
        let (protocol, state, myself, view) =
            (self.protocol, self.state, self.myself(), self.view());
        if self.has_verdict() {
            return;
        }
        let rules = &protocol.rules;
        let condemned = state.chain[usize::from(myself.generation) - 1].condemned;
        let alive = state.alive(view, myself.segments);
        let named = state.named_by(alive);
        let there = if rules.providers_are_listed { state.there } else { Set::MAX };
        let outside = named & there & !state.condemned(view, rules);
        let mut needed = needed_packs(state, rules, myself.needs, outside, named) | myself.keeps;
        let known = provided(state, rules, named & there);
        // A needed chunk that is nowhere stops the sweep.
        if rules.unreadable_keeps && myself.needs & !known != 0 {
            needed = Set::MAX;
        }
        let swept = match (rules.second_mark, rules.only_condemned_is_swept) {
            (false, _) => condemned,
            (true, true) => condemned & !needed,
            (true, false) => {
                (condemned & !needed)
                    | (state.there & !state.holders(myself.needs, named) & !needed)
            }
        };
        self.change("G5: lists the packs, and would sweep", swept, &|myself| {
            *myself = Collector {
                at: Phase::Marked,
                segments: alive | myself.unread,
                unread: 0,
                packs: swept,
                needs: 0,
                keeps: 0,
                ..*myself
            };
        });
    }

    /// Segments that name packs to be swept, of those that a collector would list.
    fn outdated(&self) -> Set {
        let (state, myself) = (self.state, self.myself());
        let mut swept = myself.packs;
        if self.protocol.rules.live_names_nothing_swept {
            swept |= state.swept();
        }
        set(members(myself.segments).filter(|at| state.segments[*at].packs & swept != 0))
    }

    fn replace(&mut self) {
        let (rules, state, at, myself) = (&self.protocol.rules, self.state, self.at, self.myself());
        if self.has_verdict() {
            return;
        }
        let outdated = match rules.live_names_nothing_swept {
            true => self.outdated(),
            false => 0,
        };
        let rest = state.named_by(outdated) & !state.swept() & !myself.packs;
        if outdated == 0 || rest == 0 || !rules.replacements_first {
            self.change("G6: replaces nothing", 0, &|myself| {
                myself.at = Phase::Replaced;
                if rules.replacements_first {
                    myself.segments &= !outdated;
                }
            });
            return;
        }
        let previous = u8::from(rules.replacements_state_previous);
        self.step("G6: replaces segments", outdated, &|next| {
            let fresh = next.put_segment(rest, myself.generation - previous);
            next.collectors[at].at = Phase::Replaced;
            next.collectors[at].segments = myself.segments & !outdated | only(fresh);
        });
    }

    fn decide(&mut self) {
        let (rules, state, at, myself) = (&self.protocol.rules, self.state, self.at, self.myself());
        if self.has_verdict() {
            return;
        }
        let late = if rules.replacements_first { 0 } else { self.outdated() };
        let rest = state.named_by(late) & !state.swept() & !myself.packs;
        self.step("G7: puts the verdict, which sweeps", myself.packs, &|next| {
            let generation = &mut next.chain[usize::from(myself.generation) - 1];
            generation.swept = myself.packs;
            generation.snapshots = myself.snapshots;
            generation.segments = myself.segments & !late;
            next.verdicts |= only(usize::from(myself.generation) - 1);
            next.collectors[at] = Collector::default();
            if rest != 0 {
                next.collectors[at].at = Phase::Decided;
                next.collectors[at].generation = myself.generation;
                next.collectors[at].packs = rest;
            }
        });
    }

    fn replace_late(&mut self) {
        let (at, myself) = (self.at, self.myself());
        self.step("replaces segments, too late", myself.packs, &|next| {
            next.put_segment(myself.packs, myself.generation);
            next.collectors[at] = Collector::default();
        });
    }
}
