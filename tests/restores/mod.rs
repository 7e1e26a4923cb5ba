//! What a restore does to what stands in its way, and what it says before and after.

mod choices;
mod deep;
mod places;
mod privileges;
mod same;
mod siblings;
mod taken_back;

use icecore::error::Result;
use icecore::format::database::DatabaseFacts;
use icecore::format::list::{Content, TreeRef};
use icecore::format::node::{FileTime, Metadata, Node, NodeKind};
use icecore::id::ChunkId;
use icecore::target::files::{FilesOptions, FilesTarget, Overwrite, Placed};
use rusqlite::Connection;
use std::fs;
use std::path::Path;

fn node(name: &str, kind: NodeKind) -> Node {
    let meta = Metadata { mode: 0o644, mtime: FileTime(1_000_000_000, 5), ..Metadata::default() };
    Node { name: name.into(), kind, meta, stamp: None, taint: None }
}

fn file(name: &str) -> Node {
    node(name, NodeKind::File { content: Content::default(), database: None })
}

fn captured(name: &str) -> Node {
    let database = Some(DatabaseFacts::Sqlite(Box::default()));
    node(name, NodeKind::File { content: Content::default(), database })
}

fn directory(name: &str) -> Node {
    node(name, NodeKind::Directory { entries: TreeRef { id: ChunkId([0; 32]), levels: 0 } })
}

fn open(target: &Path, overwrite: Overwrite) -> FilesTarget {
    let options = FilesOptions { overwrite, ..FilesOptions::default() };
    FilesTarget::open(target, options).unwrap()
}

fn write(target: &mut FilesTarget, node: &Node, content: &[u8]) -> Result<()> {
    match target.file(node, content.len() as u64)? {
        Placed::Write(sink) => {
            sink.write_at(0, content)?;
            sink.finish(node)
        }
        Placed::Kept | Placed::Linked => Ok(()),
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

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
