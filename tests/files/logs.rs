//! Databases of several names: read by the name that has the log.

use super::links::{backup, late, node_of, reader};
use super::walk;
use crate::common::cli::{Cli, stderr};
use crate::common::repo::TempRepo;
use icecore::format::directory::NodeKind;
use icecore::format::snapshot::Snapshot;
use icecore::source::SqliteSource;
use icecore::source::files::{FilesOptions, OpenDatabase};
use icecore::source::{FileItem, Got, Item, Source};
use rusqlite::Connection;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// A database of two names, three rows, two of which stand in the log beside its `real` one.
fn linked(real: &Path, other: &Path) -> Connection {
    let database = Connection::open(real).unwrap();
    database
        .execute_batch("PRAGMA journal_mode = wal; CREATE TABLE t (x); INSERT INTO t VALUES (1)")
        .unwrap();
    database.execute_batch("PRAGMA wal_checkpoint(truncate)").unwrap();
    fs::hard_link(real, other).unwrap();
    database.execute_batch("INSERT INTO t VALUES (2), (3)").unwrap();
    database
}

fn rows(repo: &TempRepo, snapshot: &Snapshot, path: &Path) -> i64 {
    let folder = TempDir::new().unwrap();
    let image = folder.path().join("image.db");
    fs::write(&image, repo.read(snapshot, path.to_str().unwrap()).unwrap()).unwrap();
    let database = Connection::open(&image).unwrap();
    database.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
}

/// A database is read by the name that has the log, wherever in the backup its other names stand
/// and whichever is met first; they have the same content, commits in the log included.
#[test]
fn a_database_is_read_by_the_name_that_has_the_log() {
    let repo = late(78);
    let places = [("d/z.db", "d/a.db"), ("z/live.db", "a/link.db"), ("d/a.db", "d/z.db")];
    for (real, other) in places {
        let dir = TempDir::new().unwrap();
        let at = |name: &str| dir.path().join(name);
        for folder in ["a", "d", "z"] {
            fs::create_dir(at(folder)).unwrap();
        }
        let database = linked(&at(real), &at(other));
        let folders = [at("a"), at("d"), at("z")];
        let folders = [folders[0].as_path(), &folders[1], &folders[2]];
        for sources in [&[dir.path()][..], &folders] {
            let snapshot = backup(&repo, sources);
            let [first, second] = [real, other].map(|name| node_of(&repo, &snapshot, &at(name)));
            assert_eq!(rows(&repo, &snapshot, &at(other)), 3, "{real}");
            assert_eq!((&first.kind, &first.meta), (&second.kind, &second.meta), "{real}");
            assert!(first.meta.link_group.is_some());
            assert_eq!(snapshot.warnings, Vec::<String>::new());
            let NodeKind::File { content, .. } = &first.kind else { panic!("no file") };
            assert_eq!(snapshot.summary.bytes_read, content.length, "it was read twice");
            let log = other.to_owned() + "-wal";
            assert!(!at(&log).exists(), "the other name was opened");
        }
        drop(database);
    }
}

/// The same holds for a database that is named alone, and for one beside which a log that holds
/// nothing was left.
#[test]
fn a_log_that_holds_nothing_is_no_reason() {
    let repo = late(79);
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name);
    let database = linked(&at("z.db"), &at("a.db"));
    fs::write(at("a.db-wal"), "").unwrap();
    let snapshot = backup(&repo, &[dir.path()]);
    assert_eq!(rows(&repo, &snapshot, &at("a.db")), 3);
    let alone = SqliteSource::new(&at("a.db"), reader()).unwrap().beside(Arc::default());
    let snapshot = repo.backup(vec![Box::new(alone)]).unwrap().snapshot;
    assert_eq!(rows(&repo, &snapshot, &at("a.db")), 3);
    let alone = backup(&repo, &[&at("a.db")]);
    assert_eq!(rows(&repo, &alone, &at("a.db")), 3);
    drop(database);
}

/// Two names with a log of their own each are two states of a database, as copies made of links
/// have them: each is what SQLite shows under that name.
#[test]
fn two_logs_are_two_databases() {
    let repo = late(80);
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name);
    let database = linked(&at("b.db"), &at("a.db"));
    fs::copy(at("b.db-wal"), at("a.db-wal")).unwrap();
    database.execute_batch("INSERT INTO t VALUES (4)").unwrap();
    let snapshot = backup(&repo, &[dir.path()]);
    assert_eq!(rows(&repo, &snapshot, &at("a.db")), 3);
    assert_eq!(rows(&repo, &snapshot, &at("b.db")), 4);
    drop(database);
}

/// A database that was idle, and is opened and written under another name while it is read, is not
/// passed off as one state; where locks are the file's own it is none the worse for it.
#[test]
fn writing_under_another_name_is_noticed() {
    for (mode, written, noticed) in
        [("wal", true, true), ("wal", false, false), ("delete", true, false)]
    {
        let dir = TempDir::new().unwrap();
        let [read, other] = ["a.db", "z.db"].map(|name| dir.path().join(name));
        let database = Connection::open(&other).unwrap();
        let _: String = database
            .query_row(&format!("PRAGMA journal_mode = {mode}"), [], |row| row.get(0))
            .unwrap();
        database.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)").unwrap();
        drop(database);
        fs::hard_link(&other, &read).unwrap();
        for file in [found_in_a_walk(&read), named_by_itself(&read)] {
            let mut stream = (file.open)().unwrap();
            let mut buffer = vec![0; 1 << 20];
            while !matches!(stream.read(&mut buffer).unwrap(), Got::End) {}
            if written {
                let database = Connection::open(&other).unwrap();
                database.execute_batch("INSERT INTO t VALUES (2); PRAGMA wal_checkpoint").unwrap();
            }
            let changed = stream.finish().unwrap().changed;
            assert_eq!(changed.is_some(), noticed, "{mode}: {changed:?}");
        }
    }
}

fn found_in_a_walk(path: &Path) -> FileItem {
    let reader = reader();
    let open: OpenDatabase = Arc::new(move |file| reader.read(file));
    let options = FilesOptions { sqlite: Some(open), ..FilesOptions::default() };
    walk(path, options).files.remove(Path::new("")).unwrap()
}

/// As `sqlite:PATH` gives it.
fn named_by_itself(path: &Path) -> FileItem {
    let mut source = SqliteSource::new(path, reader()).unwrap().beside(Arc::default());
    let Item::File(file) = source.next().unwrap().unwrap() else { panic!("it is a file") };
    file
}

/// A database that has names outside of the backup is warned of, once, and only if no name in the
/// backup has the log; a name that is left out by a pattern is outside, and is read by all the same.
#[test]
fn names_elsewhere_are_warned_of() {
    let cli = Cli::new();
    fs::create_dir_all(cli.path("in/x")).unwrap();
    let database = linked(&cli.path("z.db"), &cli.path("in/a.db"));
    fs::hard_link(cli.path("z.db"), cli.path("in/x/b.db")).unwrap();
    let said = stderr(&cli.run(&["backup", "in"]).code(3));
    let warning = "in/a.db has 3 names, 2 of them in this backup";
    assert_eq!(said.matches(warning).count(), 1, "{said}");
    assert!(cli.says(&["snapshots"]).contains("incomplete"));
    let listed = &cli.json(&["snapshots", "latest"])[0];
    assert!(listed.to_string().contains(r#""incomplete":true"#), "{listed}");
    for sources in [&["in", "z.db"][..], &["z.db", "in/x"], &[".", "-e", "z.db", "-e", "key"]] {
        let said = stderr(&cli.run(&[&["backup"], sources].concat()).success());
        assert!(!said.contains("names"), "{sources:?}: {said}");
    }
    drop(database);
}
