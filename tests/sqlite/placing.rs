//! Restored databases in the place of old ones.

use super::{count, make, stubborn_reader};
use icecore::error::Kind;
use icecore::error::Result;
use icecore::sink::sqlite::{Written, lock_exclusively};
use rusqlite::Connection;
use std::fs::File;
use std::process::Command;
use tempfile::TempDir;

fn place(directory: &File, at: &[u8], name: &[u8]) -> Result<()> {
    let database = Written { at: at.to_vec(), name: name.to_vec() };
    icecore::sink::sqlite::place(directory, &database, &[])
}

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

/// A database that another process merely has open, without any lock, is not replaced: it stays
/// as it is, with what stands beside it, until that process has gone.
#[test]
fn an_open_database_is_not_replaced() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    drop(make(&at("a.db"), "delete", 4096, 10));
    drop(make(&at("new"), "delete", 4096, 77));
    std::fs::write(at("a.db-journal"), b"may be hot").unwrap();
    let before = std::fs::read(at("a.db")).unwrap();
    let directory = std::fs::File::open(folder.path()).unwrap();
    let held = std::fs::File::open(at("a.db")).unwrap();
    let mut holder = Command::new("sleep").arg("60").stdin(held).spawn().unwrap();
    let error = place(&directory, b"new", b"a.db").unwrap_err();
    assert_eq!(error.kind(), Kind::Locked, "{error}");
    assert!(error.to_string().contains(&holder.id().to_string()), "{error}");
    assert!(std::fs::read(at("a.db")).unwrap() == before);
    assert!(at("a.db-journal").exists() && at("new").exists());
    holder.kill().unwrap();
    holder.wait().unwrap();
    place(&directory, b"new", b"a.db").unwrap();
    assert_eq!(count(&Connection::open(at("a.db")).unwrap(), "t"), 77);
}

/// The super-journal of another transaction stays: without it, the journal that names it would no
/// longer be rolled back, and the other database would stay as it was torn.
#[test]
fn super_journals_stay() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    drop(make(&at("a.db"), "delete", 4096, 10));
    drop(make(&at("new"), "delete", 4096, 77));
    std::fs::write(at("a.db-mj12345678"), b"b.db-journal").unwrap();
    std::fs::write(at("a.db-journal"), b"old").unwrap();
    let directory = File::open(folder.path()).unwrap();
    place(&directory, b"new", b"a.db").unwrap();
    assert!(at("a.db-mj12345678").exists() && !at("a.db-journal").exists());
    assert_eq!(count(&Connection::open(at("a.db")).unwrap(), "t"), 77);
}
