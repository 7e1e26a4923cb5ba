//! Contents of files: the nodes of their lists, and the chunks that these name.

use super::{Loss, Lost, Visitor};
use crate::error::{Error, Result};
use crate::format::BlobKind;
use crate::format::content::{Content, ListNode, Piece};
use crate::id::ChunkId;
use crate::repo::{Plain, Reader};
use std::collections::HashMap;

/// Nodes of a list that are read together.
const BATCH: usize = 32;

/// The nodes of lists that were walked.
#[derive(Default)]
pub(super) struct ContentWalker {
    /// By their ids and levels.
    nodes: HashMap<(ChunkId, u8), Known>,
    /// How many contents were walked.
    walked: u64,
}

/// What is known of a node.
#[derive(Clone, Copy)]
enum Known {
    /// The bytes beneath it. All of them are there.
    Well(u64),
    /// Something at or beneath it is damaged, as was seen in that content.
    Damaged(u64),
}

/// Bytes; or what is wrong, if that was not told before.
type Length = Result<u64, Option<Loss>>;

impl ContentWalker {
    /// Walks all of a content, and says what is the first thing wrong with it.
    pub(super) fn walk(
        &mut self,
        reader: &Reader<'_>,
        content: &Content,
        visitor: &mut impl Visitor,
    ) -> Result<(), Option<Loss>> {
        self.walked += 1;
        let pieces = content.inline_pieces("its list").map_err(|error| damaged(None, error))?;
        let Some(root) = content.list else { return pieces_of(&pieces, visitor).map(drop) };
        let length = self.lengths(reader, &[root.id], root.levels, visitor).pop();
        match length.unwrap_or(Err(None))? {
            length if length == content.length => Ok(()),
            _ => {
                let error = Error::damaged("read", "its list", "it is of another length");
                Err(damaged(Some(root.id), error))
            }
        }
    }

    /// The root of a content's list, if it was not walked.
    pub(super) fn unread_list(&self, content: &Content) -> Option<ChunkId> {
        let root = content.list?;
        (!self.nodes.contains_key(&(root.id, root.levels))).then_some(root.id)
    }

    /// The bytes beneath each of some nodes of one level.
    fn lengths(
        &mut self,
        reader: &Reader<'_>,
        ids: &[ChunkId],
        level: u8,
        visitor: &mut impl Visitor,
    ) -> Vec<Length> {
        let mut lengths = Vec::with_capacity(ids.len());
        for batch in ids.chunks(BATCH) {
            let is_new = |id: &&ChunkId| self.known(id, level, visitor).is_none();
            let new: Vec<ChunkId> = batch.iter().filter(is_new).copied().collect();
            let mut plains: HashMap<ChunkId, Result<Plain>> =
                new.iter().copied().zip(reader.read_all(BlobKind::Meta, &new)).collect();
            for id in batch {
                // It may stand in a list many times.
                lengths.push(self.known(id, level, visitor).unwrap_or_else(|| {
                    let plain =
                        plains.remove(id).unwrap_or_else(|| reader.read(BlobKind::Meta, id));
                    self.node(reader, *id, level, plain, visitor)
                }));
            }
        }
        lengths
    }

    /// The bytes beneath a node that need not be walked any more. One that is damaged is looked at
    /// once in each content, if at all.
    fn known(&self, id: &ChunkId, level: u8, visitor: &impl Visitor) -> Option<Length> {
        match *self.nodes.get(&(*id, level))? {
            Known::Well(length) => Some(Ok(length)),
            Known::Damaged(seen) if seen == self.walked || !visitor.looks_again() => {
                Some(Err(None))
            }
            Known::Damaged(_) => None,
        }
    }

    fn node(
        &mut self,
        reader: &Reader<'_>,
        id: ChunkId,
        level: u8,
        plain: Result<Plain>,
        visitor: &mut impl Visitor,
    ) -> Length {
        visitor.node(&id);
        let subject = format!("node {id}");
        let node = plain.and_then(|plain| ListNode::decode(&plain, level, &subject));
        let length = match node {
            Err(error) => Err(damaged(Some(id), error)),
            Ok(ListNode::Leaf(pieces)) if pieces.is_empty() => {
                Err(damaged(Some(id), Error::damaged("read", subject, "an empty node")))
            }
            Ok(ListNode::Leaf(pieces)) => pieces_of(&pieces, visitor),
            Ok(ListNode::Inner(level, children)) => {
                let ids: Vec<ChunkId> = children.iter().map(|(id, _)| *id).collect();
                let found = self.lengths(reader, &ids, level.saturating_sub(1), visitor);
                let wrong = || {
                    let reason = "a node beneath it is of another length";
                    damaged(Some(id), Error::damaged("read", &subject, reason))
                };
                let told = children.iter().map(|(_, length)| *length);
                all(found.into_iter().zip(told).map(|(found, told)| match found {
                    Ok(length) if length != told => Err(wrong()),
                    found => found,
                }))
            }
        };
        let known =
            length.as_ref().map_or(Known::Damaged(self.walked), |length| Known::Well(*length));
        self.nodes.insert((id, level), known);
        length
    }
}

/// The bytes of some pieces. The visitor hears of all of their chunks.
fn pieces_of(pieces: &[Piece], visitor: &mut impl Visitor) -> Length {
    all(pieces.iter().map(|piece| {
        let length = piece.length();
        let Some(id) = piece.chunk() else { return Ok(length) };
        let found = visitor.chunk(&id, length);
        found.map(|()| length).map_err(|error| damaged(Some(id), error))
    }))
}

/// The sum, or the first of what is wrong that was not told before. All of them are gone through.
fn all(lengths: impl Iterator<Item = Length>) -> Length {
    let (mut sum, mut is_damaged, mut first) = (0_u64, false, None);
    for length in lengths {
        match length {
            // Nodes are refused where a sum overflows.
            Ok(length) => sum = sum.saturating_add(length),
            Err(trouble) => {
                is_damaged = true;
                first = first.or(trouble);
            }
        }
    }
    if is_damaged { Err(first) } else { Ok(sum) }
}

fn damaged(chunk: Option<ChunkId>, error: Error) -> Option<Loss> {
    Some(Loss { lost: Lost::Content, chunk, error })
}
