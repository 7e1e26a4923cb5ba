//! SQLite databases, captured with the real SQLite at work on them.

mod abandoned;
mod alone;
mod first;
mod identity;
mod pages;
mod pinned;
mod placing;
mod recovery;
mod refused;
mod seeds;
mod taints;
mod trouble;
mod writers;

use crate::common::aloud::is_root;
use crate::common::program::PROGRAM;
use icecore::error::{Error, Result};
use icecore::format::database::{DatabaseFacts, SqliteFacts};
use icecore::source::sqlite::{SpoolLimits, SqliteOptions, SqliteReader};
use icecore::source::{ByteStream, FileProof, Got};
use rusqlite::Connection;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn reader() -> SqliteReader {
    reader_with(SqliteOptions::default())
}

fn reader_with(options: SqliteOptions) -> SqliteReader {
    SqliteReader::new(PathBuf::from(PROGRAM), options)
}

/// All bytes of the database as captured, and the proof.
fn capture_with(reader: &SqliteReader, path: &Path) -> Result<(Vec<u8>, FileProof)> {
    let mut stream = reader.open(path)?;
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match stream.read(&mut buffer)? {
            Got::Data(got) => bytes.extend_from_slice(&buffer[..got]),
            Got::Hole(_) => panic!("a database has no holes"),
            Got::End => return Ok((bytes, stream.finish()?)),
        }
    }
}

fn capture(path: &Path) -> (Vec<u8>, FileProof) {
    capture_with(&reader(), path).unwrap()
}

/// The error of a capture that must fail.
fn failure(path: &Path) -> Error {
    capture_with(&reader(), path).expect_err("it was captured")
}

/// A captured image, placed and opened; proven sound.
fn open_image(bytes: &[u8]) -> (TempDir, Connection) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("image.db");
    std::fs::write(&path, bytes).unwrap();
    let image = Connection::open(&path).unwrap();
    let verdict: String = image.query_row("PRAGMA integrity_check", [], |r| r.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    (folder, image)
}

fn count(image: &Connection, table: &str) -> i64 {
    image.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

/// A database with a table `t` of `rows` rows.
fn make(path: &Path, mode: &str, page_size: u32, rows: u32) -> Connection {
    let database = Connection::open(path).unwrap();
    database.pragma_update(None, "page_size", page_size).unwrap();
    let _: String =
        database.query_row(&format!("PRAGMA journal_mode = {mode}"), [], |row| row.get(0)).unwrap();
    database.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT)").unwrap();
    insert(&database, rows);
    database
}

fn insert(database: &Connection, rows: u32) {
    database
        .execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
             INSERT INTO t (body) SELECT printf('row %d ', i) || hex(randomblob(40)) FROM n",
            [rows],
        )
        .unwrap();
}

/// A reader whose child stands still until its pages are taken: hardly any memory, no file.
fn stubborn_reader() -> SqliteReader {
    let reader = reader();
    let spool = SpoolLimits { memory: 1 << 20, file: 0, ..reader.spool().clone() };
    reader.with_spool(spool)
}

fn rest(mut stream: Box<dyn ByteStream>) -> (Vec<u8>, FileProof) {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 1 << 20];
    while let Got::Data(got) = stream.read(&mut buffer).unwrap() {
        bytes.extend_from_slice(&buffer[..got]);
    }
    (bytes, stream.finish().unwrap())
}

fn facts_of(proof: &FileProof) -> SqliteFacts {
    match &proof.database {
        Some(DatabaseFacts::Sqlite(facts)) => (**facts).clone(),
        other => panic!("{other:?}"),
    }
}

/// Reads as the user nobody, which only root can; others are told that it was left out.
fn reader_as_nobody(folder: &Path) -> Option<SqliteReader> {
    if !is_root("what a reader may not read or write") {
        return None;
    }
    let copy = folder.join("icecore");
    std::fs::copy(PROGRAM, &copy).unwrap();
    let script = folder.join("as-nobody");
    let text = format!(
        "#!/bin/sh\nexec setpriv --reuid 65534 --regid 65534 --clear-groups {} \"$@\"\n",
        copy.display()
    );
    std::fs::write(&script, text).unwrap();
    for (path, mode) in [(folder, 0o755), (&copy, 0o755), (&script, 0o755)] {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
    Some(SqliteReader::new(script, SqliteOptions::default()))
}
