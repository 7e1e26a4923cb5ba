//! SQLite databases, captured with the real SQLite at work on them.

use icecore::error::{Error, Kind, Result};
use icecore::source::sqlite::{SpoolLimits, SqliteOptions, SqliteReader, SqliteSource, Verify};
use icecore::source::{ByteStream, FileProof, Got, Item, Source};
use icecore::target::sqlite::{lock_exclusively, place};
use rusqlite::Connection;
use std::fs::Permissions;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
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

/// While writers move money about, in both journal modes, every capture is sound and none loses
/// or makes a penny.
#[test]
fn captures_under_writers_are_consistent() {
    for mode in ["wal", "delete"] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("bank.db");
        let database = make(&path, mode, 4096, 20000);
        database
            .execute_batch(
                "CREATE TABLE account (id INTEGER PRIMARY KEY, money INTEGER);
                 INSERT INTO account SELECT id, 100 FROM t WHERE id <= 5000",
            )
            .unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for writer in 0..2u64 {
                let (path, stop) = (&path, &stop);
                scope.spawn(move || {
                    let database = Connection::open(path).unwrap();
                    database.busy_timeout(Duration::from_secs(60)).unwrap();
                    let mut number = writer;
                    while !stop.load(Ordering::Relaxed) {
                        number = number.wrapping_mul(6364136223846793005).wrapping_add(1442695);
                        let (from, to) = (number >> 33 & 4095, number >> 45 & 4095);
                        database
                            .execute_batch(&format!(
                                "BEGIN IMMEDIATE;
                                 UPDATE account SET money = money - 7 WHERE id = {from} + 1;
                                 UPDATE account SET money = money + 7 WHERE id = {to} + 1;
                                 COMMIT"
                            ))
                            .unwrap();
                        // In rollback mode, writers without a pause starve every reader.
                        std::thread::sleep(Duration::from_millis(2));
                    }
                });
            }
            // Writers must be stopped before anything is found wanting, or they never end.
            let captures: Vec<_> = (0..8).map(|_| capture_with(&reader(), &path)).collect();
            stop.store(true, Ordering::Relaxed);
            for result in captures {
                let (bytes, proof) = result.unwrap();
                assert_eq!((proof.changed, proof.taint), (None, None));
                let (_folder, image) = open_image(&bytes);
                let sum: i64 = image
                    .query_row("SELECT sum(money) FROM account", [], |row| row.get(0))
                    .unwrap();
                assert_eq!(sum, 500_000, "{mode}");
            }
        });
    }
}

/// Past 1 GiB every page comes in its place; the lock-byte page, which belongs to no database,
/// comes as zeros whatever stands in the file.
#[test]
fn a_database_past_the_lock_byte_page_comes_whole() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("large.db");
    drop(make(&path, "delete", 65536, 100));
    let page = 65536u64;
    let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let pages = (1u64 << 30) / page + 3;
    file.set_len(pages * page).unwrap();
    file.write_all_at(&u32::try_from(pages).unwrap().to_be_bytes(), 28).unwrap();
    file.write_all_at(&[9; 65536], 1 << 30).unwrap();
    file.write_all_at(&[8; 65536], (1 << 30) + page).unwrap();
    let (bytes, proof) = capture(&path);
    assert_eq!(bytes.len() as u64, pages * page);
    assert_eq!(u64::from(proof.sqlite.unwrap().page_count), pages);
    let lock = 1usize << 30;
    assert!(bytes[lock..lock + 65536].iter().all(|byte| *byte == 0));
    assert!(bytes[lock + 65536..lock + 2 * 65536].iter().all(|byte| *byte == 8));
    let mut front = vec![0; 1 << 20];
    file.read_exact_at(&mut front, 0).unwrap();
    assert!(front == bytes[..1 << 20]);
}

/// A hot journal is rolled back in a private copy: the capture has what was committed before,
/// and the database and its journal stay as they are.
#[test]
fn a_hot_journal_is_rolled_back_aside() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.db");
    let database = make(&path, "delete", 4096, 5000);
    let crashed = folder.path().join("crashed.db");
    database
        .execute_batch("PRAGMA cache_size = 10; BEGIN; UPDATE t SET body = 'torn' || body")
        .unwrap();
    std::fs::copy(&path, &crashed).unwrap();
    std::fs::copy(folder.path().join("a.db-journal"), folder.path().join("crashed.db-journal"))
        .unwrap();
    let before = std::fs::read(&crashed).unwrap();
    let (bytes, proof) = capture(&crashed);
    assert_eq!(proof.sqlite.unwrap().method, "dbpage of a recovered copy");
    let (_folder, image) = open_image(&bytes);
    let torn: i64 = image
        .query_row("SELECT count(*) FROM t WHERE body LIKE 'torn%'", [], |row| row.get(0))
        .unwrap();
    assert_eq!((count(&image, "t"), torn), (5000, 0));
    assert!(before == std::fs::read(&crashed).unwrap());
    assert!(folder.path().join("crashed.db-journal").exists());
}

/// Reads as the user nobody; only root can do that, so others have nothing to test here.
fn reader_as_nobody(folder: &Path) -> Option<SqliteReader> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let copy = folder.join("icecore");
    std::fs::copy(env!("CARGO_BIN_EXE_icecore"), &copy).unwrap();
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

/// A log that a crash left in a folder that takes no files is recovered in a private copy.
#[test]
fn a_log_in_a_read_only_folder_is_recovered_aside() {
    let tools = TempDir::new().unwrap();
    let Some(reader) = reader_as_nobody(tools.path()) else { return };
    let live = TempDir::new().unwrap();
    let database = make(&live.path().join("a.db"), "wal", 4096, 10);
    database.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    insert(&database, 300);
    let folder = TempDir::new().unwrap();
    for name in ["a.db", "a.db-wal"] {
        std::fs::copy(live.path().join(name), folder.path().join(name)).unwrap();
    }
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o555)).unwrap();
    let (bytes, _) = capture_with(&reader, &folder.path().join("a.db")).unwrap();
    assert_eq!(count(&open_image(&bytes).1, "t"), 310);
    assert!(!folder.path().join("a.db-shm").exists());
}

/// No reader leaves files beside a database that its owner could not write: a stranger leaves
/// none, and those that root leaves are the owner's.
#[test]
fn no_foreign_files_are_left_behind() {
    let tools = TempDir::new().unwrap();
    let Some(stranger) = reader_as_nobody(tools.path()) else { return };
    let folder = TempDir::new().unwrap();
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    let path = folder.path().join("a.db");
    drop(make(&path, "wal", 4096, 50));
    std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let (bytes, _) = capture_with(&stranger, &path).unwrap();
    assert_eq!(count(&open_image(&bytes).1, "t"), 50);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    std::os::unix::fs::chown(&path, Some(65534), Some(65534)).unwrap();
    capture(&path);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().uid(), 65534, "{:?}", entry.path());
    }
}

/// A database under an exclusive lock is an error of kind `Locked` that names it; an unreadable
/// one is `Denied`.
#[test]
fn what_cannot_be_read_is_an_error() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("held.db");
    let database = make(&path, "delete", 4096, 10);
    database.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let error = failure(&path);
    assert_eq!(error.kind(), Kind::Locked, "{error}");
    assert!(error.to_string().contains("held.db"), "{error}");
    drop(database);
    let Some(stranger) = reader_as_nobody(folder.path()) else { return };
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let error = capture_with(&stranger, &path).unwrap_err();
    assert_eq!(error.kind(), Kind::Denied, "{error}");
}

/// A database that another file took the name of during the scan comes as it was, and the proof
/// says that it changed.
#[test]
fn a_replaced_database_is_noticed() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.db");
    drop(make(&path, "delete", 4096, 90000));
    let old = std::fs::read(&path).unwrap();
    assert!(old.len() > 6 << 20);
    let stream = stubborn_reader().open(&path).unwrap();
    let new = folder.path().join("new.db");
    drop(make(&new, "delete", 4096, 5));
    std::fs::rename(&new, &path).unwrap();
    let (bytes, proof) = rest(stream);
    assert!(bytes == old);
    assert!(proof.changed.unwrap().contains("another file"));
}

/// The scan's lock outlives a hard link that this process opens and closes meanwhile, and goes
/// when the stream is given up.
#[test]
fn locks_hold_while_links_are_closed() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.db");
    drop(make(&path, "delete", 4096, 90000));
    let link = folder.path().join("link.db");
    std::fs::hard_link(&path, &link).unwrap();
    let stream = stubborn_reader().open(&path).unwrap();
    drop(std::fs::File::open(&link).unwrap());
    let writer = Connection::open(&path).unwrap();
    writer.busy_timeout(Duration::ZERO).unwrap();
    assert!(writer.execute("INSERT INTO t (body) VALUES ('x')", []).is_err());
    drop(stream);
    writer.execute("INSERT INTO t (body) VALUES ('x')", []).unwrap();
}

/// VACUUM, shrinking and a new page size during a scan change nothing of what is captured.
#[test]
fn a_vacuum_during_the_scan_does_not_show() {
    for (mode, reader) in [("wal", stubborn_reader()), ("delete", reader())] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("a.db");
        let database = make(&path, mode, 4096, 90000);
        database.busy_timeout(Duration::from_secs(60)).unwrap();
        let stream = reader.open(&path).unwrap();
        database
            .execute_batch("DELETE FROM t WHERE id % 2; PRAGMA page_size = 1024; VACUUM")
            .unwrap();
        let (bytes, proof) = rest(stream);
        assert_eq!((proof.changed, proof.taint), (None, None));
        assert_eq!(count(&open_image(&bytes).1, "t"), 90000, "{mode}");
        assert_eq!(count(&open_image(&capture(&path).0).1, "t"), 45000, "{mode}");
    }
}

/// In rollback mode a consumer that takes nothing holds no writer up.
#[test]
fn a_slow_repository_does_not_hold_writers_up() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.db");
    let database = make(&path, "delete", 4096, 200_000);
    assert!(std::fs::metadata(&path).unwrap().len() > 12 << 20);
    let stream = reader().open(&path).unwrap();
    database.busy_timeout(Duration::from_secs(60)).unwrap();
    database.execute("INSERT INTO t (body) VALUES ('later')", []).unwrap();
    assert_eq!(count(&open_image(&rest(stream).0).1, "t"), 200_000);
}

/// A damaged database is stored, and tainted when a check was asked for.
#[test]
fn damage_taints() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.db");
    drop(make(&path, "delete", 4096, 5000));
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&[0xaa; 4096], 20 * 4096).unwrap();
    let (bytes, proof) = capture(&path);
    assert_eq!(proof.taint, None);
    assert!(bytes == std::fs::read(&path).unwrap());
    for verify in [Verify::Quick, Verify::Full] {
        let options = SqliteOptions { verify, ..SqliteOptions::default() };
        let (bytes, proof) = capture_with(&reader_with(options), &path).unwrap();
        assert!(bytes == std::fs::read(&path).unwrap());
        assert!(proof.taint.is_some());
        assert_eq!(proof.sqlite.unwrap().verified, None);
    }
}

/// The way of builds without `sqlite_dbpage` gives a sound image with the same rows.
#[test]
fn the_backup_interface_serves_as_well() {
    for mode in ["wal", "delete"] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("a.db");
        let _database = make(&path, mode, 8192, 3000);
        let (bytes, proof) = capture_with(&reader().with_backup_api(), &path).unwrap();
        let facts = proof.sqlite.unwrap();
        assert_eq!((facts.method.as_str(), facts.journal_mode.as_str()), ("backup", mode));
        assert_eq!(count(&open_image(&bytes).1, "t"), 3000);
        let (direct, _) = capture(&path);
        assert!(bytes[100..] == direct[100..], "{mode}: they differ past the header");
    }
}

/// A child that dies, is cut off, or talks nonsense is an error, never a short database.
#[test]
fn a_dying_child_is_an_error() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.db");
    drop(make(&path, "delete", 4096, 5000));
    let icecore = env!("CARGO_BIN_EXE_icecore");
    for body in [
        "exit 0".to_owned(),
        "kill -9 $$".to_owned(),
        "echo nonsense".to_owned(),
        format!("{icecore} \"$@\" | head -c 450000"),
        format!("{icecore} \"$@\" | head -c 40"),
        format!("{icecore} \"$@\"; exit 3"),
    ] {
        let script = folder.path().join("child");
        std::fs::write(&script, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
        let reader = SqliteReader::new(script, SqliteOptions::default());
        let error = capture_with(&reader, &path).expect_err(&body);
        assert!(error.to_string().contains("a.db"), "{error}");
    }
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
