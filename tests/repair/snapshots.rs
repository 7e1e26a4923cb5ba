//! `repair snapshots`.

use super::{
    checked, copy, flip, objects, of_kind, open, options, past, read, readable, replace,
    whichever_call_fails,
};
use crate::prune::Past;
use icecore::backend::{Backend, DryRun, Handle, Memory};
use icecore::error::Kind;
use icecore::format::ObjectKind;
use icecore::format::snapshot::Snapshot;
use icecore::monitor::Silent;
use icecore::ops::forget::{plan, plan_by_policy};
use icecore::ops::repair::{
    DamagedPacks, DamagedSnapshots, RepairOptions, SnapshotsRepair, repair_index, repair_packs,
    repair_snapshots,
};
use icecore::ops::retention::{Bound, Period, Policy, Rule};
use icecore::ops::select::{Aside, Filter, find};
use icecore::repo::Repository;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

fn repaired(repository: &Repository, forget: bool) -> SnapshotsRepair {
    let which = DamagedSnapshots { forget, ..DamagedSnapshots::default() };
    repair_snapshots(repository, &which, &options(), &Silent).unwrap()
}

fn all(repository: &Repository) -> Vec<Snapshot> {
    let stored = repository.snapshots(|error| panic!("{error}")).unwrap().all().unwrap();
    stored.into_iter().map(|stored| stored.snapshot).collect()
}

/// Whatever pack is lost: each snapshot that misses something, and no other, gets one beside it with
/// all files that can be read and no other, byte for byte; it says what it is, and nothing of the
/// original is changed. A check finds nothing wrong with it, and once the originals are given up
/// nothing wrong at all.
#[test]
fn what_is_left_is_a_snapshot_of_its_own() {
    let begun = past(Arc::new(Memory::new()), 61);
    for pack in of_kind(&*begun.repo.backend, ObjectKind::Pack) {
        for gone in [true, false] {
            cell(&begun, &pack, gone);
        }
    }
}

fn cell(begun: &Past, pack: &Handle, gone: bool) {
    let what = format!("{pack}, gone: {gone}");
    let store: Arc<dyn Backend> = copy(&*begun.repo.backend);
    match gone {
        true => store.delete(pack).unwrap(),
        false => drop(flip(&*store, pack)),
    }
    checked(&open(&store, 1, begun));
    let before = objects(&*store);
    let can = readable(&open(&store, 2, begun), begun);
    let report = repaired(&open(&store, 3, begun), false);
    assert!(before.iter().all(|(handle, bytes)| store.get(handle, None).unwrap() == *bytes));
    let repository = open(&store, 4, begun);
    let snapshots = all(&repository);
    let mut damaged = BTreeSet::new();
    for (original, tree) in &begun.trees {
        let left: Vec<&String> = tree
            .files
            .keys()
            .filter(|path| can.contains(&(original.id.to_string(), (*path).clone())))
            .collect();
        let new = snapshots.iter().find(|snapshot| snapshot.original == Some(original.id));
        assert_eq!(new.is_none(), left.len() == tree.files.len(), "{what}");
        let Some(new) = new else { continue };
        damaged.insert(original.id);
        assert!(new.is_incomplete() && new.series != original.series && new.sequence == 1);
        assert_eq!(
            (&new.host, &new.tags, new.started),
            (&original.host, &original.tags, original.started)
        );
        for path in tree.files.keys() {
            match (read(&repository, new, path), left.contains(&path)) {
                (Ok(bytes), true) => assert!(bytes == tree.bytes(path), "{what}: {path}"),
                (Err(_), false) => {}
                (found, _) => panic!("{what}: {path}: {:?}", found.map(|bytes| bytes.len())),
            }
        }
    }
    let of: BTreeSet<_> = report.repaired.iter().map(|repaired| repaired.original).collect();
    assert_eq!(of, damaged, "{what}");
    let after = checked(&open(&store, 5, begun));
    let touched = after.touched.iter().find(|touched| !damaged.contains(&touched.snapshot));
    assert_eq!(touched, None, "{what}: {:#?}", after.findings);
    let again = repaired(&open(&store, 6, begun), false);
    assert_eq!((again.repaired.len(), again.before.len()), (0, damaged.len()), "{what}");
    // `latest` is still the newest that was captured.
    let latest = find(&open(&store, 7, begun), "latest", &Filter::default(), drop).unwrap();
    assert_eq!(latest.snapshot.id, begun.trees.last().unwrap().0.id);
}

/// The originals are given up when that is asked for: then the repository is sound again, and the
/// next backup and a prune go on with it.
#[test]
fn originals_are_given_up() {
    let mut past = past(Arc::new(Memory::new()), 62);
    let store = past.repo.backend.clone();
    let pack = of_kind(&*store, ObjectKind::Pack)[0].clone();
    store.delete(&pack).unwrap();
    let report = repaired(&open(&store, 1, &past), true);
    assert!(report.forgotten > 0 && report.forgotten == report.repaired.len() as u64);
    let gone: BTreeSet<_> = report.repaired.iter().map(|repaired| repaired.original).collect();
    assert!(all(&open(&store, 2, &past)).iter().all(|snapshot| !gone.contains(&snapshot.id)));
    let after = checked(&open(&store, 3, &past));
    assert!(after.is_healthy(), "{:#?}", after.findings);
    past.trees.retain(|(snapshot, _)| !gone.contains(&snapshot.id));
    past.change();
    past.back_up();
    crate::prune::pruned(&open(&store, 4, &past)).unwrap();
    let (newest, tree) = past.trees.last().unwrap();
    for path in tree.files.keys() {
        assert!(read(&open(&store, 5, &past), newest, path).unwrap() == tree.bytes(path));
    }
    assert!(checked(&open(&store, 6, &past)).is_healthy());
}

/// What is left of a snapshot takes the place of no other: rules judge it apart, and the last whole
/// snapshot does not go for its sake.
#[test]
fn it_takes_no_others_place() {
    let past = past(Arc::new(Memory::new()), 65);
    let store = past.repo.backend.clone();
    store.delete(&of_kind(&*store, ObjectKind::Pack)[0]).unwrap();
    let new = repaired(&open(&store, 1, &past), false).repaired.len();
    assert!(new > 0);
    let repository = open(&store, 2, &past);
    let (filter, zone) = (Filter::default(), icecore::TimeZone::UTC);
    let rule = Rule { bound: Bound::Newest(1), period: Period::Each };
    let policy = Policy::new([rule], &[]).unwrap();
    let by = plan_by_policy(&repository, &policy, &zone, &filter, |_| (), false).unwrap();
    let sizes: Vec<_> =
        by.groups.iter().map(|group| (group.aside, group.snapshots.len())).collect();
    assert_eq!(sizes, [(None, 3), (Some(Aside::Repaired), new)]);
    let kept: Vec<_> = by.plan.keep.keys().map(|key| key.id).collect();
    assert!(kept.contains(&past.trees.last().unwrap().0.id));
    let originals: Vec<String> =
        past.trees.iter().map(|(snapshot, _)| snapshot.id.to_string()).collect();
    let error = plan(&repository, &originals, &filter, false).err().unwrap();
    assert_eq!(error.kind(), Kind::Refused, "{error}");
}

/// Nothing is changed where nothing is missing; nor by a trial, which says what would be done; nor
/// where only a note says that something is damaged that can be read.
#[test]
fn whole_snapshots_get_none() {
    let past = past(Arc::new(Memory::new()), 63);
    let store = past.repo.backend.clone();
    let before = objects(&*store);
    let report = repaired(&open(&store, 1, &past), true);
    assert_eq!((report.snapshots, report.repaired.len()), (3, 0));
    assert!(objects(&*store) == before);
    let pack = of_kind(&*store, ObjectKind::Pack)[0].clone();
    let good = store.get(&pack, None).unwrap();
    flip(&*store, &pack);
    checked(&open(&store, 2, &past));
    let before = objects(&*store);
    let dry: Arc<dyn Backend> = Arc::new(DryRun::new(copy(&*store)));
    let trial = RepairOptions { dry_run: true, ..options() };
    let which = DamagedSnapshots { forget: true, ..DamagedSnapshots::default() };
    let report = repair_snapshots(&open(&dry, 3, &past), &which, &trial, &Silent).unwrap();
    assert!(!report.repaired.is_empty());
    assert!(objects(&*store) == before);
    replace(&*store, &pack, &good);
    assert!(repaired(&open(&store, 4, &past), true).repaired.is_empty());
}

/// Nothing counts as lost while packs are stored that the index does not name, as when a segment is
/// gone: that is refused and changes nothing, and once the index was repaired nothing is missing.
#[test]
fn an_index_that_lost_segments_is_repaired_first() {
    let past = past(Arc::new(Memory::new()), 66);
    let store = past.repo.backend.clone();
    store.delete(&of_kind(&*store, ObjectKind::Index)[0]).unwrap();
    let before = objects(&*store);
    let which = DamagedSnapshots { forget: true, ..DamagedSnapshots::default() };
    let error = repair_snapshots(&open(&store, 1, &past), &which, &options(), &Silent).unwrap_err();
    assert_eq!(error.kind(), Kind::Refused, "{error}");
    assert!(objects(&*store) == before);
    assert!(repair_index(&open(&store, 2, &past), &options(), &Silent).unwrap().indexed > 0);
    let report = repaired(&open(&store, 3, &past), true);
    assert!(report.repaired.is_empty() && report.forgotten == 0, "{report:?}");
}

/// Whichever call of the store fails, while originals are given up: what could be read of one can be read
/// of it or of what is left of it, and when it is run again the repository is sound.
#[test]
fn one_that_stops_anywhere_is_run_again() {
    let past = past(Arc::new(Memory::new()), 64);
    let begun = past.repo.backend.clone();
    begun.delete(&of_kind(&*begun, ObjectKind::Pack)[0]).unwrap();
    repair_packs(&open(&begun, 1, &past), &DamagedPacks::default(), &options(), &Silent).unwrap();
    let could = readable(&open(&begun, 2, &past), &past);
    let repair = |repository: &Repository| {
        let which = DamagedSnapshots { forget: true, ..DamagedSnapshots::default() };
        drop(repair_snapshots(repository, &which, &options(), &Silent));
    };
    let calls = whichever_call_fails(&past, &*begun, repair, |store, what| {
        still_there(&open(store, 7, &past), &past, &could, what);
        repaired(&open(store, 8, &past), true);
        let repository = open(store, 9, &past);
        still_there(&repository, &past, &could, what);
        let after = checked(&repository);
        assert!(after.is_healthy(), "{what}: {:#?}", after.findings);
    });
    assert!(calls > 30, "only {calls} calls");
}

/// What could be read of an original can be read of it, or of what is left of it.
fn still_there(
    repository: &Repository,
    past: &Past,
    could: &HashSet<(String, String)>,
    what: &str,
) {
    let snapshots = all(repository);
    for (original, tree) in &past.trees {
        let of = |snapshot: &&Snapshot| {
            snapshot.id == original.id || snapshot.original == Some(original.id)
        };
        let of: Vec<&Snapshot> = snapshots.iter().filter(of).collect();
        let mine = could.iter().filter(|(id, _)| *id == original.id.to_string());
        for (_, path) in mine {
            let mut found = of.iter().filter_map(|snapshot| read(repository, snapshot, path).ok());
            let is_there = found.any(|bytes| bytes == tree.bytes(path));
            assert!(is_there, "{what}: {path} of {}", original.id);
        }
    }
}
