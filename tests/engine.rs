//! The engine over memory: what goes in comes out, and costs what it changed.

use crate::common::memory::{Run, Tree, items, stream, stream_of_size};
use crate::common::repo::{TempRepo, options, secret};
use icecore::backend::testing::{Fault, Faulty};
use icecore::backend::{Counting, Memory, Verb};
use icecore::env::{Env, Time};
use icecore::format::ObjectKind;
use icecore::format::directory::NodeKind;
use icecore::monitor::Silent;
use icecore::ops::backup::{BackupOptions, backup};
use icecore::ops::restore::{RestoreOptions, restore};
use icecore::ops::tree::{self, Entry};
use icecore::repo::{Reader, Repository};
use icecore::source::Item;
use icecore::stream::ContentReader;
use std::sync::Arc;

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let (env, _) = Env::seeded(seed, Time(0));
    let block: [u8; 4096] = env.random().unwrap();
    let mut hasher = blake3::Hasher::new_keyed(block.first_chunk().unwrap());
    hasher.update(&block);
    let mut bytes = vec![0; length];
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}

/// Files of every size around the chunker's bounds, holes included, come back as they were.
#[test]
pub fn gives_back_what_it_took() {
    let repo = TempRepo::new(1);
    let mut tree = Tree::default();
    for (number, length) in
        [0, 1, 100, 16 << 10, 64 << 10, 256 << 10, (256 << 10) + 1, 1 << 20, 9 << 20]
            .into_iter()
            .enumerate()
    {
        tree.put(&format!("a/{number}"), noise(number as u64, length));
    }
    tree.files.insert(
        "b/sparse".into(),
        vec![
            Run::Hole(1 << 20),
            Run::Bytes(Arc::new(noise(77, 300_000))),
            Run::Hole(5 << 20),
            Run::Bytes(Arc::new(noise(78, 10))),
            Run::Hole(70_000),
        ],
    );
    let report =
        repo.backup(vec![tree.source("/data"), stream("/dump.sql", noise(5, 3 << 20))]).unwrap();
    assert!(!report.incomplete);
    for path in tree.files.keys() {
        let bytes = repo.read(&report.snapshot, &format!("/data/{path}")).unwrap();
        assert!(bytes == tree.bytes(path), "{path}");
    }
    assert!(repo.read(&report.snapshot, "/dump.sql").unwrap() == noise(5, 3 << 20));
    let again =
        repo.backup(vec![tree.source("/data"), stream("/dump.sql", noise(5, 3 << 20))]).unwrap();
    assert_eq!(again.snapshot.summary.chunks_new, 0);
    assert_eq!(again.snapshot.sequence, 2);
    assert_eq!(again.snapshot.parts[0].root, report.snapshot.parts[0].root);
}

/// A few changed bytes in a large stream cost a few stored bytes, at any depth of deltas, and
/// every state stays readable.
#[test]
fn a_change_costs_what_it_changed() {
    let repo = TempRepo::new(2);
    let mut bytes = noise(3, 6 << 20);
    let mut states = Vec::new();
    for hour in 0..20_usize {
        for at in 0..10 {
            let at = (hour * 7919 + at * 600_011) % bytes.len();
            bytes[at] ^= 0x55;
        }
        let report = repo.backup(vec![stream("/db", bytes.clone())]).unwrap();
        if hour > 0 {
            let stored = report.snapshot.summary.packed;
            assert!(stored < 12_000, "hour {hour}: {stored} bytes, {:?}", report.snapshot.summary);
        }
        states.push((report.snapshot, bytes.clone()));
    }
    for (snapshot, bytes) in &states {
        assert!(repo.read(snapshot, "/db").unwrap() == *bytes, "{}", snapshot.sequence);
    }
}

/// A file whose stamp stands is not opened again, wherever in its folder it stands; one that
/// changed is a delta against its own former content.
#[test]
pub fn every_file_is_found_beside_its_former_self() {
    let repo = TempRepo::new(3);
    let mut tree = Tree::default();
    for number in 0..40 {
        let path = format!("d{}/f{number:02}", number % 3);
        tree.put(&path, noise(number, 50_000));
        tree.stamps.insert(path, 1);
    }
    repo.backup(vec![tree.source("/data")]).unwrap();
    let again = repo.backup(vec![tree.source("/data")]).unwrap().snapshot.summary;
    assert_eq!((again.files_unchanged, again.files_new, again.bytes_read), (40, 0, 0));
    for path in ["d0/f06", "d1/f37", "d2/f20"] {
        let mut bytes = tree.bytes(path);
        bytes[100] ^= 1;
        tree.put(path, bytes);
        tree.stamps.insert(path.into(), 2);
    }
    let changed = repo.backup(vec![tree.source("/data")]).unwrap().snapshot.summary;
    assert_eq!((changed.files_unchanged, changed.files_changed, changed.files_new), (37, 3, 0));
    assert!(changed.packed < 6000, "{changed:?}");
}

/// Two snapshots restore into real folders as they were, and `check` reads everything back.
#[test]
pub fn restores_into_folders() {
    let repo = TempRepo::new(4);
    let mut tree = Tree::default();
    for number in 0..300_usize {
        tree.put(&format!("d{}/f{number}", number % 7), noise(number as u64, number * 97));
    }
    tree.put("large", noise(1000, 11 << 20));
    let first = repo.backup(vec![tree.source("/data")]).unwrap().snapshot;
    let before = tree.clone();
    tree.put("d1/f1", noise(5000, 4000));
    tree.files.remove("d2/f2");
    let second = repo.backup(vec![tree.source("/data")]).unwrap().snapshot;
    for (snapshot, tree) in [(first, before), (second, tree)] {
        let target = tempfile::tempdir().unwrap();
        let index = repo.repository.load_index().unwrap();
        let reader = Reader::new(&repo.repository, &index);
        let mut options = RestoreOptions { verify: true, ..Default::default() };
        let path = Some(&b"/data"[..]);
        let report =
            restore(&reader, &snapshot, path, target.path(), &mut options, &Silent).unwrap();
        assert_eq!(report.failed, 0);
        assert_eq!(report.verified, tree.files.len() as u64);
        for path in tree.files.keys() {
            assert!(std::fs::read(target.path().join(path)).unwrap() == tree.bytes(path), "{path}");
        }
        let count = walk(target.path());
        assert_eq!(count, tree.files.len());
    }
}

fn walk(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { walk(&path) } else { 1 }).sum()
}

/// A file whose stamp is that of the parent's is not opened, one without a stamp always is, and
/// each entry of a directory finds its own predecessor.
#[test]
pub fn unchanged_files_are_not_read() {
    let repo = TempRepo::new(5);
    let mut tree = Tree::default();
    for number in 0..50_usize {
        let path = format!("d{}/f{number}", number % 3);
        tree.put(&path, noise(number as u64, 3000));
        if number != 7 {
            tree.stamps.insert(path, 1);
        }
    }
    repo.backup(vec![tree.source("/data")]).unwrap();
    tree.stamps.insert("d0/f0".into(), 2);
    tree.put("d0/f0", noise(900, 3000));
    let summary = repo.backup(vec![tree.source("/data")]).unwrap().snapshot.summary;
    assert_eq!((summary.files_new, summary.files_changed, summary.files_unchanged), (0, 1, 49));
    assert_eq!(summary.bytes_read, 6000);
}

/// A file whose bytes break off is left out and makes the backup incomplete; its neighbours, and
/// the same file an hour later, are stored.
#[test]
pub fn a_file_that_breaks_off_is_left_out() {
    let repo = TempRepo::new(6);
    let mut tree = Tree::default();
    tree.put("a", noise(1, 2 << 20));
    tree.put("b", noise(2, 400_000));
    tree.put("c", noise(3, 100));
    let report = repo.backup(vec![tree.source_breaking_at("/data", "b", 300_000)]).unwrap();
    assert!(report.incomplete);
    assert!(repo.read(&report.snapshot, "/data/b").is_err());
    for (path, bytes) in [("/data/a", noise(1, 2 << 20)), ("/data/c", noise(3, 100))] {
        assert!(repo.read(&report.snapshot, path).unwrap() == bytes, "{path}");
    }
    let report = repo.backup(vec![tree.source("/data")]).unwrap();
    assert!(!report.incomplete);
    assert!(repo.read(&report.snapshot, "/data/b").unwrap() == noise(2, 400_000));
}

/// Neighbours that both grow share their bases with each other hour after hour: the many paths
/// that lead to the same few blobs must not make any state unreadable.
#[test]
pub fn shared_bases_stay_readable() {
    for seed in 0..4 {
        let repo = TempRepo::new(60 + seed);
        let mut bytes = noise(70 + seed, 200_000);
        let mut states = Vec::new();
        for hour in 0..20_usize {
            for place in [150_000, 90_000, 30_000] {
                let more = noise(1000 + hour as u64, 40 + hour);
                bytes.splice(place..place, more);
            }
            let report = repo.backup(vec![stream("/log", bytes.clone())]).unwrap();
            states.push((report.snapshot, bytes.clone()));
        }
        for (snapshot, bytes) in &states {
            let read = repo.read(snapshot, "/log").unwrap();
            assert!(read == *bytes, "seed {seed}, {}", snapshot.sequence);
        }
    }
}

/// Told to keep going, a backup still ends where the repository fails, at whichever call: what
/// it commits can be read, every byte of it.
#[test]
fn keeps_going_past_sources_alone() {
    let mut committed = 0;
    for call in 1..60 {
        let store = Arc::new(Memory::new());
        let repo = TempRepo::over(store.clone(), call);
        let faulty = Arc::new(Faulty::new(store, call).once(call, Fault::Fails));
        let Ok(repository) = Repository::open(faulty, repo.env.clone(), &secret()) else {
            continue;
        };
        let sources =
            vec![stream("/a", noise(call, 3 << 20)), stream("/b", noise(call + 100, 300_000))];
        let options = BackupOptions { keep_going: true, ..options() };
        committed += u32::from(backup(&repository, sources, &options, &Silent).is_ok());
    }
    assert!(committed > 0);
}

/// A stream is cut by the length that is expected of it, and its parent's chunker stays while that is
/// near the bound.
#[test]
fn chunkers_go_by_the_expected_length() {
    let repo = TempRepo::new(34);
    let bytes = noise(34, 3 << 20);
    let chunker = |length: u64| {
        let mut source = stream("/dump", bytes.clone());
        let Some(Item::File(mut file)) = source.next().unwrap() else { panic!("no file") };
        file.length = Some(length);
        let snapshot = repo.backup(vec![items("/dump", vec![Item::File(file)])]).unwrap().snapshot;
        assert_eq!(repo.read(&snapshot, "/dump").unwrap(), bytes);
        match &snapshot.parts[0].root.kind {
            NodeKind::File { content, .. } => content.chunker,
            _ => panic!("no file"),
        }
    };
    let lengths = [64, 65, 127, 129, 65, 33, 31, 63].map(|gib| gib << 30);
    assert_eq!(lengths.map(chunker), [1, 1, 1, 2, 2, 2, 1, 1]);
}

/// A stream that is said to be very long is cut coarsely, beside a parent that was not, and the
/// other way round: each time as if there had been no parent, and all is read back.
#[test]
fn chunkers_do_not_mix() {
    let repo = TempRepo::new(61);
    let bytes = noise(7, 5 << 20);
    let content_of = |path: &str, size: u64| {
        let source = stream_of_size(path, bytes.clone(), size);
        let snapshot = repo.backup(vec![source]).unwrap().snapshot;
        assert!(repo.read(&snapshot, path).unwrap() == bytes, "{path} {size}");
        let NodeKind::File { content, .. } = &snapshot.parts[0].root.kind else { panic!() };
        content.clone()
    };
    let small = bytes.len() as u64;
    let [fine, coarse] = [small, 200 << 30].map(|size| content_of(&format!("/{size}"), size));
    assert_eq!((fine.chunker, coarse.chunker), (1, 2));
    assert!(fine.list != coarse.list && coarse.list.is_some());
    for (size, expected) in [(small, &fine), (200 << 30, &coarse), (small, &fine)] {
        assert_eq!(content_of("/one", size), *expected);
    }
}

/// A look at the head of a long content reads no more than a window of it, and goes on to its
/// end if it must.
#[test]
fn a_head_is_read_alone() {
    let store = Arc::new(Counting::new(Memory::new()));
    let repo = TempRepo::over(store.clone(), 71);
    let mut tree = Tree::default();
    tree.put("dump", noise(71, 40 << 20));
    let snapshot = repo.backup(vec![tree.source("/s")]).unwrap().snapshot;
    let index = repo.repository.load_index().unwrap();
    let reader = Reader::new(&repo.repository, &index);
    let found = tree::find(&reader, &snapshot, b"/s/dump").unwrap();
    let Entry::Node(node) = found.entry else { panic!() };
    let NodeKind::File { content, .. } = node.kind else { panic!() };
    store.reset();
    let mut head = ContentReader::of_head(&reader, &content, "the dump").unwrap();
    let mut length = head.next_window().unwrap().unwrap().plains.len();
    let read = store.tally(Verb::Get, ObjectKind::Pack).bytes;
    assert!(read < 10 << 20, "{read} bytes were read of the packs");
    while let Some(window) = head.next_window().unwrap() {
        length += window.plains.len();
    }
    let mut pieces = 0;
    let all = ContentReader::new(&reader, &content, "the dump").unwrap();
    all.each_run(&mut |_| {
        pieces += 1;
        Ok(())
    })
    .unwrap();
    assert_eq!(length, pieces);
}
