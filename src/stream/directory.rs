//! Directories: entries in order of their names, written streaming, read in order or by name.

use super::tree::{Leaf, Leaves, OpenNode, ParentTree, Shape, TreeWriter, Unread, misplaced};
use crate::error::{Error, Result};
use crate::format::content::TreeRef;
use crate::format::directory::{DirectoryNode, Node, encode_entry};
use crate::id::ChunkId;
use crate::repo::{Reader, Session};
use std::collections::VecDeque;
use std::{fmt, vec};

pub(super) struct DirectoryShape;

impl Shape for DirectoryShape {
    type Entry = Node;
    type End = Vec<u8>;

    fn encode_leaf(entries: Vec<Node>) -> Result<Vec<u8>> {
        DirectoryNode::Leaf(entries).encode()
    }

    fn encode_inner(
        level: u8,
        _: Option<&Vec<u8>>,
        children: &[(ChunkId, Vec<u8>)],
    ) -> Result<Vec<u8>> {
        DirectoryNode::Inner(level, children.to_vec()).encode()
    }

    fn decode_inner(
        bytes: &[u8],
        level: u8,
        _: Option<&Vec<u8>>,
        subject: &str,
    ) -> Result<Vec<(ChunkId, Vec<u8>)>> {
        match DirectoryNode::decode(bytes, level, subject)? {
            DirectoryNode::Inner(_, children) => Ok(children),
            DirectoryNode::Leaf(_) => {
                Err(Error::damaged("decode", subject, "a leaf among inner nodes"))
            }
        }
    }

    /// By the name, so that an entry whose content changes moves no boundary.
    fn cuts_after(node: &Node) -> bool {
        blake3::hash(&node.name).as_bytes().first() == Some(&0)
    }

    fn size(node: &Node) -> Result<usize> {
        encode_entry(node).map(|bytes| bytes.len())
    }

    fn end(_: Option<&Vec<u8>>, node: &Node) -> Vec<u8> {
        node.name.clone()
    }
}

/// Writes the entries of one directory, in order of their names.
pub struct DirectoryWriter(TreeWriter<DirectoryShape>);

impl DirectoryWriter {
    /// A directory near the parent's.
    pub fn new(reader: &Reader<'_>, parent: Option<TreeRef>) -> Self {
        let parent = parent.and_then(|root| ParentTree::load(reader, root));
        DirectoryWriter(TreeWriter::new(parent))
    }

    /// Adds an entry; names must rise.
    pub fn push(&mut self, session: &mut Session<'_>, node: Node) -> Result<()> {
        self.0.push(session, node)
    }

    /// The directory's root.
    pub fn finish(self, session: &mut Session<'_>) -> Result<TreeRef> {
        self.0.finish(session)
    }
}

/// The entries of a directory, in order of their names.
pub struct DirectoryEntries<'a> {
    leaves: Leaves<'a, DirectoryShape>,
    ready: VecDeque<Node>,
}

impl<'a> DirectoryEntries<'a> {
    /// All entries.
    pub fn new(reader: &'a Reader<'a>, root: TreeRef) -> Self {
        DirectoryEntries { leaves: Leaves::new(reader, root), ready: VecDeque::new() }
    }

    /// The next entry.
    pub fn next_entry(&mut self) -> Result<Option<Node>> {
        loop {
            if let Some(node) = self.ready.pop_front() {
                return Ok(Some(node));
            }
            let Some(leaf) = self.leaves.next_after(None)? else { return Ok(None) };
            let entries = entries_of(&leaf)?;
            self.ready = entries.into();
        }
    }

    /// The entries that come next, as far as they were read.
    pub fn coming(&self) -> impl Iterator<Item = &Node> {
        self.ready.iter()
    }
}

/// The entries of a directory, asked for by rising names. One that cannot be read on has no more.
pub struct EntriesByName<'a> {
    entries: DirectoryEntries<'a>,
    next: Option<Node>,
}

impl<'a> EntriesByName<'a> {
    /// All entries.
    pub fn new(reader: &'a Reader<'a>, root: TreeRef) -> Self {
        let mut entries =
            EntriesByName { entries: DirectoryEntries::new(reader, root), next: None };
        entries.advance();
        entries
    }

    /// The entry of this name, which comes after all names that were asked for.
    pub fn find(&mut self, name: &[u8]) -> Option<Node> {
        while self.next.as_ref().is_some_and(|node| node.name.as_slice() < name) {
            self.advance();
        }
        let found = self.next.take_if(|node| node.name == name)?;
        self.advance();
        Some(found)
    }

    fn advance(&mut self) {
        self.next = self.entries.next_entry().ok().flatten();
    }
}

/// One node of a directory that was not read yet, as the nodes above describe it: for readers that
/// read nodes that directories share only once.
pub struct DirectoryPart(Unread<DirectoryShape>);

/// What such a node holds.
#[derive(Debug)]
pub enum OpenPart {
    /// Entries, in order of their names.
    Entries(vec::IntoIter<Node>),
    /// The nodes one level down, in order.
    Parts(vec::IntoIter<DirectoryPart>),
}

impl DirectoryPart {
    /// The first node of a directory.
    pub fn root(root: TreeRef) -> Self {
        DirectoryPart(Unread::root(root))
    }

    /// The node's blob.
    pub fn id(&self) -> &ChunkId {
        &self.0.id
    }

    /// A hash of all that is known of it. Another node with the same holds the same, and what is
    /// wrong with one is wrong with both.
    pub fn key(&self) -> [u8; 32] {
        let Unread { id, level, start, end } = &self.0;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&id.0).update(&[*level]);
        for name in [start, end] {
            // No name holds a NUL.
            hasher.update(name.as_deref().unwrap_or_default()).update(&[0]);
        }
        *hasher.finalize().as_bytes()
    }

    /// Reads it.
    ///
    /// # Errors
    /// `Damaged` if it cannot be read, or does not hold what is known of it.
    pub fn open(self, reader: &Reader<'_>) -> Result<OpenPart> {
        match self.0.open(reader)? {
            OpenNode::Leaf(leaf) => Ok(OpenPart::Entries(entries_of(&leaf)?.into_iter())),
            OpenNode::Inner(nodes) => {
                let parts: Vec<DirectoryPart> = nodes.into_iter().map(DirectoryPart).collect();
                Ok(OpenPart::Parts(parts.into_iter()))
            }
        }
    }
}

impl fmt::Debug for DirectoryPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DirectoryPart({})", self.0.id)
    }
}

/// The entry of one name, found in logarithmic time.
pub fn find_entry(reader: &Reader<'_>, root: TreeRef, name: &[u8]) -> Result<Option<Node>> {
    // `next_after` skips what ends at or before a place: the greatest name below this one.
    let mut leaves: Leaves<'_, DirectoryShape> = Leaves::new(reader, root);
    let below = just_below(name);
    let Some(leaf) = leaves.next_after(below.as_ref())? else { return Ok(None) };
    Ok(entries_of(&leaf)?.into_iter().find(|node| node.name == name))
}

/// A byte string that sorts before `name` and after every shorter-sorting name of an entry.
fn just_below(name: &[u8]) -> Option<Vec<u8>> {
    let (last, front) = name.split_last()?;
    let mut below = front.to_vec();
    if let Some(lower) = last.checked_sub(1) {
        below.push(lower);
        below.resize(crate::limits::NAME_MAX + 1, 0xff);
    }
    Some(below)
}

/// A leaf's entries, which must lie where its parents say.
fn entries_of(leaf: &Leaf<DirectoryShape>) -> Result<Vec<Node>> {
    let subject = format!("node {}", leaf.id);
    let DirectoryNode::Leaf(entries) = DirectoryNode::decode(&leaf.plain, 0, &subject)? else {
        return Err(Error::damaged("read", subject, "an inner node where a leaf belongs"));
    };
    let (first, last) = (entries.first(), entries.last());
    let begins =
        leaf.start.as_ref().is_none_or(|start| first.is_some_and(|node| node.name > *start));
    let ends = leaf.end.as_ref().is_none_or(|end| last.is_some_and(|node| node.name == *end));
    if begins && ends { Ok(entries) } else { Err(misplaced(leaf.id)) }
}
