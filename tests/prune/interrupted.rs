//! A prune that stops anywhere, at a call that fails or at its last one, is taken up by the next.

use super::{Past, open, pruned, thorough};
use crate::common::memory::Tree;
use crate::common::repo::secret;
use crate::common::stores::{copy, copy_into};
use icecore::backend::testing::{CrashDisk, Fault, Faulty};
use icecore::backend::{Backend, Handle, Local, Memory};
use icecore::env::Env;
use icecore::error::Kind;
use icecore::format::ObjectKind;
use icecore::forward;
use icecore::id::PackId;
use icecore::monitor::Silent;
use icecore::ops::prune::prune;
use icecore::repo::Repository;
use std::sync::Arc;

/// What is shared between a store that goes wrong and the later look at it.
struct Shared(Arc<dyn Backend>);

impl Backend for Shared {
    forward!([0] describe capabilities put_shared get size list_pages delete_all);
}

/// Whichever call of a prune fails, and whatever of it was done, and whether it was the last or the
/// store goes on: nothing is lost, the next prune finishes, and then as much is won as ever.
#[test]
fn a_prune_that_stops_anywhere_is_finished_by_the_next() {
    let mut past = Past::over(Arc::new(Memory::new()), 11, 5);
    (0..3).for_each(|_| past.forget(1));
    let begun = past.repo.backend.clone();
    let store: Arc<dyn Backend> = copy(&*begun);
    let counted = Arc::new(Faulty::new(Shared(store.clone()), 0));
    let faulty: Arc<dyn Backend> = counted.clone();
    let done = pruned(&open(&faulty, &past.repo.env)).unwrap();
    assert!(done.moved > 0 && done.swept.packs.count > 0, "{done:?}");
    let (won, calls) = (super::bytes_of(&*store, ObjectKind::Pack), counted.calls());
    assert!(calls > 60, "{calls} calls");
    for number in (0..calls + 3).step_by(2) {
        let fault = if number % 4 == 0 { Fault::Fails } else { Fault::DoneButFails };
        let store: Arc<dyn Backend> = copy(&*begun);
        let faulty = Faulty::new(Shared(store.clone()), number);
        let faulty = match number % 3 {
            0 => faulty.once(number, fault),
            _ => faulty.from(number, fault),
        };
        let faulty: Arc<dyn Backend> = Arc::new(faulty);
        let (env, clock) = Env::seeded(1_000 + number, past.repo.env.now());
        if let Ok(repository) = Repository::open(faulty, env.clone(), &secret()) {
            drop(prune(&repository, &thorough(), &Silent));
        }
        past.repo.backend = store.clone();
        past.is_whole();
        // A writer that never ended is given up once it was silent for a day.
        clock.advance(25 * 3600);
        let report = pruned(&open(&store, &env)).unwrap();
        assert!(report.waits.is_none(), "at call {number}: {report:?}");
        past.is_whole();
        let again = pruned(&open(&store, &env)).unwrap();
        assert!(again.swept.needed.is_empty(), "{again:?}");
        let left = super::bytes_of(&*store, ObjectKind::Pack);
        assert!(left <= won + won / 8, "at call {number}: {left} bytes stay, {won} are enough");
        let checked = past.repo.check();
        assert!(checked.is_healthy(), "at call {number}: {:?}", checked.findings);
    }
    past.repo.backend = begun;
}

/// Power is lost at any call of the disk beneath a prune, with several outcomes of what was not synced:
/// nothing is lost, and the next prune finishes.
#[test]
fn a_power_loss_in_a_prune_loses_nothing() {
    let mut past = Past::over(Arc::new(Memory::new()), 15, 4);
    (0..2).for_each(|_| past.forget(1));
    let begun = past.repo.backend.clone();
    let disk = CrashDisk::new();
    copy_into(&*begun, &Local::over(disk.clone()).unwrap());
    for calls in (0..).step_by(7) {
        // Everything that was not synced is kept: a copy of the disk.
        let running = disk.crash(4).unwrap();
        running.power_off_after(calls);
        let (env, clock) = Env::seeded(2_000 + calls, past.repo.env.now());
        let local = Local::over(running.clone());
        let opened =
            local.and_then(|local| Repository::open(Arc::new(local), env.clone(), &secret()));
        let done = opened.and_then(|repository| pruned(&repository));
        clock.advance(25 * 3600);
        // Names and content, each lost, kept, or by chance.
        for seed in [calls % 9, 9 + (calls + 4) % 9] {
            past.repo.backend = Arc::new(Local::over(running.crash(seed).unwrap()).unwrap());
            past.is_whole();
            let report = pruned(&open(&past.repo.backend, &env)).unwrap();
            assert!(report.waits.is_none(), "power lost after call {calls}: {report:?}");
            past.is_whole();
            let checked = past.repo.check();
            assert!(checked.is_healthy(), "after call {calls}: {:?}", checked.findings);
        }
        if done.is_ok() {
            assert!(calls > 200, "only {calls} calls");
            break;
        }
    }
    past.repo.backend = begun;
}

/// A store that denies deletion loses nothing: what it retains is said, backups go on, and once it
/// lets go the next prune deletes it.
#[test]
fn what_a_store_retains_is_told() {
    let mut past = Past::over(Arc::new(Memory::new()), 12, 6);
    (0..4).for_each(|_| past.forget(1));
    let store = past.repo.backend.clone();
    let locked: Arc<dyn Backend> = Arc::new(Locked(store.clone()));
    let report = pruned(&open(&locked, &past.repo.env)).unwrap();
    assert!(report.swept.retained.count > 0, "{report:?}");
    assert_eq!((report.swept.packs.count, report.swept.segments.count), (0, 0));
    past.is_whole();
    past.change();
    past.back_up();
    let size = past.packs();
    let report = past.prune();
    assert_eq!(report.swept.retained.count, 0);
    assert!(past.packs() < size && report.swept.packs.count > 0);
    past.is_whole();
}

struct Locked(Arc<dyn Backend>);

impl Backend for Locked {
    forward!([0] describe capabilities put_shared get size list_pages);

    fn delete_all(&self, handles: &[Handle]) -> icecore::error::Result<()> {
        let what = handles.first().map(ToString::to_string).unwrap_or_default();
        Err(icecore::error::Error::new(Kind::Denied, "delete", what))
    }
}

/// Where nothing more can be written, a prune ends with the error, nothing is lost, and what was to be
/// deleted by an earlier verdict is deleted by the next that has room.
#[test]
fn a_full_store_loses_nothing() {
    let mut past = Past::over(Arc::new(Memory::new()), 13, 6);
    (0..4).for_each(|_| past.forget(1));
    let store = past.repo.backend.clone();
    for room in 0..6 {
        let full: Arc<dyn Backend> = Arc::new(Full(store.clone(), room.into()));
        match pruned(&open(&full, &past.repo.env)) {
            Err(error) => assert_eq!(error.kind(), Kind::NoSpace, "{error}"),
            // The writer that moved chunks could not even end.
            Ok(report) => assert!(report.waits.is_some(), "{report:?}"),
        }
        past.is_whole();
    }
    past.repo.clock.advance(25 * 3600);
    assert!(past.prune().swept.packs.count > 0);
    past.is_whole();
}

/// On a disk without a byte free, snapshots are given up, and the room of what only they needed comes
/// back; what has to be moved for more is moved once there is room.
#[test]
fn a_full_disk_gets_room() {
    let disk = CrashDisk::new();
    let mut past = Past::over(Arc::new(Local::over(disk.clone()).unwrap()), 14, 8);
    let mut other = Tree::default();
    other.put("noise", past.chance.noise(100_000));
    let other = past.repo.backup(vec![other.source("/other")]).unwrap().snapshot;
    let kinds = ObjectKind::ALL.into_iter();
    let used: u64 = kinds.map(|kind| super::bytes_of(&*past.repo.backend, kind)).sum();
    disk.limit_space(usize::try_from(used).unwrap() + (64 << 10));
    let full = past.repo.backend.put_new(&Handle::pack(PackId([1; 32])), &[0; 500]).unwrap_err();
    assert_eq!(full.kind(), Kind::NoSpace);
    (0..6).for_each(|_| past.forget(1));
    let error = pruned(&past.repo.reopen().unwrap()).unwrap_err();
    assert_eq!(error.kind(), Kind::NoSpace, "what is partly used goes nowhere");
    assert!(error.hint_text().unwrap().contains("forget more"), "{error}");
    past.trees.push((other, Tree::default()));
    past.forget(2);
    let before = past.packs();
    let report = past.prune();
    assert!(report.swept.packs.bytes >= 100_000 && report.moved == 0, "{report:?}");
    assert!(past.packs() + 100_000 <= before);
    past.is_whole();
    let report = past.prune();
    assert!(report.moved > 0 && report.swept.packs.count > 0, "{report:?}");
    past.is_whole();
}

/// Has room for so many more objects.
struct Full(Arc<dyn Backend>, std::sync::atomic::AtomicU32);

impl Backend for Full {
    forward!([0] describe capabilities get size list_pages delete_all);

    fn put_shared(
        &self,
        handle: &Handle,
        bytes: icecore::backend::Bytes,
    ) -> icecore::error::Result<icecore::backend::Put> {
        use std::sync::atomic::Ordering::SeqCst;
        if self.1.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_err() {
            return Err(icecore::error::Error::new(Kind::NoSpace, "create", handle));
        }
        self.0.put_shared(handle, bytes)
    }
}
