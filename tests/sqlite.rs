//! SQLite databases, captured with the real SQLite at work on them.

use icecore::error::{Error, Kind, Result};
use icecore::source::sqlite::{SqliteOptions, SqliteReader, SqliteSource, Verify};
use icecore::source::{FileProof, Got, Item, Source};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn reader() -> SqliteReader {
    reader_with(SqliteOptions::default())
}

fn reader_with(options: SqliteOptions) -> SqliteReader {
    SqliteReader::new(PathBuf::from(env!("CARGO_BIN_EXE_icecore")), options)
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

/// In both journal modes and with every page size the stream is a sound database with all rows,
/// and, once nothing but the main file is left, that file to the byte.
#[test]
fn every_mode_and_page_size_comes_whole() {
    for mode in ["wal", "delete"] {
        for page_size in (9..=16).map(|bits| 1u32 << bits) {
            let folder = TempDir::new().unwrap();
            let path = folder.path().join("a.db");
            let database = make(&path, mode, page_size, 2000);
            let (bytes, proof) = capture(&path);
            let facts = proof.sqlite.unwrap();
            assert_eq!((proof.changed, proof.taint), (None, None));
            assert_eq!((facts.page_size, facts.journal_mode.as_str()), (page_size, mode));
            assert_eq!(u64::from(facts.page_count) * u64::from(page_size), bytes.len() as u64);
            assert_eq!(facts.method, "dbpage");
            let (_folder, image) = open_image(&bytes);
            assert_eq!(count(&image, "t"), 2000);
            drop(database);
            assert!(std::fs::read(&path).unwrap() == bytes, "{mode} {page_size}");
        }
    }
}

/// Commits that live in the log alone are captured, and the log is neither checkpointed nor
/// touched.
#[test]
fn commits_in_the_log_alone_are_captured() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.db");
    let database = make(&path, "wal", 4096, 10);
    database.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA wal_autocheckpoint=0").unwrap();
    let main_before = std::fs::read(&path).unwrap();
    insert(&database, 500);
    let log_before = std::fs::read(folder.path().join("a.db-wal")).unwrap();
    let (bytes, _) = capture(&path);
    assert_eq!(count(&open_image(&bytes).1, "t"), 510);
    assert!(main_before == std::fs::read(&path).unwrap());
    assert!(log_before == std::fs::read(folder.path().join("a.db-wal")).unwrap());
}

/// A file that is no database despite its name, a folder, and nothing at all are clear errors
/// that name the path.
#[test]
fn what_is_no_database_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("no.db");
    std::fs::write(&path, "just text, and long enough for a header ".repeat(20)).unwrap();
    let error = failure(&path);
    assert_eq!(error.kind(), Kind::InvalidInput, "{error}");
    assert!(error.to_string().contains("no.db"), "{error}");
    std::fs::write(&path, [&b"SQLite format 3\0"[..], &[7; 5000]].concat()).unwrap();
    assert_eq!(failure(&path).kind(), Kind::InvalidInput);
    assert_eq!(failure(folder.path()).kind(), Kind::InvalidInput);
    assert_eq!(failure(&folder.path().join("none.db")).kind(), Kind::NotFound);
}

/// The source gives one item, a file under its own name without a stamp, and its facts.
#[test]
fn the_source_gives_one_database() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.db");
    drop(make(&path, "delete", 4096, 10));
    let options = SqliteOptions { verify: Verify::Full, row_counts: true, force: false };
    let mut source: Box<dyn Source> =
        Box::new(SqliteSource::new(&path, reader_with(options)).unwrap());
    let Some(Item::File(file)) = source.next().unwrap() else { panic!() };
    assert_eq!((file.node.name.as_slice(), file.stamp), (&b"a.db"[..], None));
    let mut stream = (file.open)().unwrap();
    let mut buffer = vec![0; 1 << 20];
    while stream.read(&mut buffer).unwrap() != Got::End {}
    let facts = stream.finish().unwrap().sqlite.unwrap();
    assert_eq!(facts.verified.as_deref(), Some("full"));
    assert_eq!(facts.row_counts.unwrap()["t"], 10);
    assert!(source.next().unwrap().is_none());
    source.finish().unwrap();
}
