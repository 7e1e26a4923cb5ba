//! Random histories of an index, with and without a cache.

use super::{add, assert_alike, cached, pack, repository, tables};
use crate::common::chance::Chance;
use crate::common::forge::Forger;
use icecore::backend::Handle;
use icecore::format::gc::Reason;
use icecore::id::IndexId;
use std::thread::scope;

/// Whatever becomes of segments (new ones, replaced ones, dead ones, condemned packs), an index with a
/// cache that has seen all of it, some of it or nothing answers as one without; and the cache has few
/// files at the end, however many segments there are.
#[test]
fn a_cache_changes_no_answer() {
    for seed in 0..4 {
        let repo = repository(300 + seed);
        let (mut chance, forger) = (Chance::new(seed), Forger::new(&repo));
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let (mut generation, mut stored) = (0, Vec::<IndexId>::new());
        for _ in 0..14 {
            for _ in 0..chance.below(5) {
                // Some had read an older collection, and are dead once the next one is decided.
                let entries = [0, 3, 70, 400][chance.below(4)];
                stored.push(add(&forger, &mut chance, generation, entries));
            }
            match chance.below(5) {
                0 if stored.len() > 2 => {
                    let gone = stored.swap_remove(chance.below(stored.len()));
                    repo.backend.delete(&Handle::index(gone)).unwrap();
                }
                1 => {
                    generation += 1;
                    let packs: Vec<_> = (0..3).map(|_| pack(chance.below(40))).collect();
                    forger.condemn(generation, &packs, Reason::Garbage);
                    forger.decide(&repo, generation, |verdict| {
                        let mut number = 0;
                        verdict.segments.retain(|_| {
                            number += 1;
                            number % 4 != 0
                        });
                    });
                }
                _ => {}
            }
            let plain = repo.reopen().unwrap().load_index().unwrap();
            // The second sees only some of it.
            for folder in &folders[..1 + usize::from(chance.below(3) == 0)] {
                let index = cached(&repo, folder.path()).load_index().unwrap();
                assert_alike(&index, &plain);
            }
        }
        let plain = repo.reopen().unwrap().load_index().unwrap();
        for folder in &folders {
            let repository = cached(&repo, folder.path());
            assert_alike(
                &repository.load_index_to_check(repository.generations().unwrap()).unwrap(),
                &plain,
            );
            assert_alike(&repository.load_index().unwrap(), &plain);
            assert!(tables(folder.path()).len() < 8, "{:?}", tables(folder.path()));
        }
    }
}

/// Several programs use one cache at once while segments come and go: each has all of the index, and
/// what they leave to each other is sound.
#[test]
fn several_share_a_cache() {
    let repo = repository(310);
    let (mut chance, forger) = (Chance::new(310), Forger::new(&repo));
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..6 {
        let new: Vec<IndexId> = (0..8).map(|_| add(&forger, &mut chance, 0, 60)).collect();
        let plain = repo.reopen().unwrap().load_index().unwrap();
        scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..3 {
                        let index = cached(&repo, folder.path()).load_index().unwrap();
                        assert_alike(&index, &plain);
                    }
                });
            }
        });
        repo.backend.delete(&Handle::index(new[0])).unwrap();
    }
    let plain = repo.reopen().unwrap().load_index().unwrap();
    assert_alike(&cached(&repo, folder.path()).load_index().unwrap(), &plain);
    assert!(tables(folder.path()).len() < 8, "{:?}", tables(folder.path()));
}
