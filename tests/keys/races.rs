//! Several holders of keys at the same time.

use super::{CHEAP, add, config, key_file, open};
use crate::common::meanwhile::Meanwhile;
use crate::common::repo::{TempRepo, secret};
use icecore::backend::{Backend, Local, Memory};
use icecore::env::Env;
use icecore::error::{Kind, Result};
use icecore::repo::Repository;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

/// A repository with slots for key files 1 and 2 alone.
fn of_two(store: Arc<dyn Backend>) -> TempRepo {
    let repo = TempRepo::over(store, 1);
    add(&repo, &[1, 2]);
    open(&repo.backend, 1).unwrap().remove_slot(repo.repository.slot()).unwrap();
    repo
}

/// The first holder does `act`, and before each of its calls in turn the second does `other`
/// from end to end; then `judge` sees what became of both.
fn interleaved(
    act: impl Fn(&Repository, &Repository) -> Result<()>,
    other: impl Fn(&Repository, &Repository) -> Result<()> + Send + Sync + Clone + 'static,
    judge: impl Fn(&TempRepo, Result<()>, Result<()>, &str),
) {
    for at in 0.. {
        let mut repo = of_two(Arc::new(Memory::new()));
        repo.damaged = true;
        let [first, second] = [1, 2].map(|byte| open(&repo.backend, byte).unwrap());
        let done = Arc::new(Mutex::new(None));
        let (tell, other) = (done.clone(), other.clone());
        // Opening takes calls too, which are not counted.
        let opening = Meanwhile::new(&repo.backend, u64::MAX, || {});
        let opened = Repository::open(opening.clone(), Env::real(), &key_file(1)).unwrap();
        let before = opening.calls();
        let (one, two) = (first.slot(), second.slot());
        let store = Meanwhile::new(&repo.backend, before + at, move || {
            *tell.lock().unwrap() = Some(other(&second, &first));
        });
        let acting = Repository::open(store.clone(), Env::real(), &key_file(1)).unwrap();
        assert_eq!((opened.slot(), acting.slot()), (one, one));
        let peer = open(&repo.backend, 2).unwrap();
        assert_eq!(peer.slot(), two);
        let acted = act(&acting, &peer);
        if !store.has_happened() {
            assert!(at > 3, "only {at} calls");
            return;
        }
        let other = done.lock().unwrap().take().unwrap();
        judge(&repo, acted, other, &format!("before call {at}"));
    }
}

fn opens(repo: &TempRepo, byte: u8) -> bool {
    open(&repo.backend, byte).is_ok()
}

/// Two holders remove each other's slot: the one that wins the next configuration stays, the other is
/// told that its key was removed; whichever call of the one the other comes before.
#[test]
fn removers_of_each_other_leave_one() {
    let remove = |mine: &Repository, other: &Repository| mine.remove_slot(other.slot()).map(drop);
    interleaved(remove, remove, |repo, first, second, what| {
        assert_ne!(first.is_ok(), second.is_ok(), "{what}: {first:?} {second:?}");
        assert_eq!(opens(repo, 1), first.is_ok(), "{what}");
        assert_eq!(opens(repo, 2), second.is_ok(), "{what}");
        let refused = [first, second].into_iter().find_map(Result::err).unwrap();
        assert_eq!(refused.kind(), Kind::Refused, "{what}: {refused}");
        assert!(refused.to_string().contains("removed meanwhile"), "{what}: {refused}");
        assert_eq!(config(&*repo.backend).1.slots.len(), 1, "{what}");
    });
}

/// One changes its own key while the other removes it: either the change came first, and the new
/// key opens, or it is refused; the remover's own key opens in any case.
#[test]
fn a_change_of_a_key_that_is_removed_is_all_or_nothing() {
    let change =
        |mine: &Repository, _: &Repository| mine.replace_slot(&key_file(3), CHEAP, "").map(drop);
    let remove = |mine: &Repository, other: &Repository| mine.remove_slot(other.slot()).map(drop);
    interleaved(change, remove, |repo, changed, removed, what| {
        assert!(opens(repo, 2) && !opens(repo, 1), "{what}: {changed:?} {removed:?}");
        assert_eq!(opens(repo, 3), changed.is_ok(), "{what}: {changed:?}");
    });
}

/// A slot that is being added is swept meanwhile as one that does not count: whenever adding was
/// said to have succeeded, the new key opens.
#[test]
fn what_was_added_is_never_swept() {
    let adds = |mine: &Repository, _: &Repository| mine.add_slot(&key_file(3), CHEAP, "").map(drop);
    let sweep = |mine: &Repository, _: &Repository| {
        for slot in mine.slots()?.iter().filter(|slot| !slot.counts) {
            mine.remove_slot(slot.id)?;
        }
        Ok(())
    };
    interleaved(adds, sweep, |repo, added, swept, what| {
        swept.unwrap();
        added.unwrap();
        assert!(opens(repo, 1) && opens(repo, 2) && opens(repo, 3), "{what}");
        let slots = open(&repo.backend, 1).unwrap().slots().unwrap();
        assert!(slots.iter().all(|slot| slot.counts && slot.slot.is_ok()), "{what}");
    });
}

/// Two keys are added at the same time: both open, and neither addition is lost.
#[test]
fn additions_do_not_lose_each_other() {
    let three =
        |mine: &Repository, _: &Repository| mine.add_slot(&key_file(3), CHEAP, "").map(drop);
    let four = |mine: &Repository, _: &Repository| mine.add_slot(&key_file(4), CHEAP, "").map(drop);
    interleaved(three, four, |repo, first, second, what| {
        first.and(second).unwrap();
        assert!((1..=4).all(|byte| opens(repo, byte)), "{what}");
    });
}

/// Many rounds in threads over a folder: holders in a ring remove each the next one, all at once.
/// One or more are left in every round, and each of those was told so.
#[test]
fn rings_of_removers_leave_somebody() {
    for round in 0..40 {
        let size = 2 + round % 3;
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Backend> = Arc::new(Local::open(folder.path()).unwrap());
        let repo = TempRepo::over(store, u64::from(round));
        add(&repo, &(1..=size).collect::<Vec<_>>());
        let first = repo.repository.slot();
        let holders: Vec<Repository> =
            (1..=size).map(|byte| open(&repo.backend, byte).unwrap()).collect();
        holders[0].remove_slot(first).unwrap();
        let start = Barrier::new(holders.len());
        let removed: Vec<Result<bool>> = thread::scope(|scope| {
            let (start, holders) = (&start, &holders);
            let threads: Vec<_> = (0..holders.len())
                .map(|at| {
                    scope.spawn(move || {
                        start.wait();
                        holders[at].remove_slot(holders[(at + 1) % holders.len()].slot())
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let left: Vec<bool> = (1..=size).map(|byte| opens(&repo, byte)).collect();
        assert!(left.contains(&true), "round {round}: {removed:?}");
        for (at, removed) in removed.iter().enumerate() {
            let next = left[(at + 1) % left.len()];
            assert_eq!(removed.is_ok(), !next, "round {round}, holder {at}: {removed:?} {left:?}");
        }
        assert!(open(&repo.backend, 9).is_err());
        let byte = 1 + left.iter().position(|left| *left).unwrap() as u8;
        open(&repo.backend, byte).unwrap().add_slot(&secret(), CHEAP, "").unwrap();
    }
}
