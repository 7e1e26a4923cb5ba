//! The list of snapshots, where their records take more room than there is for them.

use crate::common::forge::{Forger, snapshot};
use crate::common::memory::node;
use crate::common::repo::TempRepo;
use icecore::backend::Handle;
use icecore::format::directory::NodeKind;
use icecore::format::snapshot::{Outcome, Snapshot};
use icecore::id::{SeriesId, SnapshotId};
use icecore::limits::SNAPSHOTS_HELD;
use icecore::repo::StoredSnapshot;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Large snapshots of one series, the oldest first.
fn large(repo: &TempRepo, count: u8) -> Vec<SnapshotId> {
    let forger = Forger::new(repo);
    let one = |number: u8| {
        let id = SnapshotId([number; 16]);
        let root = node("x", NodeKind::Fifo);
        let large = Snapshot {
            series: SeriesId([1; 16]),
            sequence: u64::from(number),
            warnings: vec!["w".repeat(usize::try_from(SNAPSHOTS_HELD / 3).unwrap())],
            ..snapshot(id, "/x", root, 1)
        };
        forger.record(&Handle::snapshot(id), &Outcome::Snapshot(Box::new(large)));
        id
    };
    (1..=count).map(one).collect()
}

/// Records that are not held are read again: whole, with the tags that they have now, in their
/// order, and without those that were given up meanwhile.
#[test]
fn records_that_are_not_held_are_read_again() {
    let mut repo = TempRepo::new(72);
    repo.damaged = true;
    let ids = large(&repo, 7);
    let tags = BTreeSet::from(["kept".to_owned()]);
    for stored in repo.repository.snapshots(|error| panic!("{error}")).unwrap().iter() {
        assert!(repo.repository.change_tags(&stored.unwrap().snapshot, &tags).unwrap());
    }
    let snapshots = repo.repository.snapshots(|error| panic!("{error}")).unwrap();
    assert_eq!(snapshots.keys().rev().map(|key| key.id).collect::<Vec<_>>(), ids);
    let twice =
        || -> [Arc<StoredSnapshot>; 2] { [0, 1].map(|_| snapshots.get(ids[3]).unwrap().unwrap()) };
    assert_eq!(twice()[0], twice()[1]);
    let held = ids.iter().filter(|id| {
        let read = || snapshots.get(**id).unwrap().unwrap();
        Arc::ptr_eq(&read(), &read())
    });
    assert_eq!(held.count(), 2, "as many as there is room for");
    for stored in snapshots.iter() {
        assert_eq!(stored.unwrap().snapshot.tags, tags);
    }
    let filtered = snapshots.filtered(|snapshot| snapshot.sequence % 2 == 0).unwrap();
    assert_eq!(filtered.len(), 3);

    for key in filtered.keys() {
        repo.repository.forget(key).unwrap();
    }
    // What is held is still told of; what would have to be read is gone.
    let left = snapshots.iter().map(|stored| stored.unwrap().snapshot.sequence);
    assert!(left.filter(|sequence| sequence % 2 == 0).count() <= 2);
    let now = repo.repository.snapshots(|error| panic!("{error}")).unwrap();
    assert_eq!(now.keys().map(|key| key.sequence).collect::<Vec<_>>(), [7, 5, 3, 1]);
}
