//! What a mark finds: which packs hold what is needed and is nowhere else.

use super::rules::Rules;
use super::state::{Set, State, others};

/// Chunks that these packs give, as a mark sees it.
pub fn provided(state: &State, rules: &Rules, packs: Set) -> Set {
    if rules.bases_are_needed {
        return state.usable(packs, rules);
    }
    let (whole, deltas) = state.entries(packs);
    whole | deltas
}

/// Packs among `named` that hold an entry of a needed chunk which the packs `outside` do not give,
/// or of a base of such a one.
pub fn needed_packs(state: &State, rules: &Rules, needs: Set, outside: Set, named: Set) -> Set {
    let provided = provided(state, rules, outside);
    let mut chunks = needs & !provided;
    if rules.bases_are_needed {
        let (_, deltas) = state.entries(named);
        chunks |= others(deltas & chunks) & !provided;
    }
    state.holders(chunks, named)
}
