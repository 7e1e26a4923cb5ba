//! Few directories in more places than anybody can walk, and lists of single bytes: what it costs
//! is bounded by what is stored.

use crate::common::forge::{commit, session};
use crate::common::repo::TempRepo;
use crate::common::target::{file, node};
use icecore::error::{Kind, Result};
use icecore::format::BlobKind;
use icecore::format::content::{Content, ListNode, Piece, TreeRef};
use icecore::format::directory::{DirectoryNode, Node, NodeKind};
use icecore::format::snapshot::Snapshot;
use icecore::id::ChunkId;
use icecore::monitor::Silent;
use icecore::ops::restore::{RestoreOptions, restore};
use icecore::ops::tree;
use icecore::ops::{diff::diff, find, ls::ls, stats};
use icecore::repo::{NewBlob, Reader, Session};
use std::fs;

fn store(session: &mut Session<'_>, kind: BlobKind, plain: &[u8]) -> ChunkId {
    let id = session.repository().ids().of(kind, plain);
    session.store(&[NewBlob { kind, id, plain, bases: Vec::new() }]).unwrap();
    id
}

fn at(name: &str, id: ChunkId) -> Node {
    node(name, NodeKind::Directory { entries: Some(TreeRef { id, levels: 0 }) })
}

/// A snapshot of `doublings` directories, each of which stands twice in the next one, around a file
/// of that name, which says that it has so many entries.
fn doubling(repo: &TempRepo, doublings: u32, name: &str, says: u64) -> Snapshot {
    let mut session = session(repo);
    let leaf = DirectoryNode::Leaf(vec![file(name)]).encode().unwrap();
    let mut id = store(&mut session, BlobKind::Meta, &leaf);
    for _ in 0..doublings {
        let leaf = DirectoryNode::Leaf(vec![at("a", id), at("b", id)]).encode().unwrap();
        id = store(&mut session, BlobKind::Meta, &leaf);
    }
    commit(session, "/evil", at("evil", id), says)
}

/// Each verb that walks a tree ends on sixty directories that double: listing and finding print as they
/// go and end with an error, comparing too; measuring and counting read each directory once.
#[test]
fn sixty_doublings_end() {
    let mut repo = TempRepo::new(71);
    repo.damaged = true;
    let one = doubling(&repo, 60, "one", 1 << 62);
    let two = doubling(&repo, 60, "two", 1 << 62);
    let index = repo.repository.load_index().unwrap();
    let reader = Reader::new(&repo.repository, &index);
    let mut seen = 0_u64;
    let ended = ls(
        &reader,
        &one,
        b"/",
        true,
        &mut |_, _| {
            seen += 1;
            Ok(())
        },
        &mut Err,
    );
    assert_eq!(ended.unwrap_err().kind(), Kind::Damaged);
    assert!((1 << 16..1 << 17).contains(&seen), "{seen}");
    let snapshots = repo.repository.snapshots(|error| panic!("{error}")).unwrap();
    let options =
        find::FindOptions { patterns: vec!["/**/b/one".to_owned()], ..Default::default() };
    let found =
        find::find(&reader, &snapshots, &options, &mut |_| Ok(()), &mut |_, error| Err(error));
    assert_eq!(found.unwrap_err().kind(), Kind::Damaged);
    let everything = |snapshot: &Snapshot| tree::find(&reader, snapshot, b"/").unwrap();
    let compared = diff(&reader, &everything(&one), &everything(&two), &mut |_| Ok(()), &mut Err);
    assert_eq!(compared.unwrap_err().kind(), Kind::Damaged);
    let measured = stats::measure(&reader, &snapshots, &mut Err).unwrap();
    assert!(measured[0].holds.directories > 1 << 60);
}

/// A directory that honestly stands in many places, a thousand copies of one of a hundred entries, is
/// counted, listed, checked and restored.
#[test]
fn many_honest_copies() {
    let repo = TempRepo::new(72);
    let mut session = session(&repo);
    let files = (0..100).map(|number| file(format!("{number:03}"))).collect();
    let id = store(&mut session, BlobKind::Meta, &DirectoryNode::Leaf(files).encode().unwrap());
    let copies = (0..1000).map(|number| at(&format!("{number:04}"), id)).collect();
    let id = store(&mut session, BlobKind::Meta, &DirectoryNode::Leaf(copies).encode().unwrap());
    let snapshot = commit(session, "/copies", at("copies", id), 101_001);
    let index = repo.repository.load_index().unwrap();
    let reader = Reader::new(&repo.repository, &index);
    let found = tree::find(&reader, &snapshot, b"/").unwrap();
    assert_eq!(tree::count(&reader, &found).unwrap(), 101_001);
    let mut listed = 0;
    let mut visit = |_: &[u8], _: &Node| -> Result<()> {
        listed += 1;
        Ok(())
    };
    ls(&reader, &snapshot, b"/", true, &mut visit, &mut Err).unwrap();
    assert_eq!(listed, 101_001);
    assert!(repo.check().is_healthy());
}

/// `check` says of a snapshot that it has other entries than it says, more or fewer.
#[test]
fn a_wrong_number_of_entries_is_a_finding() {
    // The root, two directories, and a file in each.
    for (says, healthy) in [(4, false), (5, true), (6, false), (u64::MAX, false)] {
        let mut repo = TempRepo::new(73);
        repo.damaged = !healthy;
        doubling(&repo, 1, "f", says);
        let report = repo.check();
        assert_eq!(report.is_healthy(), healthy, "{says}: {:#?}", report.findings);
    }
}

/// A file of single bytes comes back, a few of them at a time, whether the file is small or
/// large.
#[test]
fn single_bytes() {
    let repo = TempRepo::new(74);
    let mut session = session(&repo);
    let bytes = [b'x', b'y'].map(|byte| store(&mut session, BlobKind::Data, &[byte]));
    let leaf: Vec<Piece> =
        (0..10_000).map(|number| Piece::Chunk { id: bytes[number % 2], length: 1 }).collect();
    let leaf = store(&mut session, BlobKind::Meta, &ListNode::Leaf(leaf).encode());
    let list = |session: &mut Session<'_>, leaves: usize| {
        let inner = ListNode::Inner(1, vec![(leaf, 10_000); leaves]).encode();
        let list = Some(TreeRef { id: store(session, BlobKind::Meta, &inner), levels: 1 });
        Content { length: 10_000 * leaves as u64, chunker: 1, pieces: Vec::new(), list }
    };
    let (small, large) = (list(&mut session, 20), list(&mut session, 40));
    let files = [("a", &small), ("b", &large), ("c", &small)].map(|(name, content)| {
        node(name, NodeKind::File { content: content.clone(), database: None })
    });
    let leaf = DirectoryNode::Leaf(files.to_vec()).encode().unwrap();
    let id = store(&mut session, BlobKind::Meta, &leaf);
    let snapshot = commit(session, "/bytes", at("bytes", id), 4);
    let index = repo.repository.load_index().unwrap();
    let reader = Reader::new(&repo.repository, &index);
    let target = tempfile::tempdir().unwrap();
    let mut options = RestoreOptions::default();
    let path = Some(&b"/bytes"[..]);
    restore(&reader, &snapshot, path, target.path(), &mut options, &Silent).unwrap();
    for (name, length) in [("a", 200_000), ("b", 400_000), ("c", 200_000)] {
        assert!(fs::read(target.path().join(name)).unwrap() == b"xy".repeat(length / 2), "{name}");
    }
}
