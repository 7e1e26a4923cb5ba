//! A restore: snapshot, then index, then packs; where one is missing, the index is read again.

use super::rules::Rules;
use super::scenario::{Protocol, Steps, Who};
use super::state::{Reading, State, has, only};

/// The next steps of the reader.
pub fn steps(protocol: &Protocol, state: &State, steps: &mut Steps<'_>) {
    let myself = state.reader;
    let mut step = |what, change: &dyn Fn(&mut State)| {
        let mut next = *state;
        change(&mut next);
        steps.add(Who::Reader, what, only(usize::from(next.reader.snapshot)), next);
    };
    match myself.at {
        Reading::Idle => {
            for at in Protocol::snapshots(state).filter(|at| state.outcome_lives(state.view(), *at))
            {
                step("finds snapshot", &|next| {
                    next.reader.at = Reading::HasSnapshot;
                    next.reader.snapshot = u8::try_from(at).unwrap();
                });
            }
        }
        Reading::HasSnapshot => step("reads the index for", &|next| {
            next.reader.at = Reading::HasIndex;
            next.reader.packs = next.named_by(next.alive(next.view(), next.indexed));
            next.reader.tries += 1;
        }),
        Reading::HasIndex => step("reads the packs of", &|next| {
            let needs = protocol.role(usize::from(myself.snapshot)).chunks();
            let given = next.usable(myself.packs & next.there, &Rules::PROTOCOL);
            next.reader.packs = 0;
            // Of a snapshot that is given up nobody promises anything.
            let given_up = has(state.forgotten, usize::from(myself.snapshot));
            next.reader.at = match needs & !given == 0 || given_up {
                true => Reading::Done,
                false => Reading::HasSnapshot,
            };
        }),
        Reading::Done => {}
    }
}

/// Each try fails because of one collection that deleted meanwhile, at most.
pub fn broken(protocol: &Protocol, state: &State) -> Option<&'static str> {
    let myself = state.reader;
    let most = if protocol.rules.readers_read_again { protocol.scenario.generations } else { 0 };
    let failed = myself.at == Reading::HasSnapshot && myself.tries > most;
    (failed && state.lost == 0).then_some("a reader failed once more than there were collections")
}
