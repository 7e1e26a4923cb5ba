//! `repair index`.

use super::{
    checked, copy, entries, flip, objects, of_kind, open, options, past, readable, replace,
    whichever_call_fails,
};
use crate::common::forge::Forger;
use icecore::backend::{Backend, Handle, Memory};
use icecore::error::Kind;
use icecore::format::ObjectKind;
use icecore::format::gc::Reason;
use icecore::id::{IndexId, PackId};
use icecore::monitor::Silent;
use icecore::ops::repair::{RepairOptions, repair_index};
use icecore::repo::Repository;
use std::sync::Arc;

/// What is wrong with the segments of an index.
const LOSSES: [&str; 5] = ["all gone", "one gone", "one flipped", "one emptied", "all flipped"];

fn lose(store: &dyn Backend, loss: &str) {
    let segments = of_kind(store, ObjectKind::Index);
    assert!(segments.len() > 1);
    let hit = if loss.starts_with("all") { segments.len() } else { 1 };
    for handle in segments.iter().take(hit) {
        match loss.rsplit(' ').next().unwrap() {
            "gone" => store.delete(handle).unwrap(),
            "flipped" => drop(flip(store, handle)),
            _ => replace(store, handle, &[]),
        }
    }
}

/// However an index is lost, wholly or in part: the same entries are there again, all snapshots are
/// whole, a check finds nothing, and segments that could not be read are in quarantine with the bytes
/// that they had; a backup and a prune go on from there.
#[test]
fn a_lost_index_is_made_anew() {
    for loss in LOSSES {
        let mut past = past(Arc::new(Memory::new()), 71);
        let store = past.repo.backend.clone();
        let before = entries(&past.repo.repository);
        lose(&*store, loss);
        let damaged = objects(&*store);
        let report = repair_index(&open(&store, 1, &past), &options(), &Silent).unwrap();
        assert!(report.entries > 0 && report.unknown.is_empty(), "{loss}: {report:?}");
        assert_eq!(entries(&open(&store, 2, &past)), before, "{loss}");
        let gone = if loss.ends_with("gone") { 0 } else { report.left.quarantined.len() };
        assert_eq!(of_kind(&*store, ObjectKind::Quarantine).len(), gone, "{loss}");
        for handle in &report.left.quarantined {
            let hash = *blake3::hash(&damaged[handle]).as_bytes();
            let kept = store.get(&Handle::quarantined(handle, &hash), None).unwrap();
            assert!(kept == damaged[handle] && store.size(handle).is_err(), "{loss}");
        }
        past.is_whole();
        let report = checked(&open(&store, 3, &past));
        assert!(report.is_healthy(), "{loss}: {:?}", report.findings);
        past.change();
        past.back_up();
        past.forget(0);
        past.prune();
        past.is_whole();
        assert!(checked(&open(&store, 4, &past)).is_healthy(), "{loss}");
    }
}

/// A healthy repository is not changed by a single byte, and neither is a damaged one when it is only
/// tried out.
#[test]
fn what_lacks_nothing_is_left_alone() {
    let past = past(Arc::new(Memory::new()), 72);
    let store = past.repo.backend.clone();
    let before = objects(&*store);
    let report = repair_index(&open(&store, 1, &past), &options(), &Silent).unwrap();
    assert_eq!((report.entries, report.segments, report.packs > 2), (0, 0, true));
    assert!(objects(&*store) == before);
    lose(&*store, "one flipped");
    let before = objects(&*store);
    let dry: Arc<dyn Backend> = Arc::new(icecore::backend::DryRun::new(copy(&*store)));
    let trial = RepairOptions { dry_run: true, ..options() };
    let report = repair_index(&open(&dry, 2, &past), &trial, &Silent).unwrap();
    assert!(report.entries > 0 && report.left.quarantined.len() == 1, "{report:?}");
    assert!(objects(&*store) == before);
}

/// A pack that a collection gave up gets no entries again; while a collection is not decided, an
/// unreadable segment stays where it is, since it may be what that collection waits for.
#[test]
fn what_is_condemned_gets_no_entries() {
    let past = past(Arc::new(Memory::new()), 73);
    let store = past.repo.backend.clone();
    let pack = of_kind(&*store, ObjectKind::Pack)[0].pack_id().unwrap();
    Forger::new(&past.repo).condemn(1, &[pack], Reason::Garbage);
    lose(&*store, "all flipped");
    let report = repair_index(&open(&store, 1, &past), &options(), &Silent).unwrap();
    assert!(report.entries > 0 && report.left.quarantined.is_empty(), "{report:?}");
    assert_eq!(report.left.kept.len(), 3);
    let named: Vec<PackId> =
        entries(&open(&store, 2, &past)).into_iter().map(|place| place.pack).collect();
    assert!(!named.is_empty() && !named.contains(&pack));
}

/// A pack that nobody can place is named, and keeps unreadable segments where they are: they may be
/// all that knows it, once somebody mends them.
#[test]
fn a_pack_of_unknown_content_is_named() {
    let past = past(Arc::new(Memory::new()), 74);
    let store = past.repo.backend.clone();
    lose(&*store, "all flipped");
    let pack = of_kind(&*store, ObjectKind::Pack)[0].clone();
    let mut bytes = store.get(&pack, None).unwrap();
    bytes.pop();
    replace(&*store, &pack, &bytes);
    let report = repair_index(&open(&store, 1, &past), &options(), &Silent).unwrap();
    assert_eq!(report.unknown, [pack.pack_id().unwrap()]);
    assert!(report.left.quarantined.is_empty() && report.left.kept.len() == 3);
    assert!(report.entries > 0);
}

/// What a newer program wrote stops the repair before anything is changed.
#[test]
fn a_newer_segment_stops_it() {
    let past = past(Arc::new(Memory::new()), 75);
    let store = past.repo.backend.clone();
    let segments = of_kind(&*store, ObjectKind::Index);
    store.delete(&segments[1]).unwrap();
    let mut bytes = store.get(&segments[0], None).unwrap();
    bytes[4] += 1;
    store.delete(&segments[0]).unwrap();
    let newer = Handle::index(IndexId(*blake3::hash(&bytes).as_bytes()));
    store.put_new(&newer, &bytes).unwrap();
    let before = objects(&*store);
    let error = repair_index(&open(&store, 1, &past), &options(), &Silent).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported, "{error}");
    assert!(objects(&*store) == before);
}

/// Whichever call of the store fails, once or from then on, before or after it took effect: nothing
/// that could be read before is lost, and when it is run again all is there.
#[test]
fn one_that_stops_anywhere_is_run_again() {
    let past = past(Arc::new(Memory::new()), 76);
    let before = entries(&past.repo.repository);
    lose(&*past.repo.backend, "one flipped");
    let begun = past.repo.backend.clone();
    let could = readable(&open(&begun, 1, &past), &past);
    let repair = |repository: &Repository| drop(repair_index(repository, &options(), &Silent));
    let calls = whichever_call_fails(&past, &*begun, repair, |store, what| {
        let repository = open(store, 7, &past);
        assert!(readable(&repository, &past).is_superset(&could), "{what}");
        repair_index(&repository, &options(), &Silent).unwrap();
        assert_eq!(entries(&open(store, 8, &past)), before, "{what}");
        let report = checked(&open(store, 9, &past));
        assert!(report.is_healthy(), "{what}: {:?}", report.findings);
    });
    assert!(calls > 15, "only {calls} calls");
}
