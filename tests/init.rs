//! Repositories that are not there yet, or are being changed while they are opened: an `init` that
//! was stopped on the way, an index that a collector replaces.

use crate::common::memory::Tree;
use crate::common::repo::{TempRepo, secret};
use icecore::backend::{Backend, Handle, Memory, Visit, probe};
use icecore::crypto::Secret;
use icecore::env::{Env, Time};
use icecore::error::{Kind, Result};
use icecore::format::ObjectKind;
use icecore::forward;
use icecore::id::{PackId, SnapshotId};
use icecore::monitor::Silent;
use icecore::ops::check::{CheckOptions, check};
use icecore::repo::{InitOptions, Repository};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use zeroize::Zeroizing;

fn init(backend: &Arc<Memory>, seed: u64, secret: &Secret) -> Result<Repository> {
    let (env, _) = Env::seeded(seed, Time(Time::SECOND));
    Repository::init(backend.clone(), env, secret, &InitOptions::default())
}

/// Only a key slot: what stands there when `init` is killed before the configuration.
fn slot_alone(of: &Arc<Memory>) -> Arc<Memory> {
    let alone = Arc::new(Memory::new());
    for object in of.list(ObjectKind::Key).unwrap() {
        alone.put_new(&object.handle, &of.get(&object.handle, None).unwrap()).unwrap();
    }
    alone
}

/// An `init` that was stopped after its key slot, or while it tried the store out, is finished by
/// the next one with the same secret, with the same keys; any other secret is a wrong one, and
/// makes no repository. Beside anything else it is refused.
#[test]
fn a_stopped_init_is_finished() {
    let whole = Arc::new(Memory::new());
    let first = init(&whole, 1, &secret()).unwrap();
    let backend = slot_alone(&whole);
    let error = Repository::open(backend.clone(), Env::real(), &secret()).err().unwrap();
    assert_eq!(error.kind(), Kind::NoRepository, "{error}");
    assert!(error.to_string().contains("key slots, but no configuration"), "{error}");
    assert!(error.hint_text().unwrap().contains("same password"));
    let stray = Handle::heartbeat(SnapshotId([3; 16]), 1);
    backend.put_new(&stray, b"icecore probe a").unwrap();

    let other = Secret::KeyFile(Zeroizing::new([8; 32]));
    let error = init(&backend, 2, &other).err().unwrap();
    assert_eq!(error.kind(), Kind::WrongKey, "{error}");
    assert!(error.hint_text().unwrap().contains("stopped"));
    assert!(backend.list(ObjectKind::Config).unwrap().is_empty());
    assert_eq!(backend.list(ObjectKind::Key).unwrap().len(), 1);

    probe(&*backend, &Env::real()).unwrap();
    let finished = init(&backend, 3, &secret()).unwrap();
    assert_eq!(finished.config().repository, first.config().repository);
    assert_eq!(finished.slots().unwrap().len(), 1);
    let opened = Repository::open(backend.clone(), Env::real(), &secret()).unwrap();
    assert!(check(&opened, CheckOptions::default(), &Silent).unwrap().is_healthy());
    assert_eq!(init(&backend, 4, &secret()).err().unwrap().kind(), Kind::AlreadyExists);

    let backend = slot_alone(&whole);
    backend.put_new(&Handle::pack(PackId([1; 32])), b"something").unwrap();
    assert_eq!(init(&backend, 5, &secret()).err().unwrap().kind(), Kind::AlreadyExists);
    let backend = Arc::new(Memory::new());
    backend.put_new(&stray, b"a heartbeat, not ").unwrap();
    assert_eq!(init(&backend, 6, &secret()).err().unwrap().kind(), Kind::AlreadyExists);
}

/// A collector at work: after each of the first listings of the index it puts all segments under
/// new names and deletes the old ones, before any of them is read.
struct Collected {
    store: Arc<Memory>,
    rounds: AtomicUsize,
    replace: Mutex<Box<dyn FnMut() + Send>>,
}

impl Backend for Collected {
    forward!([store] describe capabilities put_shared get size delete_all);

    fn list_pages(&self, kind: ObjectKind, prefix: &str, visit: &mut Visit<'_>) -> Result<()> {
        let mut listed = self.store.list(kind)?;
        let left = |rounds: usize| rounds.checked_sub(1);
        if kind == ObjectKind::Index
            && self.rounds.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_ok()
        {
            self.replace.lock().unwrap()();
        }
        listed.retain(|object| object.handle.name().starts_with(prefix));
        visit(listed)
    }
}

/// An index whose segments are replaced between the listing and the reading is read again, and
/// nothing of it is missing; one that never holds still is an error, not a loop.
#[test]
fn an_index_that_is_replaced_is_read_again() {
    for (rounds, ends) in [(3, true), (1000, false)] {
        let store = Arc::new(Memory::new());
        let mut repo = TempRepo::over(store.clone(), 95);
        let mut tree = Tree::default();
        tree.put("a", vec![1; 10_000]);
        let snapshot = repo.backup(vec![tree.source("/data")]).unwrap().snapshot;
        let entries = repo.repository.load_index().unwrap().len();
        repo.damaged = !ends;

        let aside = crate::common::forge::Forger::new(&repo);
        let beneath = store.clone();
        let replace = Box::new(move || {
            for object in beneath.list(ObjectKind::Index).unwrap() {
                let sealed = beneath.get(&object.handle, None).unwrap();
                aside.reseal_index(&object.handle, &sealed);
                beneath.delete(&object.handle).unwrap();
            }
        });
        let rounds = AtomicUsize::new(rounds);
        let backend = Collected { store, rounds, replace: Mutex::new(replace) };
        let repository = Repository::open(Arc::new(backend), repo.env.clone(), &secret()).unwrap();
        match repository.load_index() {
            Ok(index) => {
                assert!(ends);
                assert_eq!(index.len(), entries);
                let bytes = TempRepo::read_from(&repository, &snapshot, "/data/a").unwrap();
                assert!(bytes == tree.bytes("a"));
            }
            Err(error) => {
                assert!(!ends, "{error}");
                assert_eq!(error.kind(), Kind::NotFound);
            }
        }
    }
}
