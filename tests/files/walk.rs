//! What a walk gives: order, patterns, stamps, databases, deep folders.

use super::{Walked, capture, walk};
use icecore::env::Env;
use icecore::error::Result;
use icecore::format::database::DatabaseFacts;
use icecore::source::files::{Excludes, FilesOptions, FilesSource};
use icecore::source::sqlite::Opened;
use icecore::source::{ByteStream, FileProof, Got, Item, Source};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

fn names(walked: &Walked) -> Vec<String> {
    walked.nodes.keys().map(|path| path.display().to_string()).collect()
}

/// The root comes first, then depth first in the order of bytes of names, each directory left
/// once.
#[test]
fn order() {
    let dir = TempDir::new().unwrap();
    for path in ["b/x", "a/z", "a.b", "a/y/deep", "c"] {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"").unwrap();
    }
    let mut source = FilesSource::new(dir.path(), FilesOptions::default()).unwrap();
    let mut steps = Vec::new();
    while let Some(item) = source.next().unwrap() {
        let text = |name: Vec<u8>| String::from_utf8(name).unwrap();
        steps.push(match item {
            Item::Enter(entry) => format!("+{}", text(entry.name)),
            Item::HoldOpen => "held".to_owned(),
            Item::Leave => "-".to_owned(),
            Item::File(file) => text(file.entry.name),
            Item::Other(node) => text(node.name),
            Item::Failed(error) => panic!("{error}"),
        });
    }
    let root = format!("+{}", dir.path().file_name().unwrap().to_str().unwrap());
    let expected = [&root, "+a", "+y", "deep", "-", "z", "-", "a.b", "+b", "x", "-", "c", "-"];
    assert_eq!(steps, expected);
}

/// What is left out is left out, by pattern, marker and size, and nothing else.
#[test]
fn left_out() {
    let dir = TempDir::new().unwrap();
    let root = dir.path();
    for path in ["keep", "x.tmp", "cache/in", "sub/x.tmp", "sub/keep", "big", "tagged/data"] {
        fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        fs::write(root.join(path), b"").unwrap();
    }
    fs::write(root.join("big"), vec![0; 2000]).unwrap();
    fs::write(root.join("tagged/CACHEDIR.TAG"), b"Signature: 8a477f597d28d172").unwrap();
    fs::create_dir(root.join("fake")).unwrap();
    fs::write(root.join("fake/CACHEDIR.TAG"), b"none").unwrap();
    fs::write(root.join("fake/data"), b"").unwrap();
    let list = root.join("keep");
    fs::write(&list, b"# a comment\n\n  *.tmp  \n").unwrap();
    let mut patterns = Excludes::patterns_in(&list).unwrap();
    patterns.push(format!("{}/cache/*", root.display()));
    let walked = walk(
        root,
        FilesOptions {
            excludes: Excludes::new(patterns).unwrap(),
            exclude_if_present: vec![(b"CACHEDIR.TAG".to_vec(), Some(b"Signature: ".to_vec()))],
            larger_than: Some(1000),
            ..FilesOptions::default()
        },
    );
    let expected = [
        "",
        "cache",
        "fake",
        "fake/CACHEDIR.TAG",
        "fake/data",
        "keep",
        "sub",
        "sub/keep",
        "tagged",
        "tagged/CACHEDIR.TAG",
    ];
    assert_eq!(names(&walked), expected);
    assert!(walked.failed.is_empty());
}

/// A stamp proves something only when it is old enough; times that lie ahead never do.
#[test]
fn settled_stamps() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("file"), b"content").unwrap();
    let now = Env::real().now();
    for (seconds, expected) in [(0, false), (35, false), (-100, false), (61, true)] {
        let (env, clock) = Env::seeded(1, now);
        clock.advance(seconds);
        let walked = walk(dir.path(), FilesOptions { env, ..FilesOptions::default() });
        let file = &walked.files[Path::new("file")];
        assert_eq!(file.settled, expected, "{seconds} s later");
        let meta = fs::metadata(dir.path().join("file")).unwrap();
        let stamp = file.stamp.unwrap();
        assert_eq!((stamp.size, stamp.inode), (7, meta.ino()));
        assert_eq!((stamp.ctime.0, i64::from(stamp.ctime.1)), (meta.ctime(), meta.ctime_nsec()));
    }
}

/// A stand-in for the reader of databases: the path is the content.
struct Fake(Option<Vec<u8>>);

impl ByteStream for Fake {
    fn read(&mut self, buffer: &mut [u8]) -> Result<Got> {
        let Some(bytes) = self.0.take() else { return Ok(Got::End) };
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok(Got::Data(bytes.len()))
    }

    fn finish(self: Box<Self>) -> Result<FileProof> {
        let database = Some(DatabaseFacts::Sqlite(Box::default()));
        Ok(FileProof { database, ..FileProof::default() })
    }
}

/// A database is captured through SQLite, without its siblings, and its stamp proves nothing
/// while it has a write-ahead log; look-alikes are files.
#[test]
fn databases() {
    let dir = TempDir::new().unwrap();
    let root = dir.path();
    for name in ["app.db", "other"] {
        fs::write(root.join(name), b"SQLite format 3\0 and so on").unwrap();
    }
    let siblings = ["app.db-wal", "app.db-shm", "app.db-journal", "app.db-mj0123AB9CD"];
    for name in siblings.iter().chain(&["text", "text-wal", "lone-journal"]) {
        fs::write(root.join(name), b"x").unwrap();
    }
    let open: icecore::source::files::OpenDatabase = Arc::new(|file| {
        let path = file.path.as_os_str().as_bytes().to_vec();
        Ok(Opened::Pages(Box::new(Fake(Some(path)))))
    });
    let mut walked = walk(root, FilesOptions { sqlite: Some(open), ..FilesOptions::default() });
    assert_eq!(names(&walked), ["", "app.db", "lone-journal", "other", "text", "text-wal"]);
    assert!(walked.files[Path::new("app.db")].stamp.is_none());
    assert!(walked.files[Path::new("other")].stamp.is_some());
    let captured = capture(walked.files.remove(Path::new("app.db")).unwrap()).unwrap();
    assert_eq!(captured.data[0].1, root.join("app.db").as_os_str().as_bytes());
    assert!(captured.proof.database.is_some());
    let captured = capture(walked.files.remove(Path::new("text")).unwrap()).unwrap();
    assert!(captured.proof.database.is_none());

    let plain = walk(root, FilesOptions::default());
    assert!(siblings.iter().all(|name| plain.files.contains_key(Path::new(name))));
}

/// Folders nested far deeper than descriptors are kept open are walked to the end, and back.
#[test]
fn deep_folders() {
    let dir = TempDir::new().unwrap();
    let mut path = dir.path().to_owned();
    for _ in 0..300 {
        path.push("d");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("z"), b"").unwrap();
    }
    let walked = walk(dir.path(), FilesOptions::default());
    assert_eq!((walked.files.len(), walked.failed.len()), (300, 0));
}
