//! Files of several names: read once, and told from every other file.

use super::walk;
use crate::common::aloud::not_run;
use crate::common::memory::{entry, folder, items, node};
use crate::common::program::PROGRAM;
use crate::common::repo::TempRepo;
use icecore::error::{Error, Kind, Result};
use icecore::format::directory::{FileTime, LinkGroup, Node, NodeKind, Stamp};
use icecore::format::snapshot::{Snapshot, SourceName};
use icecore::ops::tree::{self, Entry};
use icecore::repo::Reader;
use icecore::source::files::{FilesOptions, FilesSource};
use icecore::source::sqlite::{SqliteOptions, SqliteReader};
use icecore::source::{
    ByteStream, FileItem, FileProof, Got, Item, PartProof, SameFile, SameState, Source, Together,
};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

pub(super) fn reader() -> SqliteReader {
    let program = PathBuf::from(PROGRAM);
    SqliteReader::new(program, SqliteOptions::default())
}

fn options(repo: &TempRepo, together: &Arc<Together>) -> FilesOptions {
    let reader = reader();
    FilesOptions {
        sqlite: Some(Arc::new(move |file| reader.read(file))),
        together: together.clone(),
        env: repo.env.clone(),
        ..FilesOptions::default()
    }
}

/// A snapshot of all these sources.
pub(super) fn backup(repo: &TempRepo, paths: &[&Path]) -> Snapshot {
    let together = Arc::default();
    let source = |path: &&Path| -> Box<dyn Source> {
        Box::new(FilesSource::new(path, options(repo, &together)).unwrap())
    };
    repo.backup(paths.iter().map(source).collect()).unwrap().snapshot
}

pub(super) fn node_of(repo: &TempRepo, snapshot: &Snapshot, path: &Path) -> Node {
    let index = repo.repository.load_index().unwrap();
    let reader = Reader::new(&repo.repository, &index);
    let found = tree::find(&reader, snapshot, path.to_str().unwrap().as_bytes()).unwrap();
    let Entry::Node(node) = found.entry else { panic!("{} is no node", path.display()) };
    *node
}

/// A repository whose clock is far past anything that the file system stamps.
pub(super) fn late(seed: u64) -> TempRepo {
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
    let group = first.entry.meta.link_group.unwrap();
    if group.born.is_none() {
        return not_run("an inode used again: this file system tells no time of birth");
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
    let third = item(&at("a")).entry.meta.link_group.unwrap();
    assert_ne!(third, group);
}

/// Between the two names the inode is freed and used again: the second has its own content.
#[test]
fn an_inode_that_is_used_again_during_a_backup() {
    /// A source that changes the tree once its first part was read.
    struct Then<F: FnMut() + Send>(FilesSource, F);
    impl<F: FnMut() + Send> Source for Then<F> {
        fn describe(&self) -> SourceName {
            self.0.describe()
        }
        fn next(&mut self) -> Result<Option<Item>> {
            self.0.next()
        }
        fn finish(mut self: Box<Self>) -> Result<PartProof> {
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
    let mut all = Vec::new();
    let mut source = FilesSource::new(dir.path(), options(&repo, &Arc::default())).unwrap();
    while let Some(mut item) = source.next().unwrap() {
        if let Item::File(file) = &mut item
            && file.entry.name == b"a"
        {
            let error = Error::new(Kind::Denied, "open", "a");
            file.open = Box::new(move || Err(error));
        }
        all.push(item);
    }
    let path = dir.path().to_str().unwrap();
    let snapshot = repo.backup(vec![items(path, all)]).unwrap().snapshot;
    assert!(snapshot.is_incomplete());
    assert_eq!((snapshot.summary.bytes_read, snapshot.summary.failed), (7, 1));
    for name in ["b", "c"] {
        assert_eq!(repo.read(&snapshot, &format!("{path}/{name}")).unwrap(), b"content");
    }
}

/// A byte, and what was found wrong with it; each reading gives another byte.
struct Tainted(Option<u8>);

impl ByteStream for Tainted {
    fn read(&mut self, buffer: &mut [u8]) -> Result<Got> {
        let Some(byte) = self.0.take() else { return Ok(Got::End) };
        buffer[0] = byte;
        Ok(Got::Data(1))
    }

    fn finish(self: Box<Self>) -> Result<FileProof> {
        let changed = Some("it was written".to_owned());
        Ok(FileProof { changed, taint: Some("a page is torn".to_owned()), ..FileProof::default() })
    }
}

/// What is wrong with a file is wrong under each of its names, and however it was read, it is one
/// file in the snapshot: far apart in the walk, too.
#[test]
fn a_taint_is_that_of_every_name() {
    let repo = TempRepo::new(81);
    let zero = FileTime(0, 0);
    let stamp = Stamp { size: 1, mtime: zero, ctime: zero, inode: 1 };
    let group = LinkGroup { device: 1, inode: 1, born: Some(zero) };
    let same = SameFile { group, names: 3, state: SameState::Stamp(stamp) };
    let file = |name: &str, byte: u8| {
        Item::File(FileItem {
            entry: entry(name),
            length: Some(1),
            stamp: None,
            settled: false,
            same: Some(same.clone()),
            changes_everywhere: false,
            open: Box::new(move || Ok(Box::new(Tainted(Some(byte))))),
        })
    };
    let mut all = vec![Item::Enter(folder("d")), file("a", 1), file("b", 2)];
    let fifos = (0..3000).map(|number| node(&format!("f{number:04}"), NodeKind::Fifo));
    all.extend(fifos.map(Item::Other));
    all.extend([file("z", 3), Item::Leave]);
    let snapshot = repo.backup(vec![items("/d", all)]).unwrap().snapshot;
    assert!(snapshot.is_incomplete());
    assert_eq!((snapshot.parts[0].tainted, snapshot.summary.bytes_read), (3, 1));
    for name in ["/d/a", "/d/b", "/d/z"] {
        assert_eq!(repo.read(&snapshot, name).unwrap(), [1]);
        let taint = node_of(&repo, &snapshot, Path::new(name)).taint.unwrap();
        assert_eq!(taint.finding, "a page is torn");
    }
}
