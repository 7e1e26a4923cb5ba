//! The same tree backed up again: what a stamp proves, and what it does not.

use crate::common::repo::TempRepo;
use icecore::format::node::Node;
use icecore::format::snapshot::{Snapshot, Summary};
use icecore::ops::tree::{self, Entry};
use icecore::repo::Reader;
use icecore::source::Source;
use icecore::source::files::{FilesOptions, FilesSource};
use rustix::fs::XattrFlags;
use serde_bytes::ByteBuf;
use std::fs;
use std::path::Path;
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
