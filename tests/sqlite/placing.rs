//! Restored databases in the place of old ones.

use super::{count, make, stubborn_reader};
use icecore::error::Kind;
use icecore::target::sqlite::{lock_exclusively, place};
use rusqlite::Connection;
use std::process::Command;
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

/// A replacement that ends half-way, its journal gone and its rename not done, leaves nothing
/// that SQLite would open without its journal; run again it goes through (fault 56).
#[test]
fn a_replacement_cut_off_leaves_nothing_torn() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    drop(make(&at("a.db"), "delete", 4096, 10));
    drop(make(&at("new"), "delete", 4096, 77));
    std::fs::write(at("a.db-journal"), b"may be hot").unwrap();
    // What cannot be removed as a file stops it between the journal and the rename.
    std::fs::create_dir(at("a.db-wal")).unwrap();
    let directory = std::fs::File::open(folder.path()).unwrap();
    place(&directory, b"new", b"a.db").unwrap_err();
    std::fs::remove_dir(at("a.db-wal")).unwrap();
    assert!(!at("a.db-journal").exists(), "the fault came too early to prove anything");
    let torn = Connection::open(at("a.db")).unwrap();
    let read: rusqlite::Result<i64> = torn.query_row("SELECT count(*) FROM t", [], |r| r.get(0));
    assert!(read.is_err(), "it opens without its journal");
    drop(torn);
    place(&directory, b"new", b"a.db").unwrap();
    assert_eq!(count(&Connection::open(at("a.db")).unwrap(), "t"), 77);
}
