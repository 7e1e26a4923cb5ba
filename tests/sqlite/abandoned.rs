//! Children whose parent is gone: they let go of the database at once, whatever they are doing.

use super::make;
use crate::common::cli::Cli;
use crate::common::program::program;
use rusqlite::Connection;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longer than any machine needs to end a process, and far less than what the children do.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `done`; false if it never is.
fn soon(mut done: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if done() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

fn child(path: &Path, more: &[&str]) -> Child {
    program()
        .arg("sqlite-read")
        .arg(path)
        .args(more)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn assert_ends(mut child: Child) {
    let ended = soon(|| child.try_wait().unwrap().is_some());
    let _ = child.kill();
    assert!(ended, "it went on although nobody listens");
}

/// A database whose check takes an hour: each entry of an index is computed again.
fn slow_to_check(path: &Path) {
    let database = Connection::open(path).unwrap();
    database
        .execute_batch(
            "CREATE TABLE slow (id INTEGER PRIMARY KEY, body TEXT, other TEXT);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)
             INSERT INTO slow (body) SELECT printf('row %d', i) FROM n;
             CREATE INDEX i ON slow (body);
             PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET sql = 'CREATE INDEX i ON slow (body || substr(replace(
                 hex(zeroblob(10000000)), ''0'', char(65 + id % 20)), 1, 0))' WHERE name = 'i'",
        )
        .unwrap();
}

/// A child that waits for a lock ends when nobody reads its pipe any more.
#[test]
fn a_child_that_waits_for_a_lock_ends() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.db");
    let database = make(&path, "delete", 4096, 10);
    database.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut child = child(&path, &["--busy-wait", "3600000"]);
    drop(child.stdout.take());
    assert_ends(child);
}

/// So does one that checks what it has read, in place or in a private copy, of which
/// nothing is left.
#[test]
fn a_child_that_checks_ends_and_leaves_nothing() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.db");
    slow_to_check(&path);
    let crashed = folder.path().join("crashed.db");
    let database = Connection::open(&path).unwrap();
    database
        .execute_batch("PRAGMA cache_size = 10; BEGIN; UPDATE slow SET other = 'torn' || body")
        .unwrap();
    fs::copy(&path, &crashed).unwrap();
    fs::copy(folder.path().join("a.db-journal"), folder.path().join("crashed.db-journal")).unwrap();
    drop(database);
    let scratch = folder.path().join("scratch");
    fs::create_dir(&scratch).unwrap();
    for path in [&path, &crashed] {
        let mut child = child(path, &["--verify", "full", "--scratch", scratch.to_str().unwrap()]);
        // Once it has begun, the check is all that takes long.
        let mut out = child.stdout.take().unwrap();
        out.read_exact(&mut [0; 5]).unwrap();
        assert_eq!(fs::read_dir(&scratch).unwrap().count(), usize::from(path == &crashed));
        drop(out);
        assert_ends(child);
        assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0, "{}", path.display());
    }
}

/// The processes that read `path`, zombies not counted.
fn readers_of(path: &Path) -> Vec<String> {
    let name = path.to_str().unwrap();
    let numbers = fs::read_dir("/proc").unwrap().flatten();
    let reads = |process: &std::path::PathBuf| {
        let said = fs::read(process.join("cmdline")).unwrap_or_default();
        let said = String::from_utf8_lossy(&said).replace('\0', " ");
        said.contains("sqlite-read") && said.contains(name)
    };
    let found = numbers.map(|entry| entry.path()).filter(reads);
    found.map(|process| process.display().to_string()).collect()
}

/// `kill -9` of a backup that verifies takes the reading child with it, and its locks.
#[test]
fn a_killed_backup_leaves_no_reader() {
    let cli = Cli::new();
    let path = cli.path("src/slow.db");
    slow_to_check(&path);
    let mut backup = program()
        .env("ICECORE_REPOSITORY", cli.path("repo"))
        .arg("--key-file")
        .arg(cli.path("key"))
        .args(["-q", "backup", "--verify-source", "full"])
        .arg(cli.path("src"))
        .spawn()
        .unwrap();
    assert!(soon(|| !readers_of(&path).is_empty()));
    let writer = Connection::open(&path).unwrap();
    writer.busy_timeout(Duration::ZERO).unwrap();
    let exclusive = || {
        let got = writer.execute_batch("BEGIN EXCLUSIVE; ROLLBACK").is_ok();
        let _ = writer.execute_batch("ROLLBACK");
        got
    };
    assert!(soon(|| !exclusive()), "the reader never held its lock");
    backup.kill().unwrap();
    backup.wait().unwrap();
    assert!(soon(|| readers_of(&path).is_empty()), "{:?}", readers_of(&path));
    // A process that ends has no command line any more shortly before it has no files.
    assert!(soon(exclusive));
}
