//! What a mirror has, what it costs, and the order in which it comes about.

use super::{mirrored, objects, past, shown, shows_whole_snapshots, store, well_mirrored};
use crate::common::recorder::Recorder;
use crate::common::stores::copy;
use crate::prune::Past;
use icecore::backend::testing::{Fault, Faulty, Manners, Remote};
use icecore::backend::{Backend, Counting, Handle, Memory, Verb};
use icecore::env::Env;
use icecore::error::Kind;
use icecore::format::ObjectKind;
use icecore::monitor::Silent;
use icecore::ops::mirror::{MirrorOptions, mirror};
use std::sync::Arc;

/// Two mirrors made by one command have the very objects of the source, each of which was read once;
/// every snapshot restores from there.
#[test]
fn mirrors_have_the_objects_of_their_source() {
    let mut past = past(1, 4);
    let counted = Arc::new(Counting::new(past.repo.backend.clone()));
    let source: Arc<dyn Backend> = counted.clone();
    let targets = [store(), store()];
    let report = mirrored(&source, &[&targets[0], &targets[1]]).unwrap();
    assert!(report.targets.iter().all(|target| target.is_whole()), "{report:?}");
    let packs = source.list(ObjectKind::Pack).unwrap();
    let bytes: u64 = packs.iter().map(|pack| pack.size).sum();
    assert_eq!(counted.tally(Verb::Get, ObjectKind::Pack).bytes, bytes);
    let begun = past.repo.backend.clone();
    for target in targets {
        assert!(objects(&*target) == objects(&*source));
        assert!(target.list(ObjectKind::Writer).unwrap().is_empty());
        past.repo.backend = target;
        past.is_whole();
        assert!(past.repo.check().is_healthy());
    }
    past.repo.backend = begun;
}

/// A mirror of which nothing is missing costs listings, and a look at the ends of two chains.
#[test]
fn an_unchanged_mirror_costs_listings() {
    let mut past = past(2, 3);
    past.forget(0);
    past.prune();
    let target = store();
    well_mirrored(&past.repo.backend, &target);
    let count = |store: &Arc<dyn Backend>| Arc::new(Counting::new(store.clone()));
    let (from, to) = (count(&past.repo.backend), count(&target));
    let report = well_mirrored(&(from.clone() as Arc<dyn Backend>), &(to.clone() as _));
    assert!(report.copied.is_empty(), "{report:?}");
    for counted in [&from, &to] {
        for kind in ObjectKind::ALL {
            let few = if matches!(kind, ObjectKind::Config | ObjectKind::Gc) { 2 } else { 0 };
            let gets = counted.tally(Verb::Get, kind).calls;
            assert!(gets <= few, "{gets} objects of {kind} were read");
        }
        assert_eq!((counted.total(Verb::Put).calls, counted.total(Verb::Delete).calls), (0, 0));
        assert_eq!(counted.total(Verb::Size).calls, 0);
    }
}

/// What a trial says is what is then copied, and a trial changes nothing.
#[test]
fn a_trial_tells_what_would_be_copied() {
    let past = past(3, 2);
    let target = store();
    let trial = MirrorOptions { dry_run: true, key: None };
    let planned = mirror(&past.repo.backend, vec![target.clone()], trial, &Silent).unwrap();
    assert!(objects(&*target).is_empty());
    let done = well_mirrored(&past.repo.backend, &target);
    assert_eq!(planned.targets[0].copied, done.copied);
    assert!(done.copied[&ObjectKind::Pack].bytes > 10_000, "{done:?}");
}

/// The order of chapter 11: keys and configurations, what snapshots need, what was decided of them, and
/// snapshots last; each chain in its own order.
#[test]
fn objects_come_in_the_order_of_writing() {
    let mut past = past(4, 6);
    for _ in 0..2 {
        (0..2).for_each(|_| past.forget(1));
        past.prune();
    }
    let recorder = Arc::new(Recorder::new(Memory::new()));
    well_mirrored(&past.repo.backend, &(recorder.clone() as Arc<dyn Backend>));
    let put: Vec<Handle> = recorder.all().into_iter().map(|(handle, _)| handle).collect();
    let mut kinds: Vec<ObjectKind> = put.iter().map(Handle::kind).collect();
    kinds.dedup();
    use ObjectKind::{Config, Forgotten, Gc, Index, Key, Note, Pack, Snapshot};
    kinds.retain(|kind| *kind != Note);
    assert_eq!(kinds, [Key, Config, Pack, Index, Forgotten, Gc, Snapshot]);
    let chain: Vec<String> =
        put.iter().filter(|it| it.kind() == Gc).map(|it| it.name().to_owned()).collect();
    assert_eq!(chain, ["1", "1.verdict", "2", "2.verdict"]);
}

/// A source that lives on after its mirror was made: snapshots come and go, and packs with them.
fn lived_on(seed: u64) -> (Past, Arc<dyn Backend>, Vec<(super::Snapshot, super::Tree)>) {
    let mut past = past(seed, 4);
    let target = store();
    well_mirrored(&past.repo.backend, &target);
    let mut all = past.trees.clone();
    for _ in 0..2 {
        past.forget(0);
        past.forget(1);
        past.change();
        past.back_up();
        past.prune();
        past.change();
        past.back_up();
        all.extend(past.trees.iter().rev().take(2).cloned());
    }
    (past, target, all)
}

/// Whichever call of a mirror fails, at the source or at the target, before or after it took effect,
/// once or from then on, or reads too little: every snapshot that the target shows is whole, and the
/// next run completes it.
#[test]
fn a_mirror_that_stops_anywhere_is_completed_by_the_next() {
    let (past, earlier, all) = lived_on(5);
    for earlier in [store(), earlier] {
        for at_source in [true, false] {
            let mut calls = 0;
            // At every call it may be stopped; what else may go wrong comes by turns. A bit of a sealed
            // record that flips on its way is seen by nobody who has no key.
            for (number, turn) in (0..).flat_map(|number| [(number, 0), (number, 1 + number % 4)]) {
                let target: Arc<dyn Backend> = copy(&*earlier);
                let inner = if at_source { &past.repo.backend } else { &target };
                let faulty = Faulty::new(inner.clone(), number);
                let (faulty, fault) = match turn {
                    0 => (faulty.from(number, Fault::Fails), Fault::Fails),
                    1 => (faulty.once(number, Fault::Fails), Fault::Fails),
                    2 => (faulty.from(number, Fault::DoneButFails), Fault::DoneButFails),
                    3 => (faulty.from(number, Fault::Truncates), Fault::Truncates),
                    _ => (faulty.once(number, Fault::Truncates), Fault::Truncates),
                };
                let faulty = Arc::new(faulty);
                let acting: Arc<dyn Backend> = faulty.clone();
                drop(match at_source {
                    true => mirrored(&acting, &[&target]),
                    false => mirrored(&past.repo.backend, &[&acting]),
                });
                let what = format!("{fault:?} at call {number}, at the source: {at_source}");
                shows_whole_snapshots(&*target, &all, &what);
                well_mirrored(&past.repo.backend, &target);
                let (has, wants) = (objects(&*target), objects(&*past.repo.backend));
                assert!(wants.iter().all(|(handle, it)| has.get(handle) == Some(it)), "{what}");
                shows_whole_snapshots(&*target, &all, &what);
                assert_eq!(shown(&target), shown(&past.repo.backend), "{what}");
                calls = number;
                if faulty.calls() <= number {
                    break;
                }
            }
            assert!(calls >= 25, "only {calls} calls");
        }
    }
}

/// An outcome that is dead in the source, since it came later than a verdict, is never shown by a mirror,
/// whenever the copying stops: collections come before it.
#[test]
fn what_is_dead_in_the_source_is_never_alive_in_a_mirror() {
    let mut past = past(6, 6);
    past.repo.damaged = true;
    let late = Handle::snapshot(past.trees[1].0.id);
    let bytes = past.repo.backend.get(&late, None).unwrap();
    (0..3).for_each(|_| past.forget(1));
    past.prune();
    let mark = Handle::forgotten(late.snapshot_id().unwrap());
    past.repo.backend.delete(&mark).unwrap();
    past.repo.backend.put_new(&late, &bytes).unwrap();
    let (late, source) = (late.snapshot_id().unwrap(), past.repo.backend.clone());
    assert!(!shown(&source).contains(&late));
    let mut partial = 0;
    for number in 0.. {
        let target = store();
        let faulty = Arc::new(Faulty::new(target.clone(), 0).from(number, Fault::Fails));
        drop(mirrored(&source, &[&(faulty.clone() as Arc<dyn Backend>)]));
        let has_it = target.size(&Handle::snapshot(late)).is_ok();
        if !target.list(ObjectKind::Config).unwrap().is_empty() {
            assert!(!shown(&target).contains(&late), "at call {number}");
            partial += u64::from(has_it);
        }
        if faulty.calls() <= number {
            break;
        }
    }
    assert!(partial > 0, "it was never there");
}

/// Over latency several requests are on their way at once; and failing stores are asked again.
#[test]
fn requests_are_in_flight_together() {
    let past = past(7, 8);
    let manners = Manners { latency: std::time::Duration::from_millis(2), ..Manners::default() };
    let far = |manners| {
        let memory = Arc::new(Memory::new());
        (memory.clone(), Arc::new(Remote::new(memory, manners, Env::real(), 1)))
    };
    let (memory, remote) = far(manners);
    well_mirrored(&past.repo.backend, &(remote.clone() as Arc<dyn Backend>));
    assert!((3..=16).contains(&remote.most_in_flight()), "{}", remote.most_in_flight());
    assert!(objects(&*memory) == objects(&*past.repo.backend));

    let (memory, remote) = far(Manners { failures: 20, ..Manners::default() });
    let (env, _) = Env::seeded(7, icecore::env::Time(0));
    let patient: Arc<dyn Backend> = Arc::new(icecore::backend::Retry::new(remote, env));
    well_mirrored(&past.repo.backend, &patient);
    assert!(objects(&*memory) == objects(&*past.repo.backend));
}

/// A mirror is a repository like any other: it opens with the same secret, also with one that was added
/// later, can be mirrored on, and what is no repository cannot.
#[test]
fn a_mirror_can_be_mirrored() {
    let past = past(8, 2);
    let (first, second) = (store(), store());
    well_mirrored(&past.repo.backend, &first);
    well_mirrored(&first, &second);
    assert!(objects(&*second) == objects(&*past.repo.backend));
    let more = icecore::crypto::Secret::KeyFile(zeroize::Zeroizing::new([8; 32]));
    let cost = icecore::crypto::KdfCost::default();
    past.repo.repository.add_slot(&more, cost, "more").unwrap();
    let report = well_mirrored(&past.repo.backend, &first);
    assert_eq!(report.copied[&ObjectKind::Config].count, 1);
    let opened = icecore::repo::Repository::open(first, past.repo.env.clone(), &more);
    assert!(opened.is_ok());
    let error = mirrored(&store(), &[&second]).unwrap_err();
    assert_eq!(error.kind(), Kind::NoRepository);
}
