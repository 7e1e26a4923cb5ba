//! What lists and directories share: entries cut into leaves, leaves referred to by inner nodes,
//! up to one root; each new node a delta against the parent's nodes in its place.

use super::ReadAhead;
use crate::error::{Error, Kind, Result};
use crate::format::BlobKind;
use crate::format::content::TreeRef;
use crate::id::ChunkId;
use crate::limits::LEVELS_MAX;
use crate::repo::{NewBlob, Plain, Reader, Session};
use std::marker::PhantomData;

/// How one sort of tree encodes its nodes.
pub(super) trait Shape {
    /// What leaves hold.
    type Entry;
    /// Where a node ends: a stream offset, or the last name.
    type End: Ord + Clone;

    fn encode_leaf(entries: Vec<Self::Entry>) -> Result<Vec<u8>>;
    /// `children` with their ends; `start` is the end of what stands before them.
    fn encode_inner(
        level: u8,
        start: Option<&Self::End>,
        children: &[(ChunkId, Self::End)],
    ) -> Result<Vec<u8>>;
    /// Children with their ends; the first begins at `start`.
    fn decode_inner(
        bytes: &[u8],
        level: u8,
        start: Option<&Self::End>,
        subject: &str,
    ) -> Result<Vec<(ChunkId, Self::End)>>;
    /// Whether a node may end after this entry: depends on the entry alone.
    fn cuts_after(entry: &Self::Entry) -> bool;
    /// Encoded length.
    fn size(entry: &Self::Entry) -> Result<usize>;
    /// Where the tree ends after this entry, which begins at `start`.
    fn end(start: Option<&Self::End>, entry: &Self::Entry) -> Self::End;
}

/// A node ends only from this length on, ...
const NODE_LEAST: usize = 16 << 10;
/// ... and at this length at the latest.
const NODE_MOST: usize = 256 << 10;
/// At most this many of the parent's nodes serve as bases of one.
const BASES: usize = 3;

/// Whether a node of `length` bytes ends here.
fn ends(length: usize, cuts: bool) -> bool {
    length >= NODE_MOST || (length >= NODE_LEAST && cuts)
}

/// Writes one tree, entry by entry.
pub(super) struct TreeWriter<S: Shape> {
    entries: Vec<S::Entry>,
    length: usize,
    /// Where the open leaf begins, and where it ends.
    start: Option<S::End>,
    end: Option<S::End>,
    /// Open inner nodes, from level 1 on.
    open: Vec<Inner<S>>,
    parent: Option<ParentTree<S>>,
}

struct Inner<S: Shape> {
    start: Option<S::End>,
    children: Vec<(ChunkId, S::End)>,
}

impl<S: Shape> TreeWriter<S> {
    pub(super) fn new(parent: Option<ParentTree<S>>) -> Self {
        TreeWriter {
            entries: Vec::new(),
            length: 0,
            start: None,
            end: None,
            open: Vec::new(),
            parent,
        }
    }

    pub(super) fn push(&mut self, session: &mut Session<'_>, entry: S::Entry) -> Result<()> {
        self.length += S::size(&entry)?;
        self.end = Some(S::end(self.end.as_ref(), &entry));
        let cuts = S::cuts_after(&entry);
        self.entries.push(entry);
        if ends(self.length, cuts) {
            self.close_leaf(session)?;
        }
        Ok(())
    }

    /// The root; of an empty tree, an empty leaf.
    pub(super) fn finish(mut self, session: &mut Session<'_>) -> Result<TreeRef> {
        if self.open.is_empty() {
            let id = self.store_leaf(session)?;
            return Ok(TreeRef { id, levels: 0 });
        }
        if !self.entries.is_empty() {
            self.close_leaf(session)?;
        }
        let mut level = 0;
        loop {
            let Some(inner) = self.open.get(level) else {
                return Err(Error::new(Kind::Failed, "close", "a tree of chunks"));
            };
            let top = level + 1 == self.open.len();
            if let ([(id, _)], true) = (inner.children.as_slice(), top) {
                return Ok(TreeRef { id: *id, levels: level_number(level)? });
            }
            if !inner.children.is_empty() {
                self.close_inner(session, level)?;
            }
            level += 1;
        }
    }

    fn close_leaf(&mut self, session: &mut Session<'_>) -> Result<()> {
        let id = self.store_leaf(session)?;
        let Some(end) = self.end.clone() else { return Ok(()) };
        let start = self.start.replace(end.clone());
        self.add_child(session, 0, id, start, end)
    }

    fn store_leaf(&mut self, session: &mut Session<'_>) -> Result<ChunkId> {
        self.length = 0;
        let plain = S::encode_leaf(std::mem::take(&mut self.entries))?;
        let bases = self.bases(0, self.start.as_ref(), self.end.as_ref());
        store(session, &plain, bases)
    }

    fn add_child(
        &mut self,
        session: &mut Session<'_>,
        level: usize,
        id: ChunkId,
        start: Option<S::End>,
        end: S::End,
    ) -> Result<()> {
        if self.open.len() == level {
            self.open.push(Inner { start: start.clone(), children: Vec::new() });
        }
        let Some(inner) = self.open.get_mut(level) else { return Ok(()) };
        if inner.children.is_empty() {
            inner.start = start;
        }
        inner.children.push((id, end));
        // The mean inner node has a thousand children.
        let [first, second, ..] = id.0;
        let cuts = first == 0 && second & 3 == 0;
        if ends(inner.children.len() * 64, cuts) {
            self.close_inner(session, level)?;
        }
        Ok(())
    }

    fn close_inner(&mut self, session: &mut Session<'_>, level: usize) -> Result<()> {
        let Some(inner) = self.open.get_mut(level) else { return Ok(()) };
        let children = std::mem::take(&mut inner.children);
        let start = inner.start.take();
        let Some((_, end)) = children.last() else { return Ok(()) };
        let end = end.clone();
        let number = level_number(level + 1)?;
        let plain = S::encode_inner(number, start.as_ref(), &children)?;
        let bases = self.bases(level + 1, start.as_ref(), Some(&end));
        let id = store(session, &plain, bases)?;
        self.add_child(session, level + 1, id, start, end)
    }

    fn bases(&self, level: usize, start: Option<&S::End>, end: Option<&S::End>) -> Vec<ChunkId> {
        self.parent.as_ref().map_or_else(Vec::new, |parent| parent.in_place(level, start, end))
    }
}

fn level_number(level: usize) -> Result<u8> {
    u8::try_from(level).ok().filter(|level| *level <= LEVELS_MAX).ok_or_else(|| {
        Error::new(Kind::InvalidInput, "store", "a tree of chunks")
            .because("it has too many levels")
    })
}

fn store(session: &mut Session<'_>, plain: &[u8], bases: Vec<ChunkId>) -> Result<ChunkId> {
    let id = session.repository().ids().of(BlobKind::Meta, plain);
    session.store(&[NewBlob { kind: BlobKind::Meta, id, plain, bases }])?;
    Ok(id)
}

/// The nodes of the parent's tree, level by level, with the place where each ends.
pub(super) struct ParentTree<S: Shape> {
    levels: Vec<Vec<(ChunkId, Option<S::End>)>>,
    shape: PhantomData<S>,
}

impl<S: Shape> ParentTree<S> {
    /// Reads the inner nodes. A parent that cannot be read is no parent.
    pub(super) fn load(reader: &Reader<'_>, root: TreeRef) -> Option<Self> {
        let mut levels = vec![vec![(root.id, None)]];
        for level in (1..=root.levels).rev() {
            let above = levels.last()?;
            let ids: Vec<ChunkId> = above.iter().map(|(id, _)| *id).collect();
            let mut below: Vec<(ChunkId, Option<S::End>)> = Vec::new();
            for plain in reader.read_all(BlobKind::Meta, &ids) {
                let start = below.last().and_then(|(_, end)| end.clone());
                let children =
                    S::decode_inner(&plain.ok()?, level, start.as_ref(), "a parent's node").ok()?;
                below.extend(children.into_iter().map(|(id, end)| (id, Some(end))));
            }
            levels.push(below);
        }
        levels.reverse();
        Some(ParentTree { levels, shape: PhantomData })
    }

    /// The nodes of a level between two places, best last.
    fn in_place(&self, level: usize, start: Option<&S::End>, end: Option<&S::End>) -> Vec<ChunkId> {
        let Some(nodes) = self.levels.get(level) else { return Vec::new() };
        let before = |of: &Option<S::End>, place: Option<&S::End>| match (of, place) {
            (Some(of), Some(place)) => of <= place,
            _ => false,
        };
        let first = nodes.partition_point(|(_, of)| before(of, start));
        let in_place = nodes.iter().skip(first).take(BASES);
        let mut ids = Vec::new();
        for (id, of) in in_place {
            ids.push(*id);
            if !before(of, end) || of.as_ref() == end {
                break;
            }
        }
        ids.reverse();
        ids
    }
}

/// A leaf as its parents describe it.
pub(super) struct Leaf<S: Shape> {
    pub(super) id: ChunkId,
    pub(super) plain: Plain,
    /// Where it begins: the end of what stands before it.
    pub(super) start: Option<S::End>,
    /// Where it must end, if it has a parent.
    pub(super) end: Option<S::End>,
}

/// A node that was not read yet, as the nodes above describe it.
pub(super) struct Unread<S: Shape> {
    pub(super) id: ChunkId,
    pub(super) level: u8,
    /// Where it begins: the end of what stands before it.
    pub(super) start: Option<S::End>,
    /// Where it must end, if it is not the root.
    pub(super) end: Option<S::End>,
}

/// A node that was read.
pub(super) enum OpenNode<S: Shape> {
    Leaf(Leaf<S>),
    /// The nodes one level down, in order.
    Inner(Vec<Unread<S>>),
}

/// A node that does not hold what its parent says.
pub(super) fn misplaced(id: ChunkId) -> Error {
    Error::damaged("read", format!("node {id}"), "it ends elsewhere than its parent says")
}

impl<S: Shape> Unread<S> {
    pub(super) fn root(root: TreeRef) -> Self {
        Unread { id: root.id, level: root.levels, start: None, end: None }
    }

    /// Reads it. What a leaf holds is not looked at yet.
    pub(super) fn open(self, reader: &Reader<'_>) -> Result<OpenNode<S>> {
        let Unread { id, level, start, end } = self;
        let plain = reader.read(BlobKind::Meta, &id)?;
        let Some(below) = level.checked_sub(1) else {
            return Ok(OpenNode::Leaf(Leaf { id, plain, start, end }));
        };
        if level > LEVELS_MAX {
            return Err(Error::damaged("read", format!("node {id}"), "too many levels"));
        }
        let children = S::decode_inner(&plain, level, start.as_ref(), &format!("node {id}"))?;
        let fits = |first: &S::End, last: &S::End| {
            start.as_ref().is_none_or(|start| start < first)
                && end.as_ref().is_none_or(|end| end == last)
        };
        match (children.first(), children.last()) {
            (Some((_, first)), Some((_, last))) if fits(first, last) => {}
            _ => return Err(misplaced(id)),
        }
        let mut begins = start;
        let unread = children.into_iter().map(|(id, end)| {
            let start = begins.replace(end.clone());
            Unread { id, level: below, start, end: Some(end) }
        });
        Ok(OpenNode::Inner(unread.collect()))
    }
}

/// Reads the leaves of a tree in order, from any place on.
pub(super) struct Leaves<'a, S: Shape> {
    reader: &'a Reader<'a>,
    /// Nodes still to visit, the next last.
    stack: Vec<Unread<S>>,
    /// None before the first leaf: often no other is wanted.
    ahead: Option<ReadAhead>,
}

impl<'a, S: Shape> Leaves<'a, S> {
    pub(super) fn new(reader: &'a Reader<'a>, root: TreeRef) -> Self {
        Leaves { reader, stack: vec![Unread::root(root)], ahead: None }
    }

    /// The next leaf that ends after `from`.
    pub(super) fn next_after(&mut self, from: Option<&S::End>) -> Result<Option<Leaf<S>>> {
        let ends_before = |node: &Unread<S>| match (&node.end, from) {
            (Some(end), Some(from)) => end <= from,
            _ => false,
        };
        while let Some(node) = self.stack.pop() {
            if let Some(ahead) = &mut self.ahead {
                let beside = self.stack.iter().rev().map(|node| node.id);
                ahead.step(self.reader, std::iter::once(node.id).chain(beside));
            }
            match node.open(self.reader)? {
                OpenNode::Leaf(leaf) => {
                    self.ahead.get_or_insert_default();
                    return Ok(Some(leaf));
                }
                OpenNode::Inner(nodes) => {
                    let wanted = nodes.into_iter().filter(|node| !ends_before(node));
                    self.stack.extend(wanted.rev());
                }
            }
        }
        Ok(None)
    }
}
