//! What the reading verbs do about a folder that cannot be read.

use super::{named, noise, text};
use crate::common::memory::Tree;
use crate::common::repo::{TempRepo, options};
use icecore::error::{Error, Kind};
use icecore::format::snapshot::Snapshot;
use icecore::monitor::Silent;
use icecore::ops::backup::{BackupOptions, backup};
use icecore::ops::diff::diff;
use icecore::ops::find::{Hit, find};
use icecore::ops::ls::ls;
use icecore::ops::stats::{Totals, measure};
use icecore::ops::tree::{self, Entry};
use icecore::repo::{BlobLocation, Reader};

/// A snapshot, and where the one node of its folder `/data/a` lies; the one after it is the same.
fn with_lost_folder(repo: &TempRepo) -> (Snapshot, BlobLocation) {
    let mut tree = Tree::default();
    tree.put("a/one", noise(1, 100));
    tree.put("b/c/three.log", noise(3, 300));
    let snapshot = repo.backup(vec![tree.source("/data")]).unwrap().snapshot;
    repo.backup(vec![tree.source("/data")]).unwrap();
    let index = repo.repository.load_index().unwrap();
    let reader = Reader::new(&repo.repository, &index);
    let Entry::Node(node) = tree::find(&reader, &snapshot, b"/data/a").unwrap().entry else {
        panic!("/data/a was not captured")
    };
    let entries = node.entries().expect("/data/a is a folder");
    (snapshot, index.find(icecore::format::BlobKind::Meta, &entries.id).unwrap())
}

/// A folder that cannot be read is trouble once for each verb, and all the rest is listed,
/// found, compared and counted.
#[test]
fn damage_stops_nothing_else() {
    let repo = TempRepo::new(7);
    let (snapshot, lost) = with_lost_folder(&repo);
    let mut index = repo.repository.load_index().unwrap();
    index.discount([lost.clone()]);
    let reader = Reader::new(&repo.repository, &index);
    let mut paths = Vec::new();
    let mut troubles = Vec::new();
    let mut visit = |path: &[u8], _: &_| {
        paths.push(text(path));
        Ok(())
    };
    let mut trouble = |error: Error| {
        troubles.push(error);
        Ok(())
    };
    ls(&reader, &snapshot, b"/data", true, &mut visit, &mut trouble).unwrap();
    assert_eq!(paths, ["/data/a", "/data/b", "/data/b/c", "/data/b/c/three.log"]);
    assert_eq!(troubles.len(), 1);
    assert_eq!(troubles[0].kind(), Kind::Damaged);
    assert!(troubles[0].to_string().contains("/data/a"), "{}", troubles[0]);

    let twice = repo.repository.snapshots(|error| panic!("{error}")).unwrap();
    let (mut hits, mut troubles) = (0, 0);
    let mut visit = |_: Hit<'_>| {
        hits += 1;
        Ok(())
    };
    let mut trouble = |_: &_, _: Error| {
        troubles += 1;
        Ok(())
    };
    find(&reader, &twice, &named(&["*.log"]), &mut visit, &mut trouble).unwrap();
    // What could not be read is not known to be barren.
    assert_eq!((hits, troubles), (2, 2));

    let mut troubles = 0;
    let stats = measure(&reader, &twice, &mut |_| {
        troubles += 1;
        Ok(())
    });
    let stats = stats.unwrap();
    let rest = Totals { files: 1, directories: 4, others: 0, bytes: 300, unreadable: 1 };
    assert_eq!((stats[0].holds, stats[1].holds, troubles), (rest, rest, 1));
    assert_eq!((stats[0].growth.missing, stats[1].growth.missing), (1, 0));

    // Against another state of the damaged folder, which is readable.
    let mut tree = Tree::default();
    tree.put("a/other", noise(20, 10));
    tree.put("b/new", noise(21, 20));
    let options = BackupOptions { deltas: false, ..options() };
    let source = vec![tree.source("/data")];
    let other = backup(&repo.repository, source, &options, &Silent).unwrap().snapshot;
    let mut index = repo.repository.load_index().unwrap();
    index.discount([lost]);
    let reader = Reader::new(&repo.repository, &index);
    let (before, after) =
        (tree::find(&reader, &snapshot, b"/").unwrap(), tree::find(&reader, &other, b"/").unwrap());
    let (mut seen, mut troubles) = (Vec::new(), Vec::new());
    let mut visit = |of: icecore::ops::diff::Difference<'_>| {
        seen.push(format!("{:?} {}", of.change, text(of.path)));
        Ok(())
    };
    let mut trouble = |error: Error| {
        troubles.push(error.to_string());
        Ok(())
    };
    diff(&reader, &before, &after, &mut visit, &mut trouble).unwrap();
    assert_eq!(seen, ["Removed /data/b/c", "Removed /data/b/c/three.log", "Added /data/b/new"]);
    assert_eq!(troubles.len(), 1);
    assert!(troubles[0].contains("/data/a"), "{troubles:?}");
}
