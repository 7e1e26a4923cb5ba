//! Stores on other machines: slow, and now and then silent; and how few requests they are asked.

use crate::common::chance::Chance;
use crate::common::memory::{Tree, stream};
use crate::common::repo::{TempRepo, on_remote_stores, secret};
use crate::{engine, given_up};
use icecore::backend::testing::{Fault, Faulty, Manners, Remote, contract};
use icecore::backend::{Backend, DryRun, Handle, Limit, Memory, Rates, Retry};
use icecore::env::{Env, Time};
use icecore::error::Kind;
use icecore::format::{BlobKind, ObjectKind};
use icecore::id::PackId;
use icecore::monitor::Silent;
use icecore::ops::check::{CheckOptions, ReadData, check};
use icecore::ops::restore::{RestoreOptions, restore};
use icecore::repo::{Reader, Repository};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Tests of the engine, of restore, check and forget, each of which makes its own repositories.
const VERBS: [fn(); 8] = [
    engine::gives_back_what_it_took,
    engine::every_file_is_found_beside_its_former_self,
    engine::restores_into_folders,
    engine::unchanged_files_are_not_read,
    engine::a_file_that_breaks_off_is_left_out,
    engine::shared_bases_stay_readable,
    given_up::an_unreadable_snapshot_is_gone_round_and_given_up,
    given_up::gaps_are_given_up,
];

fn pack(number: u8) -> Handle {
    Handle::pack(PackId([number; 32]))
}

/// So many bytes a second to a store, and as many from it.
fn both_ways(bytes: u64) -> Rates {
    Rates { upload: Some(bytes), download: Some(bytes) }
}

/// A remote store over a clock that only moves when somebody waits.
fn remote(manners: Manners, seed: u64) -> (Remote, Env) {
    let (env, _) = Env::seeded(seed, Time(0));
    (Remote::new(Arc::new(Memory::new()), manners, env.clone(), seed), env)
}

/// A remote store keeps the contract, exclusive or not, and so does one whose calls are limited.
#[test]
fn remote_stores_keep_the_contract() {
    let slow = Manners { latency: Duration::from_secs(1), ..Manners::default() };
    let careless = Manners { exclusive_create: false, ..slow };
    for manners in [slow, careless] {
        contract(&|| Ok(Box::new(remote(manners, 1).0))).unwrap();
    }
    let limited = |env: &Env| Limit::new(Memory::new(), env.clone(), 2, both_ways(1000));
    contract(&|| Ok(Box::new(limited(&Env::seeded(1, Time(0)).0)))).unwrap();
}

/// What the verbs promise they keep over a store that does not answer one request in twenty.
#[test]
fn verbs_work_over_a_store_that_fails_now_and_then() {
    let manners = Manners { failures: 5, ..Manners::default() };
    VERBS.iter().for_each(|test| on_remote_stores(manners, test));
}

/// ... and over one that takes one writer at a time, but for those that lose a writer's outcome.
#[test]
fn verbs_work_over_a_store_that_does_not_create_exclusively() {
    let manners = Manners { exclusive_create: false, ..Manners::default() };
    VERBS[..6].iter().for_each(|test| on_remote_stores(manners, test));
}

/// What a store that lists late does not show yet is there all the same, once it does; and gaps are
/// not looked for in it.
#[test]
fn nothing_is_lost_where_listings_lag() {
    on_remote_stores(Manners { lag: 40, ..Manners::default() }, || {
        let repo = TempRepo::new(72);
        let mut tree = Tree::default();
        let mut states = Vec::new();
        for number in 0..5 {
            tree.put(&format!("f{number}"), Chance::new(number).noise(50_000));
            let snapshot = repo.backup(vec![tree.source("/data")]).unwrap().snapshot;
            states.push((snapshot, tree.clone()));
        }
        for _ in 0..40 {
            repo.backend.size(&pack(1)).unwrap_err();
        }
        for (snapshot, tree) in &states {
            for path in tree.files.keys() {
                let bytes = repo.read(snapshot, &format!("/data/{path}")).unwrap();
                assert!(bytes == tree.bytes(path), "{path}");
            }
        }
        let refused = icecore::ops::forget::gaps(&repo.repository).unwrap_err();
        assert_eq!(refused.kind(), Kind::Refused);
    });
}

/// An answer that is lost is waited for, twice as long each time, for two minutes; anything else is
/// not asked for again.
#[test]
fn only_what_may_come_is_asked_for_again() {
    let (env, _) = Env::seeded(1, Time(0));
    let over = |calls: u64, fault| {
        let faulty = Faulty::new(Memory::new(), 1);
        Retry::new((0..calls).fold(faulty, |faulty, call| faulty.once(call, fault)), env.clone())
    };
    let store = over(5, Fault::DoneButFails);
    store.put_new(&pack(1), b"x").unwrap();
    assert_eq!(store.inner().calls(), 6);
    let store = over(1, Fault::Fails);
    assert_eq!(store.get(&pack(1), None).unwrap_err().kind(), Kind::Failed);
    assert_eq!(store.get(&pack(1), None).unwrap_err().kind(), Kind::NotFound);
    assert_eq!(store.inner().calls(), 2);

    let store = over(1000, Fault::DoneButFails);
    let before = env.now();
    assert_eq!(store.size(&pack(1)).unwrap_err().kind(), Kind::Unavailable);
    let waited = env.now().since(before);
    assert!((120..140).contains(&waited.as_secs()), "{waited:?}");
    assert!((12..24).contains(&store.inner().calls()), "{}", store.inner().calls());
}

/// A store that is away costs two minutes once, not two for each call; once it answers again,
/// patience is back.
#[test]
fn patience_is_spent_once() {
    let (env, _) = Env::seeded(1, Time(0));
    let mut faulty = Faulty::new(Memory::new(), 1);
    for call in (0..100).filter(|call| *call != 40) {
        faulty = faulty.once(call, Fault::DoneButFails);
    }
    let store = Retry::new(faulty, env.clone());
    let waited = || {
        let before = env.now();
        let answered = store.list(ObjectKind::Pack).is_ok();
        (answered, env.now().since(before).as_secs())
    };
    assert!(waited().1 >= 120);
    while store.inner().calls() < 40 {
        assert_eq!(waited(), (false, 0));
    }
    assert_eq!(waited(), (true, 0));
    assert!(waited().1 >= 120);
}

/// Calls wait for each other, and bytes for the line, no longer than they must.
#[test]
fn limits_are_kept() {
    let (env, _) = Env::seeded(1, Time(0));
    let store = Limit::new(Memory::new(), env.clone(), 3, both_ways(1000));
    assert_eq!(store.capabilities().connections, 3);
    store.put_new(&pack(1), &[1; 500]).unwrap();
    store.get(&pack(1), Some(0..250)).unwrap();
    assert_eq!(env.now(), Time(750_000_000));

    let slow = Manners { latency: Duration::from_millis(5), ..Manners::default() };
    let remote = Arc::new(Remote::new(Arc::new(Memory::new()), slow, Env::real(), 1));
    let store = Limit::new(remote.clone(), Env::real(), 3, Rates::default());
    std::thread::scope(|scope| {
        for number in 0..20 {
            let store = &store;
            scope.spawn(move || store.put_new(&pack(number), b"x").unwrap());
        }
    });
    assert_eq!((remote.requests(), remote.most_in_flight()), (20, 3));
}

/// Restoring and checking some 2,000 blobs takes few requests, many of them at once.
#[test]
fn two_thousand_blobs_take_few_requests() {
    let store = Arc::new(Memory::new());
    let repo = TempRepo::over(store.clone(), 70);
    let mut chance = Chance::new(70);
    let mut tree = Tree::default();
    for number in 0..1500 {
        tree.put(&format!("f{number:04}"), chance.noise(5000));
    }
    let long = chance.noise(40 << 20);
    let sources = vec![tree.source("/files"), stream("/long", long.clone())];
    let snapshot = repo.backup(sources).unwrap().snapshot;
    let index = repo.repository.load_index().unwrap();
    let blobs = index.places().filter(|place| place.kind == BlobKind::Data).count();
    assert!(blobs >= 2000, "{blobs}");

    let latency = Duration::from_millis(50);
    let manners = Manners { latency, bandwidth: Some(100 << 20), ..Manners::default() };
    let remote = Arc::new(Remote::new(store, manners, Env::real(), 1));
    let repository = Repository::open(remote.clone(), repo.env.clone(), &secret()).unwrap();
    let measured = |what: &str, act: &dyn Fn()| {
        let (requests, begun) = (remote.requests(), Instant::now());
        act();
        let requests = remote.requests() - requests;
        println!("{what}: {requests} requests, {:?}", begun.elapsed());
        requests
    };
    let target = tempfile::tempdir().unwrap();
    let restored_from = |repository: &Repository, to: &str| {
        let index = repository.load_index().unwrap();
        let reader = Reader::new(repository, &index);
        let (mut options, target) = (RestoreOptions::default(), target.path().join(to));
        let report = restore(&reader, &snapshot, None, &target, &mut options, &Silent);
        assert_eq!(report.unwrap().failed, 0);
        assert!(std::fs::read(target.join("long")).unwrap() == long);
    };
    measured("restore from memory", &|| restored_from(&repo.repository, "near"));
    let restored = measured("restore", &|| restored_from(&repository, "far"));
    let checked = |read_data| {
        measured(&format!("check {read_data:?}"), &|| {
            let report = check(&repository, CheckOptions { read_data }, &Silent).unwrap();
            assert!(report.is_healthy(), "{:?}", report.findings);
        })
    };
    let (quick, whole) = (checked(ReadData::Nothing), checked(ReadData::All));
    println!("most in flight: {}", remote.most_in_flight());
    assert!(restored <= 45, "{restored} requests");
    assert!(quick <= 40, "{quick} requests");
    assert!(whole <= 40, "{whole} requests");
    assert!(remote.most_in_flight() >= 4, "{} at once", remote.most_in_flight());
}

/// A store that does not answer is no damage: what is read ends with that, nothing is noted or said to
/// be lost, and the next try finds all of it.
#[test]
fn silence_is_no_damage() {
    let store = Arc::new(Memory::new());
    let repo = TempRepo::over(store.clone(), 71);
    let snapshot =
        repo.backup(vec![stream("/long", Chance::new(71).noise(3 << 20))]).unwrap().snapshot;
    for call in 0.. {
        let faulty = Faulty::new(store.clone(), call).from(call, Fault::DoneButFails);
        let faulty = Arc::new(faulty);
        let unavailable = |error: icecore::error::Error| {
            assert_eq!(error.kind(), Kind::Unavailable, "call {call}: {error}");
        };
        let opened = Repository::open(faulty.clone(), repo.env.clone(), &secret());
        let Ok(repository) = opened.map_err(unavailable) else { continue };
        let read = TempRepo::read_from(&repository, &snapshot, "/long").map_err(unavailable);
        if read.is_ok() {
            break;
        }
    }
    for call in 0.. {
        // What a check notes is not kept, or the next would have more to read.
        let unchanged = DryRun::new(store.clone());
        let faulty = Arc::new(Faulty::new(unchanged, call).from(call, Fault::DoneButFails));
        let opened = Repository::open(faulty.clone(), repo.env.clone(), &secret());
        let Ok(repository) = opened else { continue };
        let options = CheckOptions { read_data: ReadData::All };
        match check(&repository, options, &Silent) {
            Err(error) => assert_eq!(error.kind(), Kind::Unavailable, "call {call}: {error}"),
            Ok(report) if report.is_healthy() => break,
            Ok(report) => {
                assert!(report.touched.is_empty(), "call {call}: {:?}", report.touched);
                let kinds: Vec<Kind> =
                    report.findings.iter().map(|finding| finding.error.kind()).collect();
                assert!(
                    kinds.iter().all(|kind| *kind == Kind::Unavailable),
                    "call {call}: {:?}",
                    report.findings
                );
            }
        }
    }
    assert!(repo.repository.noted_damage().unwrap().all().is_empty());
}
