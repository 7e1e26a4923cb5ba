//! Files of several names: read once, told from every other file, and databases among them read
//! by the name that has the log.

use super::walk;
use crate::common::desk::{Desk, stderr};
use crate::common::repo::TempRepo;
use icecore::format::node::{Node, NodeKind};
use icecore::format::snapshot::Snapshot;
use icecore::ops::tree::{self, Entry};
use icecore::repo::Reader;
use icecore::source::files::{FilesOptions, FilesSource};
use icecore::source::sqlite::{SqliteOptions, SqliteReader, SqliteSource};
use icecore::source::{FileItem, Got, Item, Source, Together};
use rusqlite::Connection;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

fn reader() -> SqliteReader {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_icecore"));
    SqliteReader::new(program, SqliteOptions::default())
}

fn options(repo: &TempRepo, together: &Arc<Together>) -> FilesOptions {
    let reader = reader();
    FilesOptions {
        sqlite: Some(Arc::new(move |path: &Path| reader.open(path))),
        together: together.clone(),
        env: repo.env.clone(),
        ..FilesOptions::default()
    }
}

/// A snapshot of all these sources.
fn backup(repo: &TempRepo, paths: &[&Path]) -> Snapshot {
    let together = Arc::default();
    let source = |path: &&Path| -> Box<dyn Source> {
        Box::new(FilesSource::new(path, options(repo, &together)).unwrap())
    };
    repo.backup(paths.iter().map(source).collect()).unwrap().snapshot
}

fn node_of(repo: &TempRepo, snapshot: &Snapshot, path: &Path) -> Node {
    let index = repo.repository.load_index().unwrap();
    let reader = Reader::new(&repo.repository, &index);
    let found = tree::find(&reader, snapshot, path.to_str().unwrap().as_bytes()).unwrap();
    let Entry::Node(node) = found.entry else { panic!("{} is no node", path.display()) };
    *node
}

/// A repository whose clock is far past anything that the file system stamps.
fn late(seed: u64) -> TempRepo {
    let repo = TempRepo::new(seed);
    repo.clock.advance(200 * 365 * 24 * 3600);
    repo
}

/// A file is read under its first name only, in whichever part its others stand, and they have its
/// content, attributes and group; equal files that are no links share neither reading nor group.
#[test]
fn a_file_of_several_names_is_read_once() {
    let repo = late(75);
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name);
    for folder in ["a", "b", "c"] {
        fs::create_dir(at(folder)).unwrap();
    }
    for (first, others) in [("a/small", ["a/z", "b/small"]), ("a/large", ["b/large", "c/large"])] {
        let length = if first.ends_with("large") { 3_000_000 } else { 1000 };
        fs::write(at(first), vec![5; length]).unwrap();
        others.iter().for_each(|other| fs::hard_link(at(first), at(other)).unwrap());
    }
    for name in ["a/equal", "b/equal"] {
        fs::write(at(name), vec![6; 10_000]).unwrap();
    }
    let red = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(at("b/small"), "user.colour", b"red", red).unwrap();
    let snapshot = backup(&repo, &[&at("a"), &at("b"), &at("c")]);
    assert_eq!(snapshot.summary.bytes_read, 1000 + 3_000_000 + 2 * 10_000);
    assert_eq!(snapshot.summary.bytes, 3 * (1000 + 3_000_000) + 2 * 10_000);
    for names in [["a/small", "a/z", "b/small"], ["a/large", "b/large", "c/large"]] {
        let nodes = names.map(|name| node_of(&repo, &snapshot, &at(name)));
        for (node, name) in nodes.iter().zip(names) {
            assert_eq!((&node.kind, &node.meta), (&nodes[0].kind, &nodes[0].meta), "{name}");
            assert_eq!(node.name, name.as_bytes()[2..]);
            assert!(node.stamp.is_some());
        }
        let group = nodes[0].meta.link_group.unwrap();
        assert_eq!(group.inode, fs::metadata(at(names[0])).unwrap().ino());
    }
    let equal = ["a/equal", "b/equal"].map(|name| node_of(&repo, &snapshot, &at(name)));
    assert!(equal.iter().all(|node| node.meta.link_group.is_none()));
    // Unchanged under the names that were there, taken over under one that is new.
    let again = backup(&repo, &[&at("a"), &at("b"), &at("c")]);
    assert_eq!(again.summary.bytes_read, 0);
    fs::hard_link(at("a/small"), at("c/new")).unwrap();
    let again = backup(&repo, &[&at("a"), &at("b"), &at("c")]);
    assert_eq!(again.summary.bytes_read, 1000);
}

/// The item of a walk that has this name.
fn item(path: &Path) -> FileItem {
    walk(path, FilesOptions::default()).files.remove(Path::new("")).unwrap()
}

/// A name counts as another of the same file only while device, inode, birth and stamp are the
/// same: not after a change, and not where the inode was freed and used for another file.
#[test]
fn another_file_in_the_same_inode_is_another() {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("a"), "one").unwrap();
    fs::hard_link(at("a"), at("b")).unwrap();
    let (first, second) = (item(&at("a")), item(&at("b")));
    assert!(first.same.is_some() && first.same == second.same);
    fs::write(at("b"), "two").unwrap();
    assert_ne!(item(&at("a")).same, first.same, "it was changed");
    let group = first.node.meta.link_group.unwrap();
    if group.born.is_none() {
        return; // This file system does not tell.
    }
    for _ in 0..1000 {
        fs::remove_file(at("a")).unwrap();
        fs::remove_file(at("b")).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(at("a"), "new").unwrap();
        fs::hard_link(at("a"), at("b")).unwrap();
        if fs::metadata(at("a")).unwrap().ino() == group.inode {
            break;
        }
    }
    let third = item(&at("a")).node.meta.link_group.unwrap();
    assert_ne!(third, group);
}

/// Between the two names the inode is freed and used again: the second has its own content.
#[test]
fn an_inode_that_is_used_again_during_a_backup() {
    /// A source that changes the tree once its first part was read.
    struct Then<F: FnMut() + Send>(FilesSource, F);
    impl<F: FnMut() + Send> Source for Then<F> {
        fn describe(&self) -> icecore::source::Description {
            self.0.describe()
        }
        fn next(&mut self) -> icecore::error::Result<Option<Item>> {
            self.0.next()
        }
        fn finish(mut self: Box<Self>) -> icecore::error::Result<icecore::source::PartProof> {
            (self.1)();
            Box::new(self.0).finish()
        }
    }
    let repo = late(76);
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name);
    for folder in ["a", "b"] {
        fs::create_dir(at(folder)).unwrap();
        fs::write(at(folder).join("file"), folder).unwrap();
        fs::hard_link(at(folder).join("file"), at(folder).join("link")).unwrap();
    }
    let together = Arc::default();
    let root = dir.path().to_owned();
    let swap = move || {
        fs::remove_dir_all(root.join("a")).unwrap();
        for name in ["file", "link"] {
            fs::remove_file(root.join("b").join(name)).unwrap();
        }
        fs::write(root.join("b/file"), "B").unwrap();
        fs::hard_link(root.join("b/file"), root.join("b/link")).unwrap();
    };
    let first = FilesSource::new(&at("a"), options(&repo, &together)).unwrap();
    let second = FilesSource::new(&at("b"), options(&repo, &together)).unwrap();
    let sources: Vec<Box<dyn Source>> = vec![Box::new(Then(first, swap)), Box::new(second)];
    let snapshot = repo.backup(sources).unwrap().snapshot;
    for name in ["a/file", "a/link", "b/file", "b/link"] {
        let expected = if name.starts_with('a') { "a" } else { "B" };
        let read = repo.read(&snapshot, at(name).to_str().unwrap()).unwrap();
        assert_eq!(String::from_utf8(read).unwrap(), expected, "{name}");
    }
}

/// A first name that cannot be read costs its own entry; the file is read under the next.
#[test]
fn the_next_name_is_read_if_the_first_cannot_be() {
    let repo = late(77);
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("a"), "content").unwrap();
    for name in ["b", "c"] {
        fs::hard_link(dir.path().join("a"), dir.path().join(name)).unwrap();
    }
    let mut items = Vec::new();
    let mut source = FilesSource::new(dir.path(), options(&repo, &Arc::default())).unwrap();
    while let Some(mut item) = source.next().unwrap() {
        if let Item::File(file) = &mut item
            && file.node.name == b"a"
        {
            let error = icecore::error::Error::new(icecore::error::Kind::Denied, "open", "a");
            file.open = Box::new(move || Err(error));
        }
        items.push(item);
    }
    let path = dir.path().to_str().unwrap();
    let snapshot = repo.backup(vec![crate::common::memory::items(path, items)]).unwrap().snapshot;
    assert!(snapshot.is_incomplete());
    assert_eq!((snapshot.summary.bytes_read, snapshot.summary.failed), (7, 1));
    for name in ["b", "c"] {
        assert_eq!(repo.read(&snapshot, &format!("{path}/{name}")).unwrap(), b"content");
    }
}

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
        let reader = reader();
        let open: icecore::source::files::OpenDatabase = Arc::new(move |path| reader.open(path));
        let options = FilesOptions { sqlite: Some(open), ..FilesOptions::default() };
        let file = walk(&read, options).files.remove(Path::new("")).unwrap();
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

/// A database that has names outside of the backup is warned of, once, and only if no name in the
/// backup has the log; a name that is left out by a pattern is outside, and is read by all the same.
#[test]
fn names_elsewhere_are_warned_of() {
    let desk = Desk::new();
    fs::create_dir_all(desk.path("in/x")).unwrap();
    let database = linked(&desk.path("z.db"), &desk.path("in/a.db"));
    fs::hard_link(desk.path("z.db"), desk.path("in/x/b.db")).unwrap();
    let said = stderr(&desk.run(&["backup", "in"]).success());
    let warning = "in/a.db has 3 names, 2 of them in this backup";
    assert_eq!(said.matches(warning).count(), 1, "{said}");
    for sources in [&["in", "z.db"][..], &["z.db", "in/x"], &[".", "-e", "z.db", "-e", "key"]] {
        let said = stderr(&desk.run(&[&["backup"], sources].concat()).success());
        assert!(!said.contains("names"), "{sources:?}: {said}");
    }
    drop(database);
}
