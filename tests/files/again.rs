//! The same tree backed up again: what a stamp proves, and what it does not.

use super::links::{late, reader};
use crate::common::memory::{entry, folder, items};
use crate::common::repo::TempRepo;
use icecore::error::Result;
use icecore::format::directory::{FileTime, Node, Stamp};
use icecore::format::snapshot::{Snapshot, Summary};
use icecore::ops::tree::{self, Entry};
use icecore::repo::Reader;
use icecore::source::files::{FilesOptions, FilesSource, OpenDatabase};
use icecore::source::{ByteStream, FileItem, FileProof, Got, Item, Source, Xattrs};
use rusqlite::Connection;
use rustix::fs::XattrFlags;
use serde_bytes::ByteBuf;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

fn node_of(repo: &TempRepo, snapshot: &Snapshot, path: &Path) -> Node {
    let index = repo.repository.load_index().unwrap();
    let reader = Reader::new(&repo.repository, &index);
    let found = tree::find(&reader, snapshot, path.to_str().unwrap().as_bytes()).unwrap();
    let Entry::Node(node) = found.entry else { panic!("{} is no node", path.display()) };
    *node
}

fn counts(summary: &Summary) -> [u64; 4] {
    [summary.files_new, summary.files_changed, summary.files_unchanged, summary.bytes_read]
}

/// An unchanged file is not opened, yet keeps its extended attributes; new attributes or a new
/// mode alone, which leave size and modification time as they were, are captured as well.
#[test]
fn unchanged_files_keep_what_is_not_read_again() {
    let repo = TempRepo::new(71);
    // Long after anything that the file system stamps, whenever this runs.
    repo.clock.advance(200 * 365 * 24 * 3600);
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "content").unwrap();
    let set = |value: &[u8]| {
        rustix::fs::setxattr(&file, "user.colour", value, XattrFlags::empty()).unwrap();
    };
    let backup = || {
        let options = FilesOptions { env: repo.env.clone(), ..FilesOptions::default() };
        let source: Box<dyn Source> = Box::new(FilesSource::new(dir.path(), options).unwrap());
        let snapshot = repo.backup(vec![source]).unwrap().snapshot;
        let node = node_of(&repo, &snapshot, &file);
        (counts(&snapshot.summary), node.meta)
    };
    let colour = |value: &[u8]| [(ByteBuf::from(*b"user.colour"), ByteBuf::from(value))];

    set(b"blue");
    let (first, meta) = backup();
    assert_eq!((first, meta.xattrs), ([1, 0, 0, 7], colour(b"blue").into()));
    let (second, meta) = backup();
    assert_eq!((second, meta.xattrs), ([0, 0, 1, 0], colour(b"blue").into()));
    set(b"red");
    let (third, meta) = backup();
    assert_eq!((third, meta.xattrs), ([0, 0, 1, 7], colour(b"red").into()));
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(&file, mode).unwrap();
    let (fourth, meta) = backup();
    assert_eq!((fourth[2], meta.mode, meta.xattrs), (1, 0o600, colour(b"red").into()));
}

/// One byte, and extended attributes that can be read or not.
struct Attributed {
    rest: usize,
    xattrs: Option<Xattrs>,
}

impl ByteStream for Attributed {
    fn read(&mut self, buffer: &mut [u8]) -> Result<Got> {
        let rest = std::mem::take(&mut self.rest);
        buffer[..rest].fill(1);
        Ok(if rest > 0 { Got::Data(rest) } else { Got::End })
    }

    fn finish(self: Box<Self>) -> Result<FileProof> {
        let left_out = self.xattrs.is_none().then(|| "its extended attributes".to_owned());
        Ok(FileProof { xattrs: self.xattrs, left_out, ..FileProof::default() })
    }
}

/// A file whose extended attributes could not be read does not count as unchanged: once they can
/// be read they are captured, and until then each snapshot is incomplete.
#[test]
fn attributes_out_of_reach_are_tried_again() {
    let repo = TempRepo::new(72);
    let backup = |xattrs: Option<&Xattrs>| {
        let (time, xattrs) = (FileTime(0, 0), xattrs.cloned());
        let file = Item::File(FileItem {
            entry: entry("file"),
            length: Some(1),
            stamp: Some(Stamp { size: 1, mtime: time, ctime: time, inode: 1 }),
            settled: true,
            same: None,
            changes_everywhere: false,
            open: Box::new(|| Ok(Box::new(Attributed { rest: 1, xattrs }))),
        });
        let all = vec![Item::Enter(folder("data")), file, Item::Leave];
        let snapshot = repo.backup(vec![items("/data", all)]).unwrap().snapshot;
        let node = node_of(&repo, &snapshot, Path::new("/data/file"));
        (snapshot.is_incomplete(), snapshot.summary.bytes_read, node.meta.xattrs)
    };
    let red = Xattrs::from([(ByteBuf::from(*b"user.colour"), ByteBuf::from(*b"red"))]);
    assert_eq!(backup(None), (true, 1, Xattrs::new()));
    assert_eq!(backup(None), (true, 1, Xattrs::new()));
    assert_eq!(backup(Some(&red)), (false, 1, red.clone()));
    assert_eq!(backup(None), (false, 0, red));
}

/// A database that was stored like any other file is read again next time, since its log may hold
/// what does not show in its stamp; once databases are wanted, it is captured as one.
#[test]
fn a_database_stored_as_a_file_proves_nothing() {
    let repo = late(79);
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("plain"), "content").unwrap();
    Connection::open(at("a.db")).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    let backup = |sqlite: Option<OpenDatabase>| {
        let options = FilesOptions { sqlite, env: repo.env.clone(), ..FilesOptions::default() };
        let source: Box<dyn Source> = Box::new(FilesSource::new(dir.path(), options).unwrap());
        repo.backup(vec![source]).unwrap().snapshot
    };
    let first = backup(None);
    assert!(node_of(&repo, &first, &at("plain")).stamp.is_some());
    assert!(node_of(&repo, &first, &at("a.db")).stamp.is_none());
    assert_eq!(backup(None).summary.bytes_read, fs::metadata(at("a.db")).unwrap().len());
    let reader = reader();
    let last = backup(Some(Arc::new(move |file| reader.read(file))));
    assert_eq!(last.summary.databases, 1);
    assert!(node_of(&repo, &last, &at("a.db")).database().is_some());
}
