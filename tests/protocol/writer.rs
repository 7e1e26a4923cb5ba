//! Writers: W1 to W5.

use super::scenario::{AddStep, Protocol, Role, Steps, Who};
use super::state::{Kind, Outcome, Set, Stage, State, delta, has, members, only, others, whole};

/// The next steps of one writer.
pub fn steps(protocol: &Protocol, state: &State, at: usize, steps: &mut Steps<'_>) {
    let (rules, role) = (&protocol.rules, protocol.role(at));
    let mut step = |what: &'static str, set: Set, change: &dyn Fn(&mut State)| {
        let mut next = *state;
        change(&mut next);
        steps.add(Who::Writer(at), what, set, next);
    };
    let myself = state.writers[at];
    let reaches = |stage: Stage| move |next: &mut State| next.writers[at].at = stage;
    match myself.at {
        // It is begun by the writer that it continues.
        Stage::Idle if matches!(role, Role::Continues(_)) => {}
        Stage::Idle if rules.writers_register_first => step("registers", 0, &|next| {
            next.registered |= only(at);
            next.writers[at].lost_before = next.lost;
            next.writers[at].at = Stage::Registered;
        }),
        Stage::Idle => step("reads the chain, not registered", 0, &|next| {
            next.writers[at].view = next.view();
            next.writers[at].at = Stage::Early;
        }),
        Stage::Early => step("registers", 0, &|next| {
            next.registered |= only(at);
            next.writers[at].at = Stage::HasChain;
        }),
        Stage::Registered => match (role, state.outcomes[at - 1].kind) {
            (Role::Continues(_), Kind::None) => {}
            (Role::Continues(_), Kind::Tombstone) => {
                step("ends with the one it continues", 0, &reaches(Stage::Failed));
            }
            _ => step("reads the chain", 0, &|next| {
                next.writers[at].view = next.view();
                next.writers[at].at = Stage::HasChain;
            }),
        },
        Stage::HasChain => {
            let counts = counted(protocol, state, at);
            step("reads the index", counts, &|next| {
                next.writers[at].counts = counts;
                next.writers[at].at = Stage::HasIndex;
            });
        }
        Stage::HasIndex => {
            let there = if rules.writers_list_packs { state.there } else { Set::MAX };
            let stage =
                if is_overtaken(protocol, state, at) { Stage::Failed } else { Stage::Counting };
            step("lists the packs", there & myself.counts, &|next| {
                next.writers[at].counts &= there;
                next.writers[at].at = stage;
            });
        }
        Stage::Counting if missing(protocol, state, at) != 0 => {
            let chunks = missing(protocol, state, at);
            if rules.packs_before_segments {
                step("uploads a pack", only(state.next_pack()), &|next| {
                    let known = next.usable(myself.counts, rules);
                    let pack = next.put_pack(content(role, chunks, known));
                    next.writers[at].made |= only(pack);
                    next.writers[at].at = Stage::Uploaded;
                });
            } else {
                step("indexes a pack", only(state.next_pack()), &|next| {
                    let pack = next.put_pack(whole(chunks));
                    next.there &= !only(pack);
                    next.put_segment(only(pack), myself.view.condemnations);
                    next.writers[at].made |= only(pack);
                    next.writers[at].at = Stage::Uploaded;
                });
            }
        }
        Stage::Counting if role == Role::Repair && unnamed(protocol, state, at) != 0 => {
            let packs = unnamed(protocol, state, at);
            step("makes entries for packs", packs, &|next| {
                next.put_segment(packs, myself.view.condemnations);
                next.writers[at].at = Stage::Indexed;
            });
        }
        Stage::Uploaded if rules.packs_before_segments => {
            step("puts its segment", myself.made, &|next| {
                next.put_segment(myself.made, myself.view.condemnations);
                next.writers[at].at = Stage::Indexed;
            });
        }
        Stage::Uploaded => step("uploads what it has indexed", myself.made, &|next| {
            next.there |= myself.made;
            next.writers[at].at = Stage::Indexed;
        }),
        Stage::Counting | Stage::Indexed => {
            let gone = state.condemned(state.view(), rules) & myself.counts;
            if matches!(role, Role::Careful(_)) && gone != 0 && myself.made == 0 {
                step("learns what was condemned meanwhile", gone, &|next| {
                    next.writers[at].counts &= !gone;
                    next.writers[at].at = Stage::Counting;
                });
            }
            if matches!(role, Role::Begins(_)) && !has(state.registered, at + 1) {
                step("registers the one that continues", only(at + 1), &|next| {
                    next.registered |= only(at + 1);
                    next.writers[at + 1].at = Stage::Registered;
                });
                return;
            }
            commit(protocol, state, at, &mut step);
        }
        Stage::Committed => {
            let lives = state.outcome_lives(state.view(), at);
            let stage = if lives { Stage::Told } else { Stage::Failed };
            step("looks whether it is dead", 0, &reaches(stage));
        }
        Stage::Told | Stage::Failed => {}
    }
}

fn commit(protocol: &Protocol, state: &State, at: usize, step: AddStep<'_>) {
    let kind = protocol.role(at).outcome();
    if state.outcomes[at].kind != Kind::None && protocol.rules.commits_are_exclusive {
        step("finds that it was fenced", 0, &|next| next.writers[at].at = Stage::Failed);
        return;
    }
    step("commits", 0, &|next| {
        let read = next.writers[at].view.condemnations;
        next.outcomes[at] = Outcome { kind, read };
        let looks = kind == Kind::Snapshot && protocol.rules.writers_look_back;
        next.writers[at].at = if looks { Stage::Committed } else { Stage::Told };
    });
}

/// Packs whose entries count, as far as chain and index tell (U, C1 to C3).
fn counted(protocol: &Protocol, state: &State, at: usize) -> Set {
    let (rules, view) = (&protocol.rules, state.writers[at].view);
    let newest = usize::from(super::state::newest(view.verdicts));
    let open = usize::from(view.condemnations);
    let is_certain = |segment: &usize| {
        state.segments[*segment].read >= view.condemnations
            || newest > 0 && has(state.chain[newest - 1].segments, *segment)
            || rules.first_marks_count && has(state.chain[open - 1].marked, *segment)
    };
    let alive = members(state.alive(view, state.indexed));
    let segments = alive.filter(|segment| !rules.doubt_unlisted || is_certain(segment));
    let packs = state.named_by(segments.fold(0, |all, segment| all | only(segment)));
    let barred = if rules.condemned_bars { state.condemned(view, rules) } else { 0 };
    packs & !barred
}

/// Whether a continuation has to start again: its partial names only what was uploaded, and there
/// was a collection meanwhile.
fn is_overtaken(protocol: &Protocol, state: &State, at: usize) -> bool {
    matches!(protocol.role(at), Role::Continues(_))
        && protocol.rules.continuations_look
        && state.writers[at].view.condemnations != state.writers[at - 1].view.condemnations
}

/// Chunks that it has to store.
fn missing(protocol: &Protocol, state: &State, at: usize) -> Set {
    let myself = state.writers[at];
    let role = protocol.role(at);
    let stored = match role {
        Role::Repack(_) => state.usable(myself.made, &protocol.rules),
        Role::Continues(_) => {
            protocol.role(at - 1).chunks()
                | state.usable(myself.counts | myself.made, &protocol.rules)
        }
        _ => state.usable(myself.counts | myself.made, &protocol.rules),
    };
    role.chunks() & !stored
}

/// What a pack of these chunks holds; a chunk of which there is an entry is stored whole.
fn content(role: Role, chunks: Set, known: Set) -> u8 {
    match role {
        Role::Delta(_) if others(chunks) & known == others(chunks) => delta(chunks),
        _ => whole(chunks),
    }
}

/// Packs that no segment names that counts.
fn unnamed(protocol: &Protocol, state: &State, at: usize) -> Set {
    let view = state.writers[at].view;
    let named = state.named_by(state.alive(view, state.indexed));
    let barred = match protocol.rules.repair_reads_chain {
        true => state.condemned(view, &protocol.rules),
        false => 0,
    };
    state.there & !named & !barred
}
