//! Databases are captured before files, so that no row names a file that is not in the snapshot.

use super::{insert, make, open_image, stubborn_reader};
use crate::common::repo::{TempRepo, options};
use icecore::error::Error;
use icecore::format::snapshot::{PartKind, Snapshot};
use icecore::monitor::{Counter, FileChange, Monitor, Silent};
use icecore::ops::backup::{Backup, Wanted, backup};
use icecore::source::files::{FilesOptions, FilesSource};
use icecore::source::{Item, Source, SqliteSource};
use rusqlite::Connection;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// Files enough that more than one batch is read.
const FILES: u32 = 1500;

/// An application that keeps uploads in files and their names in a database.
struct Application {
    uploads: PathBuf,
    database: Mutex<Connection>,
    has_uploaded: AtomicBool,
}

impl Application {
    fn new(folder: &Path, journal_mode: &str, name: &str) -> Self {
        let uploads = folder.join("a uploads");
        fs::create_dir_all(uploads.join("more")).unwrap();
        let database = make(&folder.join(name), journal_mode, 4096, 3000);
        for number in 0..FILES {
            fs::write(uploads.join(format!("{number:05}")), number.to_string()).unwrap();
        }
        Application {
            uploads,
            database: Mutex::new(database),
            has_uploaded: AtomicBool::new(false),
        }
    }
}

/// Once the first of the uploads was captured, one more comes into their folder, and then its row.
impl Monitor for Application {
    fn begin(&self, _: &str, _: Option<(Counter, u64)>) {}
    fn count(&self, _: Counter, _: u64) {}
    fn trouble(&self, error: &Error) {
        panic!("{error}");
    }
    fn note(&self, _: &str) {}
    fn end(&self) {}

    fn file(&self, _: FileChange, path: &[u8], _: u64) {
        if !path.ends_with(b"/00000") || self.has_uploaded.swap(true, Ordering::Relaxed) {
            return;
        }
        fs::write(self.uploads.join("99999"), "new").unwrap();
        let row = "INSERT INTO t (id, body) VALUES (99999, 'new')";
        self.database.lock().unwrap().execute(row, []).unwrap();
    }
}

/// Whether the snapshot of a backup has the row of the last upload, and its file; and the snapshot.
fn captured(
    repo: &TempRepo,
    application: &Application,
    sources: Vec<Box<dyn Source>>,
    database: &Path,
) -> (bool, bool, Snapshot) {
    let report = backup(&repo.repository, sources, &options(), application).unwrap();
    assert!(!report.incomplete);
    let image = repo.read(&report.snapshot, database.to_str().unwrap()).unwrap();
    let (_folder, stored) = open_image(&image);
    let rows = "SELECT count(*) FROM t WHERE id = 99999";
    let has_row = stored.query_row(rows, [], |row| row.get::<_, u32>(0)).unwrap() > 0;
    let upload = application.uploads.join("99999");
    let has_file = repo.read(&report.snapshot, upload.to_str().unwrap()).is_ok();
    (has_row, has_file, report.snapshot)
}

fn files(folder: &Path) -> Box<dyn Source> {
    let reader = stubborn_reader();
    let sqlite = Some(Arc::new(move |file: &_| reader.read(file)) as _);
    let options = FilesOptions { sqlite, ..FilesOptions::default() };
    Box::new(FilesSource::new(folder, options).unwrap())
}

/// A database that comes after the files in the order of names is captured before them: in WAL mode whatever it is
/// called, in rollback mode by the ending of its name; and again in the next backup, where it is found beside its
/// former self.
#[test]
fn databases_of_a_folder_come_before_its_files() {
    for (journal_mode, name) in [("wal", "z data"), ("delete", "z.sqlite3")] {
        let (repo, folder) = (TempRepo::new(1), TempDir::new().unwrap());
        let application = Application::new(folder.path(), journal_mode, name);
        let database = folder.path().join(name);
        let source = || vec![files(folder.path())];
        let (has_row, has_file, _) = captured(&repo, &application, source(), &database);
        assert_eq!((has_row, has_file), (false, false), "{name}");
        let (has_row, has_file, second) = captured(&repo, &application, source(), &database);
        assert_eq!((has_row, has_file), (true, true), "{name}");
        assert_eq!((second.summary.databases, second.summary.files_changed), (1, 1), "{name}");
    }
}

/// A database that is named by itself is captured before folders that were named before it, and the parts stand in
/// the order in which they were named all the same.
#[test]
fn named_databases_come_before_folders() {
    let (repo, folder) = (TempRepo::new(1), TempDir::new().unwrap());
    let application = Application::new(folder.path(), "wal", "z.db");
    let database = folder.path().join("z.db");
    let uploads = files(&application.uploads);
    let named = Box::new(SqliteSource::new(&database, stubborn_reader()).unwrap());
    let (has_row, has_file, snapshot) =
        captured(&repo, &application, vec![uploads, named], &database);
    assert_eq!((has_row, has_file), (false, false));
    let kinds: Vec<PartKind> = snapshot.parts.iter().map(|part| part.kind).collect();
    assert_eq!(kinds, [PartKind::Files, PartKind::Sqlite]);
}

/// The same while databases are pinned, as where only some of the services stand still.
#[test]
fn pinned_databases_come_before_files() {
    let (repo, folder) = (TempRepo::new(1), TempDir::new().unwrap());
    let application = Application::new(folder.path(), "wal", "z.db");
    {
        let database = application.database.lock().unwrap();
        insert(&database, 20_000);
        database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    }
    let wanted = || Wanted::of(vec![files(folder.path())], false).unwrap();
    let backup = Backup::begin(&repo.repository, &wanted(), &options()).unwrap();
    let backup = backup.warm_up(wanted(), &Silent).unwrap();
    fs::write(application.uploads.join("00000"), "changed").unwrap();
    let pinned = backup.pin(wanted(), &application);
    assert_eq!(pinned.count(), 1);
    assert!(application.has_uploaded.load(Ordering::Relaxed));
    let report = pinned.read(&Silent).commit(&Silent).unwrap();
    assert!(!report.incomplete);
    let database = folder.path().join("z.db");
    let image = repo.read(&report.snapshot, database.to_str().unwrap()).unwrap();
    let rows = "SELECT count(*) FROM t WHERE id = 99999";
    let rows = open_image(&image).1.query_row(rows, [], |row| row.get::<_, u32>(0)).unwrap();
    let upload = application.uploads.join("99999");
    assert_eq!((rows, repo.read(&report.snapshot, upload.to_str().unwrap()).is_ok()), (0, false));
}

/// Another file that has the inode of a database which was read first, as after that was deleted, is not taken for it.
#[test]
fn an_inode_under_another_name_is_another_file() {
    let folder = TempDir::new().unwrap();
    drop(make(&folder.path().join("a.db"), "delete", 4096, 10));
    for (name, is_it) in [("a.db", true), ("invoice.txt", false)] {
        let mut source = files(folder.path());
        assert!(source.next_database().is_some() && source.next_database().is_none());
        let renamed = folder.path().join(name);
        fs::rename(folder.path().join("a.db"), &renamed).unwrap();
        let mut same = None;
        while let Some(item) = source.next().unwrap() {
            if let Item::File(file) = item {
                assert_eq!(file.entry.name, name.as_bytes());
                same = Some(file.same.is_some());
            }
        }
        assert_eq!(same, Some(is_it), "{name}");
    }
}
