//! Copies of a repository elsewhere: what is in them, whenever the copying stops.

mod ahead;
mod beside;
mod chosen;
mod damage;
mod deleting;
mod long;
mod mirror;
mod program;
mod tiers;

use crate::common::repo::{TempRepo, secret};
use crate::common::stores::copy;
use crate::prune::Past;
use icecore::backend::{Backend, Handle, Memory};
use icecore::env::{Env, Time};
use icecore::error::Result;
use icecore::format::ObjectKind;
use icecore::format::snapshot::Snapshot;
use icecore::id::SnapshotId;
use icecore::monitor::Silent;
use icecore::ops::check::{CheckOptions, ReadData, What, check};
use icecore::ops::mirror::{MirrorOptions, MirrorReport, TargetReport, mirror};
use icecore::repo::Repository;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::common::memory::Tree;

fn store() -> Arc<dyn Backend> {
    Arc::new(Memory::new())
}

/// Some hours of a repository in memory.
fn past(seed: u64, hours: usize) -> Past {
    Past::over(store(), seed, hours)
}

/// Mirrors to several places.
fn mirrored(source: &Arc<dyn Backend>, targets: &[&Arc<dyn Backend>]) -> Result<MirrorReport> {
    let targets = targets.iter().map(|target| Arc::clone(target)).collect();
    mirror(source, targets, MirrorOptions::default(), &Silent)
}

/// Mirrors to one place, and all goes well.
fn well_mirrored(source: &Arc<dyn Backend>, target: &Arc<dyn Backend>) -> TargetReport {
    let mut report = mirrored(source, &[target]).unwrap();
    assert!(report.troubles.is_empty(), "{:?}", report.troubles);
    let report = report.targets.pop().unwrap();
    assert!(report.is_whole(), "{report:?}");
    report
}

/// All that a mirror has to have.
fn objects(store: &dyn Backend) -> BTreeMap<Handle, Vec<u8>> {
    let left_out = [ObjectKind::Writer, ObjectKind::Quarantine];
    let mut all = crate::repair::objects(store);
    all.retain(|handle, _| !left_out.contains(&handle.kind()));
    all
}

/// Every snapshot that a store shows, if it is a repository at all, is one of these and whole, byte for
/// byte, and nothing is wrong but that others of their series are not there yet.
fn shows_whole_snapshots(store: &dyn Backend, trees: &[(Snapshot, Tree)], what: &str) {
    if store.list(ObjectKind::Config).unwrap().is_empty() {
        return;
    }
    // What a check notes is not to be mirrored.
    let store: Arc<dyn Backend> = copy(store);
    let (env, _) = Env::seeded(99, Time(1_900_000_000 * Time::SECOND));
    let repository = Repository::open(store, env, &secret()).unwrap();
    let snapshots = repository.snapshots(|error| panic!("{what}: {error}")).unwrap();
    for key in snapshots.keys() {
        let (snapshot, tree) = trees.iter().find(|(it, _)| it.id == key.id).unwrap();
        for path in tree.files.keys() {
            let read = TempRepo::read_from(&repository, snapshot, &format!("/data/{path}"));
            let read = read.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(read == tree.bytes(path), "{what}: {path}");
        }
    }
    let options = CheckOptions { read_data: ReadData::All };
    let mut report = check(&repository, options, &Silent).unwrap();
    report.findings.retain(|finding| finding.what != What::Gap);
    assert!(report.findings.is_empty(), "{what}: {:?}", report.findings);
}

/// The snapshots that a store shows.
fn shown(store: &Arc<dyn Backend>) -> BTreeSet<SnapshotId> {
    let (env, _) = Env::seeded(98, Time(1_900_000_000 * Time::SECOND));
    let repository = Repository::open(store.clone(), env, &secret()).unwrap();
    let snapshots = repository.snapshots(|error| panic!("{error}")).unwrap();
    snapshots.keys().map(|key| key.id).collect()
}
