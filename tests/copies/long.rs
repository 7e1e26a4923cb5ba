//! Copies that last: the target is read once, and hours are survived; and those that never begin.

use super::past;
use crate::common::repo::{TempRepo, secret};
use icecore::backend::{Backend, Counting, Handle, Memory, Verb};
use icecore::env::{Clock, Env, ManualClock, Time};
use icecore::error::{Error, Kind};
use icecore::format::snapshot::Outcome;
use icecore::format::{ObjectKind, frame, record};
use icecore::monitor::{Counter, Monitor, Silent};
use icecore::ops::copy::{CopyOptions, CopyReport, copy};
use icecore::repo::{InitOptions, Repository};
use std::sync::Arc;

fn options() -> CopyOptions {
    CopyOptions { host: "copier".into(), tool: "test".into(), dry_run: false }
}

/// An empty repository, and its clock.
fn target(store: Arc<dyn Backend>, seed: u64) -> (Repository, Arc<ManualClock>) {
    let (env, clock) = Env::seeded(seed, Time(1_900_000_000 * Time::SECOND));
    let options = InitOptions { capabilities: store.capabilities(), ..Default::default() };
    (Repository::init(store, env, &secret(), &options).unwrap(), clock)
}

fn copied(source: &Repository, target: &Repository, monitor: &dyn Monitor) -> CopyReport {
    let chosen = source.snapshots(|error| panic!("{error}")).unwrap();
    let report = copy(source, target, &chosen, &options(), monitor).unwrap();
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    report
}

/// What a target shows is listed once, however many snapshots are copied, and none of them is read back.
#[test]
fn a_target_is_listed_once() {
    let past = past(71, 12);
    let store = Arc::new(Counting::new(Memory::new()));
    let (target, _) = target(store.clone(), 72);
    store.reset();
    let report = copied(&past.repo.repository, &target, &Silent);
    assert_eq!(report.copied.len(), 12);
    for kind in [ObjectKind::Snapshot, ObjectKind::Forgotten] {
        assert_eq!(store.tally(Verb::List, kind).calls, 1, "{kind:?}");
    }
    assert_eq!(store.tally(Verb::Get, ObjectKind::Snapshot).calls, 0);
    // Each goes on from the one before all the same.
    let all = target.snapshots(|error| panic!("{error}")).unwrap().all().unwrap();
    assert!(all.iter().all(|stored| !stored.snapshot.origin.as_ref().unwrap().late));
    for pair in all.windows(2) {
        assert_eq!(pair[0].snapshot.previous, Some(pair[1].hash));
        assert_eq!(pair[0].snapshot.parts[0].parents, [pair[1].snapshot.id].into());
    }
}

/// Lets a quarter of an hour pass with each chunk.
struct Slowly(Arc<ManualClock>);

impl Monitor for Slowly {
    fn begin(&self, _: &str, _: Option<(Counter, u64)>) {}
    fn count(&self, counter: Counter, _: u64) {
        if counter == Counter::Bytes {
            self.0.advance(900);
        }
    }
    fn trouble(&self, error: &Error) {
        panic!("{error}");
    }
    fn note(&self, _: &str) {}
    fn end(&self) {}
}

/// A copy that lasts for hours tells that it is alive, commits partials, so that a collection waits for what
/// it has stored, and arrives whole.
#[test]
fn a_copy_of_hours_commits_partials() {
    let past = past(73, 3);
    let store = Arc::new(Counting::new(Memory::new()));
    let (target, clock) = target(store.clone(), 74);
    let began = clock.now();
    let report = copied(&past.repo.repository, &target, &Slowly(clock.clone()));
    assert_eq!(report.copied.len(), 3);
    assert!(clock.now().since(began).as_secs() > 2 * 3600, "it was over too soon");
    let mut partials = 0;
    target
        .each_outcome(&mut |_, outcome| {
            partials += usize::from(matches!(outcome, Ok((Outcome::Partial(_), ..))));
            Ok(())
        })
        .unwrap();
    assert!(partials > 0);
    let beats = store.list(ObjectKind::Writer).unwrap();
    assert!(beats.iter().any(|object| object.handle.number().is_some()), "no heartbeat");
    for (snapshot, tree) in &past.trees {
        let copies = target.snapshots(|error| panic!("{error}")).unwrap().all().unwrap();
        let is_it = |origin: &icecore::format::snapshot::Origin| origin.snapshot == snapshot.id;
        let copy = copies.iter().find(|it| it.snapshot.origin.as_ref().is_some_and(is_it)).unwrap();
        for path in tree.files.keys() {
            let read = TempRepo::read_from(&target, &copy.snapshot, &format!("/data/{path}"));
            assert!(read.unwrap() == tree.bytes(path), "{path}");
        }
    }
}

/// A target that asks for what this program does not know takes no copy, and stays as it was.
#[test]
fn a_newer_target_is_refused() {
    let past = past(75, 1);
    let store = Arc::new(Memory::new());
    let (target, _) = target(store.clone(), 76);
    let mut config = target.config().clone();
    config.previous = Some(*blake3::hash(&store.get(&Handle::config(0), None).unwrap()).as_bytes());
    config.features.insert("telepathy".to_owned());
    // Nobody proves what they refuse: its MAC may be anything.
    let body = [record::encode(&config).unwrap(), vec![0; 32]].concat();
    let newer = frame::encode_open(ObjectKind::Config, &body);
    store.put_new(&Handle::config(1), &newer).unwrap();
    let before = crate::repair::objects(&*store);
    let chosen = past.repo.repository.snapshots(|error| panic!("{error}")).unwrap();
    let error = copy(&past.repo.repository, &target, &chosen, &options(), &Silent).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported, "{error}");
    assert!(error.to_string().contains("telepathy"), "{error}");
    assert_eq!(crate::repair::objects(&*store), before);
}
