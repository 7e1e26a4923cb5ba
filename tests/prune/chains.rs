//! Chains of deltas are shortened once what they grew through was given up.

use super::{Past, pruned, thorough};
use crate::common::chunks::Chunks;
use crate::common::forge::{Forger, commit, session};
use crate::common::memory::node;
use crate::common::repo::{TempRepo, options};
use icecore::backend::Memory;
use icecore::backend::testing::{Fault, Faulty};
use icecore::format::content::{Content, Piece};
use icecore::format::directory::NodeKind;
use icecore::format::gc::Reason;
use icecore::monitor::Silent;
use icecore::ops::backup::backup;
use icecore::ops::prune::{PlanLimits, PruneOptions, Unused, prune};
use std::sync::Arc;

/// The greatest depth of any entry.
fn depth(past: &Past) -> u8 {
    let index = past.repo.reopen().unwrap().load_index().unwrap();
    index.in_order().map(|place| place.depth).max().unwrap()
}

fn blobs(past: &Past) -> usize {
    past.repo.reopen().unwrap().load_index().unwrap().len()
}

/// Of nine hours the first and the last stay: a delta of the last rests on the first, with nothing in
/// between. Then the last alone stays, and is stored whole, as if there had never been another.
#[test]
fn deltas_rest_on_what_is_needed_anyway() {
    let mut past = Past::over(Arc::new(Memory::new()), 31, 9);
    assert!(depth(&past) > 3);
    (0..7).for_each(|_| past.forget(1));
    past.prune();
    past.is_whole();
    assert_eq!(depth(&past), 1);
    past.forget(0);
    past.prune();
    past.is_whole();
    assert_eq!(depth(&past), 0);
    let mut fresh = Past::over(Arc::new(Memory::new()), 5, 0);
    fresh.tree = past.tree.clone();
    fresh.back_up();
    assert_eq!(blobs(&past), blobs(&fresh));
    assert!(past.packs() * 10 <= fresh.packs() * 11, "{} of {}", past.packs(), fresh.packs());
}

/// A branch keeps what several deltas rest on: only what lies in between goes.
#[test]
fn what_several_deltas_rest_on_stays() {
    let mut past = Past::over(Arc::new(Memory::new()), 32, 4);
    let (first, base) = (past.tree.clone(), past.trees.len());
    // Two sources go on from one state.
    past.change();
    past.back_up();
    let mut other = first.clone();
    let mut rows = other.bytes("db");
    rows[60_000..60_400].copy_from_slice(&past.chance.rows(400));
    other.put("db", rows);
    let parent = options();
    let report =
        backup(&past.repo.reopen().unwrap(), vec![other.source("/data")], &parent, &Silent)
            .unwrap();
    past.trees.push((report.snapshot, other));
    past.forget(base - 1);
    past.prune();
    past.is_whole();
    past.forget(0);
    past.prune();
    past.is_whole();
}

/// The plan is not made only for links where nothing may be written, and a prune that may write little
/// writes no more.
#[test]
fn limits_hold_for_chains_too() {
    let mut past = Past::over(Arc::new(Memory::new()), 33, 9);
    (0..7).for_each(|_| past.forget(1));
    let depth_before = depth(&past);
    let limits = PlanLimits { unused: Unused::Unlimited, repack: Some(0) };
    let report =
        prune(&past.repo.reopen().unwrap(), &PruneOptions { limits, ..thorough() }, &Silent)
            .unwrap();
    assert_eq!((report.moved, depth(&past)), (0, depth_before));
    let limits = PlanLimits { unused: Unused::Bytes(0), repack: Some(40_000) };
    let report =
        prune(&past.repo.reopen().unwrap(), &PruneOptions { limits, ..thorough() }, &Silent)
            .unwrap();
    assert!(report.moved <= 40_000, "{}", report.moved);
    past.is_whole();
}

/// Whatever request fails while chains are shortened, nothing is lost, and the next prune does it.
#[test]
fn a_failure_on_the_way_loses_nothing() {
    for at in (0..).step_by(5) {
        let mut past = Past::over(Arc::new(Memory::new()), 34, 5);
        (0..3).for_each(|_| past.forget(1));
        let whole = past.repo.backend.clone();
        let faulty = Faulty::new(whole.clone(), 1).from(at, Fault::Denies);
        past.repo.backend = Arc::new(faulty);
        let done = past.repo.reopen().and_then(|it| prune(&it, &thorough(), &Silent));
        past.repo.backend = whole;
        past.is_whole();
        if done.is_ok_and(|report| report.swept.retained.count == 0) {
            assert!(at > 20, "only {at} requests");
            return;
        }
        past.repo.clock.advance(25 * 3600);
        past.prune();
        past.is_whole();
    }
}

/// A collection condemned a chunk and its base, each in a pack of its own, and the base stands elsewhere, too, upon a
/// longer chain than the chunk bears: the chunk is needed, so that the condemned base stays as well, although
/// there is another (chapter 11, C8).
#[test]
fn what_a_kept_chunk_rests_on_stays() {
    let repo = TempRepo::new(35);
    let forger = Forger::new(&repo);
    let mut chunks = Chunks::of(&repo);
    let base = chunks.whole(1);
    let below = chunks.store(&forger).row.id;
    let top = chunks.delta(2, 1, &[base]);
    let above = chunks.store(&forger).row.id;
    let length = u32::try_from(Chunks::plain(top).len()).unwrap();
    let content = Content::inline(1, &[Piece::Chunk { id: chunks.id(top), length }]);
    let root = node("top", NodeKind::File { content, database: None });
    let snapshot = commit(session(&repo), "/top", root, 1);

    chunks.whole(10);
    chunks.delta(11, 1, &[10]);
    chunks.delta(12, 2, &[11]);
    chunks.delta(base, 3, &[12]);
    chunks.store(&forger);
    forger.condemn(1, &[below, above], Reason::Garbage);
    let report = pruned(&repo.reopen().unwrap()).unwrap();
    assert_eq!(report.rescued, 2, "{report:?}");
    let read = TempRepo::read_from(&repo.reopen().unwrap(), &snapshot, "/top");
    assert!(read.unwrap() == Chunks::plain(top));
}
