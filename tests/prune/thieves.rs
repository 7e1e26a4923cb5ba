//! A thief who holds a key and writes collections by hand deletes nothing through an honest prune.

use super::{Past, pruned};
use crate::common::forge::{Blob, Forger};
use icecore::backend::{Handle, Memory};
use icecore::format::BlobKind;
use icecore::format::gc::Reason;
use icecore::id::PackId;
use std::sync::Arc;

fn past(seed: u64) -> Past {
    Past::over(Arc::new(Memory::new()), seed, 3)
}

fn all_packs(past: &Past) -> Vec<PackId> {
    past.repo.repository.pack_sizes().unwrap().into_keys().collect()
}

/// A forged collection of all packs and a forged verdict that sweeps them and lists nothing as alive:
/// no pack goes, no segment that names one, no snapshot; the packs are named.
#[test]
fn a_forged_verdict_deletes_nothing() {
    for lists_alive in [false, true] {
        let mut past = past(41);
        past.repo.damaged = true;
        let packs = all_packs(&past);
        let forger = Forger::new(&past.repo);
        forger.condemn(1, &packs, Reason::Garbage);
        forger.decide(&past.repo, 1, |verdict| {
            verdict.swept = packs.iter().copied().collect();
            if !lists_alive {
                verdict.snapshots.clear();
                verdict.segments.clear();
            }
        });
        let report = pruned(&past.repo.reopen().unwrap()).unwrap();
        assert_eq!(report.swept.packs.count, 0, "{report:?}");
        assert_eq!(report.swept.segments.count, 0);
        assert_eq!(report.swept.needed.len(), packs.len());
        for pack in packs {
            assert!(past.repo.backend.size(&Handle::pack(pack)).is_ok());
        }
        for (snapshot, _) in &past.trees {
            assert!(past.repo.backend.size(&Handle::snapshot(snapshot.id)).is_ok());
        }
    }
}

/// A verdict that sweeps what its own collection does not name gives up nothing.
#[test]
fn only_what_was_condemned_is_swept() {
    let past = past(42);
    let packs = all_packs(&past);
    let forger = Forger::new(&past.repo);
    forger.condemn(1, &[], Reason::Garbage);
    forger.decide(&past.repo, 1, |verdict| verdict.swept = packs.iter().copied().collect());
    let report = pruned(&past.repo.reopen().unwrap()).unwrap();
    assert_eq!((report.swept.packs.count, report.swept.needed.len()), (0, 0));
    past.is_whole();
}

/// Somebody stores false bytes under the ids of all chunks, so that the honest packs look like
/// duplicates: what would replace them is read before anything goes, and they stay.
#[test]
fn false_copies_replace_nothing() {
    let mut past = past(43);
    past.repo.damaged = true;
    let honest = all_packs(&past);
    let forger = Forger::new(&past.repo);
    let index = past.repo.repository.load_index().unwrap();
    let blobs = |kind| -> Vec<Blob> {
        let places = index.places().filter(|place| place.kind == kind);
        places.map(|place| Blob::raw(place.id, &vec![0; place.plain as usize])).collect()
    };
    let forged = [BlobKind::Data, BlobKind::Meta].map(|kind| forger.pack(kind, &blobs(kind)));
    forger.index(0, &forged);
    forger.condemn(1, &honest, Reason::Duplicate);
    forger.decide(&past.repo, 1, |verdict| verdict.swept = honest.iter().copied().collect());
    // Whether it ends well or not, every honest pack that anything needs is there.
    let report = pruned(&past.repo.reopen().unwrap());
    for pack in honest {
        let is_there = past.repo.backend.size(&Handle::pack(pack)).is_ok();
        assert!(is_there, "{pack} is gone: {report:?}");
    }
}

/// An open collection that names needed packs, forged, is decided by the mark alone: all are rescued.
#[test]
fn a_forged_collection_is_rescued_from() {
    let past = past(44);
    let packs = all_packs(&past);
    Forger::new(&past.repo).condemn(1, &packs, Reason::Garbage);
    past.is_whole();
    let report = pruned(&past.repo.reopen().unwrap()).unwrap();
    assert!(report.rescued > 0 && report.swept.needed.is_empty(), "{report:?}");
    past.is_whole();
}

/// What a newer program wrote stops a prune, which then has written and deleted nothing.
#[test]
fn a_newer_record_stops_a_prune() {
    let mut past = past(45);
    past.repo.damaged = true;
    (0..2).for_each(|_| past.forget(0));
    let forger = Forger::new(&past.repo);
    let before = past.packs();
    for (kind, handle) in [
        ("outcome", Handle::snapshot(icecore::id::SnapshotId([7; 16]))),
        ("note", Handle::note(icecore::id::NoteId([7; 16]))),
        ("condemned", Handle::gc(1)),
    ] {
        let record = [
            ("kind", serde_cbor::Value::Text(kind.into())),
            ("version", serde_cbor::Value::Integer(99)),
        ];
        let map =
            record.into_iter().map(|(name, value)| (serde_cbor::Value::Text(name.into()), value));
        let bytes = serde_cbor::to_vec(&serde_cbor::Value::Map(map.collect())).unwrap();
        forger.object(&handle, &bytes);
        let error = pruned(&past.repo.reopen().unwrap()).unwrap_err();
        assert_eq!(error.kind(), icecore::error::Kind::Unsupported, "{error}");
        assert_eq!(past.packs(), before);
        assert!(past.repo.backend.get(&Handle::verdict(1), None).is_err());
        past.repo.backend.delete(&handle).unwrap();
    }
    assert_eq!(past.repo.repository.generations().unwrap().newest(), 0);
}

/// While a snapshot cannot be read, or a folder of one, nothing goes but what is elsewhere too; once
/// it is given up the rest goes.
#[test]
fn what_cannot_be_read_keeps_everything() {
    let mut past = Past::over(Arc::new(Memory::new()), 46, 10);
    past.repo.damaged = true;
    (0..8).for_each(|_| past.forget(1));
    let id = icecore::id::SnapshotId([8; 16]);
    past.repo.backend.put_new(&Handle::snapshot(id), b"not a snapshot").unwrap();
    let report = pruned(&past.repo.reopen().unwrap()).unwrap();
    assert_eq!(report.troubles.len(), 1, "{:?}", report.troubles);
    assert_eq!((report.swept.needed.len(), report.plan.unwrap().garbage.count), (0, 0));
    past.repo.repository.mark_unread(id).unwrap();
    let before = past.packs();
    past.prune();
    assert!(past.packs() < before);
    past.is_whole();
}
