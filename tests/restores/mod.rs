//! What a restore does to what stands in its way, and what it says before and after.

mod choices;
mod deep;
mod in_the_way;
mod leftovers;
mod places;
mod privileges;
mod same;
mod siblings;
mod taken_back;

use rusqlite::Connection;
use std::fs;
use std::path::Path;

/// A database at `path` with `rows` rows, all of them in its -wal, as a program leaves it that was
/// killed.
fn torn_without_its_log(path: &Path, rows: u32) {
    let made = tempfile::tempdir().unwrap();
    let from = made.path().join("db");
    let database = Connection::open(&from).unwrap();
    let _: String = database.query_row("PRAGMA journal_mode = wal", [], |row| row.get(0)).unwrap();
    database.execute_batch("PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (x)").unwrap();
    for row in 0..rows {
        database.execute("INSERT INTO t VALUES (?1)", [row]).unwrap();
    }
    fs::copy(&from, path).unwrap();
    for suffix in ["-wal", "-shm"] {
        fs::copy(beside(&from, suffix), beside(path, suffix)).unwrap();
    }
}

/// A database at `path` with `rows` rows and nothing beside it.
fn whole(path: &Path, rows: u32) {
    let database = Connection::open(path).unwrap();
    database.execute_batch("CREATE TABLE t (x)").unwrap();
    for row in 0..rows {
        database.execute("INSERT INTO t VALUES (?1)", [row]).unwrap();
    }
}

fn beside(path: &Path, suffix: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Rows of a database that is whole; an error if SQLite does not open it.
fn rows(path: &Path) -> rusqlite::Result<u32> {
    let database = Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let found: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    assert_eq!(found, "ok");
    database.query_row("SELECT count(*) FROM t", [], |row| row.get(0))
}
