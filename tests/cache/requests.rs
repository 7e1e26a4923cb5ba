//! What a cache spares the store, and what it leaves on this machine.

use super::cached;
use crate::common::cli::Cli;
use crate::common::forge::{Forger, snapshot};
use crate::common::memory::Tree;
use crate::common::repo::TempRepo;
use crate::common::target::node;
use icecore::backend::{Counting, Handle, Memory, Verb};
use icecore::format::ObjectKind;
use icecore::format::directory::NodeKind;
use icecore::format::snapshot::Outcome;
use icecore::id::SnapshotId;
use icecore::monitor::Silent;
use icecore::ops::backup::backup;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

fn counting(seed: u64) -> (TempRepo, Arc<Counting<Memory>>) {
    let store = Arc::new(Counting::new(Memory::new()));
    (TempRepo::over(store.clone(), seed), store)
}

/// Each hour's backup reads of index, snapshots, marks and notes only what is new since the last one.
#[test]
fn a_backup_reads_what_is_new() {
    let (repo, store) = counting(330);
    let folder = tempfile::tempdir().unwrap();
    let repository = cached(&repo, folder.path());
    let mut tree = Tree::default();
    for hour in 0..12_u8 {
        tree.put("a/file", vec![hour; 5000]);
        store.reset();
        repo.clock.advance(3600);
        let options = crate::common::repo::options();
        backup(&repository, vec![tree.source("/data")], &options, &Silent).unwrap();
        let gets = |kind| store.tally(Verb::Get, kind).calls;
        assert!(gets(ObjectKind::Index) <= 1, "hour {hour}: {}", gets(ObjectKind::Index));
        assert!(gets(ObjectKind::Snapshot) <= 2, "hour {hour}: {}", gets(ObjectKind::Snapshot));
        assert_eq!(gets(ObjectKind::Forgotten) + gets(ObjectKind::Note), 0);
    }
}

/// A thousand snapshots are listed with five reads at most once they were listed before, and one that
/// is given up is listed no more and leaves the cache.
#[test]
fn a_thousand_snapshots_are_listed_at_once() {
    let (mut repo, store) = counting(331);
    repo.damaged = true;
    let forger = Forger::new(&repo);
    for number in 0..1000_u16 {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&number.to_le_bytes());
        let id = SnapshotId(id);
        let root = node("forged", NodeKind::Fifo);
        let outcome = Outcome::Snapshot(Box::new(snapshot(id, "/forged", root, 0)));
        forger.record(&Handle::snapshot(id), &outcome);
    }
    let folder = tempfile::tempdir().unwrap();
    let list = || {
        let repository = cached(&repo, folder.path());
        store.reset();
        let snapshots = repository.snapshots(|error| panic!("{error}")).unwrap();
        let listed = snapshots.iter().filter(|stored| stored.is_ok()).count();
        (listed, store.total(Verb::Get).calls)
    };
    assert_eq!(list().0, 1000);
    let (listed, gets) = list();
    assert!(listed == 1000 && gets <= 5, "{gets} reads");

    let kept = |name: &str| {
        let repository = fs::read_dir(folder.path()).unwrap().flatten();
        let folders = repository.map(|entry| entry.path().join("snapshots").join(name));
        folders.filter(|path| path.exists()).count()
    };
    let name = "00".repeat(16);
    assert_eq!(kept(&name), 1);
    let repository = cached(&repo, folder.path());
    let key = *repository.snapshots(|error| panic!("{error}")).unwrap().keys().last().unwrap();
    let name = key.id.to_string();
    repository.forget(&key).unwrap();
    assert_eq!(list().0, 999);
    assert_eq!(kept(&name), 0);
}

/// A record in the cache that is not what was written is read from the store again.
#[test]
fn a_false_record_is_read_again() {
    let (repo, store) = counting(332);
    let mut tree = Tree::default();
    tree.put("a", b"content".to_vec());
    repo.backup(vec![tree.source("/data")]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let list = || {
        store.reset();
        let repository = cached(&repo, folder.path());
        let listed = repository.snapshots(|error| panic!("{error}")).unwrap().len();
        (listed, store.tally(Verb::Get, ObjectKind::Snapshot).calls)
    };
    assert_eq!([list(), list()], [(1, 1), (1, 0)]);
    let found = fs::read_dir(folder.path()).unwrap().flatten();
    let folders = found.map(|entry| entry.path().join("snapshots")).find(|path| path.exists());
    let record = fs::read_dir(folders.unwrap()).unwrap().next().unwrap().unwrap().path();
    for spoil in [|bytes: &mut Vec<u8>| bytes[40] ^= 1, |bytes: &mut Vec<u8>| bytes.truncate(9)] {
        let mut bytes = fs::read(&record).unwrap();
        spoil(&mut bytes);
        fs::write(&record, bytes).unwrap();
        assert_eq!([list(), list()], [(1, 1), (1, 0)]);
    }
}

/// The program keeps its cache where it is told to, for its owner alone, marked as a cache; and keeps
/// none with `--no-cache`.
#[test]
fn the_program_keeps_its_cache_to_itself() {
    let cli = Cli::new();
    cli.run(&["--no-cache", "backup", "src"]).success();
    cli.run(&["--no-cache", "snapshots"]).success();
    assert!(!cli.path("cache").exists());
    cli.run(&["snapshots"]).success();
    let mode = fs::metadata(cli.path("cache")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert!(cli.path("cache/CACHEDIR.TAG").exists());
    cli.run(&["--cache-dir", "other", "backup", "src"]).success();
    assert_eq!(super::tables(&cli.path("other")).len(), 1);
    assert!(super::tables(&cli.path("cache")).is_empty());
}
