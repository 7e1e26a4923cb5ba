//! Content, lists, directories.

use super::{json, value};
use icecore::error::Result;
use icecore::format::content::{Content, ListNode, Piece};
use icecore::format::directory::{DirectoryNode, Node};
use icecore::format::record;
use icecore::id::ChunkId;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PieceForm {
    Chunk { id: ChunkId, length: u32 },
    Hole { length: u64 },
}

impl From<Piece> for PieceForm {
    fn from(piece: Piece) -> Self {
        match piece {
            Piece::Chunk { id, length } => PieceForm::Chunk { id, length },
            Piece::Hole { length } => PieceForm::Hole { length },
        }
    }
}

impl From<PieceForm> for Piece {
    fn from(piece: PieceForm) -> Self {
        match piece {
            PieceForm::Chunk { id, length } => Piece::Chunk { id, length },
            PieceForm::Hole { length } => Piece::Hole { length },
        }
    }
}

pub fn content_decode(bytes: &[u8]) -> Result<Json> {
    let content: Content = record::from_cbor(bytes, "a vector")?;
    content.inline_pieces("a vector")?;
    json(&content)
}

pub fn content_encode(text: &Json) -> Result<Vec<u8>> {
    record::to_cbor(&value::<Content>(text)?, "a vector")
}

pub fn list_decode<const LEVEL: u8>(bytes: &[u8]) -> Result<Json> {
    match ListNode::decode(bytes, LEVEL, "a vector")? {
        ListNode::Leaf(pieces) => {
            json(&pieces.into_iter().map(PieceForm::from).collect::<Vec<_>>())
        }
        ListNode::Inner(level, children) => {
            assert_eq!(level, LEVEL);
            json(&children)
        }
    }
}

pub fn list_encode<const LEVEL: u8>(text: &Json) -> Result<Vec<u8>> {
    if LEVEL > 0 {
        return Ok(ListNode::Inner(LEVEL, value(text)?).encode());
    }
    let pieces: Vec<PieceForm> = value(text)?;
    Ok(ListNode::Leaf(pieces.into_iter().map(Piece::from).collect()).encode())
}

pub fn directory_decode<const LEVEL: u8>(bytes: &[u8]) -> Result<Json> {
    match DirectoryNode::decode(bytes, LEVEL, "a vector")? {
        DirectoryNode::Leaf(nodes) => json(&nodes),
        DirectoryNode::Inner(level, children) => {
            assert_eq!(level, LEVEL);
            let named = |(id, last)| (id, serde_bytes::ByteBuf::from(last));
            json(&children.into_iter().map(named).collect::<Vec<_>>())
        }
    }
}

pub fn directory_encode<const LEVEL: u8>(text: &Json) -> Result<Vec<u8>> {
    if LEVEL == 0 {
        return DirectoryNode::Leaf(value(text)?).encode();
    }
    let children: Vec<(ChunkId, serde_bytes::ByteBuf)> = value(text)?;
    let plain = children.into_iter().map(|(id, last)| (id, last.into_vec()));
    DirectoryNode::Inner(LEVEL, plain.collect()).encode()
}

pub fn node_decode(bytes: &[u8]) -> Result<Json> {
    record::from_cbor::<Node>(bytes, "a vector").and_then(|node| json(&node))
}

pub fn node_encode(text: &Json) -> Result<Vec<u8>> {
    record::to_cbor(&value::<Node>(text)?, "a vector")
}
