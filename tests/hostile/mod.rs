//! Repositories that somebody with a valid key wrote to do harm, and records of collections: what
//! may be read, what is refused, and who is named.

mod chunks;
mod closures;
mod collections;
mod records;
mod snapshots;
mod trees;
mod writers;

use crate::common::chance::Chance;
use crate::common::memory::{Tree, node};
use crate::common::repo::TempRepo;
use icecore::error::Result;
use icecore::format::BlobKind;
use icecore::format::content::{Content, TreeRef};
use icecore::format::directory::{Node, NodeKind};
use icecore::format::snapshot::Snapshot;
use icecore::id::{ChunkId, SnapshotId};
use icecore::monitor::Recording;
use icecore::ops::restore::{RestoreOptions, RestoreReport, restore};
use icecore::repo::{NewBlob, Reader, Session, StoredSnapshot};

/// A repository with one honest backup.
fn honest(seed: u64) -> (TempRepo, Tree, Snapshot) {
    let repo = TempRepo::new(seed);
    let mut chance = Chance::new(seed);
    let mut tree = Tree::default();
    tree.put("a/file", chance.noise(3000));
    tree.put("db", chance.rows(400_000));
    let snapshot = repo.backup(vec![tree.source("/data")]).unwrap().snapshot;
    (repo, tree, snapshot)
}

fn is_whole(repo: &TempRepo, snapshot: &Snapshot, tree: &Tree) {
    for path in tree.files.keys() {
        assert!(repo.read(snapshot, &format!("/data/{path}")).unwrap() == tree.bytes(path));
    }
}

fn id_of(repo: &TempRepo, plain: &[u8]) -> ChunkId {
    repo.repository.ids().of(BlobKind::Data, plain)
}

fn read(repo: &TempRepo, id: ChunkId) -> Result<Vec<u8>> {
    let index = repo.repository.load_index()?;
    Ok(Reader::new(&repo.repository, &index).read(BlobKind::Data, &id)?.to_vec())
}

/// Stores a metadata blob through the front door.
fn meta(session: &mut Session<'_>, plain: &[u8]) -> ChunkId {
    let id = session.repository().ids().of(BlobKind::Meta, plain);
    session.store(&[NewBlob { kind: BlobKind::Meta, id, plain, bases: Vec::new() }]).unwrap();
    id
}

fn directory(name: &str, id: ChunkId) -> Node {
    node(name, NodeKind::Directory { entries: Some(TreeRef { id, levels: 0 }) })
}

fn file(name: &str, content: Content) -> Node {
    node(name, NodeKind::File { content, database: None })
}

fn bring_back(
    repo: &TempRepo,
    snapshot: &Snapshot,
) -> (Result<RestoreReport>, Vec<String>, tempfile::TempDir) {
    let target = tempfile::tempdir().unwrap();
    let index = repo.repository.load_index().unwrap();
    let reader = Reader::new(&repo.repository, &index);
    let heard = Recording::default();
    let mut options = RestoreOptions::default();
    let report = restore(&reader, snapshot, None, target.path(), &mut options, &heard);
    (report, heard.heard(), target)
}

fn stored(repo: &TempRepo, id: SnapshotId) -> StoredSnapshot {
    let stored = repo.repository.snapshots(|error| panic!("{error}")).unwrap().all().unwrap();
    stored.into_iter().find(|stored| stored.snapshot.id == id).unwrap()
}

fn count(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { 1 + count(&path) } else { 1 }).sum()
}
