//! What is won, and what stays.

use super::{Past, thorough};
use icecore::backend::Memory;
use icecore::format::{BlobKind, ObjectKind};
use icecore::id::PackId;
use icecore::monitor::Silent;
use icecore::ops::check::{CheckOptions, check};
use icecore::ops::prune::{PlanLimits, PruneOptions, prune};
use icecore::repo::BlobLocation;
use std::collections::HashMap;
use std::sync::Arc;

fn past(seed: u64, hours: usize) -> Past {
    Past::over(Arc::new(Memory::new()), seed, hours)
}

/// After most of many snapshots were given up, what only they needed is gone: packs, segments and
/// records of writers. What stays is whole, deltas across the gap too, the sizes are those that were
/// reported, and the repository is little larger than one that never had more.
#[test]
fn what_forgotten_snapshots_needed_is_given_back() {
    let mut past = past(1, 24);
    let (before, old) = (past.packs(), packs_of(&past));
    for _ in 0..22 {
        past.forget(1);
    }
    let report = past.prune();
    past.is_whole();
    let plan = report.plan.as_ref().unwrap();
    assert!(plan.garbage.count > 0 && plan.repacked.count > 0, "{plan:?}");
    let swept = &report.swept;
    let new = packs_of(&past).into_iter().filter(|(pack, _)| !old.contains_key(pack));
    let new: u64 = new.map(|(_, size)| size).sum();
    assert_eq!(past.packs(), before + new - swept.packs.bytes, "{report:?}");
    assert!((new..new + new / 2).contains(&report.written), "{new} and an index: {report:?}");
    assert!(past.packs() < before / 2, "{} of {before}", past.packs());
    assert!(past.repo.backend.list(ObjectKind::Index).unwrap().len() <= 2, "{report:?}");
    // The two that live; of the writer that moved chunks nothing is left.
    assert_eq!(past.repo.backend.list(ObjectKind::Snapshot).unwrap().len(), 2);
    assert_eq!(past.repo.backend.list(ObjectKind::Writer).unwrap().len(), 2);
    let again = past.prune();
    assert!(again.plan.unwrap().is_empty());
    assert_eq!((again.written, again.swept.packs.count), (0, 0));
    let generation = past.repo.repository.generations().unwrap().newest();
    assert_eq!(generation, 1, "a prune that finds nothing leaves no collection");
}

fn packs_of(past: &Past) -> HashMap<PackId, u64> {
    past.repo.repository.pack_sizes().unwrap()
}

/// Small packs of many backups become one, where they make more than a tiny one: those of lists and
/// folders wait. At the second prune nothing is left to do, and backups go on from the new packs with
/// deltas.
#[test]
fn small_packs_are_merged() {
    let mut past = past(2, 40);
    let packs = past.repo.backend.list(ObjectKind::Pack).unwrap().len();
    assert!(packs >= 80);
    let report = past.prune();
    assert!(report.moved > 0);
    past.is_whole();
    let index = past.repo.reopen().unwrap().load_index().unwrap();
    let left = index.pack_rows().filter(|pack| pack.kind == BlobKind::Data);
    assert_eq!(left.count(), 1, "{report:?}");
    past.change();
    past.back_up();
    past.is_whole();
    let summary = &past.trees.last().unwrap().0.summary;
    assert!(summary.delta.blobs > 0 && summary.chunks_known > 0, "{summary:?}");
    assert!(past.prune().plan.unwrap().is_empty());
}

/// Deltas that no snapshot needs may outlive their bases, in packs that are little unused: a check does not
/// take that for a finding.
#[test]
fn a_check_has_nothing_to_say_of_a_prune() {
    let mut past = past(2, 8);
    (0..5).for_each(|_| past.forget(0));
    let options = PruneOptions { limits: PlanLimits::default(), ..thorough() };
    prune(&past.repo.reopen().unwrap(), &options, &Silent).unwrap();
    let repository = past.repo.reopen().unwrap();
    let index = repository.load_index().unwrap();
    let packs = packs_of(&past);
    let is_there = |place: &BlobLocation| packs.contains_key(&place.pack);
    let lacks_base = |place: &BlobLocation| {
        place.bases.iter().any(|base| !index.entries_of(base).iter().any(is_there))
    };
    assert!(index.places().any(|place| is_there(&place) && lacks_base(&place)));
    let report = check(&repository, CheckOptions::default(), &Silent).unwrap();
    assert_eq!((report.errors, report.superseded), (0, 0), "{:?}", report.findings);
}

/// A dry run says what would be won, and writes and deletes nothing.
#[test]
fn a_dry_run_changes_nothing() {
    let mut past = past(3, 12);
    (0..9).for_each(|_| past.forget(1));
    let objects = |past: &Past| {
        let kinds = ObjectKind::ALL.into_iter();
        let listed = kinds.flat_map(|kind| past.repo.backend.list(kind).unwrap());
        let mut listed: Vec<_> = listed.map(|object| object.handle.to_string()).collect();
        listed.sort();
        listed
    };
    let before = objects(&past);
    let mut options = thorough();
    options.dry_run = true;
    let planned = prune(&past.repo.reopen().unwrap(), &options, &Silent).unwrap().plan.unwrap();
    assert_eq!(objects(&past), before);
    assert!(planned.won() > 0);
    let size = past.packs();
    let done = past.prune();
    assert_eq!(done.plan.unwrap(), planned);
    let won = size - past.packs();
    // Packs are padded, and so a little longer than what is in them; chains that are shortened take less.
    assert!(
        won * 10 <= planned.won() * 12 && won * 10 >= planned.won() * 8,
        "{won} of {}",
        planned.won()
    );
}

/// A plan that is only shown takes what is to be forgotten as gone: it is the one that is made
/// once it is. A prune that does something takes nothing as gone.
#[test]
fn a_plan_can_come_before_the_forgetting() {
    let mut past = past(5, 12);
    let given_up =
        |past: &Past| past.trees[1..10].iter().map(|(snapshot, _)| snapshot.id).collect();
    let plan = |past: &Past, dry_run| {
        let options = PruneOptions { given_up: given_up(past), dry_run, ..thorough() };
        prune(&past.repo.reopen().unwrap(), &options, &Silent).unwrap().plan.unwrap()
    };
    let done = plan(&past, false);
    assert_eq!(done.garbage.count, 0, "{done:?}");
    past.is_whole();
    let planned = plan(&past, true);
    assert!(planned.won() > done.won(), "{planned:?}");
    (0..9).for_each(|_| past.forget(1));
    assert_eq!(past.prune().plan.unwrap(), planned);
    past.is_whole();
}

/// By default no more is written anew than a tenth of the repository, or one pack.
#[test]
fn little_is_written_by_default() {
    let mut past = past(4, 12);
    (0..6).for_each(|at| past.forget(at));
    let options = PruneOptions { host: "host".into(), ..Default::default() };
    let report = prune(&past.repo.reopen().unwrap(), &options, &Silent).unwrap();
    let plan = report.plan.unwrap();
    assert!(plan.rewritten <= (plan.all.bytes / 10).max(16 << 20));
    past.is_whole();
}
