//! Entries made by hand, and how they are restored into a folder.

use icecore::error::Result;
use icecore::format::content::Content;
use icecore::format::database::DatabaseFacts;
use icecore::format::directory::{FileTime, Metadata, Node, NodeKind};
use icecore::sink::files::{FilesOptions, FilesSink, Overwrite};
use icecore::sink::{Placed, Sink};
use std::fs;
use std::path::Path;

pub fn node(name: impl AsRef<[u8]>, kind: NodeKind) -> Node {
    let meta = Metadata { mode: 0o755, mtime: FileTime(1_000_000_000, 5), ..Metadata::default() };
    Node { name: name.as_ref().to_vec(), kind, meta, stamp: None, taint: None }
}

pub fn file(name: impl AsRef<[u8]>) -> Node {
    node(name, NodeKind::File { content: Content::default(), database: None })
}

/// A database that was captured as one.
pub fn captured(name: impl AsRef<[u8]>) -> Node {
    let database = Some(DatabaseFacts::Sqlite(Box::default()));
    node(name, NodeKind::File { content: Content::default(), database })
}

pub fn directory(name: impl AsRef<[u8]>) -> Node {
    node(name, NodeKind::Directory { entries: None })
}

pub fn link(name: impl AsRef<[u8]>, target: &[u8]) -> Node {
    node(name, NodeKind::Symlink { target: target.to_vec() })
}

pub fn open(folder: &Path, overwrite: Overwrite) -> Box<FilesSink> {
    let options = FilesOptions { overwrite, ..FilesOptions::default() };
    Box::new(FilesSink::open(folder, options).unwrap())
}

pub fn write(target: &mut FilesSink, node: &Node, content: &[u8]) -> Result<()> {
    match target.file(node, content.len() as u64, &mut |_| false)? {
        Placed::Write(sink) => {
            sink.write_at(0, content)?;
            sink.finish(node)
        }
        _ => Ok(()),
    }
}

/// What stands in a folder, in order.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
