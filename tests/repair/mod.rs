//! Repair: what can be saved is saved, and nothing is made worse.

mod beside;
mod index;
mod packs;
mod program;
mod snapshots;

use crate::common::repo::{TempRepo, secret};
use crate::common::stores::copy;
use crate::prune::Past;
use icecore::backend::testing::{Fault, Faulty};
use icecore::backend::{Backend, Handle};
use icecore::env::Env;
use icecore::format::ObjectKind;
use icecore::format::snapshot::Snapshot;
use icecore::monitor::Silent;
use icecore::ops::check::{CheckOptions, CheckReport, ReadData, check};
use icecore::ops::repair::RepairOptions;
use icecore::repo::{BlobLocation, Repository};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

pub fn options() -> RepairOptions {
    RepairOptions { host: "host".into(), tool: "test".into(), dry_run: false }
}

/// Three hours of a database and of files.
fn past(store: Arc<dyn Backend>, seed: u64) -> Past {
    let mut past = Past::over(store, seed, 3);
    past.repo.damaged = true;
    past
}

/// All that is stored.
pub fn objects(store: &dyn Backend) -> BTreeMap<Handle, Vec<u8>> {
    let listed = ObjectKind::ALL.iter().flat_map(|kind| store.list(*kind).unwrap());
    let bytes = |handle: &Handle| store.get(handle, None).unwrap();
    listed.map(|object| (object.handle.clone(), bytes(&object.handle))).collect()
}

pub fn of_kind(store: &dyn Backend, kind: ObjectKind) -> Vec<Handle> {
    let mut listed: Vec<Handle> =
        store.list(kind).unwrap().into_iter().map(|object| object.handle).collect();
    listed.sort();
    listed
}

pub fn replace(store: &dyn Backend, handle: &Handle, bytes: &[u8]) {
    store.delete(handle).unwrap();
    store.put_new(handle, bytes).unwrap();
}

/// One bit of an object is wrong.
pub fn flip(store: &dyn Backend, handle: &Handle) -> Vec<u8> {
    let mut bytes = store.get(handle, None).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 4;
    replace(store, handle, &bytes);
    bytes
}

/// The repository in a store, opened by another program.
pub fn open(store: &Arc<dyn Backend>, seed: u64, past: &Past) -> Repository {
    let (env, _) = Env::seeded(seed, past.repo.env.now());
    crate::prune::open(store, &env)
}

pub fn entries(repository: &Repository) -> HashSet<BlobLocation> {
    repository.load_index().unwrap().places().collect()
}

/// Everything read back.
pub fn checked(repository: &Repository) -> CheckReport {
    check(repository, CheckOptions { read_data: ReadData::All }, &Silent).unwrap()
}

/// The files of each snapshot that can be read, all of which are right.
pub fn readable(repository: &Repository, past: &Past) -> HashSet<(String, String)> {
    let mut found = HashSet::new();
    for (snapshot, tree) in &past.trees {
        for path in tree.files.keys() {
            if let Ok(bytes) = read(repository, snapshot, path) {
                assert!(bytes == tree.bytes(path), "{path} of {}", snapshot.id);
                found.insert((snapshot.id.to_string(), path.clone()));
            }
        }
    }
    found
}

pub fn read(
    repository: &Repository,
    snapshot: &Snapshot,
    path: &str,
) -> icecore::error::Result<Vec<u8>> {
    TempRepo::read_from(repository, snapshot, &format!("/data/{path}"))
}

/// Repairs copies of a store: in the first the first call goes wrong, in the next the second, and so on
/// until a repair makes no more calls; `judge` is shown each copy. Calls fail before or after they took
/// effect, or read wrong bytes, once or from then on. How many calls there were.
fn whichever_call_fails(
    past: &Past,
    begun: &dyn Backend,
    repair: impl Fn(&Repository),
    judge: impl Fn(&Arc<dyn Backend>, &str),
) -> u64 {
    let faults = [Fault::Fails, Fault::DoneButFails, Fault::FlipsBit, Fault::Truncates];
    for (number, fault) in (0..).zip(faults.into_iter().cycle()) {
        let store: Arc<dyn Backend> = copy(begun);
        let faulty = Faulty::new(store.clone(), number);
        let is_misread = matches!(fault, Fault::FlipsBit | Fault::Truncates);
        let faulty = Arc::new(match is_misread || number % 3 == 0 {
            true => faulty.once(number, fault),
            false => faulty.from(number, fault),
        });
        let (env, _) = Env::seeded(100 + number, past.repo.env.now());
        if let Ok(repository) = Repository::open(faulty.clone(), env, &secret()) {
            repair(&repository);
        }
        judge(&store, &format!("at call {number}"));
        if faulty.calls() <= number {
            return number;
        }
    }
    unreachable!()
}
