//! What the store, users and forgers do to all of them.

use super::scenario::{AddStep, Protocol, Steps, Who};
use super::state::{
    Generation, Kind, Outcome, Phase, Set, Stage, State, WRITERS, members, only, set, whole,
};

/// What may happen next.
pub fn steps(protocol: &Protocol, state: &State, steps: &mut Steps<'_>) {
    let mut step = |what: &'static str, set: Set, change: &dyn Fn(&mut State)| {
        let mut next = *state;
        change(&mut next);
        steps.add(Who::World, what, set, next);
    };
    let snapshots = set((0..WRITERS).filter(|at| state.outcomes[*at].kind == Kind::Snapshot));
    if state.faults.forgets > 0 {
        for at in members(snapshots & !state.forgotten) {
            step("somebody gives up snapshot", only(at), &|next| {
                next.faults.forgets -= 1;
                next.forgotten |= only(at);
            });
        }
    }
    if state.faults.holds > 0 {
        // Who holds has looked whether it is given up.
        for at in members(snapshots & !state.forgotten & !state.held) {
            step("somebody holds snapshot", only(at), &|next| {
                next.faults.holds -= 1;
                next.held |= only(at);
            });
        }
    }
    if state.faults.losses > 0 && !is_too_late(state) {
        for at in members(state.there) {
            step("the store loses pack", only(at), &|next| {
                next.faults.losses -= 1;
                next.there &= !only(at);
                next.lost |= only(at);
            });
        }
    }
    if state.faults.repeats > 0 {
        repeat(protocol, state, &mut step);
    }
    if state.faults.forgeries > 0 {
        forge(protocol, state, &mut step);
    }
}

/// Nobody can guard against a loss between the last look of a writer and its commit, or of a deleter and
/// its deletion.
fn is_too_late(state: &State) -> bool {
    let counts = |at| matches!(at, Stage::Counting | Stage::Uploaded | Stage::Indexed);
    let deletes = |at| matches!(at, Phase::DeleterHasSnapshots | Phase::Deleting);
    state.writers.iter().any(|one| counts(one.at))
        || state.collectors.iter().any(|one| deletes(one.at))
}

/// A request of long ago arrives once more, and makes again what was deleted.
fn repeat(protocol: &Protocol, state: &State, step: AddStep<'_>) {
    for at in members(state.made() & !state.there & !state.lost) {
        step("an old request makes again pack", only(at), &|next| {
            next.faults.repeats -= 1;
            next.there |= only(at);
        });
    }
    for at in (0..state.segments.len()).filter(|at| state.segments[*at].packs != 0) {
        if state.indexed & only(at) == 0 {
            step("an old request makes again segment", only(at), &|next| {
                next.faults.repeats -= 1;
                next.indexed |= only(at);
            });
        }
    }
    for at in 1..=protocol.scenario.writers.len() {
        let (begun, stage) = (state.writers[at].at != Stage::Idle, state.writers[at].at);
        if begun && stage != Stage::Early && state.registered & only(at) == 0 {
            step("an old request registers again writer", only(at), &|next| {
                next.faults.repeats -= 1;
                next.registered |= only(at);
            });
        }
        if stage == Stage::Told && state.outcomes[at].kind == Kind::None {
            step("an old request makes again the outcome of", only(at), &|next| {
                next.faults.repeats -= 1;
                let (kind, read) =
                    (protocol.role(at).outcome(), next.writers[at].view.condemnations);
                next.outcomes[at] = Outcome { kind, read };
            });
        }
    }
}

/// Well-formed and wrong: collections of everything, verdicts without anything alive, and packs that do
/// not hold what they claim.
fn forge(protocol: &Protocol, state: &State, step: AddStep<'_>) {
    let newest = usize::from(state.condemnations);
    let is_open = newest > 0 && state.verdicts & only(newest - 1) == 0;
    if !is_open && state.condemnations < protocol.scenario.generations {
        step("a forger condemns all packs", state.made(), &|next| {
            next.faults.forgeries -= 1;
            next.chain[newest] = Generation { condemned: state.made(), ..Generation::default() };
            next.condemnations += 1;
        });
    }
    if is_open {
        for (what, segments) in [
            ("a forger lists nothing, and sweeps", 0),
            ("a forger lists segments, and sweeps", state.indexed),
        ] {
            step(what, state.made(), &|next| {
                next.faults.forgeries -= 1;
                next.chain[newest - 1].swept = state.made();
                next.chain[newest - 1].segments = segments;
                next.verdicts |= only(newest - 1);
            });
        }
    }
    if state.forged == 0 {
        step("a forger puts a pack that lies", only(state.next_pack()), &|next| {
            next.faults.forgeries -= 1;
            let pack = next.put_pack(whole(protocol.scenario.needs));
            next.forged |= only(pack);
            next.put_segment(only(pack), state.condemnations);
        });
    }
}
