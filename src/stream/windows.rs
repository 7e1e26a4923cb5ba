//! Content window by window, read ahead of whoever takes it.

use super::Pieces;
use crate::error::{Error, Result};
use crate::format::list::{Content, Piece};
use crate::limits::{WINDOW, WINDOW_PIECES, WINDOWS_AHEAD};
use crate::repo::{Batch, Plain, Reader};
use std::collections::VecDeque;

/// Pieces of a content, each with its offset.
pub type PlacedPieces = Vec<(u64, Piece)>;

/// A run of a content.
pub struct ContentWindow {
    /// Its pieces: a window's bytes or number at most.
    pub pieces: PlacedPieces,
    /// The plaintexts of those of them that are chunks, in order.
    pub plains: Vec<Result<Plain>>,
}

/// Reads a content from its beginning. While one window is used, the next are on their way.
pub struct ContentReader<'r> {
    reader: &'r Reader<'r>,
    /// None where they have ended, or failed.
    pieces: Option<Pieces<'r>>,
    ahead: VecDeque<(PlacedPieces, Batch<'r, 'r>)>,
    /// Why there are no more pieces: told when all before were taken.
    failed: Option<Error>,
}

impl<'r> ContentReader<'r> {
    /// The content of `subject`.
    pub fn new(reader: &'r Reader<'r>, content: &Content, subject: &str) -> Result<Self> {
        let pieces = Some(Pieces::new(reader, content, subject)?);
        Ok(ContentReader { reader, pieces, ahead: VecDeque::new(), failed: None })
    }

    /// The next window.
    pub fn next_window(&mut self) -> Result<Option<ContentWindow>> {
        while self.ahead.len() <= WINDOWS_AHEAD && self.pieces.is_some() {
            self.begin_one();
        }
        match (self.ahead.pop_front(), self.failed.take()) {
            (Some((pieces, batch)), failed) => {
                self.failed = failed;
                Ok(Some(ContentWindow { pieces, plains: batch.finish() }))
            }
            (None, Some(error)) => Err(error),
            (None, None) => Ok(None),
        }
    }

    fn begin_one(&mut self) {
        match self.pieces.as_mut().map(next_pieces) {
            Some(Ok(pieces)) if !pieces.is_empty() => {
                let ids: Vec<_> = pieces.iter().filter_map(|(_, piece)| piece.chunk()).collect();
                self.ahead.push_back((pieces, self.reader.begin(&ids)));
            }
            ended => {
                self.pieces = None;
                self.failed = ended.and_then(Result::err);
            }
        }
    }
}

/// The next pieces, up to a window's bytes or number; none at the end.
pub fn next_pieces(pieces: &mut Pieces<'_>) -> Result<PlacedPieces> {
    let mut window = Vec::new();
    let mut length = 0;
    while length < WINDOW && window.len() < WINDOW_PIECES {
        let Some((at, piece)) = pieces.next_piece()? else { break };
        if let Piece::Chunk { length: chunk, .. } = piece {
            length += usize::try_from(chunk).unwrap_or(WINDOW);
        }
        window.push((at, piece));
        if piece.chunk().is_none() {
            break;
        }
    }
    Ok(window)
}
