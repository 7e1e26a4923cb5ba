//! Prunes beside others: another prune, a backup, a forget; and stores that allow none.

use super::{Past, open, pruned, thorough};
use crate::common::meanwhile::Meanwhile;
use crate::common::repo::{TempRepo, content, options};
use crate::common::stores::copy;
use icecore::backend::testing::{Manners, Remote};
use icecore::backend::{Backend, Handle, Memory};
use icecore::env::{Env, Time};
use icecore::error::Kind;
use icecore::id::PackId;
use icecore::monitor::Silent;
use icecore::ops::backup::backup;
use icecore::ops::check::{CheckOptions, ReadData, check};
use icecore::ops::prune::{PlanLimits, PruneOptions, Unused, prune};
use icecore::repo::{Reader, WriterOptions};
use std::sync::{Arc, Mutex};

/// Whatever happens before whichever call of a prune.
fn before_each_call(
    seed: u64,
    step: u64,
    happens: impl Fn(Arc<dyn Backend>, Env) + Send + Sync + Copy + 'static,
    check: impl Fn(&mut Past),
) {
    let mut past = Past::over(Arc::new(Memory::new()), seed, 5);
    (0..3).for_each(|_| past.forget(1));
    let begun = past.repo.backend.clone();
    for at in (0..).step_by(step as usize) {
        let store: Arc<dyn Backend> = copy(&*begun);
        let (other, env) = (store.clone(), Env::seeded(7_000 + at, past.repo.env.now()).0);
        // Threads of its own: those of the rest may all wait for the very call that it comes before.
        let threads = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let racing = Meanwhile::new(&store, at, move || threads.install(|| happens(other, env)));
        let acting: Arc<dyn Backend> = racing.clone();
        let done = pruned(&open(&acting, &past.repo.env));
        if !racing.has_happened() {
            assert!(at > 50, "only {at} calls");
            break;
        }
        if let Err(error) = done {
            panic!("before call {at}: {error}");
        }
        past.repo.backend = store;
        check(&mut past);
        past.repo.clock.advance(25 * 3600);
        past.prune();
        check(&mut past);
    }
    past.repo.backend = begun;
}

/// Another prune comes before any call of one: both end well, and nothing is lost.
#[test]
fn two_prunes_at_once() {
    before_each_call(
        21,
        3,
        |store, env| drop(pruned(&open(&store, &env)).unwrap()),
        |past| past.is_whole(),
    );
}

/// Another prune, which has to wait for a writer, begins a collection before any call of one: this one
/// goes on with it. Were it to begin the next, nobody could read the chain any more.
#[test]
fn a_prune_goes_on_with_a_collection_that_has_just_begun() {
    before_each_call(
        24,
        3,
        |store, env| {
            let repository = open(&store, &env);
            // What the other condemns is not what this one condemns.
            let gone = crate::common::memory::stream("/gone", vec![7; 50_000]);
            let gone = backup(&repository, vec![gone], &options(), &Silent).unwrap().snapshot;
            let snapshots = repository.snapshots(drop).unwrap();
            repository.forget(snapshots.keys().find(|key| key.id == gone.id).unwrap()).unwrap();
            let (verb, host, tool) = ("backup".into(), "host".into(), "test".into());
            repository.register(WriterOptions { verb, host, tool }).unwrap();
            let limits = PlanLimits { unused: Unused::Unlimited, ..PlanLimits::default() };
            let options = PruneOptions { limits, ..thorough() };
            drop(prune(&repository, &options, &Silent).unwrap());
        },
        |past| past.is_whole(),
    );
}

/// A whole backup, of what is stored and of what is new, comes before any call of a prune: its
/// snapshot is whole then and after the next prune.
#[test]
fn a_backup_beside_a_prune() {
    before_each_call(
        22,
        3,
        |store, env| {
            let mut tree = crate::common::memory::Tree::default();
            let mut chance = crate::common::chance::Chance::new(22);
            // What the first snapshot had, most of which only it still needs, and what is new.
            tree.put("db", chance.rows(120_000));
            tree.put("new", chance.noise(30_000));
            let repository = open(&store, &env);
            backup(&repository, vec![tree.source("/other")], &options(), &Silent).unwrap();
        },
        |past| {
            let repository = past.repo.reopen().unwrap();
            let listed = repository.snapshots(|error| panic!("{error}")).unwrap();
            let mine = |snapshot: &icecore::format::snapshot::Snapshot| {
                snapshot.parts[0].path == b"/other"
            };
            let other = listed.all().unwrap().into_iter().find(|it| mine(&it.snapshot)).unwrap();
            let mut chance = crate::common::chance::Chance::new(22);
            let read = |path| TempRepo::read_from(&repository, &other.snapshot, path).unwrap();
            assert!(read("/other/db") == chance.rows(120_000));
            assert!(read("/other/new") == chance.noise(30_000));
            for (snapshot, tree) in &past.trees {
                let db = TempRepo::read_from(&repository, snapshot, "/data/db").unwrap();
                assert!(db == tree.bytes("db"));
            }
        },
    );
}

/// A prune comes before any call of a reader of two snapshots, and moves what they need: it is read where
/// it lies now. Without a look at the newer index some of it is not found.
#[test]
fn a_reader_beside_a_prune() {
    let mut past = Past::over(Arc::new(Memory::new()), 26, 9);
    (0..7).for_each(|_| past.forget(1));
    let read_beside = |at: u64, reloading: bool| {
        let store: Arc<dyn Backend> = copy(&*past.repo.backend);
        let (other, env) = (store.clone(), Env::seeded(9_000 + at, past.repo.env.now()).0);
        let threads = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let prune = move || threads.install(|| drop(pruned(&open(&other, &env)).unwrap()));
        let racing = Meanwhile::new(&store, at, prune);
        let acting: Arc<dyn Backend> = racing.clone();
        let repository = open(&acting, &past.repo.env);
        let index = repository.load_index().unwrap();
        let reader = match reloading {
            true => Reader::new(&repository, &index).reloading(),
            false => Reader::new(&repository, &index),
        };
        let mut missed = 0;
        for (snapshot, tree) in &past.trees {
            for path in tree.files.keys() {
                match content(&reader, snapshot, &format!("/data/{path}")) {
                    Ok(bytes) => assert!(bytes == tree.bytes(path), "before call {at}: {path}"),
                    Err(error) if !reloading && error.kind() == Kind::NotFound => missed += 1,
                    Err(error) => panic!("before call {at}: {path}: {error}"),
                }
            }
        }
        (racing.has_happened(), missed)
    };
    let mut missed = 0;
    for at in 0.. {
        if !read_beside(at, true).0 {
            assert!(at > 10, "only {at} calls");
            break;
        }
        missed += read_beside(at, false).1;
    }
    assert!(missed > 0, "nothing was moved");
}

/// A prune comes before any call of a process that lists the snapshots, and clears away outcomes: that they are
/// not there any more is no trouble.
#[test]
fn outcomes_that_are_cleared_away_are_no_trouble() {
    let mut past = Past::over(Arc::new(Memory::new()), 25, 3);
    past.forget(0);
    crate::common::forge::session(&past.repo).abandon().unwrap();
    for at in 0.. {
        let store: Arc<dyn Backend> = copy(&*past.repo.backend);
        let (other, env) = (store.clone(), Env::seeded(8_000 + at, past.repo.env.now()).0);
        let racing = Meanwhile::new(&store, at, move || {
            let swept = pruned(&open(&other, &env)).unwrap().swept;
            assert!(swept.records.count > 0, "{swept:?}");
        });
        let acting: Arc<dyn Backend> = racing.clone();
        let repository = open(&acting, &past.repo.env);
        drop(repository.snapshots(|error| panic!("before call {at}: {error}")).unwrap());
        if !racing.has_happened() {
            assert!(at > 5, "only {at} calls");
            return;
        }
    }
}

/// Threads of prunes and backups over one store: every snapshot is whole in the end.
#[test]
fn threads_of_prunes_and_backups() {
    let mut past = Past::over(Arc::new(Memory::new()), 23, 4);
    past.forget(0);
    let store = past.repo.backend.clone();
    let committed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..3_u64 {
            let (store, committed) = (&store, &committed);
            scope.spawn(move || {
                let mut chance = crate::common::chance::Chance::new(thread);
                for round in 0..6 {
                    let env = Env::seeded(900 + thread * 100 + round, Time(Time::SECOND)).0;
                    let repository = open(store, &env);
                    if thread == 0 {
                        let _ = pruned(&repository).unwrap();
                        continue;
                    }
                    let mut tree = crate::common::memory::Tree::default();
                    tree.put("a", chance.rows(60_000));
                    let path = format!("/thread{thread}");
                    let done = backup(&repository, vec![tree.source(&path)], &options(), &Silent);
                    committed.lock().unwrap().push((done.unwrap().snapshot, path, tree));
                }
            });
        }
    });
    past.repo.clock.advance(25 * 3600);
    for _ in 0..2 {
        let repository = past.repo.reopen().unwrap();
        for (snapshot, path, tree) in &*committed.lock().unwrap() {
            let read = TempRepo::read_from(&repository, snapshot, &format!("{path}/a")).unwrap();
            assert!(read == tree.bytes("a"));
        }
        past.prune();
    }
}

/// Two writers stored the same beside each other: one copy goes.
#[test]
fn one_of_two_copies_goes() {
    let past = Past::over(Arc::new(Memory::new()), 24, 0);
    let mut chance = crate::common::chance::Chance::new(24);
    let plain = chance.noise(200_000);
    let id = past.repo.repository.ids().of(icecore::format::BlobKind::Data, &plain);
    let mut sessions = [0, 1].map(|_| crate::common::forge::session(&past.repo));
    for session in &mut sessions {
        let kind = icecore::format::BlobKind::Data;
        let bases = Vec::new();
        session.store(&[icecore::repo::NewBlob { kind, id, plain: &plain, bases }]).unwrap();
    }
    let piece = icecore::format::content::Piece::Chunk { id, length: 200_000 };
    let content = icecore::format::content::Content::inline(0, &[piece]);
    let kind = icecore::format::directory::NodeKind::File { content, database: None };
    let mut snapshots = Vec::new();
    for (number, session) in sessions.into_iter().enumerate() {
        let root = crate::common::memory::node("copy", kind.clone());
        let path = format!("/{number}/copy");
        snapshots.push((crate::common::forge::commit(session, &path, root, 1), path));
    }
    assert!(past.packs() >= 400_000);
    let report = past.prune();
    assert_eq!(report.plan.unwrap().duplicate.count, 1);
    assert!(past.packs() < 300_000);
    for (snapshot, path) in &snapshots {
        assert!(past.repo.read(snapshot, path).unwrap() == plain);
    }
}

/// Where listings lag nothing is collected; where creation is not exclusive only by a prune that says to
/// be alone, and not while another is at work; that one's own registration is in nobody's way.
#[test]
fn some_stores_allow_no_prune() {
    let late = Manners { lag: 3, ..Manners::default() };
    let careless = Manners { exclusive_create: false, ..Manners::default() };
    for (manners, allowed) in [(late, false), (careless, true)] {
        let (env, _) = Env::seeded(1, Time(0));
        let store = Arc::new(Remote::new(Arc::new(Memory::new()), manners, env, 1));
        let mut repo = TempRepo::over(store, 25);
        repo.damaged = true;
        let mut tree = crate::common::memory::Tree::default();
        tree.put("a", vec![7; 1000]);
        repo.backup(vec![tree.source("/data")]).unwrap();
        let repository = repo.reopen().unwrap();
        let error = prune(&repository, &thorough(), &Silent).unwrap_err();
        assert_eq!(error.kind(), Kind::Refused, "{error}");
        let mut alone = thorough();
        alone.exclusive = true;
        let done = prune(&repository, &alone, &Silent);
        assert_eq!(done.is_ok(), allowed, "{done:?}");
        if allowed {
            let working = crate::common::forge::session(&repo);
            let error = prune(&repository, &alone, &Silent).unwrap_err();
            assert_eq!(error.kind(), Kind::Locked, "{error}");
            working.abandon().unwrap();
            // What a writer left that was stopped.
            let orphan = Handle::pack(PackId([1; 32]));
            repo.backend.put_new(&orphan, &[1; 1000]).unwrap();
            prune(&repository, &alone, &Silent).unwrap();
            assert!(repo.backend.size(&orphan).is_err());
            assert!(repository.open_writers().unwrap().is_empty());
        }
    }
}

/// A prune comes before any call of a check, and moves and removes packs that it has seen: nothing is wrong
/// with them.
#[test]
fn a_check_beside_a_prune() {
    for read_data in [ReadData::Nothing, ReadData::All] {
        let mut past = Past::over(Arc::new(Memory::new()), 27, 6);
        (0..4).for_each(|_| past.forget(1));
        for at in 0.. {
            let store: Arc<dyn Backend> = copy(&*past.repo.backend);
            let (other, env) = (store.clone(), Env::seeded(9_500 + at, past.repo.env.now()).0);
            let threads = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
            let prune = move || threads.install(|| drop(pruned(&open(&other, &env)).unwrap()));
            let racing = Meanwhile::new(&store, at, prune);
            let acting: Arc<dyn Backend> = racing.clone();
            let repository = open(&acting, &past.repo.env);
            let report = check(&repository, CheckOptions { read_data }, &Silent).unwrap();
            if !racing.has_happened() {
                assert!(at > 10, "only {at} calls");
                break;
            }
            assert!(report.is_healthy(), "before call {at}: {:#?}", report.findings);
        }
    }
}
