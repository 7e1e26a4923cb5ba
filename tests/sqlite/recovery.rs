//! Databases that a crash left, and what a capture leaves beside a database.

use super::{
    capture, capture_with, count, facts_of, insert, make, open_image, reader, reader_as_nobody,
};
use icecore::source::sqlite::SpoolLimits;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;
use tempfile::TempDir;

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
    assert_eq!(facts_of(&proof).method, "dbpage of a recovered copy");
    let (_folder, image) = open_image(&bytes);
    let torn: i64 = image
        .query_row("SELECT count(*) FROM t WHERE body LIKE 'torn%'", [], |row| row.get(0))
        .unwrap();
    assert_eq!((count(&image, "t"), torn), (5000, 0));
    assert!(before == std::fs::read(&crashed).unwrap());
    assert!(folder.path().join("crashed.db-journal").exists());
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

/// A database in use that a stranger cannot read in place is not copied from under its writer:
/// it is locked, and the error says what to do.
#[test]
fn a_database_in_use_is_not_copied_aside() {
    let tools = TempDir::new().unwrap();
    let Some(stranger) = reader_as_nobody(tools.path()) else { return };
    let folder = TempDir::new().unwrap();
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let path = folder.path().join("a.db");
    let database = make(&path, "wal", 4096, 50);
    insert(&database, 50);
    for name in ["a.db", "a.db-wal"] {
        let mode = Permissions::from_mode(0o644);
        std::fs::set_permissions(folder.path().join(name), mode).unwrap();
    }
    let index = folder.path().join("a.db-shm");
    std::fs::set_permissions(index, Permissions::from_mode(0o600)).unwrap();
    let hasty = stranger.clone().with_busy_wait(Duration::from_millis(100));
    let error = capture_with(&hasty, &path).unwrap_err();
    assert_eq!(error.kind(), icecore::error::Kind::Locked, "{error}");
    assert!(error.hint_text().unwrap().contains("owner"), "{error}");
    drop(database);
    let (bytes, _) = capture_with(&stranger, &path).unwrap();
    assert_eq!(count(&open_image(&bytes).1, "t"), 100);
}

/// A file of somebody's that is only named like the index of a log stays as it is, and the database
/// beside it is captured.
#[test]
fn a_file_named_like_an_index_is_not_touched() {
    for mine in [b"my notes".to_vec(), vec![b'x'; 32 << 10]] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("a.db");
        drop(make(&path, "wal", 4096, 20));
        let index = folder.path().join("a.db-shm");
        std::fs::write(&index, &mine).unwrap();
        let (bytes, proof) = capture(&path);
        assert!(std::fs::read(&index).unwrap() == mine, "it was written to");
        assert_eq!(facts_of(&proof).method, "dbpage of a recovered copy");
        assert_eq!(count(&open_image(&bytes).1, "t"), 20);
    }
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.db");
    let database = make(&path, "wal", 4096, 20);
    insert(&database, 5);
    assert_eq!(facts_of(&capture(&path).1).method, "dbpage", "an index is one");
}

/// Private copies of a process that was killed are swept by the next capture; those of one that
/// lives, and what is only named so, are not.
#[test]
fn copies_of_the_killed_are_swept() {
    let scratch = TempDir::new().unwrap();
    let at = |name: &str| scratch.path().join(name);
    for name in ["icecore-sqlite-dead", "icecore-sqlite-live", "other"] {
        std::fs::create_dir(at(name)).unwrap();
        std::fs::write(at(name).join("database"), "rows").unwrap();
    }
    std::fs::write(at("icecore-sqlite-file"), "").unwrap();
    let live = std::fs::File::open(at("icecore-sqlite-live")).unwrap();
    live.try_lock().unwrap();
    let folder = TempDir::new().unwrap();
    drop(make(&folder.path().join("a.db"), "delete", 4096, 10));
    let limits = SpoolLimits { folder: scratch.path().to_owned(), ..reader().spool().clone() };
    capture_with(&reader().with_spool(limits), &folder.path().join("a.db")).unwrap();
    let mut left: Vec<_> =
        scratch.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["icecore-sqlite-file", "icecore-sqlite-live", "other"]);
}
