//! A mirror that has seen more than its source is refused, and stays as it is.

use super::{mirrored, objects, past, store, well_mirrored};
use crate::common::forge::Forger;
use crate::common::meanwhile::Meanwhile;
use crate::common::repo::{TempRepo, options, secret};
use crate::common::stores::copy;
use icecore::backend::{Backend, Handle};
use icecore::error::Kind;
use icecore::format::ObjectKind;
use icecore::format::snapshot::{Outcome, Partial, Tombstone};
use icecore::id::{PackId, SnapshotId};
use icecore::monitor::Silent;
use icecore::ops::backup::backup;
use icecore::ops::forget::{forget_gaps, gaps};
use icecore::ops::mirror::{MirrorOptions, mirror};
use icecore::repo::Repository;
use std::sync::Arc;

/// Mirrors, is refused, and changes nothing.
fn is_refused(source: &Arc<dyn Backend>, target: &Arc<dyn Backend>, what: &str) {
    let before = objects(&**target);
    let mut report = mirrored(source, &[target]).unwrap();
    let failure = report.targets.pop().unwrap().failure.unwrap_or_else(|| panic!("{what}"));
    assert_eq!(failure.kind(), Kind::Refused, "{what}: {failure}");
    assert!(failure.to_string().contains("older state"), "{what}: {failure}");
    assert!(objects(&**target) == before, "{what}");
}

/// A source that was set back, by a single snapshot or by a single mark, is refused, with no collection between;
/// and so it is after it has backed up, given up and pruned since.
#[test]
fn a_source_that_was_set_back_is_refused() {
    for forgets in [false, true] {
        let mut past = past(61, 4);
        let old: Arc<dyn Backend> = copy(&*past.repo.backend);
        match forgets {
            false => {
                past.change();
                past.back_up();
            }
            true => past.forget(0),
        }
        let target = store();
        well_mirrored(&past.repo.backend, &target);
        is_refused(&old, &target, "set back");
        let trees = past.trees.clone();
        past.trees.truncate(3);
        past.repo.backend = old.clone();
        past.repo.repository = past.repo.reopen().unwrap();
        past.change();
        past.back_up();
        past.forget(1);
        past.prune();
        is_refused(&past.repo.backend, &target, "set back, and gone on");
        for (snapshot, tree) in trees {
            let repository =
                Repository::open(target.clone(), past.repo.env.clone(), &secret()).unwrap();
            let read = TempRepo::read_from(&repository, &snapshot, "/data/db").unwrap();
            assert!(read == tree.bytes("db"));
        }
    }
}

/// A source that has lost a snapshot, and has taken its writer for one that ended without it since, is refused.
#[test]
fn a_snapshot_that_was_lost_stays_in_the_mirror() {
    let past = past(65, 3);
    let target = store();
    well_mirrored(&past.repo.backend, &target);
    let id = past.trees[1].0.id;
    past.repo.backend.delete(&Handle::snapshot(id)).unwrap();
    let ended = Tombstone { id, generation: 1, at: past.repo.env.now() };
    let forger = Forger::new(&past.repo);
    forger.record(&Handle::snapshot(id), &Outcome::Tombstone(ended));
    is_refused(&past.repo.backend, &target, "lost");
    let gaps = gaps(&past.repo.repository).unwrap();
    forget_gaps(&past.repo.repository, &gaps, &Silent).unwrap();
}

/// So is a mirror that somebody backed up into, or gave snapshots up in.
#[test]
fn a_mirror_that_was_written_to_is_refused() {
    for forgets in [false, true] {
        let past = past(62, 3);
        let target = store();
        well_mirrored(&past.repo.backend, &target);
        let written = Repository::open(target.clone(), past.repo.env.clone(), &secret()).unwrap();
        match forgets {
            false => {
                let source = vec![past.tree.source("/data")];
                drop(backup(&written, source, &options(), &Silent).unwrap());
            }
            true => {
                let listed = written.snapshots(drop).unwrap();
                written.forget(listed.keys().next().unwrap()).unwrap();
            }
        }
        is_refused(&past.repo.backend, &target, "written to");
    }
}

/// What writers leave that captured nothing is shorter than any snapshot, and is cleared away by the source
/// without a word; what a long backup left on its way is as long as a snapshot, and takes a key to tell.
#[test]
fn what_has_ended_is_no_snapshot() {
    let mut past = past(63, 3);
    past.forget(0);
    past.prune();
    let sizes = |store: &dyn Backend| {
        let listed = store.list(ObjectKind::Snapshot).unwrap();
        listed.into_iter().map(|object| (object.handle, object.size)).collect::<Vec<_>>()
    };
    let is_snapshot =
        |id: SnapshotId| matches!(past.repo.repository.outcome(id), Ok((Outcome::Snapshot(_), _)));
    for (handle, size) in sizes(&*past.repo.backend) {
        assert_eq!(size > 512, is_snapshot(handle.snapshot_id().unwrap()), "{handle}: {size}");
    }
    // The smallest snapshot: of nothing at all.
    let small = TempRepo::new(64);
    let empty = crate::common::memory::Tree::default();
    small
        .backup_with(vec![empty.source("/")], |options| {
            options.host = "h".into();
            options.user = String::new();
            options.tool = String::new();
            options.allow_empty = true;
        })
        .unwrap();
    assert!(
        sizes(&*small.backend).iter().all(|(_, size)| *size > 512),
        "{:?}",
        sizes(&*small.backend)
    );

    let target = store();
    well_mirrored(&past.repo.backend, &target);
    let forger = Forger::new(&past.repo).within(&target);
    let [ended, partial] = [1, 2].map(|byte| SnapshotId([byte; 16]));
    let at = past.repo.env.now();
    let tombstone = Tombstone { id: ended, generation: 1, at };
    forger.record(&Handle::snapshot(ended), &Outcome::Tombstone(tombstone));
    well_mirrored(&past.repo.backend, &target);
    let packs = (0..40).map(|number| PackId([number; 32])).collect();
    let partly = Outcome::Partial(Partial { id: partial, generation: 1, packs, at });
    forger.record(&Handle::snapshot(partial), &partly);
    is_refused(&past.repo.backend, &target, "a partial, without a key");
    let (env, secret) = (past.repo.env.clone(), secret());
    let options = MirrorOptions { dry_run: false, key: Some((&env, &secret)) };
    let report = mirror(&past.repo.backend, vec![target], options, &Silent).unwrap();
    assert!(report.targets[0].is_whole(), "{report:?}");
}

/// Another repository is mirrored to the same new place before any call of a mirror: one of the two gets it, and
/// nothing but key slots of the other.
#[test]
fn two_repositories_do_not_mix() {
    let (one, other) = (past(65, 2), past(66, 2));
    for at in 0.. {
        let target = store();
        let (second, place) = (other.repo.backend.clone(), target.clone());
        let racing = Meanwhile::new(&target, at, move || {
            drop(mirrored(&second, &[&place]).unwrap());
        });
        let acting: Arc<dyn Backend> = racing.clone();
        drop(mirrored(&one.repo.backend, &[&acting]).unwrap());
        if !racing.has_happened() {
            assert!(at > 15, "only {at} calls");
            return;
        }
        let config = |store: &Arc<dyn Backend>| store.get(&Handle::config(0), None).unwrap();
        let winner = match config(&target) == config(&one.repo.backend) {
            true => &one,
            false => &other,
        };
        for (handle, bytes) in objects(&*target) {
            let has = winner.repo.backend.get(&handle, None);
            assert!(
                handle.kind() == ObjectKind::Key || has.is_ok_and(|has| has == bytes),
                "before call {at}: {handle} is the loser's"
            );
        }
        well_mirrored(&winner.repo.backend, &target);
        super::shows_whole_snapshots(&*target, &winner.trees, &format!("before call {at}"));
    }
}
