//! Databases whose state is pinned, and that are read later: whatever becomes of them in between.

use super::{count, insert, make, open_image, reader_with, stubborn_reader};
use crate::common::repo::{TempRepo, options};
use icecore::error::{Error, Kind};
use icecore::format::snapshot::Snapshot;
use icecore::monitor::Silent;
use icecore::ops::backup::{Backup, BackupReport, Wanted};
use icecore::source::files::{FilesOptions, FilesSource};
use icecore::source::sqlite::SqliteOptions;
use icecore::source::{Source, SqliteSource};
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

/// Rows enough that neither a pipe nor a spool holds them all.
const ROWS: u32 = 30_000;

/// A repository, and a folder with databases.
struct Scene {
    repo: TempRepo,
    folder: TempDir,
}

impl Scene {
    fn new() -> Self {
        Scene { repo: TempRepo::new(1), folder: TempDir::new().unwrap() }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A database, with or without a log in which something stands.
    fn database(&self, name: &str, is_logged: bool) -> Connection {
        let database = make(&self.at(name), "wal", 4096, ROWS);
        database.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        checkpoint(&database);
        if is_logged {
            database.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
            insert(&database, 100);
        }
        database
    }

    /// The folder as a source, whose databases are read no sooner than they are wanted.
    fn source(&self) -> Vec<Box<dyn Source>> {
        let reader = stubborn_reader();
        let sqlite = Some(Arc::new(move |file: &_| reader.read(file)) as _);
        let options = FilesOptions { sqlite, ..FilesOptions::default() };
        vec![Box::new(FilesSource::new(self.folder.path(), options).unwrap())]
    }

    /// A backup in which so many databases are pinned after a warm-up, and read after `meanwhile`.
    fn backup(&self, pinned: usize, meanwhile: impl FnOnce()) -> BackupReport {
        self.backup_of(&|| self.source(), pinned, || (), meanwhile)
    }

    fn backup_of(
        &self,
        sources: &dyn Fn() -> Vec<Box<dyn Source>>,
        pinned: usize,
        after_warm_up: impl FnOnce(),
        meanwhile: impl FnOnce(),
    ) -> BackupReport {
        let wanted = || Wanted::of(sources(), false).unwrap();
        let backup = Backup::begin(&self.repo.repository, &wanted(), &options()).unwrap();
        let backup = backup.warm_up(wanted(), &Silent).unwrap();
        after_warm_up();
        let pins = backup.pin(wanted(), &Silent);
        assert_eq!(pins.count(), pinned);
        meanwhile();
        pins.read(&Silent).commit(&Silent).unwrap()
    }

    fn image(&self, snapshot: &Snapshot, name: &str) -> Vec<u8> {
        self.repo.read(snapshot, self.at(name).to_str().unwrap()).unwrap()
    }

    /// All rows of a database in a snapshot, which is sound.
    fn stored(&self, snapshot: &Snapshot, name: &str) -> Vec<(i64, String)> {
        rows(&open_image(&self.image(snapshot, name)).1)
    }
}

fn rows(database: &Connection) -> Vec<(i64, String)> {
    let mut all = database.prepare("SELECT id, body FROM t ORDER BY id").unwrap();
    let all = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    all.map(Result::unwrap).collect()
}

fn checkpoint(database: &Connection) {
    database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
}

fn overwrite(path: &Path) {
    let database = Connection::open(path).unwrap();
    database.execute_batch("UPDATE t SET body = 'torn ' || body || 'torn'").unwrap();
    checkpoint(&database);
}

/// What is read later is the state at the time of pinning, with and without a log: after a migration and a
/// transaction that writes everything, VACUUM, checkpoints, and where the database was replaced or removed.
#[test]
fn what_is_pinned_stays_as_it_was() {
    type Change = fn(&Path);
    let changes: [(&str, Change); 4] = [
        ("a migration", |path| {
            let database = Connection::open(path).unwrap();
            let statements = "BEGIN IMMEDIATE; ALTER TABLE t ADD COLUMN more TEXT;
                 UPDATE t SET body = 'new', more = hex(randomblob(100));
                 CREATE INDEX i ON t (more); DELETE FROM t WHERE id % 3 = 0; COMMIT";
            database.execute_batch(statements).unwrap();
            checkpoint(&database);
        }),
        ("VACUUM", |path| {
            let database = Connection::open(path).unwrap();
            database.execute_batch("DELETE FROM t WHERE id > 100; VACUUM").unwrap();
            checkpoint(&database);
        }),
        ("a rename", |path| {
            let new = path.with_extension("new");
            drop(make(&new, "wal", 4096, 10));
            for beside in ["app.db-wal", "app.db-shm"] {
                let _ = fs::remove_file(path.with_file_name(beside));
            }
            fs::rename(&new, path).unwrap();
            overwrite(path);
        }),
        ("a removal", |path| {
            for name in ["app.db", "app.db-wal", "app.db-shm"] {
                let _ = fs::remove_file(path.with_file_name(name));
            }
        }),
    ];
    for (name, change) in changes {
        for is_logged in [false, true] {
            let scene = Scene::new();
            let database = scene.database("app.db", is_logged);
            let before = rows(&database);
            let report = scene.backup(1, || change(&scene.at("app.db")));
            assert!(!report.incomplete, "{name}, {is_logged}");
            assert!(scene.stored(&report.snapshot, "app.db") == before, "{name}, {is_logged}");
        }
    }
}

/// Where a database is written by somebody whom SQLite does not show that it is read, what was read is told to be of
/// several moments: where the files beside it were taken away, it was moved, or is used at another place.
#[test]
fn what_is_written_unseen_is_told() {
    type Change = fn(&Path);
    let changes: [(&str, Change, bool); 4] = [
        ("beside", |path| remove_beside(path), false),
        ("beside, written", |path| (remove_beside(path), overwrite(path)).1, true),
        ("moved, written", |path| overwrite(&moved(path)), true),
        ("elsewhere, written", |path| overwrite(&linked(path)), true),
    ];
    for (name, change, is_told) in changes {
        // A log that lies elsewhere is known by none being here.
        for is_logged in [false, true].into_iter().take(if name.contains("else") { 1 } else { 2 }) {
            let scene = Scene::new();
            drop(scene.database("app.db", is_logged));
            let report = scene.backup(1, || change(&scene.at("app.db")));
            assert_eq!(report.incomplete, is_told, "{name}, {is_logged}");
        }
    }
}

fn remove_beside(path: &Path) {
    for beside in ["app.db-wal", "app.db-shm"] {
        fs::remove_file(path.with_file_name(beside)).unwrap();
    }
}

/// The same file in another folder, as a mount of the file alone shows it.
fn linked(path: &Path) -> PathBuf {
    let folder = path.with_file_name("elsewhere");
    fs::create_dir(&folder).unwrap();
    let to = folder.join("app.db");
    fs::hard_link(path, &to).unwrap();
    to
}

fn moved(path: &Path) -> PathBuf {
    let to = path.with_file_name("moved.db");
    fs::rename(path, &to).unwrap();
    to
}

/// What cannot be pinned without harm is read in its turn, and so is what the warm-up has not read: a database in
/// rollback mode, one with two names, one that may lie on a shared file system, a new one, and one that its owner had
/// for itself.
#[test]
fn what_cannot_be_pinned_is_read_in_its_turn() {
    let scene = Scene::new();
    let path = scene.at("app.db");
    drop(make(&path, "delete", 4096, ROWS));
    let before = rows(&Connection::open(&path).unwrap());
    let report = scene.backup(0, || overwrite(&path));
    assert!(!report.incomplete && scene.stored(&report.snapshot, "app.db") == before);

    let scene = Scene::new();
    drop(scene.database("app.db", false));
    fs::hard_link(scene.at("app.db"), scene.at("other.db")).unwrap();
    scene.backup(0, || ());

    let scene = Scene::new();
    drop(scene.database("app.db", false));
    let forced = || -> Vec<Box<dyn Source>> {
        let reader = reader_with(SqliteOptions { force: true, ..SqliteOptions::default() });
        let path = scene.at("app.db");
        vec![Box::new(SqliteSource::new(&path, reader).unwrap())]
    };
    scene.backup_of(&forced, 0, || (), || ());

    let scene = Scene::new();
    let make_new = || drop(scene.database("app.db", false));
    let overwrite_new = || overwrite(&scene.at("app.db"));
    let report = scene.backup_of(&|| scene.source(), 0, make_new, overwrite_new);
    assert!(!scene.stored(&report.snapshot, "app.db")[0].1.contains("torn"));

    let scene = Scene::new();
    drop(scene.database("app.db", false));
    let is_free = Arc::new(AtomicBool::new(false));
    let source = || -> Vec<Box<dyn Source>> {
        let (reader, is_free) = (stubborn_reader(), is_free.clone());
        let read = move |file: &_| match is_free.load(Ordering::SeqCst) {
            true => reader.read(file),
            false => Err(Error::new(Kind::Locked, "read", "it")),
        };
        let options = FilesOptions { sqlite: Some(Arc::new(read)), ..FilesOptions::default() };
        vec![Box::new(FilesSource::new(scene.folder.path(), options).unwrap())]
    };
    let free = || is_free.store(true, Ordering::SeqCst);
    let report = scene.backup_of(&source, 0, free, || ());
    assert!(!report.incomplete);
    assert_eq!(scene.stored(&report.snapshot, "app.db").len(), ROWS as usize);
}

/// Files and folders before, beside and behind pinned databases at several depths are in the snapshot as they
/// were in their turn, and so is a database that is named by itself; parts stand in the order of their sources.
#[test]
fn all_else_is_captured_in_its_turn() {
    let scene = Scene::new();
    let alone = TempDir::new().unwrap();
    let alone = alone.path().join("alone.db");
    drop(make(&alone, "wal", 4096, ROWS));
    let files = ["a", "b/a", "b/c/a", "b/c/z", "b/e/f", "b/z", "empty/x", "z/y"];
    for name in files {
        fs::create_dir_all(scene.at(name).parent().unwrap()).unwrap();
        fs::write(scene.at(name), name).unwrap();
    }
    let databases = ["b/c/m.db", "b/d.db", "m.db"];
    for name in databases {
        drop(scene.database(name, false));
    }
    let sources = || -> Vec<Box<dyn Source>> {
        let named = SqliteSource::new(&alone, stubborn_reader()).unwrap();
        let mut sources = scene.source();
        sources.insert(0, Box::new(named));
        sources
    };
    let change = || {
        fs::remove_dir_all(scene.at("b")).unwrap();
        fs::remove_dir_all(scene.at("z")).unwrap();
        fs::write(scene.at("new"), "new").unwrap();
        overwrite(&alone);
    };
    let report = scene.backup_of(&sources, 4, || (), change);
    assert!(!report.incomplete, "{:?}", report.snapshot);
    let snapshot = &report.snapshot;
    for name in files {
        assert_eq!(scene.image(snapshot, name), name.as_bytes());
    }
    for name in databases {
        assert_eq!(scene.stored(snapshot, name).len(), ROWS as usize);
    }
    let alone = scene.repo.read(snapshot, alone.to_str().unwrap()).unwrap();
    let (_folder, image) = open_image(&alone);
    assert_eq!(count(&image, "t WHERE body LIKE 'row%'"), i64::from(ROWS));
    let is_first = |end: &str| snapshot.parts[0].path.ends_with(end.as_bytes());
    assert!(is_first("alone.db") && snapshot.parts.len() == 2);
    assert_eq!((snapshot.summary.databases, snapshot.summary.failed), (4, 0));
}

/// So many databases are pinned at once and no more; the others are read in their turn.
#[test]
fn few_are_pinned_at_once() {
    let scene = Scene::new();
    for number in 0..20 {
        drop(make(&scene.at(&format!("{number:02}.db")), "wal", 4096, 4000));
    }
    let report = scene.backup(16, || ());
    assert!(!report.incomplete);
    assert_eq!(report.snapshot.summary.databases, 20);
}
