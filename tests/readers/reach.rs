//! The walk over what snapshots reach.

use super::{noise, small, text};
use crate::common::repo::TempRepo;
use icecore::error::Result;
use icecore::format::BlobKind;
use icecore::format::directory::Node;
use icecore::id::ChunkId;
use icecore::ops::reach::{Loss, Lost, Needed, Reach, Visitor};
use icecore::ops::tree::{self, Entries, Entry};
use icecore::repo::Reader;

/// Remembers all that it hears.
#[derive(Default)]
struct Heard {
    nodes: Vec<ChunkId>,
    chunks: Vec<ChunkId>,
    troubles: Vec<(String, Lost)>,
    looks_again: bool,
}

impl Visitor for Heard {
    type Sum = Entries;

    fn entry(&mut self, _: &[u8], _: &Node) -> Result<Entries> {
        Ok(Entries(1))
    }

    fn trouble(&mut self, path: &[u8], trouble: Loss) -> Result<Entries> {
        self.troubles.push((text(path), trouble.lost));
        Ok(Entries(0))
    }

    fn node(&mut self, id: &ChunkId) {
        self.nodes.push(*id);
    }

    fn chunk(&mut self, id: &ChunkId, _: u64) -> Result<()> {
        self.chunks.push(*id);
        Ok(())
    }

    fn looks_again(&self) -> bool {
        self.looks_again
    }
}

/// What snapshots share is read for the first alone, and counts for each; together they reach every
/// blob of the repository, and need each of them once.
#[test]
fn what_is_shared_is_read_once() {
    let repo = TempRepo::new(81);
    let mut tree = small();
    let first = repo.backup(vec![tree.source("/data")]).unwrap().snapshot;
    tree.put("a/three", noise(9, 300_000));
    let second = repo.backup(vec![tree.source("/data")]).unwrap().snapshot;
    let index = repo.repository.load_index().unwrap();
    let reader = Reader::new(&repo.repository, &index);
    let (mut reach, mut heard) = (Reach::new(&reader), Heard::default());
    let one = reach.snapshot(&first, &mut heard).unwrap();
    assert!(one.well);
    assert_eq!(one.sum, Entries(first.summary.items));
    let read = heard.nodes.len();
    assert_eq!(reach.snapshot(&first, &mut heard).unwrap(), one);
    assert_eq!(heard.nodes.len(), read, "it was read again");
    let two = reach.snapshot(&second, &mut heard).unwrap();
    assert_eq!(two.sum, Entries(second.summary.items));
    // The root and `a`, not `b` and what is in it.
    assert_eq!(heard.nodes.len(), read + 2);
    let (mut needed, mut blobs) = (Needed::new(&index), Vec::new());
    for (kind, ids) in [(BlobKind::Meta, &heard.nodes), (BlobKind::Data, &heard.chunks)] {
        for id in ids {
            needed.add(kind, id, &mut |place| blobs.push(place.expect("nothing is lost").id));
        }
    }
    let mut all: Vec<ChunkId> = index.places().map(|place| place.id).collect();
    all.sort();
    blobs.sort();
    assert_eq!(blobs, all);
}

/// A folder that cannot be read is told of once, or wherever it stands, as the visitor wants it; no
/// snapshot with it is well.
#[test]
fn damage_is_told_once_or_everywhere() {
    let repo = TempRepo::new(82);
    let mut tree = small();
    let first = repo.backup(vec![tree.source("/data")]).unwrap().snapshot;
    tree.put("b/five", noise(5, 500));
    let second = repo.backup(vec![tree.source("/data")]).unwrap().snapshot;
    let mut index = repo.repository.load_index().unwrap();
    let lost = {
        let reader = Reader::new(&repo.repository, &index);
        let found = tree::find(&reader, &first, b"/data/a").unwrap();
        let Entry::Node(node) = found.entry else { panic!("/data/a was not captured") };
        index.find(BlobKind::Meta, &node.entries().unwrap().id).unwrap()
    };
    index.discount([lost]);
    let reader = Reader::new(&repo.repository, &index);
    for looks_again in [false, true] {
        let mut reach = Reach::new(&reader);
        let mut heard = Heard { looks_again, ..Heard::default() };
        for snapshot in [&first, &second] {
            assert!(!reach.snapshot(snapshot, &mut heard).unwrap().well);
        }
        let told = ("/data/a".to_owned(), Lost::Entries);
        assert_eq!(heard.troubles, vec![told; if looks_again { 2 } else { 1 }]);
    }
}
