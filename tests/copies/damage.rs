//! What a mirror does where something is wrong: in the source, in the target, or with the place.

use super::{mirrored, objects, past, store, well_mirrored};
use crate::common::stores::{copy, copy_into};
use crate::repair::{flip, of_kind, replace};
use icecore::backend::testing::{Fault, Faulty};
use icecore::backend::{Backend, Bytes, Handle, Put};
use icecore::error::{Error, Kind, Result};
use icecore::format::ObjectKind;
use icecore::forward;
use icecore::id::SnapshotId;
use std::sync::Arc;

/// A rotten pack, segment or key slot of the source is named and not copied; all the rest is. A mirror
/// that has the object already keeps the good one.
#[test]
fn what_is_rotten_in_the_source_is_not_copied() {
    for kind in [ObjectKind::Pack, ObjectKind::Index, ObjectKind::Key] {
        let mut past = past(31, 3);
        past.repo.damaged = true;
        let (new, earlier) = (store(), store());
        well_mirrored(&past.repo.backend, &earlier);
        let whole = objects(&*past.repo.backend);
        let rotten = of_kind(&*past.repo.backend, kind)[0].clone();
        flip(&*past.repo.backend, &rotten);
        let report = mirrored(&past.repo.backend, &[&new, &earlier]).unwrap();
        assert_eq!(report.troubles.len(), 1, "{report:?}");
        assert!(report.troubles[0].to_string().contains(rotten.name()), "{report:?}");
        assert!(report.targets.iter().all(|target| target.is_whole()));
        assert!(objects(&*earlier) == whole);
        let mut rest = whole.clone();
        rest.remove(&rotten);
        assert!(objects(&*new) == rest);
        // Once it is whole again, it is copied.
        replace(&*past.repo.backend, &rotten, &whole[&rotten]);
        well_mirrored(&past.repo.backend, &new);
        assert!(objects(&*new) == whole);
    }
}

/// An object in the mirror that was cut is named as the damaged one, and nothing replaces it; the rest is
/// copied. So is one of the source that was cut later.
#[test]
fn what_differs_is_named_and_kept() {
    for in_target in [true, false] {
        let mut past = past(32, 2);
        past.repo.damaged = true;
        let target = store();
        well_mirrored(&past.repo.backend, &target);
        past.change();
        past.back_up();
        let cut = if in_target { &target } else { &past.repo.backend };
        let pack = of_kind(&*target, ObjectKind::Pack)[0].clone();
        let bytes = cut.get(&pack, None).unwrap();
        replace(&**cut, &pack, &bytes[..100]);
        let stands = target.get(&pack, None).unwrap();
        let report = mirrored(&past.repo.backend, &[&target]).unwrap();
        let [error] = &report.targets[0].different[..] else { panic!("{report:?}") };
        let wrong = if in_target { "the mirror's is damaged" } else { "the source's is damaged" };
        assert!(error.to_string().contains(wrong), "{error}");
        assert!(error.hint_text().is_some());
        assert_eq!(target.get(&pack, None).unwrap(), stands);
        let listed = |store: &Arc<dyn Backend>| of_kind(&**store, ObjectKind::Snapshot);
        assert_eq!(listed(&target), listed(&past.repo.backend));
        if in_target {
            target.delete(&pack).unwrap();
            well_mirrored(&past.repo.backend, &target);
            assert!(objects(&*target) == objects(&*past.repo.backend));
        }
    }
}

/// Another repository, a place with foreign objects, the slots of another repository, and a repository
/// without its configuration are refused, named, and left alone.
#[test]
fn other_places_are_refused() {
    let (mine, other) = (past(33, 1), past(34, 1));
    let without_config: Arc<dyn Backend> = copy(&*mine.repo.backend);
    without_config.delete(&Handle::config(0)).unwrap();
    let slots = store();
    for slot in of_kind(&*other.repo.backend, ObjectKind::Key) {
        slots.put_new(&slot, &other.repo.backend.get(&slot, None).unwrap()).unwrap();
    }
    let foreign = store();
    foreign.put_new(&Handle::writer(SnapshotId([1; 16])), b"somebody").unwrap();
    let their_id = other.repo.repository.config().repository.to_string();
    for (place, words) in [
        (other.repo.backend.clone(), their_id.as_str()),
        (without_config, "it is no mirror, but holds"),
        (slots, "it is no mirror, but holds keys/"),
        (foreign, "it is no mirror, but holds writers/"),
    ] {
        let before = crate::repair::objects(&*place);
        let good = store();
        let report = mirrored(&mine.repo.backend, &[&place, &good]).unwrap();
        let error = report.targets[0].failure.as_ref().unwrap();
        assert_eq!(error.kind(), Kind::Refused, "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(crate::repair::objects(&*place) == before);
        // The other target is none the worse for it.
        assert!(report.targets[1].is_whole());
        assert!(objects(&*good) == objects(&*mine.repo.backend));
    }
}

/// A source that was set back to before a collection or a change of keys of which its mirror knows is
/// refused, and so is one that has gone on differently since.
#[test]
fn a_source_that_was_set_back_is_refused() {
    let mut past = past(35, 6);
    let earlier: Arc<dyn Backend> = copy(&*past.repo.backend);
    let target = store();
    (0..3).for_each(|_| past.forget(1));
    past.prune();
    well_mirrored(&past.repo.backend, &target);
    let before = objects(&*target);
    let refused = |source: &Arc<dyn Backend>| {
        let report = mirrored(source, &[&target]).unwrap();
        let error = report.targets[0].failure.as_ref().unwrap();
        assert_eq!(error.kind(), Kind::Refused, "{error}");
        assert!(error.hint_text().is_some());
        assert!(objects(&*target) == before);
        error.to_string()
    };
    assert!(refused(&earlier).contains("gc/1.verdict"));
    // The same, and another snapshot is given up.
    let (now, env) = (past.repo.backend.clone(), past.repo.env.clone());
    past.repo.backend = earlier;
    let repository = crate::prune::open(&past.repo.backend, &env);
    let snapshots = repository.snapshots(|error| panic!("{error}")).unwrap();
    for key in snapshots.keys().take(4) {
        repository.forget(key).unwrap();
    }
    drop(snapshots);
    crate::prune::pruned(&repository).unwrap();
    assert!(refused(&past.repo.backend).contains("gc/1"));
    past.repo.backend = now;
}

/// A store without room for the index.
struct Full(Arc<dyn Backend>);

impl Backend for Full {
    forward!([0] describe capabilities get size list_pages delete_all);

    fn put_shared(&self, handle: &Handle, bytes: Bytes) -> Result<Put> {
        match handle.kind() {
            ObjectKind::Index => Err(Error::new(Kind::NoSpace, "create", handle)),
            _ => self.0.put_shared(handle, bytes),
        }
    }
}

/// A target that fails, or is full, ends for itself; the others are completed, and the source is not to blame.
#[test]
fn one_target_fails_alone() {
    let past = past(36, 2);
    let (full, good) = (store(), store());
    let failing: Arc<dyn Backend> = Arc::new(Full(full.clone()));
    let away: Arc<dyn Backend> = Arc::new(Faulty::new(store(), 0).from(0, Fault::Fails));
    let report = mirrored(&past.repo.backend, &[&failing, &good, &away]).unwrap();
    let failures: Vec<Option<Kind>> =
        report.targets.iter().map(|it| Some(it.failure.as_ref()?.kind())).collect();
    assert_eq!(failures, [Some(Kind::NoSpace), None, Some(Kind::Failed)]);
    assert!(objects(&*good) == objects(&*past.repo.backend));
    assert!(of_kind(&*full, ObjectKind::Snapshot).is_empty());
    well_mirrored(&past.repo.backend, &full);
    // A full copy made by hand is a mirror, too.
    let by_hand = store();
    copy_into(&*past.repo.backend, &*by_hand);
    assert!(well_mirrored(&past.repo.backend, &by_hand).copied.is_empty());
}
