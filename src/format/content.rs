//! Content of files as lists of pieces (chapter 7), cut into nodes at entry boundaries.

use super::cursor::{Reader, length32};
use crate::error::{Error, Result};
use crate::id::ChunkId;
use crate::limits::{BLOB_MAX, INLINE_PIECES_MAX, LEVELS_MAX};
use serde::{Deserialize, Serialize};

/// First byte of a list node.
pub const LIST: u8 = b'L';
/// Bytes at the front of a node: tag, level.
pub const NODE_HEAD: usize = 2;
/// Bytes of a piece that is a chunk: kind, length, id.
pub const CHUNK_PIECE: usize = 1 + 4 + 32;
/// Bytes of a piece that is a hole: kind, length.
pub const HOLE_PIECE: usize = 1 + 8;
/// Bytes of a child of an inner node: id, bytes beneath.
pub const CHILD: usize = 32 + 8;

/// One piece of a stream, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A data chunk and the length of its plaintext.
    Chunk {
        /// Its id.
        id: ChunkId,
        /// Bytes of plaintext, never zero.
        length: u32,
    },
    /// A run of zeros that takes no room.
    Hole {
        /// Bytes, never zero.
        length: u64,
    },
}

impl Piece {
    /// Bytes of the stream that the piece covers.
    pub fn length(&self) -> u64 {
        match self {
            Piece::Chunk { length, .. } => u64::from(*length),
            Piece::Hole { length } => *length,
        }
    }

    /// The chunk's id, if it is one.
    pub fn chunk(&self) -> Option<ChunkId> {
        match self {
            Piece::Chunk { id, .. } => Some(*id),
            Piece::Hole { .. } => None,
        }
    }
}

/// The root of a tree of metadata nodes, of a list or a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TreeRef {
    /// The root node's blob.
    pub id: ChunkId,
    /// How many levels of inner nodes stand above the leaves.
    pub levels: u8,
}

/// The content of one file, database or stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// Length in bytes.
    pub length: u64,
    /// How it was cut (chapter 10).
    pub chunker: u8,
    /// Up to [`INLINE_PIECES_MAX`] pieces, encoded as in a leaf; absent where `list` is present.
    #[serde(with = "serde_bytes", default, skip_serializing_if = "Vec::is_empty")]
    pub pieces: Vec<u8>,
    /// The list's root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<TreeRef>,
}

impl Content {
    /// Content whose few pieces stand in place.
    pub fn inline(chunker: u8, pieces: &[Piece]) -> Self {
        Content {
            length: pieces.iter().map(Piece::length).sum(),
            chunker,
            pieces: encode_pieces(pieces),
            list: None,
        }
    }

    /// The pieces that stand in place; empty where there is a list.
    pub fn inline_pieces(&self, subject: &str) -> Result<Vec<Piece>> {
        let damaged = |reason: &str| Err(Error::damaged("decode", subject, reason));
        let pieces = decode_pieces(Reader::new(&self.pieces, subject))?;
        match self.list {
            Some(_) if !pieces.is_empty() => damaged("pieces beside a list"),
            None if pieces.len() > INLINE_PIECES_MAX => damaged("too many pieces in place"),
            None if total(pieces.iter().map(Piece::length)) != Some(self.length) => {
                damaged("its pieces do not add up to its length")
            }
            _ => Ok(pieces),
        }
    }
}

/// One node of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListNode {
    /// Pieces.
    Leaf(Vec<Piece>),
    /// References one level down: level of this node (from 1), and for each child its id and
    /// the bytes of the stream beneath it.
    Inner(u8, Vec<(ChunkId, u64)>),
}

impl ListNode {
    /// The node's plaintext.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            ListNode::Leaf(pieces) => {
                let mut bytes = vec![LIST, 0];
                bytes.extend(encode_pieces(pieces));
                bytes
            }
            ListNode::Inner(level, children) => {
                let mut bytes = Vec::with_capacity(NODE_HEAD + children.len() * CHILD);
                bytes.extend_from_slice(&[LIST, *level]);
                for (id, beneath) in children {
                    bytes.extend_from_slice(&id.0);
                    bytes.extend_from_slice(&beneath.to_le_bytes());
                }
                bytes
            }
        }
    }

    /// The node in `bytes`, which must be of `level`; its lengths add up to less than 2^64.
    pub fn decode(bytes: &[u8], level: u8, subject: &str) -> Result<Self> {
        let mut reader = Reader::new(bytes, subject);
        if reader.u8()? != LIST {
            return Err(reader.damaged("it is no list node"));
        }
        let found = reader.u8()?;
        if found != level || found > LEVELS_MAX {
            return Err(reader.damaged(format!("level {found} where {level} was expected")));
        }
        if level == 0 {
            return decode_pieces(reader).map(ListNode::Leaf);
        }
        let mut children = Vec::new();
        while !reader.rest().is_empty() {
            children.push((ChunkId(reader.array()?), reader.u64()?));
        }
        if children.is_empty() || children.iter().any(|(_, beneath)| *beneath == 0) {
            return Err(reader.damaged("nothing beneath an inner node"));
        }
        if total(children.iter().map(|(_, beneath)| *beneath)).is_none() {
            return Err(reader.damaged("its lengths overflow"));
        }
        Ok(ListNode::Inner(level, children))
    }
}

const CHUNK: u8 = 0;
const HOLE: u8 = 1;

fn encode_pieces(pieces: &[Piece]) -> Vec<u8> {
    let length = |piece: &Piece| match piece {
        Piece::Chunk { .. } => CHUNK_PIECE,
        Piece::Hole { .. } => HOLE_PIECE,
    };
    let mut bytes = Vec::with_capacity(pieces.iter().map(length).sum());
    for piece in pieces {
        match piece {
            Piece::Chunk { id, length } => {
                bytes.push(CHUNK);
                bytes.extend_from_slice(&length.to_le_bytes());
                bytes.extend_from_slice(&id.0);
            }
            Piece::Hole { length } => {
                bytes.push(HOLE);
                bytes.extend_from_slice(&length.to_le_bytes());
            }
        }
    }
    bytes
}

fn decode_pieces(mut reader: Reader<'_>) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    while !reader.rest().is_empty() {
        let piece = match reader.u8()? {
            CHUNK => {
                let length = reader.bounded(BLOB_MAX, "a chunk's length")?;
                let id = ChunkId(reader.array()?);
                Piece::Chunk { id, length: length32(length, "a chunk's length")? }
            }
            HOLE => Piece::Hole { length: reader.u64()? },
            other => return Err(reader.damaged(format!("piece of unknown kind {other}"))),
        };
        if piece.length() == 0 {
            return Err(reader.damaged("a piece of length zero"));
        }
        pieces.push(piece);
    }
    if total(pieces.iter().map(Piece::length)).is_none() {
        return Err(reader.damaged("its lengths overflow"));
    }
    Ok(pieces)
}

fn total(mut lengths: impl Iterator<Item = u64>) -> Option<u64> {
    lengths.try_fold(0_u64, u64::checked_add)
}
