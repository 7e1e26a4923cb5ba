//! Snapshots that are held, or all gone; partials that last; notes.

use super::{Past, open, thorough};
use crate::common::forge::{Blob, Forger};
use icecore::backend::{Handle, Memory};
use icecore::env::{Clock, Env, ManualClock, Random, Time};
use icecore::format::snapshot::{Outcome, Partial, Snapshot};
use icecore::format::writer::Registration;
use icecore::format::{BlobKind, ObjectKind};
use icecore::id::{PackId, SnapshotId};
use icecore::monitor::Silent;
use icecore::ops::prune::{Patience, PruneOptions, prune};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn past(seed: u64, hours: usize) -> Past {
    Past::over(Arc::new(Memory::new()), seed, hours)
}

/// What is held stays whole, though it has a mark; with its last hold it goes, and its room comes back.
#[test]
fn what_is_held_stays() {
    let mut past = past(51, 6);
    let repository = past.repo.reopen().unwrap();
    let held = past.trees[0].0.id;
    let hold = repository.hold(held, "an audit", None).unwrap().id;
    let snapshots = repository.snapshots(|error| panic!("{error}")).unwrap();
    repository.mark_forgotten(snapshots.keys().find(|key| key.id == held).unwrap()).unwrap();
    (0..4).for_each(|_| past.forget(1));
    past.prune();
    past.is_whole();
    let before = past.packs();
    repository.release([hold].into()).unwrap();
    past.trees.remove(0);
    past.prune();
    past.is_whole();
    assert!(past.packs() < before, "{} of {before}", past.packs());
    assert_eq!(past.repo.backend.list(ObjectKind::Snapshot).unwrap().len(), 1);
}

/// When everything was given up, no pack stays and no index; then backups begin anew.
#[test]
fn all_may_go() {
    let mut past = past(52, 3);
    (0..3).for_each(|_| past.forget(0));
    past.prune();
    let stays = |kind| past.repo.backend.list(kind).unwrap().len();
    let kinds = [ObjectKind::Pack, ObjectKind::Index, ObjectKind::Snapshot, ObjectKind::Writer];
    assert_eq!(kinds.map(stays), [0; 4]);
    past.change();
    past.back_up();
    past.is_whole();
    past.prune();
    past.is_whole();
}

/// Notes of snapshots that were given up go, withdrawn ones too; those of others stay, also of one
/// that nobody knows.
#[test]
fn notes_of_what_is_gone_go() {
    let mut past = past(53, 6);
    let repository = past.repo.reopen().unwrap();
    let tags: BTreeSet<String> = ["kept".to_owned()].into();
    let unknown = Snapshot { id: SnapshotId([9; 16]), ..past.trees[0].0.clone() };
    for snapshot in past.trees.iter().map(|(snapshot, _)| snapshot).chain([&unknown]) {
        assert!(repository.change_tags(snapshot, &tags).unwrap());
    }
    let hold = repository.hold(past.trees[0].0.id, "for a while", None).unwrap().id;
    repository.release([hold].into()).unwrap();
    let notes = |past: &Past| past.repo.backend.list(ObjectKind::Note).unwrap().len();
    assert_eq!(notes(&past), 7 + 2);
    past.forget(0);
    (0..3).for_each(|_| past.forget(1));
    past.prune();
    assert_eq!(notes(&past), 9 - 5, "tags of four, and a hold");
    let snapshots = repository.snapshots(|error| panic!("{error}")).unwrap().all().unwrap();
    assert!(snapshots.len() == 2 && snapshots.iter().all(|it| it.snapshot.tags == tags));
}

/// A clock at whose first pause something happens.
struct Eventful {
    clock: Arc<ManualClock>,
    happens: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Clock for Eventful {
    fn now(&self) -> Time {
        self.clock.now()
    }

    fn sleep(&self, duration: Duration) {
        if let Some(happens) = self.happens.lock().unwrap().take() {
            happens();
        }
        self.clock.sleep(duration);
    }
}

/// The chance of another.
struct Borrowed(Env);

impl Random for Borrowed {
    fn fill(&self, buffer: &mut [u8]) -> icecore::error::Result<()> {
        for byte in buffer {
            [*byte] = self.0.random()?;
        }
        Ok(())
    }
}

/// While a collection waits for a writer, that one commits a partial, and another goes on from it: what
/// the partial names stays. Once the one that went on is given up, it goes.
#[test]
fn what_a_lasting_partial_names_stays() {
    let mut past = past(54, 6);
    (0..4).for_each(|_| past.forget(1));
    let forger = Forger::new(&past.repo);
    let started = past.repo.env.now();
    let registration = move |id, continues| Registration {
        id,
        started,
        verb: "backup".into(),
        host: "elsewhere".into(),
        process: 1,
        tool: "test".into(),
        continues,
    };
    let (first, second) = (SnapshotId([1; 16]), SnapshotId([2; 16]));
    forger.record(&Handle::writer(first), &registration(first, None));
    let plain = past.chance.noise(50_000);
    let id = past.repo.repository.ids().of(BlobKind::Data, &plain);
    let pack = forger.pack(BlobKind::Data, &[Blob::raw(id, &plain)]);
    forger.index(0, std::slice::from_ref(&pack));
    let pack = pack.row.id;
    let happens = move || {
        forger.record(&Handle::writer(second), &registration(second, Some(first)));
        let (packs, at) = ([pack].into(), started);
        let partial = Partial { id: first, generation: 0, packs, at };
        forger.record(&Handle::snapshot(first), &Outcome::Partial(partial));
    };
    let happens: Mutex<Option<Box<dyn FnOnce() + Send>>> = Mutex::new(Some(Box::new(happens)));
    let clock = Eventful { clock: past.repo.clock.clone(), happens };
    let random = Borrowed(Env::seeded(54_000, started).0);
    let env = Env::new(Arc::new(clock), Arc::new(random));
    let patience = Patience { wait: Duration::from_secs(60), ..Patience::default() };
    let options = PruneOptions { patience, ..thorough() };
    let report = prune(&open(&past.repo.backend, &env), &options, &Silent).unwrap();
    assert_eq!((&report.waits, report.rescued), (&None, 1));
    assert!(report.swept.packs.count > 0, "{report:?}");
    let is_there = |past: &Past, pack: PackId| past.repo.backend.size(&Handle::pack(pack)).is_ok();
    assert!(is_there(&past, pack));
    past.is_whole();
    past.repo.repository.fence(second).unwrap();
    past.prune();
    assert!(!is_there(&past, pack));
    past.is_whole();
}
