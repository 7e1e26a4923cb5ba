//! Captures while others write, replace and rebuild the database.

use super::{
    capture, capture_with, count, insert, make, open_image, reader, rest, stubborn_reader,
};
use icecore::source::Got;
use rusqlite::Connection;
use std::fs;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tempfile::TempDir;

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

/// A large database in rollback mode comes with a warning that its writers had to wait; in WAL mode
/// nobody waits.
#[test]
fn waiting_writers_are_remarked_on() {
    for (mode, large, expected) in
        [("delete", 1 << 16, true), ("delete", 1 << 30, false), ("wal", 1 << 16, false)]
    {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("a.db");
        let _database = make(&path, mode, 4096, 9000);
        let reader = reader().with_rollback_large(large);
        let warning = capture_with(&reader, &path).unwrap().1.warning;
        assert_eq!(warning.is_some_and(|text| text.contains("had to wait")), expected, "{mode}");
    }
}

/// A database that is replaced all the time by others that keep a log: no capture mixes the pages of
/// one with the log of another, which SQLite finds by its name alone.
#[test]
fn replaced_databases_are_not_mixed() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.db");
    let template = folder.path().join("template");
    drop(make(&template, "delete", 1024, 300));
    std::fs::copy(&template, &path).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let new = folder.path().join("new.db");
            while !stop.load(Ordering::Relaxed) {
                std::fs::copy(&template, &new).unwrap();
                std::fs::rename(&new, &path).unwrap();
                let database = Connection::open(&path).unwrap();
                database.busy_timeout(Duration::from_secs(10)).unwrap();
                let journal = |mode: &str| -> rusqlite::Result<String> {
                    database.query_row(&format!("PRAGMA journal_mode = {mode}"), [], |r| r.get(0))
                };
                // SQLite does not always wait here for those that read.
                while journal("wal").is_err() {}
                database.execute_batch("DELETE FROM t; PRAGMA user_version = 1").unwrap();
                insert(&database, 77);
                while journal("delete").is_ok_and(|mode| mode != "delete") {}
            }
        });
        let captures: Vec<_> = (0..40).map(|_| capture_with(&reader(), &path)).collect();
        stop.store(true, Ordering::Relaxed);
        for result in captures {
            let (bytes, _) = result.unwrap();
            let (_folder, image) = open_image(&bytes);
            let rows = count(&image, "t");
            assert!([300, 0, 77].contains(&rows), "{rows} rows");
        }
    });
}

/// A database that somebody writes who does not ask SQLite, while it is read, is told to be of several moments,
/// also where its log holds something. A commit and a checkpoint of SQLite are no reason.
#[test]
fn what_is_overwritten_while_it_is_read_is_told() {
    let folder = TempDir::new().unwrap();
    for (mode, is_logged) in [("delete", false), ("wal", false), ("wal", true)] {
        let path = folder.path().join(format!("{mode}-{is_logged}.db"));
        let writer = make(&path, mode, 4096, 30_000);
        if mode == "wal" {
            writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        }
        for case in ["left", "checkpoint", "overwritten"] {
            if is_logged {
                writer
                    .execute_batch(
                        "PRAGMA wal_autocheckpoint = 0; UPDATE t SET body = body || 1 WHERE id = 1",
                    )
                    .unwrap();
            }
            let mut stream = stubborn_reader().open(&path).unwrap();
            match case {
                "checkpoint" if mode == "wal" => {
                    writer.execute_batch("UPDATE t SET body = body || 1 WHERE id = 2").unwrap();
                    writer.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).unwrap();
                }
                "overwritten" => {
                    let file = fs::File::options().write(true).open(&path).unwrap();
                    let last = file.metadata().unwrap().len() - 4096;
                    file.write_all_at(&[7; 100], last + 1000).unwrap();
                }
                _ => {}
            }
            let mut buffer = vec![0; 1 << 20];
            while stream.read(&mut buffer).unwrap() != Got::End {}
            let changed = stream.finish().unwrap().changed;
            assert_eq!(changed.is_some(), case == "overwritten", "{mode} {is_logged} {case}");
        }
    }
}
