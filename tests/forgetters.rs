//! Several who give snapshots up at the same time.

use crate::common::cli::{Cli, stderr};
use crate::common::meanwhile::Meanwhile;
use crate::common::memory::Tree;
use crate::common::repo::{TempRepo, secret};
use icecore::backend::testing::{Fault, Faulty, Manners, Remote};
use icecore::backend::{Backend, Local, Memory};
use icecore::env::{Env, Time};
use icecore::error::{Kind, Result};
use icecore::format::ObjectKind;
use icecore::id::SnapshotId;
use icecore::monitor::Silent;
use icecore::ops::forget::{ForgetPlan, ForgetReport, forget, plan};
use icecore::ops::select::Filter;
use icecore::repo::{InitOptions, Repository};
use std::fs;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

/// Two snapshots of one source, whose ids come back, oldest first.
fn of_two(store: Arc<dyn Backend>, seed: u64) -> (TempRepo, [String; 2]) {
    let repo = TempRepo::over(store, seed);
    let ids = [1, 2].map(|byte| {
        let mut tree = Tree::default();
        tree.put("a", vec![byte; 500]);
        repo.backup(vec![tree.source("/data")]).unwrap().snapshot.id.to_string()
    });
    (repo, ids)
}

fn planned<'r>(repository: &'r Repository, id: &str) -> Result<ForgetPlan<'r>> {
    plan(repository, &[id.to_owned()], &Filter::default(), false)
}

fn give_up(repository: &Repository, id: &str) -> Result<ForgetReport> {
    forget(repository, &planned(repository, id)?, &Silent)
}

fn open(store: &Arc<dyn Backend>) -> Repository {
    Repository::open(store.clone(), Env::real(), &secret()).unwrap()
}

/// How many snapshots are left, when nobody gives any up.
fn left(repo: &TempRepo) -> usize {
    assert!(repo.repository.open_writers().unwrap().is_empty());
    repo.repository.snapshots(|error| panic!("{error}")).unwrap().len()
}

/// Two give up each another one of the last two snapshots: whichever call of the one the other comes
/// before, at most one succeeds, one snapshot is left at least, and nobody is in the way afterwards.
#[test]
fn of_the_last_two_snapshots_one_is_left() {
    for at in 0.. {
        let (repo, [first, second]) = of_two(Arc::new(Memory::new()), at);
        let (store, done) = (repo.backend.clone(), Arc::new(Mutex::new(None)));
        let tell = done.clone();
        let racing = Meanwhile::new(&repo.backend, at, move || {
            *tell.lock().unwrap() = Some(give_up(&open(&store), &second));
        });
        let acting: Arc<dyn Backend> = racing.clone();
        let one = give_up(&open(&acting), &first);
        if !racing.has_happened() {
            assert!(at > 20, "only {at} calls");
            return;
        }
        let other = done.lock().unwrap().take().unwrap();
        assert!(left(&repo) >= 1, "before call {at}: {one:?} {other:?}");
        for refused in [one, other].into_iter().filter_map(Result::err) {
            assert!(
                matches!(refused.kind(), Kind::Locked | Kind::Refused | Kind::NotFound),
                "before call {at}: {refused}"
            );
        }
    }
}

/// The same in threads over a folder, in many rounds, of plans that were made before: one is left
/// in every round, and not both are refused.
#[test]
fn racing_threads_leave_one() {
    for round in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let (repo, ids) = of_two(Arc::new(Local::open(folder.path()).unwrap()), round);
        let start = Barrier::new(2);
        let gone: Vec<_> = thread::scope(|scope| {
            let (start, repo) = (&start, &repo);
            let threads = ids.map(|id| {
                scope.spawn(move || {
                    let repository = open(&repo.backend);
                    let plan = planned(&repository, &id).unwrap();
                    start.wait();
                    forget(&repository, &plan, &Silent)
                })
            });
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(left(&repo), 1, "round {round}: {gone:?}");
        assert_eq!(gone.iter().filter(|gone| gone.is_ok()).count(), 1, "round {round}: {gone:?}");
    }
}

/// Whichever call of it goes wrong, whether it was done or not: a snapshot is left, and who was not
/// in the way for ever lets others give snapshots up.
#[test]
fn a_failing_store_leaves_one() {
    for fault in [Fault::Fails, Fault::DoneButFails, Fault::Denies] {
        for at in 0.. {
            let (repo, [first, second]) = of_two(Arc::new(Memory::new()), at);
            let faulty = Arc::new(Faulty::new(repo.backend.clone(), 1).once(at, fault));
            let store: Arc<dyn Backend> = faulty.clone();
            let Ok(repository) = Repository::open(store, Env::real(), &secret()) else { continue };
            let gone = give_up(&repository, &first);
            if faulty.calls() <= at {
                break;
            }
            let what = format!("{fault:?} at {at}: {gone:?}");
            let after = give_up(&repo.repository, &second);
            assert!(left(&repo) >= 1, "{what}, {after:?}");
            assert!(!after.is_err_and(|error| error.kind() == Kind::Locked), "{what}");
        }
    }
}

/// Two give up the same snapshot: whichever call of the one the other comes before, both succeed.
#[test]
fn one_snapshot_is_given_up_by_two() {
    for at in 0.. {
        let (repo, [first, _]) = of_two(Arc::new(Memory::new()), at);
        let open = |store, second| {
            let (env, _) = Env::seeded(1, Time(second * Time::SECOND));
            Repository::open(store, env, &secret()).unwrap()
        };
        let gone = |repository: &Repository, id: &SnapshotId| {
            let listed = repository.snapshots(drop).unwrap();
            let key = *listed.keys().find(|key| key.id == *id)?;
            Some(repository.forget(&key).map(drop))
        };
        let id: SnapshotId = first.parse().unwrap();
        let store = repo.backend.clone();
        let racing = Meanwhile::new(&repo.backend, at, move || {
            gone(&open(store, 1), &id).unwrap_or(Ok(())).unwrap();
        });
        let one = gone(&open(racing.clone(), 2), &id);
        if !racing.has_happened() {
            assert!(at > 10, "only {at} calls");
            return;
        }
        one.unwrap_or(Ok(())).unwrap_or_else(|error| panic!("before call {at}: {error}"));
        assert_eq!(left(&repo), 1, "before call {at}");
    }
}

/// A writer that is about to be given up has ended, and its snapshot is given up at any call of that: it is
/// no error.
#[test]
fn a_writer_that_has_ended_is_not_given_up() {
    for at in 0.. {
        let (repo, [first, _]) = of_two(Arc::new(Memory::new()), at);
        let id: SnapshotId = first.parse().unwrap();
        let store = repo.backend.clone();
        let racing = Meanwhile::new(&repo.backend, at, move || {
            let repository = open(&store);
            let listed = repository.snapshots(drop).unwrap();
            let key = *listed.keys().find(|key| key.id == id).unwrap();
            repository.forget(&key).unwrap();
        });
        let acting: Arc<dyn Backend> = racing.clone();
        let given_up = open(&acting).put_tombstone(id, 0);
        if !racing.has_happened() {
            assert!(!given_up.unwrap() && at > 4, "only {at} calls");
            return;
        }
        given_up.unwrap_or_else(|error| panic!("before call {at}: {error}"));
    }
}

/// A forget that others give up while it gives snapshots up, in a store that refuses deletion, has
/// ended, and says nothing of it.
#[test]
fn a_forget_that_was_given_up_ends_well() {
    let (repo, _) = of_two(Arc::new(Memory::new()), 1);
    let locked = Faulty::new(repo.backend.clone(), 1).from(0, Fault::Denies);
    let repository = open(&(Arc::new(locked) as Arc<dyn Backend>));
    let forgetting = repository.begin_forgetting().unwrap();
    repo.repository.fence(forgetting).unwrap();
    repository.end_forgetting(forgetting).unwrap();
    assert_eq!(left(&repo), 2);
}

/// A forget is given up before any of its calls, as one that slept for a day, and another takes what it meant to
/// keep: it takes nothing then, but for those who slept between the last look and the mark that
/// follows, which are two calls.
#[test]
fn a_forget_that_wakes_after_it_was_given_up_takes_nothing() {
    let mut lost = Vec::new();
    for at in 0.. {
        let (repo, [first, second]) = of_two(Arc::new(Memory::new()), at);
        let store = repo.backend.clone();
        let racing = Meanwhile::new(&repo.backend, at, move || {
            let repository = open(&store);
            for writer in repository.open_writers().unwrap() {
                repository.fence(writer).unwrap();
            }
            // It may come when the first is gone already, and then has to leave the second alone.
            drop(give_up(&repository, &second));
        });
        let acting: Arc<dyn Backend> = racing.clone();
        let done = give_up(&open(&acting), &first);
        if !racing.has_happened() {
            assert!(done.is_ok() && at > 10, "only {at} calls");
            break;
        }
        lost.extend((left(&repo) == 0).then_some(at));
    }
    assert!(lost.len() <= 2 && lost.is_sorted_by(|a, b| a + 1 == *b), "before calls {lost:?}");
}

/// Where listings lag, a hold that is not shown yet keeps its snapshot all the same.
#[test]
fn a_hold_that_is_not_listed_yet_lasts() {
    let memory = Arc::new(Memory::new());
    let (env, _) = Env::seeded(1, Time(0));
    let manners = Manners { lag: 30, ..Manners::default() };
    let (repo, [first, _]) = of_two(Arc::new(Remote::new(memory, manners, env, 1)), 1);
    let id: SnapshotId = first.parse().unwrap();
    let wait = || (0..30).for_each(|_| drop(repo.backend.list(ObjectKind::Gc).unwrap()));
    wait();
    let held = repo.repository.hold(id, "it is evidence", None).unwrap();
    assert!(!held.given_up);
    let plan = plan(&repo.repository, &[first], &Filter::default(), true).unwrap();
    forget(&repo.repository, &plan, &Silent).unwrap();
    wait();
    assert!(repo.repository.snapshots(drop).unwrap().keys().any(|key| key.id == id));
}

/// A forget that was stopped is in the way of others alone who do so with a
/// guard, is named by them with exit code 11, and is given up by hand.
#[test]
fn a_stopped_forget_is_given_up_by_hand() {
    let cli = Cli::bare();
    fs::write(cli.path("key"), [9; 32]).unwrap();
    let backend = Arc::new(Local::create(cli.path("repo")).unwrap());
    let made = Repository::init(backend, Env::real(), &secret(), &InitOptions::default()).unwrap();
    let [first, second, _] = [(); 3].map(|()| cli.backup());
    let stopped = made.begin_forgetting().unwrap().to_string();
    let said = stderr(&cli.run(&["forget", &first]).code(11));
    assert!(said.contains(&format!("icecore forget --writer {stopped}")), "{said}");
    cli.backup();
    cli.run(&["forget", &second, "--force"]).success();
    cli.run(&["forget", "--writer", &stopped]).success();
    cli.run(&["forget", &first]).success();
    // The four backups, and what was stopped.
    let writers = made.backend().list(ObjectKind::Writer).unwrap();
    assert_eq!(writers.len(), 5, "nothing is left of a forget that ended");
    cli.run(&["check"]).success();
}
