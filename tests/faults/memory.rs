//! Bits that flip in a writer's memory, at each place where the writer can still see it.

use super::open;
use crate::common::chance::Chance;
use crate::common::forge::{commit, session};
use crate::common::memory::{node, stream};
use crate::common::recorder::{Recorder, Spoil};
use crate::common::repo::TempRepo;
use icecore::backend::{Backend, Memory};
use icecore::error::Kind;
use icecore::format::content::{Content, Piece};
use icecore::format::directory::NodeKind;
use icecore::format::{BlobKind, ObjectKind};
use icecore::monitor::Silent;
use icecore::ops::check::{CheckOptions, Finding, ReadData, Where, check};
use icecore::repo::NewBlob;
use std::sync::Arc;

/// A chunk whose bytes changed after its id was taken is never stored, whole or as a delta; the
/// session that saw it stores and commits nothing more, not even the right bytes, and the next
/// one does.
#[test]
fn a_chunk_that_changed_after_it_was_named_is_not_stored() {
    let repo = TempRepo::new(90);
    let mut chance = Chance::new(90);
    let base = chance.rows(100_000);
    repo.backup(vec![stream("/base", base.clone())]).unwrap();
    let id_of = |plain: &[u8]| repo.repository.ids().of(BlobKind::Data, plain);
    let index = repo.repository.load_index().unwrap();
    let known: Vec<_> = index.places().filter(|place| place.kind == BlobKind::Data).collect();
    let packs = || repo.backend.list(ObjectKind::Pack).unwrap().len();
    let before = packs();
    for bases in [Vec::new(), vec![known[0].id]] {
        for at in [0, 5000, 30_000, 69_999] {
            let mut plain = base[..70_000].to_vec();
            plain[35_000] ^= 1;
            let id = id_of(&plain);
            let candidate =
                |plain| NewBlob { kind: BlobKind::Data, id, plain, bases: bases.clone() };
            let mut flipped = plain.clone();
            flipped[at] ^= 0x10;
            let mut session = session(&repo);
            let error = session.store(&[candidate(&flipped)]).unwrap_err();
            assert_eq!(error.kind(), Kind::Damaged, "{error}");
            assert!(session.is_broken());
            assert!(session.store(&[candidate(&plain)]).is_err(), "it went on");
            let content = Content::inline(1, &[Piece::Chunk { id, length: 70_000 }]);
            let root = node("x", NodeKind::File { content, database: None });
            assert!(session.commit(|_, _| panic!("it was committed, root {root:?}")).is_err());
        }
    }
    assert_eq!(packs(), before, "something was uploaded");
    let plain = chance.rows(70_000);
    let (id, mut next) = (id_of(&plain), session(&repo));
    next.store(&[NewBlob { kind: BlobKind::Data, id, plain: &plain, bases: Vec::new() }]).unwrap();
    let content = Content::inline(1, &[Piece::Chunk { id, length: 70_000 }]);
    let snapshot = commit(next, "/x", node("x", NodeKind::File { content, database: None }), 1);
    assert!(repo.read(&snapshot, "/x").unwrap() == plain);
}

/// What flips on its way to the store, past all that the writer can see, is found by a check
/// that reads the data, whichever object it is; nothing panics.
#[test]
fn what_flips_behind_the_writer_is_found() {
    let spoils: [(ObjectKind, Spoil); 4] = [
        (ObjectKind::Pack, |handle, bytes| {
            flip(handle.kind() == ObjectKind::Pack, bytes);
        }),
        (ObjectKind::Index, |handle, bytes| flip(handle.kind() == ObjectKind::Index, bytes)),
        (ObjectKind::Snapshot, |handle, bytes| flip(handle.kind() == ObjectKind::Snapshot, bytes)),
        (ObjectKind::Writer, |handle, bytes| flip(handle.kind() == ObjectKind::Writer, bytes)),
    ];
    for (kind, spoil) in spoils {
        let store = Arc::new(Memory::new());
        let mut repo = TempRepo::over(store.clone(), 91);
        repo.backup(vec![stream("/a", Chance::new(1).rows(90_000))]).unwrap();
        repo.damaged = true;
        let bad = Arc::new(Recorder::spoiling(store.clone(), spoil));
        let repository = open(bad, 5);
        let sources = vec![stream("/b", Chance::new(2).rows(90_000))];
        let options = crate::common::repo::options();
        icecore::ops::backup::backup(&repository, sources, &options, &Silent).unwrap();
        let options = CheckOptions { read_data: ReadData::All };
        let report = check(&open(store, 6), options, &Silent).unwrap();
        assert!(!report.is_healthy(), "{kind:?} was flipped");
        let is_named = |finding: &Finding| matches!(&finding.at, Where::Object(handle) if handle.kind() == kind);
        assert!(report.findings.iter().any(is_named), "{kind:?}: {:#?}", report.findings);
    }
}

fn flip(this: bool, bytes: &mut [u8]) {
    let middle = bytes.len() / 2;
    bytes[middle] ^= u8::from(this);
}
