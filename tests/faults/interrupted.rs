//! Backups that are cut off, by the store and by the power supply, at every single call: what was
//! committed restores, and the next backup needs no hand.

use crate::common::chance::Chance;
use crate::common::memory::{Run, Tree};
use crate::common::repo::{TempRepo, options, secret};
use crate::common::stores::copy_into;
use icecore::backend::testing::{CrashDisk, Fault, Faulty};
use icecore::backend::{Backend, Bytes, Handle, Listed, Local, Memory, Put, Visit};
use icecore::env::{Env, Time};
use icecore::error::{Kind, Result};
use icecore::format::ObjectKind;
use icecore::format::snapshot::Snapshot;
use icecore::forward;
use icecore::monitor::Silent;
use icecore::ops::backup::backup;
use icecore::repo::Repository;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// Three states of one source; the first two are committed before anything goes wrong.
fn states() -> [Tree; 3] {
    let mut chance = Chance::new(5);
    let mut tree = Tree::default();
    tree.put("db", chance.rows(500_000));
    tree.put("gone", chance.noise(30_000));
    tree.put("a/small", chance.noise(700));
    let sparse = vec![Run::Hole(200_000), Run::Bytes(Arc::new(chance.noise(40_000)))];
    tree.files.insert("a/sparse".into(), sparse);
    let first = tree.clone();
    let mut bytes = tree.bytes("db");
    bytes[100_000..100_050].fill(b'x');
    tree.put("db", bytes.clone());
    let second = tree.clone();
    bytes[300_000..300_050].fill(b'y');
    bytes.splice(50..50, chance.noise(99));
    tree.put("db", bytes);
    tree.put("b/new", chance.noise(90_000));
    tree.files.remove("gone");
    [first, second, tree]
}

/// The commands that are cut off run after this, the first two states were captured before.
const LATER: Time = Time(1_900_000_000 * Time::SECOND);

/// A store that holds the first two states.
fn base() -> Arc<Memory> {
    let store = Arc::new(Memory::new());
    let mut repo = TempRepo::over(store.clone(), 1);
    let [first, second, _] = states();
    repo.backup(vec![first.source("/data")]).unwrap();
    repo.backup(vec![second.source("/data")]).unwrap();
    repo.damaged = true;
    store
}

fn open(backend: Arc<dyn Backend>, seed: u64) -> Result<Repository> {
    let (env, _) = Env::seeded(seed, LATER);
    Repository::open(backend, env, &secret())
}

/// A whole command: opens the repository and backs the third state up.
fn command(backend: Arc<dyn Backend>, seed: u64) -> Result<Snapshot> {
    let repository = open(backend, seed)?;
    let [.., third] = states();
    let report = backup(&repository, vec![third.source("/data")], &options(), &Silent)?;
    Ok(report.snapshot)
}

/// The oracle: all snapshots that are there are one of the states, whole; `done` is among them;
/// all of the store is healthy; the next command goes through and gives a snapshot as good.
fn survives(store: &Arc<dyn Backend>, done: Option<&Snapshot>, what: &str) {
    let (env, clock) = Env::seeded(77, Time(1_900_100_000 * Time::SECOND));
    let repository = Repository::open(store.clone(), env.clone(), &secret()).unwrap();
    let repo = TempRepo { backend: store.clone(), env, clock, repository, damaged: true };
    let before = restores(&repo, what);
    if let Some(done) = done {
        assert!(before.contains(done), "{what}: the snapshot is lost");
    }
    let report = repo.check();
    assert!(report.is_healthy(), "{what}: {:#?}", report.findings);
    let next = command(store.clone(), 78).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(restores(&repo, what).contains(&next), "{what}");
    let report = repo.check();
    assert!(report.is_healthy(), "{what}, after the next backup: {:#?}", report.findings);
}

fn restores(repo: &TempRepo, what: &str) -> Vec<Snapshot> {
    let stored =
        repo.repository.snapshots(|error| panic!("{what}: {error}")).unwrap().all().unwrap();
    let snapshots: Vec<Snapshot> = stored.into_iter().map(|stored| stored.snapshot).collect();
    let [first, second, third] = states();
    let number = |number: u64| snapshots.iter().any(|snapshot| snapshot.sequence == number);
    assert!(number(1) && number(2), "{what}: a snapshot is lost");
    for snapshot in &snapshots {
        let state = match (snapshot.started < LATER, snapshot.sequence) {
            (true, 1) => &first,
            (true, 2) => &second,
            _ => &third,
        };
        for path in state.files.keys() {
            let bytes = repo.read(snapshot, &format!("/data/{path}"));
            let bytes = bytes.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(bytes == state.bytes(path), "{what}: {path}");
        }
    }
    snapshots
}

/// The store dies at each call of a backup, before or after it took effect, or fails just once.
#[test]
fn a_store_that_fails_at_any_call_loses_nothing() {
    type Plan = fn(Faulty<Arc<Memory>>, u64) -> Faulty<Arc<Memory>>;
    let plans: [(&str, Plan); 6] = [
        ("dies before", |store, call| store.from(call, Fault::Fails)),
        ("dies after", |store, call| {
            store.once(call, Fault::DoneButFails).from(call + 1, Fault::Fails)
        }),
        ("fails once", |store, call| store.once(call, Fault::Fails)),
        ("is done but fails once", |store, call| store.once(call, Fault::DoneButFails)),
        ("flips a bit", |store, call| store.once(call, Fault::FlipsBit)),
        ("cuts short", |store, call| store.once(call, Fault::Truncates)),
    ];
    let base = base();
    for (name, plan) in plans {
        for call in 0.. {
            let what = format!("the store {name} at call {call}");
            let store = Arc::new(Memory::new());
            copy_into(&*base, &*store);
            let faulty = Arc::new(plan(Faulty::new(store.clone(), call), call));
            let done = command(faulty.clone(), call);
            let store: Arc<dyn Backend> = store;
            survives(&store, done.as_ref().ok(), &what);
            if faulty.calls() <= call {
                done.unwrap();
                assert!(call > 15, "only {call} calls");
                break;
            }
        }
    }
}

/// A store whose listings are out of order, with objects twice, costs nothing.
#[test]
fn disorderly_listings_do_no_harm() {
    let base = base();
    for fault in [Fault::Shuffles, Fault::Duplicates] {
        let store = Arc::new(Memory::new());
        copy_into(&*base, &*store);
        let done = command(Arc::new(Faulty::new(store.clone(), 3).from(0, fault)), 4).unwrap();
        assert_eq!(done.sequence, 3);
        let store: Arc<dyn Backend> = store;
        survives(&store, Some(&done), &format!("{fault:?}"));
    }
}

/// Asks once more whenever a call fails, as any wrapper that retries would.
struct Stubborn<B>(B);

impl<B: Backend> Backend for Stubborn<B> {
    forward!([0] describe capabilities);

    fn put_shared(&self, handle: &Handle, bytes: Bytes) -> Result<Put> {
        let again = bytes.clone();
        self.0.put_shared(handle, bytes).or_else(|_| self.0.put_shared(handle, again))
    }

    fn get(&self, handle: &Handle, range: Option<Range<u64>>) -> Result<Vec<u8>> {
        self.0.get(handle, range.clone()).or_else(|_| self.0.get(handle, range))
    }

    fn size(&self, handle: &Handle) -> Result<u64> {
        self.0.size(handle).or_else(|_| self.0.size(handle))
    }

    fn list_pages(&self, kind: ObjectKind, prefix: &str, visit: &mut Visit<'_>) -> Result<()> {
        let first = self.0.list_pages(kind, prefix, visit);
        first.or_else(|_| self.0.list_pages(kind, prefix, visit))
    }

    fn delete_all(&self, handles: &[Handle]) -> Result<()> {
        self.0.delete_all(handles).or_else(|_| self.0.delete_all(handles))
    }
}

/// A creation that timed out but was applied says "exists" when it is tried again: what stands
/// there is compared, and the backup goes through with exactly one outcome.
#[test]
fn an_applied_timeout_is_no_failure() {
    let base = base();
    for call in 0.. {
        let store = Arc::new(Memory::new());
        copy_into(&*base, &*store);
        let faulty = Faulty::new(store.clone(), call).once(call, Fault::DoneButFails);
        let stubborn = Arc::new(Stubborn(faulty));
        let done = command(stubborn.clone(), call).unwrap();
        assert_eq!(store.list(ObjectKind::Snapshot).unwrap().len(), 3, "call {call}");
        let calls = stubborn.0.calls();
        let store: Arc<dyn Backend> = store;
        survives(&store, Some(&done), &format!("applied timeout at call {call}"));
        if calls <= call {
            return;
        }
    }
}

/// Power is lost after any call of the disk, with several outcomes of what was not synced: a
/// snapshot that is there has all its packs and its index.
#[test]
fn a_power_loss_at_any_call_loses_nothing() {
    let disk = CrashDisk::new();
    copy_into(&*base(), &Local::over(disk.clone()).unwrap());
    let mut calls = 0;
    loop {
        // Everything that was not synced is kept: a copy of the disk.
        let running = disk.crash(4).unwrap();
        running.power_off_after(calls);
        let local = Local::over(running.clone());
        let done = local.and_then(|local| command(Arc::new(local), calls));
        // Names and content, each lost, kept, or by chance.
        for seed in [calls % 9, 9 + (calls + 4) % 9] {
            let what = format!("power lost after call {calls}, crash seed {seed}");
            let after = Local::over(running.crash(seed).unwrap()).unwrap();
            let after: Arc<dyn Backend> = Arc::new(after);
            survives(&after, done.as_ref().ok(), &what);
        }
        if done.is_ok() {
            assert!(calls > 60, "only {calls} calls");
            return;
        }
        calls += 1;
    }
}

/// A disk that fills up at any byte fails the backup as full, and harms nothing.
#[test]
fn a_full_disk_fails_and_harms_nothing() {
    let disk = CrashDisk::new();
    let base = base();
    copy_into(&*base, &Local::over(disk.clone()).unwrap());
    let size = |object: Listed| usize::try_from(object.size).unwrap();
    let used: usize =
        ObjectKind::ALL.iter().flat_map(|kind| base.list(*kind).unwrap()).map(size).sum();
    let mut room = 0;
    loop {
        let running = disk.crash(4).unwrap();
        running.limit_space(used + room);
        let done = command(Arc::new(Local::over(running.clone()).unwrap()), 5);
        running.limit_space(usize::MAX);
        let after: Arc<dyn Backend> = Arc::new(Local::over(running).unwrap());
        survives(&after, done.as_ref().ok(), &format!("{room} bytes free"));
        match done {
            Ok(_) => break,
            Err(error) => assert_eq!(error.kind(), Kind::NoSpace, "{room} bytes free: {error}"),
        }
        room += 7001;
    }
    assert!(room > 90_000, "the disk was never full: {room}");
}

/// Other bytes that stand under the name of a pack are not taken for the pack: the backup fails
/// as damage, nothing of it is committed, and once they are gone it goes through.
#[test]
fn other_bytes_under_a_name_are_noticed() {
    let base = base();
    let probe = Arc::new(Memory::new());
    copy_into(&*base, &*probe);
    command(probe.clone(), 9).unwrap();
    let names = |store: &Memory| -> BTreeSet<Handle> {
        store.list(ObjectKind::Pack).unwrap().into_iter().map(|object| object.handle).collect()
    };
    let packs: Vec<Handle> = names(&probe).difference(&names(&base)).cloned().collect();
    assert_eq!(packs.len(), 2);
    for pack in packs {
        let store = Arc::new(Memory::new());
        copy_into(&*base, &*store);
        let mut other = probe.get(&pack, None).unwrap();
        other[100] ^= 1;
        store.put_new(&pack, &other).unwrap();
        let error = command(store.clone(), 9).unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged, "{error}");
        store.delete(&pack).unwrap();
        let store: Arc<dyn Backend> = store;
        survives(&store, None, "other bytes");
    }
}

/// Wherever the store fails a snapshot that is given up: it stands, or its mark tells that it was
/// given up; and giving it up again goes through.
#[test]
fn forgetting_at_any_call_is_safe() {
    let base = base();
    for fault in [Fault::Fails, Fault::DoneButFails] {
        for call in 0.. {
            let store = Arc::new(Memory::new());
            copy_into(&*base, &*store);
            let listed = |backend: Arc<dyn Backend>| {
                let repository = open(backend, call).unwrap();
                let stored =
                    repository.snapshots(|error| panic!("{error}")).unwrap().all().unwrap();
                (repository, stored)
            };
            let calm = Arc::new(Faulty::new(store.clone(), call));
            listed(calm.clone());
            let first = calm.calls() + call;
            let faulty = Arc::new(Faulty::new(store.clone(), call).from(first, fault));
            let (repository, stored) = listed(faulty.clone());
            let done = repository.forget(&stored[1].key());
            let what = format!("{fault:?} from call {call} on");
            let object = store.get(&Handle::snapshot(stored[1].snapshot.id), None);
            let mark = store.get(&Handle::forgotten(stored[1].snapshot.id), None);
            assert!(object.is_ok() || mark.is_ok(), "{what}: it is gone without a mark");
            assert!(mark.is_ok() || done.is_err(), "{what}: it was not given up");
            let (again, _) = listed(store.clone());
            assert!(again.forget(&stored[1].key()).unwrap(), "{what}");
            assert_eq!(listed(store).1, stored[..1], "{what}");
            if faulty.calls() <= first {
                assert!(call > 2, "only {call} calls");
                break;
            }
        }
    }
}
