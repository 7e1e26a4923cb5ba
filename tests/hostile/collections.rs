//! What records of collections make of chunks, index segments and outcomes.

use super::{file, honest, id_of, is_whole};
use crate::common::forge::{Blob, Forger, session, snapshot};
use icecore::backend::Handle;
use icecore::error::Kind;
use icecore::format::BlobKind;
use icecore::format::content::{Content, Piece};
use icecore::format::gc::{Reason, Verdict};
use icecore::format::snapshot::Outcome;
use icecore::id::SnapshotId;

/// A condemned pack's chunks count as unknown to writers and are stored again, while readers have
/// them still; rescued by the verdict they
/// count once more; swept, everything committed since stays whole without them.
#[test]
fn condemned_chunks_are_stored_again() {
    for rescued in [false, true] {
        let (repo, tree, before) = honest(16);
        let forger = Forger::new(&repo);
        let packs: Vec<_> = repo.repository.load_index().unwrap().packs().into_keys().collect();
        forger.condemn(1, &packs, Reason::Duplicate);
        let index = repo.repository.load_index().unwrap();
        assert_eq!(index.generation(), 1);
        let counting = index.judged_by(index.generations().clone());
        assert!(index.places().all(|place| !counting.knows(place.kind, &place.id)));
        is_whole(&repo, &before, &tree);
        let after = repo.backup(vec![tree.source("/data")]).unwrap().snapshot;
        assert_eq!((after.generation, after.summary.chunks_known), (1, 0));
        forger.decide(&repo, 1, |verdict| {
            let packs = packs.iter().copied().collect();
            if rescued { verdict.rescued = packs } else { verdict.swept = packs }
        });
        let index = repo.repository.load_index().unwrap();
        assert!(index.places().all(|place| index.knows(place.kind, &place.id)));
        if !rescued {
            for pack in packs {
                repo.backend.delete(&Handle::pack(pack)).unwrap();
            }
        }
        for snapshot in [&before, &after] {
            is_whole(&repo, snapshot, &tree);
        }
        let again = repo.backup(vec![tree.source("/data")]).unwrap().snapshot;
        assert_eq!(again.summary.chunks_new, 0);
    }
}

/// Names never come back: an index segment and an outcome that were written without having read
/// the newest decided collection, and are not listed alive there, are dead, however late they
/// appear; what is listed lives.
#[test]
fn what_comes_after_a_verdict_is_dead() {
    let (repo, tree, before) = honest(17);
    let forger = Forger::new(&repo);
    let late = b"written before the verdict, applied after it".repeat(50);
    let id = id_of(&repo, &late);
    let pack = forger.pack(BlobKind::Data, &[Blob::raw(id, &late)]);
    forger.condemn(1, &[], Reason::Garbage);
    forger.decide(&repo, 1, |_| {});
    forger.index(0, std::slice::from_ref(&pack));
    assert!(!repo.repository.load_index().unwrap().knows(BlobKind::Data, &id));
    let writer = SnapshotId([3; 16]);
    let length = u32::try_from(late.len()).unwrap();
    let content = Content::inline(1, &[Piece::Chunk { id, length }]);
    let outcome = snapshot(writer, "/late", file("late", content), 1);
    forger.record(&Handle::snapshot(writer), &Outcome::Snapshot(Box::new(outcome)));
    let alive = repo.repository.snapshots(|error| panic!("{error}")).unwrap().all().unwrap();
    assert_eq!(alive.len(), 1);
    assert_eq!(alive[0].snapshot, before);
    let report = repo.check();
    assert!(report.is_healthy(), "{:#?}", report.findings);
    assert_eq!((report.snapshots, report.orphans), (1, 1));
    is_whole(&repo, &before, &tree);
    let after = repo.backup(vec![tree.source("/data")]).unwrap().snapshot;
    assert_eq!((after.sequence, after.generation, after.summary.chunks_new), (2, 1, 0));
    let alive = repo.repository.snapshots(|error| panic!("{error}")).unwrap().all().unwrap();
    assert_eq!(alive.len(), 2, "what was written in knowledge of the verdict lives");
    // Written in knowledge of the verdict, it would count.
    forger.index(1, &[pack]);
    assert!(repo.repository.load_index().unwrap().knows(BlobKind::Data, &id));
}

/// While a collection is open, a segment that its first mark did not see may still be called dead: a
/// reader reads what it names, and a writer does not count on it before the verdict lists it.
#[test]
fn writers_doubt_what_an_open_collection_did_not_see() {
    let (repo, _, _) = honest(19);
    let forger = Forger::new(&repo);
    let index = repo.repository.load_index().unwrap();
    let seen: Vec<_> = index.places().map(|place| (place.kind, place.id)).collect();
    let late = b"registered before the collection, indexed after it".repeat(50);
    let id = id_of(&repo, &late);
    let pack = forger.pack(BlobKind::Data, &[Blob::raw(id, &late)]);
    forger.condemn(1, &[], Reason::Garbage);
    forger.index(0, &[pack]);
    assert!(repo.repository.load_index().unwrap().knows(BlobKind::Data, &id));
    let writer = session(&repo);
    assert!(!writer.knows(BlobKind::Data, &id));
    assert!(seen.iter().all(|(kind, id)| writer.knows(*kind, id)));
    writer.abandon().unwrap();
    forger.decide(&repo, 1, |_| {});
    let writer = session(&repo);
    assert!(writer.knows(BlobKind::Data, &id));
    writer.abandon().unwrap();
}

/// A verdict that stands without its generation, or names another, is damage: nobody goes on as
/// if there had been no collection.
#[test]
fn a_broken_chain_of_collections_stops_writers() {
    for named in [1, 7] {
        let (mut repo, tree, _) = honest(18);
        repo.damaged = true;
        let forger = Forger::new(&repo);
        let verdict = Verdict {
            generation: named,
            swept: Default::default(),
            rescued: Default::default(),
            snapshots: Default::default(),
            segments: Default::default(),
            at: repo.env.now(),
        };
        forger.record(&Handle::verdict(1), &verdict);
        let error = repo.backup(vec![tree.source("/data")]).unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged, "{error}");
    }
}

/// A rescue holds for its own collection alone: what a later one condemns again counts no more,
/// and what an earlier one swept never does, whatever the newest verdict says.
#[test]
fn a_rescue_protects_once_and_a_sweep_for_ever() {
    let (mut repo, ..) = honest(27);
    repo.damaged = true;
    let forger = Forger::new(&repo);
    let packs: Vec<_> = repo.repository.load_index().unwrap().packs().into_keys().collect();
    let (first, second) = (packs[0], packs[1]);
    let counts = |pack| !repo.repository.generations().unwrap().is_condemned(&pack);
    forger.condemn(1, &[first, second], Reason::Duplicate);
    forger.decide(&repo, 1, |verdict| {
        verdict.rescued = [first].into();
        verdict.swept = [second].into();
    });
    assert_eq!((counts(first), counts(second)), (true, false));
    forger.condemn(2, &[first], Reason::Garbage);
    assert_eq!((counts(first), counts(second)), (false, false));
    forger.decide(&repo, 2, |verdict| verdict.rescued = [first, second].into());
    assert_eq!((counts(first), counts(second)), (true, false));
    forger.condemn(3, &[], Reason::Garbage);
    forger.decide(&repo, 3, |_| {});
    assert_eq!((counts(first), counts(second)), (true, false));
    for lost in [Handle::gc(1), Handle::verdict(2)] {
        let bytes = repo.backend.get(&lost, None).unwrap();
        repo.backend.delete(&lost).unwrap();
        let error = repo.repository.generations().unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged, "{lost}: {error}");
        forger.put(&lost, &bytes);
    }
}

/// What a verdict rescued counts again at once: nothing of it is stored a second time.
#[test]
fn what_was_rescued_counts() {
    let (repo, tree, _) = honest(21);
    let forger = Forger::new(&repo);
    let packs: Vec<_> = repo.repository.load_index().unwrap().packs().into_keys().collect();
    forger.condemn(1, &packs, Reason::Garbage);
    forger.decide(&repo, 1, |verdict| verdict.rescued = packs.iter().copied().collect());
    let index = repo.repository.load_index().unwrap();
    assert!(index.places().all(|place| index.knows(place.kind, &place.id)));
    let after = repo.backup(vec![tree.source("/data")]).unwrap().snapshot;
    assert_eq!((after.generation, after.summary.chunks_new), (1, 0));
    is_whole(&repo, &after, &tree);
}

/// A file whose stamp stands is read all the same where what is stored of it was condemned: the
/// snapshot is whole when that is swept.
#[test]
fn unchanged_files_are_read_again_where_they_are_lost() {
    let (repo, mut tree, _) = honest(22);
    for path in ["a/file", "db"] {
        tree.stamps.insert(path.into(), 1);
    }
    let backup = || repo.backup(vec![tree.source("/data")]).unwrap().snapshot;
    backup();
    assert_eq!(backup().summary.files_unchanged, 2);
    let packs: Vec<_> = repo.repository.load_index().unwrap().packs().into_keys().collect();
    let forger = Forger::new(&repo);
    forger.condemn(1, &packs, Reason::Damaged);
    let old = repo.repository.snapshots(|error| panic!("{error}")).unwrap().all().unwrap();
    let after = backup();
    assert_eq!(after.summary.bytes_read, after.summary.bytes);
    // All that only they needed goes with them.
    for stored in old {
        repo.repository.forget(&stored.key()).unwrap();
    }
    forger.decide(&repo, 1, |verdict| verdict.swept = packs.iter().copied().collect());
    for pack in packs {
        repo.backend.delete(&Handle::pack(pack)).unwrap();
    }
    is_whole(&repo, &after, &tree);
}
