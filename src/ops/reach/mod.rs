//! What snapshots reach: their entries, the nodes of their directories and lists, their chunks.
//! Each node is read once, however many snapshots, folders and files share it.
//!
//! Code that visits each path by itself walks with [`super::tree`].

mod content;
mod needed;

pub use needed::Needed;

use crate::error::{Error, Result};
use crate::format::content::Content;
use crate::format::directory::{Node, NodeKind};
use crate::format::snapshot::Snapshot;
use crate::id::ChunkId;
use crate::limits::DIRECTORY_DEPTH_MAX;
use crate::repo::Reader;
use crate::stream::{DirectoryPart, OpenPart, ReadAhead};
use content::ContentWalker;
use std::collections::HashMap;
use std::ops::AddAssign;
use std::vec;

/// Listens to a walk, and says what is to be added up of it.
pub trait Visitor {
    /// What is added up of everything at and below a place.
    type Sum: Clone + Default + AddAssign;

    /// An entry of a directory, or a root. What stands below it follows, unless that was met before.
    ///
    /// # Errors
    /// Those that are to end the walk.
    fn entry(&mut self, path: &[u8], node: &Node) -> Result<Self::Sum>;

    /// Something cannot be read, or is not what refers to it says; the walk goes on beside it.
    ///
    /// # Errors
    /// Those that are to end the walk.
    fn trouble(&mut self, path: &[u8], trouble: Loss) -> Result<Self::Sum>;

    /// A node of a directory or a list, readable or not; each is told of when it is read.
    fn node(&mut self, _id: &ChunkId) {}

    /// A chunk of content, which should have so many bytes.
    ///
    /// # Errors
    /// What is wrong with it: it becomes trouble of the file.
    fn chunk(&mut self, _id: &ChunkId, _length: u64) -> Result<()> {
        Ok(())
    }

    /// Whether lists of files are walked, too.
    fn wants_contents(&self) -> bool {
        true
    }

    /// Whether what is damaged is read again where it is met again, to tell of every place.
    fn looks_again(&self) -> bool {
        false
    }
}

/// What is wrong at a place.
#[derive(Debug)]
pub struct Loss {
    /// What of the place is lost.
    pub lost: Lost,
    /// The node or chunk that is the cause, if it is one.
    pub chunk: Option<ChunkId>,
    /// What is wrong with it.
    pub error: Error,
}

/// What of an entry cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Entries of a directory.
    Entries,
    /// Content of a file.
    Content,
}

/// What was found at and below a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen<S> {
    /// Whether nothing was wrong.
    pub well: bool,
    /// What was added up.
    pub sum: S,
}

impl<S: Default> Default for Seen<S> {
    fn default() -> Self {
        Seen { well: true, sum: S::default() }
    }
}

impl<S: AddAssign> AddAssign for Seen<S> {
    fn add_assign(&mut self, more: Self) {
        self.well &= more.well;
        self.sum += more.sum;
    }
}

/// What was walked so far. Kept are some 100 bytes for each node of a directory or a list.
pub struct Reach<'r, S> {
    reader: &'r Reader<'r>,
    /// What was found at and below the nodes of directories, by their [`DirectoryPart::key`].
    directories: HashMap<[u8; 32], Seen<S>>,
    contents: ContentWalker,
}

impl<'r, S: Clone + Default + AddAssign> Reach<'r, S> {
    /// Nothing was walked yet.
    pub fn new(reader: &'r Reader<'r>) -> Self {
        Reach { reader, directories: HashMap::new(), contents: ContentWalker::default() }
    }

    /// What it reads by.
    pub fn reader(&self) -> &'r Reader<'r> {
        self.reader
    }

    /// Walks all parts of a snapshot.
    ///
    /// # Errors
    /// Those of the visitor.
    pub fn snapshot<V: Visitor<Sum = S>>(
        &mut self,
        snapshot: &Snapshot,
        visitor: &mut V,
    ) -> Result<Seen<S>> {
        let mut all = Seen::default();
        for part in &snapshot.parts {
            all += self.entry(&part.path, &part.root, visitor)?;
        }
        Ok(all)
    }

    /// Walks the entry at `path` and everything below.
    ///
    /// # Errors
    /// Those of the visitor.
    pub fn entry<V: Visitor<Sum = S>>(
        &mut self,
        path: &[u8],
        node: &Node,
        visitor: &mut V,
    ) -> Result<Seen<S>> {
        let top = Open {
            key: None,
            rest: OpenPart::Entries(vec::IntoIter::default()),
            ahead: Ahead::default(),
            seen: Seen::default(),
            depth: 0,
            back: 0,
        };
        let mut walk = Walk { reach: self, visitor, path: path.to_vec(), open: vec![top] };
        walk.entry(node, 0)?;
        loop {
            if let Some(seen) = walk.next()? {
                return Ok(seen);
            }
        }
    }
}

/// A node of a directory that is being walked.
struct Open<S> {
    /// What it is known by afterwards; none of the place where the walk begins.
    key: Option<[u8; 32]>,
    rest: OpenPart,
    ahead: Ahead,
    seen: Seen<S>,
    /// Directories above its entries.
    depth: usize,
    /// How much of the path is left after it.
    back: usize,
}

/// What of the rest of a node was read ahead.
#[derive(Default)]
struct Ahead {
    directories: ReadAhead,
    lists: ReadAhead,
}

/// No recursion: directories may be nested deeply.
struct Walk<'w, 'r, V: Visitor> {
    reach: &'w mut Reach<'r, V::Sum>,
    visitor: &'w mut V,
    path: Vec<u8>,
    open: Vec<Open<V::Sum>>,
}

impl<V: Visitor> Walk<'_, '_, V> {
    /// One step on; at the end, what was found.
    fn next(&mut self) -> Result<Option<Seen<V::Sum>>> {
        let Some(open) = self.open.last_mut() else { return Ok(Some(Seen::default())) };
        let (depth, length) = (open.depth, self.path.len());
        match &mut open.rest {
            OpenPart::Entries(entries) => {
                if let Some(node) = entries.next() {
                    super::path::push(&mut self.path, &node.name);
                    return self.entry(&node, length).map(|()| None);
                }
            }
            OpenPart::Parts(parts) => {
                if let Some(part) = parts.next() {
                    return self.part(part, depth, length).map(|()| None);
                }
            }
        }
        Ok(self.close())
    }

    /// The entry at the path; after it, so much of the path is left.
    fn entry(&mut self, node: &Node, back: usize) -> Result<()> {
        let sum = self.visitor.entry(&self.path, node)?;
        self.add(Seen { well: true, sum });
        match &node.kind {
            NodeKind::File { content, .. } if self.visitor.wants_contents() => {
                self.read_lists_ahead(content);
                let contents = &mut self.reach.contents;
                match contents.walk(self.reach.reader, content, self.visitor) {
                    Ok(()) => {}
                    Err(None) => self.add(Seen { well: false, ..Seen::default() }),
                    Err(Some(trouble)) => self.trouble(trouble)?,
                }
            }
            NodeKind::Directory { entries: Some(entries) } => {
                let depth = self.open.last().map_or(0, |open| open.depth) + 1;
                if depth <= DIRECTORY_DEPTH_MAX + 1 {
                    return self.part(DirectoryPart::root(*entries), depth, back);
                }
                let error = Error::damaged("read", "a tree", "directories are nested too deeply");
                self.trouble(Loss { lost: Lost::Entries, chunk: None, error })?;
            }
            _ => {}
        }
        self.path.truncate(back);
        Ok(())
    }

    /// A node of the directory at the path.
    fn part(&mut self, part: DirectoryPart, depth: usize, back: usize) -> Result<()> {
        let key = part.key();
        if let Some(seen) = self.reach.directories.get(&key)
            && (seen.well || !self.visitor.looks_again())
        {
            let seen = seen.clone();
            self.add(seen);
            self.path.truncate(back);
            return Ok(());
        }
        let id = *part.id();
        self.read_directories_ahead(id);
        self.visitor.node(&id);
        let (rest, error) = match part.open(self.reach.reader) {
            Ok(rest) => (rest, None),
            Err(error) => (OpenPart::Entries(vec::IntoIter::default()), Some(error)),
        };
        let (ahead, seen) = (Ahead::default(), Seen::default());
        self.open.push(Open { key: Some(key), rest, ahead, seen, depth, back });
        match error {
            Some(error) => self.trouble(Loss { lost: Lost::Entries, chunk: Some(id), error }),
            None => Ok(()),
        }
    }

    /// A node of a directory is read next, and then those beside it that were not walked before.
    fn read_directories_ahead(&mut self, next: ChunkId) {
        let Some(open) = self.open.last_mut() else { return };
        let (reader, walked) = (self.reach.reader, &self.reach.directories);
        let unread = |part: &DirectoryPart| (!walked.contains_key(&part.key())).then(|| *part.id());
        let next = std::iter::once(next);
        match &open.rest {
            OpenPart::Parts(parts) => {
                let beside = parts.as_slice().iter().filter_map(unread);
                open.ahead.directories.step(reader, next.chain(beside));
            }
            OpenPart::Entries(nodes) => {
                let entries = nodes.as_slice().iter().filter_map(Node::entries);
                let beside = entries.filter_map(|entries| unread(&DirectoryPart::root(entries)));
                open.ahead.directories.step(reader, next.chain(beside));
            }
        }
    }

    /// The list of a content is read next, if it has one, and then those of the files beside it.
    fn read_lists_ahead(&mut self, content: &Content) {
        let Some(open) = self.open.last_mut() else { return };
        let contents = &self.reach.contents;
        let Some(next) = contents.unread_list(content) else { return };
        let OpenPart::Entries(nodes) = &open.rest else { return };
        let beside = nodes.as_slice().iter().filter_map(Node::content);
        let beside = beside.filter_map(|content| contents.unread_list(content));
        open.ahead.lists.step(self.reach.reader, std::iter::once(next).chain(beside));
    }

    fn trouble(&mut self, trouble: Loss) -> Result<()> {
        let sum = self.visitor.trouble(&self.path, trouble)?;
        self.add(Seen { well: false, sum });
        Ok(())
    }

    fn add(&mut self, seen: Seen<V::Sum>) {
        if let Some(open) = self.open.last_mut() {
            open.seen += seen;
        }
    }

    /// The node opened last is done; what was found if it was the first.
    fn close(&mut self) -> Option<Seen<V::Sum>> {
        let Open { key, seen, back, .. } = self.open.pop()?;
        let Some(key) = key else { return Some(seen) };
        self.path.truncate(back);
        self.reach.directories.insert(key, seen.clone());
        self.add(seen);
        None
    }
}
