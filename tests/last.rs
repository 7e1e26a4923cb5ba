//! What comes last: files that a source can give only when everything else was read, such as the
//! label and the control file of a cluster.

use crate::common::memory::{MemoryStream, Run, Tree, entry, folder, items, items_and_last};
use crate::common::repo::TempRepo;
use icecore::error::Kind;
use icecore::monitor::Silent;
use icecore::ops::restore::{RestoreOptions, restore};
use icecore::repo::Reader;
use icecore::source::{FileAt, FileItem, Item, Source};
use std::fs;
use std::sync::{Arc, Mutex};

/// The names of files in the order of their reading.
type Read = Arc<Mutex<Vec<String>>>;

/// A file that tells when it is read.
fn file(name: &str, bytes: Vec<u8>, read: &Read) -> FileItem {
    let (read, told) = (read.clone(), name.to_owned());
    let open = Box::new(move || {
        read.lock().unwrap().push(told);
        let runs = vec![Run::Bytes(Arc::new(bytes))];
        Ok(Box::new(MemoryStream { runs: runs.into(), at: 0 }) as _)
    });
    FileItem::new(entry(name), None, open)
}

/// The files of a cluster, some small and one that is streamed.
fn cluster() -> Tree {
    let mut tree = Tree::default();
    tree.put("base/1", vec![1; 3 << 20]);
    tree.put("global/1260", vec![2; 100]);
    tree.put("postgresql.conf", vec![3; 10]);
    tree.put("backup_label", b"START WAL LOCATION".to_vec());
    tree.put("global/pg_control", vec![4; 8192]);
    tree
}

/// The cluster, whose label and control file come last. They are made only then, of what was read
/// before.
fn source(tree: &Tree, read: &Read) -> Box<dyn Source> {
    let given = |path: &str, name: &str| Item::File(file(name, tree.bytes(path), read));
    let all = vec![
        Item::Enter(folder("cluster")),
        Item::HoldOpen,
        Item::Enter(folder("base")),
        given("base/1", "1"),
        Item::Leave,
        Item::Enter(folder("global")),
        Item::HoldOpen,
        given("global/1260", "1260"),
        Item::Leave,
        given("postgresql.conf", "postgresql.conf"),
        Item::Leave,
    ];
    let (tree, read) = (tree.clone(), read.clone());
    items_and_last("/cluster", all, move || {
        assert_eq!(read.lock().unwrap().len(), 3, "the others were read");
        let control = file("pg_control", tree.bytes("global/pg_control"), &read);
        let label = file("backup_label", tree.bytes("backup_label"), &read);
        let global = vec![b"global".to_vec()];
        vec![FileAt { folder: Vec::new(), file: label }, FileAt { folder: global, file: control }]
    })
}

/// Files that come last are read last, stand in their places in the tree, and are found there by
/// the next backup; what is restored is what was captured.
#[test]
fn what_comes_last_stands_in_its_place() {
    let repo = TempRepo::new(310);
    let tree = cluster();
    let mut snapshots = Vec::new();
    for (files_new, files_unchanged) in [(5, 0), (0, 5)] {
        let read = Read::default();
        let snapshot = repo.backup(vec![source(&tree, &read)]).unwrap().snapshot;
        let read = read.lock().unwrap();
        assert_eq!(read[3..], ["backup_label", "pg_control"]);
        let summary = &snapshot.summary;
        let found = (summary.files_new, summary.files_unchanged);
        assert_eq!((found, summary.items), ((files_new, files_unchanged), 8));
        snapshots.push(snapshot);
    }
    assert_eq!(snapshots[0].parts[0].root, snapshots[1].parts[0].root);
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("cluster");
    let index = repo.repository.load_index().unwrap();
    let reader = Reader::new(&repo.repository, &index);
    let mut options = RestoreOptions { verify: true, ..RestoreOptions::default() };
    let report =
        restore(&reader, &snapshots[1], Some(b"/cluster"), &to, &mut options, &Silent).unwrap();
    assert_eq!((report.files, report.verified, report.failed), (5, 5, 0));
    for path in tree.files.keys() {
        assert_eq!(fs::read(to.join(path)).unwrap(), tree.bytes(path), "{path}");
    }
}

/// A file that comes last into a folder which was not held open is a fault of the source, and
/// there is no snapshot.
#[test]
fn a_closed_folder_takes_nothing_more() {
    let repo = TempRepo::new(311);
    for held in [false, true] {
        let mut all = vec![Item::Enter(folder("cluster"))];
        all.extend(held.then_some(Item::HoldOpen));
        all.extend([Item::Enter(folder("global")), Item::Leave, Item::Leave]);
        let last = || {
            let file = file("pg_control", vec![1], &Read::default());
            vec![FileAt { folder: vec![b"global".to_vec()], file }]
        };
        let refused = repo.backup(vec![items_and_last("/cluster", all, last)]);
        assert_eq!(refused.unwrap_err().kind(), Kind::InvalidInput);
    }
    // The same, and nothing comes.
    let all = vec![Item::Enter(folder("cluster")), Item::HoldOpen, Item::Leave];
    repo.backup(vec![items("/cluster", all)]).unwrap();
    assert_eq!(repo.repository.snapshots(|error| panic!("{error}")).unwrap().iter().count(), 1);
}
