//! Whole repositories that were written once and must stay readable: those of
//! `format-spec/vectors/repositories`. Until the first release a change of format replaces them.

use crate::common::memory::Tree;
use crate::common::repo::{TempRepo, secret};
use icecore::backend::{Backend, Local};
use icecore::env::Env;
use icecore::monitor::Silent;
use icecore::ops::check::{CheckOptions, ReadData, check};
use icecore::repo::Repository;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes that do not compress, the same each time.
fn noise(seed: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new_keyed(&[seed; 32]).finalize_xof().fill(&mut bytes);
    bytes
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("format-spec/vectors/repositories")
}

/// The states that the healthy repository of format 3 holds, oldest first.
fn states() -> Vec<Tree> {
    let mut tree = Tree::default();
    let mut database = noise(1, 40_000);
    tree.put("app.db", database.clone());
    tree.put("uploads/a.txt", b"an upload\n".to_vec());
    tree.put("empty", Vec::new());
    let first = tree.clone();
    database[20_000] ^= 0x20;
    tree.put("app.db", database);
    tree.put("uploads/b.txt", b"another\n".to_vec());
    vec![first, tree]
}

/// Writes the healthy repository: the same bytes each time, for chance and clock are seeded.
fn write(path: &Path) {
    let repo = TempRepo::over(Arc::new(Local::create(path).unwrap()), 20_261_121);
    for tree in states() {
        repo.backup(vec![tree.source("/srv/app")]).unwrap();
    }
    // No part of the repository.
    std::fs::remove_dir_all(path.join("tmp")).unwrap();
}

fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let relative = path.strip_prefix(root).unwrap().to_owned();
                found.insert(relative, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// The stored repository opens, is sound in every byte, and gives back each of its states.
#[test]
fn the_stored_repository_reads() {
    let path = folder().join("3/healthy");
    if std::env::var_os("ICECORE_WRITE_VECTORS").is_some() {
        drop(std::fs::remove_dir_all(&path));
        write(&path);
    }
    let copy = tempfile::tempdir().unwrap();
    for (name, bytes) in files(&path) {
        let to = copy.path().join(name);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::write(to, bytes).unwrap();
    }
    let backend: Arc<dyn Backend> = Arc::new(Local::open(copy.path()).unwrap());
    let repository = Repository::open(backend.clone(), Env::real(), &secret()).unwrap();
    let report = check(&repository, CheckOptions { read_data: ReadData::All }, &Silent).unwrap();
    assert!(report.is_healthy(), "{:#?}", report.findings);
    let mut snapshots = repository.snapshots(|error| panic!("{error}")).unwrap().all().unwrap();
    snapshots.reverse();
    let states = states();
    assert_eq!(snapshots.len(), states.len());
    assert!(snapshots[1].snapshot.summary.delta.blobs > 0, "deltas are among what is stored");
    for (stored, tree) in snapshots.iter().zip(&states) {
        for path in tree.files.keys() {
            let inside = format!("/srv/app/{path}");
            let bytes = TempRepo::read_from(&repository, &stored.snapshot, &inside).unwrap();
            assert!(bytes == tree.bytes(path), "{inside}");
        }
    }
}

/// With the same chance and clock the program writes the stored repository again, to the byte.
#[test]
fn the_stored_repository_is_what_is_written() {
    let fresh = tempfile::tempdir().unwrap();
    write(&fresh.path().join("again"));
    let (stored, again) = (files(&folder().join("3/healthy")), files(&fresh.path().join("again")));
    assert_eq!(stored.keys().collect::<Vec<_>>(), again.keys().collect::<Vec<_>>());
    for (name, bytes) in &stored {
        assert!(again[name] == *bytes, "{} differs", name.display());
    }
}
