//! `diff`.

use super::{no_trouble, noise, small, text};
use crate::common::memory::{folder, items, node, stream};
use crate::common::repo::TempRepo;
use icecore::format::directory::{FileTime, LinkGroup, NodeKind, Stamp};
use icecore::format::snapshot::Snapshot;
use icecore::ops::diff::diff;
use icecore::ops::tree;
use icecore::repo::Reader;
use icecore::source::Item;

fn differences(repo: &TempRepo, before: &Snapshot, after: &Snapshot) -> Vec<String> {
    let index = repo.repository.load_index().unwrap();
    let reader = Reader::new(&repo.repository, &index);
    let before = tree::find(&reader, before, b"/").unwrap();
    let after = tree::find(&reader, after, b"/").unwrap();
    let mut seen = Vec::new();
    diff(
        &reader,
        &before,
        &after,
        &mut |of| {
            seen.push(format!("{:?} {} {}", of.change, text(of.path), of.bytes.unwrap()));
            Ok(())
        },
        &mut no_trouble,
    )
    .unwrap();
    seen
}

/// Every kind of difference is told once, with its bytes, and an unchanged tree is not.
#[test]
fn diff_tells_every_change() {
    let repo = TempRepo::new(4);
    let mut tree = small();
    tree.put("d/x/deep", noise(6, 10));
    let first = repo.backup(vec![tree.source("/data")]).unwrap().snapshot;
    let again = repo.backup(vec![tree.source("/data")]).unwrap().snapshot;
    assert_eq!(differences(&repo, &first, &again), Vec::<String>::new());
    tree.files.remove("a/one");
    tree.put("a/two.db", noise(7, 250));
    tree.put("b/e/new", noise(8, 70));
    tree.files.remove("d/x/deep");
    tree.put("d/x", noise(9, 20));
    let sources = vec![tree.source("/data"), stream("/dump.sql", noise(10, 50))];
    let second = repo.backup(sources).unwrap().snapshot;
    let forth = [
        "Removed /data/a/one 100",
        "Content /data/a/two.db 250",
        "Added /data/b/e 0",
        "Added /data/b/e/new 70",
        "Type /data/d/x 20",
        "Removed /data/d/x/deep 10",
        "Added /dump.sql 50",
    ];
    assert_eq!(differences(&repo, &first, &second), forth);
    let back = [
        "Added /data/a/one 100",
        "Content /data/a/two.db 200",
        "Removed /data/b/e 0",
        "Removed /data/b/e/new 70",
        "Type /data/d/x 0",
        "Added /data/d/x/deep 10",
        "Removed /dump.sql 50",
    ];
    assert_eq!(differences(&repo, &second, &first), back);
}

/// Of one that grew in the middle only the chunks that are nowhere in the old content count.
#[test]
fn diff_counts_changed_bytes() {
    let repo = TempRepo::new(5);
    let bytes = noise(11, 4 << 20);
    let first = repo.backup(vec![stream("/db", bytes.clone())]).unwrap().snapshot;
    let mut grown = bytes[..2 << 20].to_vec();
    grown.extend(noise(12, 100));
    grown.extend(&bytes[2 << 20..]);
    let second = repo.backup(vec![stream("/db", grown)]).unwrap().snapshot;
    let index = repo.repository.load_index().unwrap();
    let reader = Reader::new(&repo.repository, &index);
    let (old, new) = (ids(&reader, &first), ids(&reader, &second));
    let expected: u64 =
        new.iter().filter(|piece| !old.contains(piece)).map(|(_, length)| length).sum();
    assert!((100..1 << 20).contains(&expected), "{expected}");
    assert_eq!(differences(&repo, &first, &second), [format!("Content /db {expected}")]);
}

/// Chunks and lengths of the only file of a snapshot.
fn ids(reader: &Reader<'_>, snapshot: &Snapshot) -> Vec<(icecore::id::ChunkId, u64)> {
    let NodeKind::File { content, .. } = &snapshot.parts[0].root.kind else { panic!("no file") };
    let mut pieces = icecore::stream::Pieces::new(reader, content, "test").unwrap();
    let mut ids = Vec::new();
    while let Some((_, piece)) = pieces.next_piece().unwrap() {
        ids.push((piece.chunk().unwrap(), piece.length()));
    }
    ids
}

/// Mode and times alone are metadata; the device and inode of a hard link, and the stamp by
/// which unchanged files are known, are none of it.
#[test]
fn diff_knows_metadata() {
    let repo = TempRepo::new(6);
    let capture = |mode, link: Option<(u64, u64)>, inode| {
        let mut pipe = node("pipe", NodeKind::Fifo);
        let mut root = folder("data");
        (pipe.meta.mode, root.meta.mode) = (mode, mode);
        pipe.meta.link_group = link.map(|(device, inode)| LinkGroup { device, inode, born: None });
        let time = FileTime(1, 0);
        pipe.stamp = Some(Stamp { size: 0, mtime: time, ctime: time, inode });
        let listing = vec![Item::Enter(root), Item::Other(pipe), Item::Leave];
        repo.backup(vec![items("/data", listing)]).unwrap().snapshot
    };
    let first = capture(0o644, Some((1, 2)), 5);
    let remounted = capture(0o644, Some((3, 4)), 6);
    assert_ne!(first.parts[0].root, remounted.parts[0].root);
    assert_eq!(differences(&repo, &first, &remounted), Vec::<String>::new());
    let changed = capture(0o600, Some((3, 4)), 6);
    let expected = ["Metadata /data 0", "Metadata /data/pipe 0"];
    assert_eq!(differences(&repo, &remounted, &changed), expected);
    let single = capture(0o600, None, 6);
    assert_eq!(differences(&repo, &changed, &single), ["Metadata /data/pipe 0"]);
}
