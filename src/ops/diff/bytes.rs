//! How much of one content another one lacks, from their lists alone.

use crate::error::Result;
use crate::format::content::{Content, Piece};
use crate::id::ChunkId;
use crate::repo::Reader;
use crate::stream::Pieces;
use std::collections::HashMap;

/// Bytes of the pieces of `after` whose chunks stand nowhere in `before`; holes have none. Kept
/// in memory is only what does not stand at the same offset in both.
pub(super) fn new_bytes(
    reader: &Reader<'_>,
    before: &Content,
    after: &Content,
    subject: &str,
) -> Result<u64> {
    let mut new = moved_or_new(reader, before, after, subject)?;
    if !new.is_empty() {
        let mut pieces = Pieces::new(reader, before, subject)?;
        while let Some((_, piece)) = pieces.next_piece()? {
            piece.chunk().map(|id| new.remove(&id));
        }
    }
    Ok(new.values().fold(0, |sum, length| sum.saturating_add(*length)))
}

/// The chunks of `after` that do not stand at the same offset in `before`: bytes of each, over
/// all the places where it stands.
fn moved_or_new(
    reader: &Reader<'_>,
    before: &Content,
    after: &Content,
    subject: &str,
) -> Result<HashMap<ChunkId, u64>> {
    let mut moved: HashMap<ChunkId, u64> = HashMap::new();
    let mut old = Pieces::new(reader, before, subject)?;
    let mut new = Pieces::new(reader, after, subject)?;
    let mut beside = old.next_piece()?;
    while let Some((at, piece)) = new.next_piece()? {
        while beside.is_some_and(|(begins, _)| begins < at) {
            beside = old.next_piece()?;
        }
        if let Piece::Chunk { id, length } = piece
            && beside != Some((at, piece))
        {
            let bytes = moved.entry(id).or_default();
            *bytes = bytes.saturating_add(u64::from(length));
        }
    }
    Ok(moved)
}
