//! Deleters: G8, by anybody who finds a verdict.

use super::collector::Turn;
use super::mark::needed_packs;
use super::scenario::Protocol;
use super::state::{
    Collector, Kind, Outcome, Phase, Set, WRITERS, has, members, newest, only, set,
};

/// The next steps of one collector that deletes.
pub fn steps(turn: &mut Turn<'_, '_>) {
    let myself = turn.myself();
    // What is dead follows from the newest verdict: who is late begins again.
    let is_late = newest(turn.state.verdicts) != myself.generation && turn.protocol.rules.in_order;
    match myself.at {
        Phase::DeleterWaits => wait(turn),
        Phase::DeleterHasIndex if is_late => {
            turn.change("finds a newer verdict", 0, &|myself| *myself = Collector::default());
        }
        Phase::DeleterHasIndex => read_snapshots(turn),
        Phase::DeleterHasSnapshots => list_packs(turn),
        Phase::Deleting => delete(turn),
        _ => tidy(turn),
    }
}

/// Nobody knows whether a verdict of somebody else has waited for the writers.
fn wait(turn: &mut Turn<'_, '_>) {
    if turn.fence() == 0 {
        let segments = turn.state.indexed;
        turn.change("G8: reads all of the index to delete", segments, &|myself| {
            (myself.at, myself.waits, myself.segments) = (Phase::DeleterHasIndex, 0, segments);
        });
    }
}

fn read_snapshots(turn: &mut Turn<'_, '_>) {
    let (protocol, state) = (turn.protocol, turn.state);
    let mut snapshots = set(Protocol::snapshots(state));
    if !protocol.rules.deleters_trust_no_verdict {
        snapshots = set(members(snapshots).filter(|at| state.outcome_lives(state.view(), *at)));
    }
    let (needs, (_, keeps)) = (protocol.needs(snapshots), protocol.lasting(state));
    turn.change("G8: reads the snapshots", snapshots, &|myself| {
        (myself.at, myself.needs, myself.keeps) = (Phase::DeleterHasSnapshots, needs, keeps);
    });
}

fn list_packs(turn: &mut Turn<'_, '_>) {
    let (rules, state, myself) = (&turn.protocol.rules, turn.state, turn.myself());
    let view = state.view();
    let decided = state.chain[usize::from(myself.generation) - 1];
    let alive = state.alive(view, myself.segments);
    let readable = if rules.deleters_trust_no_verdict { myself.segments } else { alive };
    let mut swept = decided.swept;
    if rules.only_condemned_is_swept {
        swept &= decided.condemned;
    }
    let proved = if rules.replacements_are_proved { !state.forged } else { Set::MAX };
    let listed = if rules.providers_are_listed { state.there } else { Set::MAX };
    let there = listed & proved;
    let needed = |outside: Set| {
        needed_packs(state, rules, myself.needs, outside & there, state.named_by(readable))
            | myself.keeps
    };
    let live = Protocol::snapshots(state).filter(|at| state.outcome_lives(view, *at));
    let live = turn.protocol.needs(set(live)) & myself.needs;
    // A needed chunk that is nowhere stops the sweep.
    if rules.deleters_mark && live & !state.usable(state.named_by(readable) & listed, rules) != 0 {
        swept = 0;
    }
    let packs = match (rules.deleters_mark, rules.deleters_choose_none) {
        (false, _) => swept,
        (true, true) => swept & !needed(state.named_by(alive) & !state.condemned(view, rules)),
        // One after the other, and one of the two deleters in the other order.
        (true, false) => {
            let mut order: Vec<usize> = members(swept).collect();
            if turn.at == 1 {
                order.reverse();
            }
            order.into_iter().fold(0, |gone, pack| {
                let outside = state.named_by(readable) & !gone & !only(pack);
                if has(needed(outside), pack) { gone } else { gone | only(pack) }
            })
        }
    };
    let kept = state.there & !packs & !state.named_by(alive);
    let segments = set(members(myself.segments & !alive)
        .filter(|at| !rules.entries_outlive_segments || state.segments[*at].packs & kept == 0));
    turn.change("G8: lists the packs, and will delete", packs, &|myself| {
        *myself = Collector {
            at: Phase::Deleting,
            generation: myself.generation,
            segments,
            packs,
            ..Collector::default()
        };
    });
}

fn delete(turn: &mut Turn<'_, '_>) {
    let (rules, state, at, myself) = (&turn.protocol.rules, turn.state, turn.at, turn.myself());
    let segments = myself.segments & state.indexed;
    let packs = myself.packs & state.there;
    for segment in members(segments) {
        turn.step("G8: deletes segment", only(segment), &|next| {
            next.indexed &= !only(segment);
            next.collectors[at].segments &= !only(segment);
        });
    }
    if segments == 0 || !rules.segments_go_first {
        for pack in members(packs) {
            turn.step("G8: deletes pack", only(pack), &|next| {
                next.there &= !only(pack);
                next.collectors[at].packs &= !only(pack);
            });
        }
    }
    if segments | packs == 0 {
        turn.change("G8: has deleted all", 0, &|myself| {
            *myself = Collector {
                at: Phase::Tidying,
                generation: myself.generation,
                ..Collector::default()
            };
        });
    }
}

/// Registrations, then outcomes, of writers whose outcome has read less than the newest verdict.
fn tidy(turn: &mut Turn<'_, '_>) {
    let (protocol, state, at) = (turn.protocol, turn.state, turn.at);
    let newest = turn.myself().generation;
    let (lasting, _) = protocol.lasting(state);
    let ended = set((0..WRITERS).filter(|at| {
        let outcome = state.outcomes[*at];
        let old = match outcome.kind {
            Kind::None => false,
            Kind::Tombstone => outcome.read <= newest,
            _ => outcome.read < newest,
        };
        old && !has(lasting, *at)
    }));
    let registrations = ended & state.registered;
    if registrations != 0 {
        turn.step("G8: deletes registrations", registrations, &|next| {
            next.registered &= !registrations;
        });
        return;
    }
    let given_up = state.forgotten & !state.held;
    let outcomes = set(members(ended).filter(|at| match state.outcomes[*at].kind {
        Kind::Tombstone => !protocol.rules.tombstones_stay,
        Kind::Snapshot => {
            let dead = !state.outcome_lives(state.view(), *at);
            has(given_up, *at) || dead && !protocol.rules.snapshots_go_by_marks
        }
        _ => true,
    }));
    turn.step("G8: deletes outcomes", outcomes, &|next| {
        for writer in members(outcomes) {
            next.outcomes[writer] = Outcome::default();
        }
        next.collectors[at] = Collector::default();
    });
}
