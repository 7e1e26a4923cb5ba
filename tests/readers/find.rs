//! `find`.

use super::{named, no_trouble, noise, small, text};
use crate::common::memory::{folder, items, node};
use crate::common::repo::TempRepo;
use icecore::env::Time;
use icecore::error::Kind;
use icecore::format::directory::{FileTime, NodeKind};
use icecore::ops::find::{EntryKind, FindOptions, Hit, find};
use icecore::repo::Reader;
use icecore::source::Item;

fn found(repo: &TempRepo, options: &FindOptions) -> Vec<String> {
    let index = repo.repository.load_index().unwrap();
    let reader = Reader::new(&repo.repository, &index);
    let snapshots = repo.repository.snapshots(|error| panic!("{error}")).unwrap();
    let mut seen = Vec::new();
    let mut visit = |hit: Hit<'_>| {
        seen.push(format!("{} {}", hit.stored.snapshot.sequence, text(hit.path)));
        Ok(())
    };
    find(&reader, &snapshots, options, &mut visit, &mut |_, error| no_trouble(error)).unwrap();
    seen
}

/// Names, paths and filters find exactly what they mean, in every snapshot, newest first, also
/// where a subtree was looked through in vain before.
#[test]
fn find_looks_across_snapshots() {
    let repo = TempRepo::new(2);
    let mut tree = small();
    repo.backup(vec![tree.source("/data")]).unwrap();
    tree.put("b/five.LOG", noise(5, 500));
    repo.backup(vec![tree.source("/data")]).unwrap();
    let both = |path: &str| vec![format!("2 {path}"), format!("1 {path}")];
    assert_eq!(found(&repo, &named(&["*.log"])), both("/data/b/c/three.log"));
    assert_eq!(found(&repo, &named(&["/data/*/one"])), both("/data/a/one"));
    assert_eq!(found(&repo, &named(&["c/*"])), both("/data/b/c/three.log"));
    assert_eq!(found(&repo, &named(&["a"])), both("/data/a"));
    assert_eq!(found(&repo, &named(&["/one", "nothing"])), Vec::<String>::new());
    let any_case = FindOptions { ignore_case: true, ..named(&["*.log"]) };
    assert_eq!(
        found(&repo, &any_case),
        ["2 /data/b/c/three.log", "2 /data/b/five.LOG", "1 /data/b/c/three.log"]
    );
    let large = FindOptions { size_min: Some(300), size_max: Some(499), ..Default::default() };
    assert_eq!(
        found(&repo, &large),
        ["2 /data/b/c/three.log", "2 /data/b/four", "1 /data/b/c/three.log", "1 /data/b/four"]
    );
    let folders = FindOptions { kinds: vec![EntryKind::Directory], ..named(&["?"]) };
    assert_eq!(found(&repo, &folders).len(), 6);
    let databases = FindOptions { kinds: vec![EntryKind::Database], ..Default::default() };
    assert_eq!(found(&repo, &databases), Vec::<String>::new());
    let error = {
        let index = repo.repository.load_index().unwrap();
        let reader = Reader::new(&repo.repository, &index);
        let snapshots = repo.repository.snapshots(|_| {}).unwrap();
        find(&reader, &snapshots, &named(&["[a"]), &mut |_| Ok(()), &mut |_, _| Ok(())).unwrap_err()
    };
    assert_eq!(error.kind(), Kind::InvalidInput);
}

/// Bounds on the modification time hold at both ends, nanoseconds and times before 1970 too.
#[test]
fn find_compares_times() {
    let repo = TempRepo::new(3);
    let mut listing = vec![Item::Enter(folder("data"))];
    for (name, time) in
        [("a", FileTime(-2, 500_000_000)), ("b", FileTime(10, 1)), ("c", FileTime(10, 2))]
    {
        let mut link = node(name, NodeKind::Symlink { target: b"x".to_vec() });
        link.meta.mtime = time;
        listing.push(Item::Other(link));
    }
    listing.push(Item::Leave);
    repo.backup(vec![items("/data", listing)]).unwrap();
    let links = FindOptions { kinds: vec![EntryKind::Symlink], ..Default::default() };
    let second = Time::SECOND;
    for (newer, older, expected) in [
        (None, Some(-3 * second / 2), "a"),
        (Some(-3 * second / 2 + 1), Some(10 * second + 1), "b"),
        (Some(10 * second + 2), None, "c"),
    ] {
        let (newer, older) = (newer.map(Time), older.map(Time));
        let options = FindOptions { newer, older, ..links.clone() };
        assert_eq!(found(&repo, &options), [format!("1 /data/{expected}")]);
    }
}
