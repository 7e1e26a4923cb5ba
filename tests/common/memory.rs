//! A source made of memory: any tree, any bytes, any trouble.

use icecore::error::{Error, Kind, Result};
use icecore::format::directory::{FileTime, Metadata, Node, NodeKind, Stamp};
use icecore::format::snapshot::{PartKind, SourceName};
use icecore::source::{
    ByteStream, Entry, FileAt, FileItem, FileProof, Got, Item, PartProof, Source,
};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// A part of a file: bytes, or a hole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Run {
    Bytes(Arc<Vec<u8>>),
    Hole(u64),
}

impl Run {
    fn length(&self) -> u64 {
        match self {
            Run::Bytes(bytes) => bytes.len() as u64,
            Run::Hole(length) => *length,
        }
    }
}

/// A tree by paths relative to its root; folders follow from the paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    pub files: BTreeMap<String, Vec<Run>>,
    /// Files whose stamp is known; the number stands for their modification time.
    pub stamps: BTreeMap<String, i64>,
}

impl Tree {
    pub fn put(&mut self, path: &str, bytes: Vec<u8>) {
        self.files.insert(path.to_owned(), vec![Run::Bytes(Arc::new(bytes))]);
    }

    pub fn bytes(&self, path: &str) -> Vec<u8> {
        flat(&self.files[path])
    }

    pub fn source(&self, root: &str) -> Box<dyn Source> {
        items(root, self.items(root))
    }

    /// The same tree, but one file's bytes break off with an error.
    pub fn source_breaking_at(&self, root: &str, name: &str, left: usize) -> Box<dyn Source> {
        let mut all = self.items(root);
        for item in &mut all {
            if let Item::File(file) = item
                && file.entry.name == name.as_bytes()
            {
                let error = Some(Error::new(Kind::Failed, "read", name).because("it broke off"));
                file.open = Box::new(move || Ok(Box::new(Breaking { left, error }) as _));
            }
        }
        items(root, all)
    }

    fn items(&self, root: &str) -> Vec<Item> {
        let mut items = Vec::new();
        items.push(Item::Enter(folder(root.rsplit('/').next().unwrap())));
        let mut paths: Vec<(Vec<&str>, &String)> =
            self.files.keys().map(|path| (path.split('/').collect(), path)).collect();
        paths.sort();
        let mut open: Vec<&str> = Vec::new();
        for (names, path) in &paths {
            let (name, folders) = names.split_last().unwrap();
            let common = open.iter().zip(folders).take_while(|(a, b)| a == b).count();
            for _ in common..open.len() {
                items.push(Item::Leave);
            }
            open.truncate(common);
            for new in &folders[common..] {
                items.push(Item::Enter(folder(new)));
                open.push(new);
            }
            items.push(self.file(name, path));
        }
        for _ in 0..=open.len() {
            items.push(Item::Leave);
        }
        items
    }

    fn file(&self, name: &str, path: &str) -> Item {
        let runs = self.files[path].clone();
        let size = runs.iter().map(Run::length).sum();
        let mtime = self.stamps.get(path).copied();
        let open = Box::new(move || Ok(Box::new(MemoryStream { runs: runs.into(), at: 0 }) as _));
        let (mtime, ctime) = (FileTime(mtime.unwrap_or(0), 0), FileTime(0, 0));
        Item::File(FileItem {
            stamp: Some(Stamp { size, mtime, ctime, inode: 1 }),
            settled: self.stamps.contains_key(path),
            ..FileItem::new(entry(name), Some(size), open)
        })
    }
}

/// A source of one stream.
pub fn stream(path: &str, bytes: Vec<u8>) -> Box<dyn Source> {
    let runs = vec![Run::Bytes(Arc::new(bytes))];
    let name = path.rsplit('/').next().unwrap();
    let open = Box::new(move || Ok(Box::new(MemoryStream { runs: runs.into(), at: 0 }) as _));
    let item = Item::File(FileItem::new(entry(name), None, open));
    items(path, vec![item])
}

/// The same, said to be of another length.
pub fn stream_of_size(path: &str, bytes: Vec<u8>, size: u64) -> Box<dyn Source> {
    let mut tree = Tree::default();
    let name = path.rsplit('/').next().unwrap();
    tree.put(name, bytes);
    let mut item = tree.file(name, name);
    if let Item::File(file) = &mut item {
        file.length = Some(size);
    }
    items(path, vec![item])
}

/// A source that gives these items.
pub fn items(root: &str, items: Vec<Item>) -> Box<dyn Source> {
    items_and_last(root, items, Vec::new)
}

/// A source that gives these items, and at its end what `last` gives then.
pub fn items_and_last(
    root: &str,
    items: Vec<Item>,
    last: impl FnOnce() -> Vec<FileAt> + Send + 'static,
) -> Box<dyn Source> {
    let last: Option<GiveLast> = Some(Box::new(last));
    Box::new(MemorySource { root: root.to_owned(), items: items.into(), last })
}

type GiveLast = Box<dyn FnOnce() -> Vec<FileAt> + Send>;

pub fn flat(runs: &[Run]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for run in runs {
        match run {
            Run::Bytes(more) => bytes.extend_from_slice(more),
            Run::Hole(length) => bytes.resize(bytes.len() + usize::try_from(*length).unwrap(), 0),
        }
    }
    bytes
}

/// A folder, to be entered.
pub fn folder(name: &str) -> Entry {
    let mut folder = entry(name);
    folder.meta.mode = 0o755;
    folder
}

/// A file, to be given with its content.
pub fn entry(name: &str) -> Entry {
    let meta = Metadata { mode: 0o644, ..Default::default() };
    Entry { name: name.as_bytes().to_vec(), meta }
}

pub fn node(name: &str, kind: NodeKind) -> Node {
    let name = name.as_bytes().to_vec();
    Node {
        name,
        kind,
        meta: Metadata { mode: 0o644, ..Default::default() },
        stamp: None,
        taint: None,
    }
}

struct MemorySource {
    root: String,
    items: VecDeque<Item>,
    last: Option<GiveLast>,
}

impl Source for MemorySource {
    fn describe(&self) -> SourceName {
        let path = self.root.as_bytes().to_vec();
        SourceName { kind: PartKind::Files, path, selection: Default::default() }
    }

    fn next(&mut self) -> Result<Option<Item>> {
        Ok(self.items.pop_front())
    }

    fn last(&mut self) -> Result<Vec<FileAt>> {
        Ok(self.last.take().map_or_else(Vec::new, |last| last()))
    }

    fn finish(self: Box<Self>) -> Result<PartProof> {
        Ok(PartProof::default())
    }
}

/// The bytes and holes of a file, read in order.
pub struct MemoryStream {
    pub runs: VecDeque<Run>,
    pub at: usize,
}

impl ByteStream for MemoryStream {
    fn read(&mut self, buffer: &mut [u8]) -> Result<Got> {
        loop {
            match self.runs.front() {
                None => return Ok(Got::End),
                Some(Run::Hole(length)) => {
                    let length = *length;
                    self.runs.pop_front();
                    return Ok(Got::Hole(length));
                }
                Some(Run::Bytes(bytes)) if self.at == bytes.len() => {
                    self.runs.pop_front();
                    self.at = 0;
                }
                Some(Run::Bytes(bytes)) => {
                    let length = buffer.len().min(bytes.len() - self.at);
                    buffer[..length].copy_from_slice(&bytes[self.at..self.at + length]);
                    self.at += length;
                    return Ok(Got::Data(length));
                }
            }
        }
    }

    fn finish(self: Box<Self>) -> Result<FileProof> {
        Ok(FileProof::default())
    }
}

/// A stream that fails after so many bytes.
struct Breaking {
    left: usize,
    error: Option<Error>,
}

impl ByteStream for Breaking {
    fn read(&mut self, buffer: &mut [u8]) -> Result<Got> {
        if self.left == 0 {
            return Err(self.error.take().unwrap());
        }
        let length = buffer.len().min(self.left);
        buffer[..length].fill(7);
        self.left -= length;
        Ok(Got::Data(length))
    }

    fn finish(self: Box<Self>) -> Result<FileProof> {
        Ok(FileProof::default())
    }
}
