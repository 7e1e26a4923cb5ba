//! Lists of pieces: written streaming, read from any offset.

use super::tree::{Leaf, Leaves, ParentTree, Shape, TreeWriter, misplaced};
use crate::error::{Error, Result};
use crate::format::BlobKind;
use crate::format::content::{Content, ListNode, Piece};
use crate::id::ChunkId;
use crate::limits::INLINE_PIECES_MAX;
use crate::repo::{Reader, Session};
use std::collections::VecDeque;

pub(super) struct ListShape;

impl Shape for ListShape {
    type Entry = Piece;
    type End = u64;

    fn encode_leaf(entries: Vec<Piece>) -> Result<Vec<u8>> {
        Ok(ListNode::Leaf(entries).encode())
    }

    fn encode_inner(
        level: u8,
        start: Option<&u64>,
        children: &[(ChunkId, u64)],
    ) -> Result<Vec<u8>> {
        let mut begin = start.copied().unwrap_or(0);
        let children = children.iter().map(|(id, end)| {
            let beneath = end - begin;
            begin = *end;
            (*id, beneath)
        });
        Ok(ListNode::Inner(level, children.collect()).encode())
    }

    fn decode_inner(
        bytes: &[u8],
        level: u8,
        start: Option<&u64>,
        subject: &str,
    ) -> Result<Vec<(ChunkId, u64)>> {
        let ListNode::Inner(_, children) = ListNode::decode(bytes, level, subject)? else {
            return Err(Error::damaged("decode", subject, "a leaf among inner nodes"));
        };
        let mut end = start.copied().unwrap_or(0);
        let mut ends = Vec::with_capacity(children.len());
        for (id, beneath) in children {
            end = end
                .checked_add(beneath)
                .filter(|_| beneath > 0)
                .ok_or_else(|| Error::damaged("decode", subject, "lengths do not add up"))?;
            ends.push((id, end));
        }
        Ok(ends)
    }

    fn cuts_after(piece: &Piece) -> bool {
        piece.chunk().is_some_and(|id| {
            let [first, second, ..] = id.0;
            first == 0 && second & 3 == 0
        })
    }

    fn size(piece: &Piece) -> Result<usize> {
        Ok(if piece.chunk().is_some() { 37 } else { 9 })
    }

    fn end(start: Option<&u64>, piece: &Piece) -> u64 {
        start.copied().unwrap_or(0).saturating_add(piece.length())
    }
}

/// Writes the list of one content.
pub struct ListWriter {
    chunker: u8,
    length: u64,
    /// The first pieces, while they may still stand in place.
    first: Vec<Piece>,
    tree: Option<TreeWriter<ListShape>>,
    parent: Option<ParentTree<ListShape>>,
}

impl ListWriter {
    /// A list for content cut by `chunker`, near the parent's content.
    pub fn new(reader: &Reader<'_>, chunker: u8, parent: Option<&Content>) -> Self {
        let parent = parent.and_then(|content| ParentTree::load(reader, content.list?));
        ListWriter { chunker, length: 0, first: Vec::new(), tree: None, parent }
    }

    /// Adds a piece.
    pub fn push(&mut self, session: &mut Session<'_>, piece: Piece) -> Result<()> {
        self.length = self.length.saturating_add(piece.length());
        if let Some(tree) = &mut self.tree {
            return tree.push(session, piece);
        }
        self.first.push(piece);
        if self.first.len() > INLINE_PIECES_MAX {
            let mut tree = TreeWriter::new(self.parent.take());
            for piece in self.first.drain(..) {
                tree.push(session, piece)?;
            }
            self.tree = Some(tree);
        }
        Ok(())
    }

    /// The content that the list describes.
    pub fn finish(self, session: &mut Session<'_>) -> Result<Content> {
        let Some(tree) = self.tree else {
            return Ok(Content::inline(self.chunker, &self.first));
        };
        let list = Some(tree.finish(session)?);
        Ok(Content { length: self.length, chunker: self.chunker, pieces: Vec::new(), list })
    }
}

/// The pieces of a content, in order, from any offset on.
pub struct Pieces<'a> {
    leaves: Option<Leaves<'a, ListShape>>,
    ready: VecDeque<Piece>,
    /// Where the next ready piece begins.
    position: u64,
    length: u64,
    from: u64,
    subject: String,
}

impl<'a> Pieces<'a> {
    /// All pieces. What is wrong is said of `subject`.
    pub fn new(reader: &'a Reader<'a>, content: &Content, subject: &str) -> Result<Self> {
        Self::from_offset(reader, content, 0, subject)
    }

    /// The pieces from the one that holds the byte at `from`.
    pub fn from_offset(
        reader: &'a Reader<'a>,
        content: &Content,
        from: u64,
        subject: &str,
    ) -> Result<Self> {
        Ok(Pieces {
            leaves: content.list.map(|root| Leaves::new(reader, root)),
            ready: content.inline_pieces(subject)?.into(),
            position: 0,
            length: content.length,
            from,
            subject: subject.to_owned(),
        })
    }

    /// The next piece and the offset where it begins.
    pub fn next_piece(&mut self) -> Result<Option<(u64, Piece)>> {
        loop {
            let Some(piece) = self.ready.pop_front() else {
                if self.next_leaf()? {
                    continue;
                }
                return self.end();
            };
            let begins = self.position;
            let end = begins.checked_add(piece.length()).filter(|end| *end <= self.length);
            self.position = end.ok_or_else(|| self.damaged("its pieces are longer than it is"))?;
            if self.position > self.from {
                return Ok(Some((begins, piece)));
            }
        }
    }

    /// Whether all chunks from here on are known to the index of `reader`, and nothing is wrong.
    pub fn are_known(mut self, reader: &Reader<'_>) -> bool {
        let is_known = |id| reader.index().knows(BlobKind::Data, &id);
        loop {
            match self.next_piece() {
                Ok(None) => return true,
                Ok(Some((_, piece))) if piece.chunk().is_none_or(is_known) => {}
                _ => return false,
            }
        }
    }

    fn next_leaf(&mut self) -> Result<bool> {
        let Some(leaves) = &mut self.leaves else { return Ok(false) };
        let Some(Leaf { id, plain, start, end }) = leaves.next_after(Some(&self.from))? else {
            return Ok(false);
        };
        let ListNode::Leaf(pieces) = ListNode::decode(&plain, 0, &format!("node {id}"))? else {
            return Err(self.damaged("an inner node where a leaf belongs"));
        };
        if pieces.is_empty() {
            return Err(self.damaged("an empty node"));
        }
        self.position = start.unwrap_or(0);
        // The sum was checked when the node was decoded.
        let length = pieces.iter().map(Piece::length).sum();
        if end.is_some_and(|end| self.position.checked_add(length) != Some(end)) {
            return Err(misplaced(id));
        }
        self.ready = pieces.into();
        Ok(true)
    }

    fn end(&self) -> Result<Option<(u64, Piece)>> {
        if self.position == self.length || self.from >= self.length {
            return Ok(None);
        }
        Err(self.damaged("its pieces are shorter than it is"))
    }

    fn damaged(&self, reason: &str) -> Error {
        Error::damaged("read", &self.subject, reason)
    }
}
