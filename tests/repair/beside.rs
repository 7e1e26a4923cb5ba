//! Repairs beside others at work: another process comes in between at any call, nothing that can be read is
//! lost, and what anybody has committed is whole.

use super::{checked, copy, flip, of_kind, open, options, past, readable};
use crate::common::meanwhile::Meanwhile;
use crate::prune::{Past, pruned, thorough};
use icecore::backend::{Backend, Memory};
use icecore::env::Env;
use icecore::format::ObjectKind;
use icecore::monitor::Silent;
use icecore::ops::backup::backup;
use icecore::ops::prune::prune;
use icecore::ops::repair::{DamagedPacks, repair_index, repair_packs};
use icecore::repo::Repository;
use std::collections::HashSet;
use std::sync::Arc;

/// What is damaged before: a pack, or a segment of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hit {
    Pack,
    Segment,
}

fn repair(repository: &Repository, hit: Hit) {
    match hit {
        Hit::Pack => drop(repair_packs(repository, &DamagedPacks::default(), &options(), &Silent)),
        Hit::Segment => drop(repair_index(repository, &options(), &Silent)),
    }
}

/// A damaged repository, and what can be read of it.
fn damaged(past: &Past, hit: Hit) -> (Arc<dyn Backend>, HashSet<(String, String)>) {
    let store: Arc<dyn Backend> = copy(&*past.repo.backend);
    match hit {
        Hit::Pack => drop(flip(&*store, &of_kind(&*store, ObjectKind::Pack)[1])),
        Hit::Segment => drop(flip(&*store, &of_kind(&*store, ObjectKind::Index)[1])),
    }
    checked(&open(&store, 1, past));
    let could = readable(&open(&store, 2, past), past);
    (store, could)
}

fn at(store: &Arc<dyn Backend>, seed: u64, past: &Past) -> Repository {
    let (env, clock) = Env::seeded(seed, past.repo.env.now());
    clock.advance(3600);
    crate::prune::open(store, &env)
}

/// A repair runs to its end before each call of a backup, and a backup before each call of a repair:
/// the backup goes through or fails, and what it has committed is whole.
#[test]
fn a_backup_and_a_repair() {
    let past = past(Arc::new(Memory::new()), 51);
    for hit in [Hit::Pack, Hit::Segment] {
        for repairs_within in [true, false] {
            for call in (0..).step_by(3) {
                let (store, could) = damaged(&past, hit);
                let what = format!("{hit:?}, a repair within: {repairs_within}, call {call}");
                let other = at(&store, 20, &past);
                let tree = past.tree.clone();
                let save = move |repository: &Repository| {
                    let options = crate::common::repo::options();
                    backup(repository, vec![tree.source("/data")], &options, &Silent)
                };
                let then = save.clone();
                let (happens, within): (Box<dyn FnOnce() + Send>, _) = match repairs_within {
                    true => (Box::new(move || repair(&other, hit)), true),
                    false => (Box::new(move || drop(then(&other).unwrap())), false),
                };
                let meanwhile = Meanwhile::new(&store, call, happens);
                let repository = at(&(meanwhile.clone() as Arc<dyn Backend>), 21, &past);
                let mut saved = None;
                match within {
                    true => saved = save(&repository).ok(),
                    false => repair(&repository, hit),
                }
                let can = readable(&open(&store, 3, &past), &past);
                assert!(can.is_superset(&could), "{what}");
                if let Some(saved) = saved.filter(|saved| !saved.incomplete) {
                    for path in past.tree.files.keys() {
                        let read = super::read(&open(&store, 4, &past), &saved.snapshot, path);
                        let bytes = read.unwrap_or_else(|error| panic!("{what}: {path}: {error}"));
                        assert!(bytes == past.tree.bytes(path), "{what}: {path}");
                    }
                }
                if !meanwhile.has_happened() {
                    break;
                }
            }
        }
    }
}

/// The same with a prune, which takes nothing that a repair has brought back and somebody needs.
#[test]
fn a_prune_and_a_repair() {
    let mut past = past(Arc::new(Memory::new()), 52);
    past.forget(1);
    for hit in [Hit::Pack, Hit::Segment] {
        for repairs_within in [true, false] {
            for call in (0..).step_by(2) {
                let (store, could) = damaged(&past, hit);
                let what = format!("{hit:?}, a repair within: {repairs_within}, call {call}");
                let other = at(&store, 20, &past);
                let happens: Box<dyn FnOnce() + Send> = match repairs_within {
                    true => Box::new(move || repair(&other, hit)),
                    false => Box::new(move || drop(prune(&other, &thorough(), &Silent))),
                };
                let meanwhile = Meanwhile::new(&store, call, happens);
                let repository = at(&(meanwhile.clone() as Arc<dyn Backend>), 21, &past);
                match repairs_within {
                    true => drop(pruned(&repository)),
                    false => repair(&repository, hit),
                }
                let can = readable(&open(&store, 3, &past), &past);
                assert!(can.is_superset(&could), "{what}");
                drop(pruned(&at(&store, 22, &past)));
                repair(&at(&store, 23, &past), hit);
                drop(pruned(&at(&store, 24, &past)));
                let can = readable(&open(&store, 5, &past), &past);
                assert!(can.is_superset(&could), "{what}, later");
                if !meanwhile.has_happened() {
                    break;
                }
            }
        }
    }
}
