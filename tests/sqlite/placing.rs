//! Restored databases in the place of old ones.

use super::{count, make, stubborn_reader};
use icecore::error::Kind;
use icecore::target::sqlite::{lock_exclusively, place};
use rusqlite::Connection;
use tempfile::TempDir;

/// A restored database takes the place of an old one with its journal and log gone, and not
/// while somebody uses the old one.
#[test]
fn a_restored_database_stands_alone() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    let database = make(&at("a.db"), "wal", 4096, 10);
    drop(make(&at("new"), "delete", 4096, 77));
    let directory = std::fs::File::open(folder.path()).unwrap();
    // Another process must hold the lock: one's own never stands in the way.
    let held = stubborn_reader().open(&at("a.db")).unwrap();
    drop(held);
    for (name, bytes) in [("b.db", "old"), ("b.db-wal", "old"), ("b.db-journal", "old")] {
        std::fs::write(at(name), bytes).unwrap();
    }
    place(&directory, b"new", b"b.db").unwrap();
    assert!(!at("b.db-wal").exists() && !at("b.db-journal").exists() && !at("new").exists());
    assert_eq!(count(&Connection::open(at("b.db")).unwrap(), "t"), 77);
    drop(database);

    drop(make(&at("large.db"), "delete", 4096, 90000));
    let held = stubborn_reader().open(&at("large.db")).unwrap();
    assert_eq!(lock_exclusively(&directory, b"large.db").unwrap_err().kind(), Kind::Locked);
    drop(held);
    assert!(lock_exclusively(&directory, b"large.db").unwrap().is_some());
    assert!(lock_exclusively(&directory, b"none.db").unwrap().is_none());
}
