//! `stats`.

use super::{no_trouble, noise, small};
use crate::common::memory::stream;
use crate::common::repo::TempRepo;
use icecore::format::ObjectKind;
use icecore::ops::stats::{Totals, measure, ratio, stored};
use icecore::repo::Reader;

/// Objects and blobs add up to what the store and the index hold.
#[test]
fn stats_count_all_objects() {
    let repo = TempRepo::new(8);
    let mut bytes = noise(30, 1 << 20);
    repo.backup(vec![stream("/db", bytes.clone())]).unwrap();
    bytes[500_000] ^= 1;
    repo.backup(vec![stream("/db", bytes)]).unwrap();
    let index = repo.repository.load_index().unwrap();
    let stats = stored(&repo.repository, &index).unwrap();
    for kind in ObjectKind::ALL {
        let listed = repo.backend.list(kind).unwrap();
        let of_kind = stats.of(kind);
        assert_eq!(of_kind.count, listed.len() as u64, "{kind}");
        assert_eq!(of_kind.bytes, listed.iter().map(|object| object.size).sum::<u64>(), "{kind}");
    }
    assert_eq!(stats.of(ObjectKind::Snapshot).count, 2);
    assert_eq!(stats.of(ObjectKind::Gc).count, 0);
    let sum = |field: fn(&icecore::format::snapshot::Stored) -> u64| {
        (field(&stats.data) + field(&stats.meta), field(&stats.whole) + field(&stats.delta))
    };
    let entries = index.len() as u64;
    assert_eq!(sum(|of| of.blobs), (entries, entries));
    assert_eq!(sum(|of| of.plain).0, sum(|of| of.plain).1);
    assert_eq!(sum(|of| of.stored).0, sum(|of| of.stored).1);
    assert_eq!(stats.delta.blobs, index.places().filter(|place| place.depth > 0).count() as u64);
    assert!(stats.delta.blobs > 0);
    assert_eq!(stats.duplicates.blobs, 0);
    assert_eq!(stats.unique(), (entries, sum(|of| of.plain).0));
    let packs = stats.of(ObjectKind::Pack).bytes;
    assert_eq!(stats.pack_overhead(), packs - sum(|of| of.stored).0);
    assert_eq!(ratio(6, 2), Some(3.0));
    assert_eq!(ratio(6, 0), None);
}

/// What each snapshot is first to need is what its writer stored, whole or as deltas; once the
/// first one is forgotten, the next one bears what they shared, bases included.
#[test]
fn stats_measure_growth() {
    let repo = TempRepo::new(9);
    let mut tree = small();
    let mut bytes = noise(31, 3 << 20);
    let mut summaries = Vec::new();
    for hour in 0..3_usize {
        bytes[hour << 20] ^= 1;
        tree.put("b/db", bytes.clone());
        summaries.push(repo.backup(vec![tree.source("/data")]).unwrap().snapshot.summary);
    }
    let index = repo.repository.load_index().unwrap();
    let reader = Reader::new(&repo.repository, &index);
    let mut snapshots = repo.repository.snapshots(|error| panic!("{error}")).unwrap();
    let stats = measure(&reader, &snapshots, &mut no_trouble).unwrap();
    let length = 1000 + (3 << 20);
    let holds = Totals { files: 5, directories: 4, others: 0, bytes: length, unreadable: 0 };
    for (of, summary) in stats.iter().zip(&summaries) {
        let number = of.key.sequence;
        assert_eq!(of.holds, holds, "{number}");
        assert_eq!(of.holds.bytes, summary.bytes);
        assert_eq!((of.growth.whole, of.growth.delta), (summary.whole, summary.delta), "{number}");
        assert_eq!(of.growth.missing, 0);
    }
    let sequences: Vec<u64> = stats.iter().map(|of| of.key.sequence).collect();
    assert_eq!(sequences, [1, 2, 3]);
    let all = stored(&repo.repository, &index).unwrap();
    let grown: u64 = stats.iter().map(|of| of.growth.stored()).sum();
    assert_eq!(grown, all.whole.stored + all.delta.stored);
    let first = stats[0].growth;
    snapshots.retain(|key| key.sequence > 1);
    let stats = measure(&reader, &snapshots, &mut no_trouble).unwrap();
    assert_eq!(stats.len(), 2);
    let left = stats[0].growth;
    // Lists and folders are deltas as well: all that the first one brought is a base now.
    assert_eq!(summaries[1].whole.blobs, 0);
    assert_eq!(left.whole, first.whole);
    assert_eq!(left.delta, summaries[1].delta);
}
