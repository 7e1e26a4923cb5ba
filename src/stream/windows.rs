//! Content window by window, read ahead of its reader.

use super::Pieces;
use crate::error::{Attempt, Error, Kind, Result};
use crate::format::BlobKind;
use crate::format::content::{Content, Piece};
use crate::id::ChunkId;
use crate::limits::{WINDOW, WINDOW_PIECES, WINDOWS_AHEAD};
use crate::repo::{Batch, Plain, Reader};
use std::collections::VecDeque;
use std::io::{self, Read, Write};

/// Pieces of a content, each with its offset.
pub type PlacedPieces = Vec<(u64, Piece)>;

/// What of a content is read at once.
pub struct ContentWindow {
    /// Its pieces: a window's bytes or number at most.
    pub pieces: PlacedPieces,
    /// The plaintexts of those of them that are chunks, in order.
    pub plains: Vec<Result<Plain>>,
}

/// One piece of a content, with its bytes.
pub enum Run {
    /// A chunk, as long as the content's list says.
    Chunk {
        /// Where it begins.
        at: u64,
        /// Its id.
        id: ChunkId,
        /// Its bytes.
        plain: Plain,
    },
    /// So many zeros.
    Hole(u64),
}

impl Run {
    /// How many bytes it stands for.
    pub fn length(&self) -> u64 {
        match self {
            Run::Chunk { plain, .. } => plain.len() as u64,
            Run::Hole(length) => *length,
        }
    }

    /// Writes all of them.
    pub fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Run::Chunk { plain, .. } => out.write_all(plain),
            Run::Hole(length) => io::copy(&mut io::repeat(0).take(*length), out).map(drop),
        }
    }
}

impl ContentWindow {
    /// Its runs, in order, each with its own trouble, which is said of `subject`.
    pub fn runs(self, subject: &str) -> impl Iterator<Item = Result<Run>> {
        let mut plains = self.plains.into_iter();
        self.pieces.into_iter().map(move |(at, piece)| {
            let (id, length) = match piece {
                Piece::Hole { length } => return Ok(Run::Hole(length)),
                Piece::Chunk { id, length } => (id, length),
            };
            let plain = plains.next().ok_or_else(|| Error::new(Kind::Failed, "read", id))??;
            if plain.len() as u64 == u64::from(length) {
                return Ok(Run::Chunk { at, id, plain });
            }
            let reason = format!("chunk {id} has another length than its list says");
            Err(Error::damaged("read", subject, reason))
        })
    }
}

/// Reads a content from its beginning. While one window is used, the next are on their way.
pub struct ContentReader<'r> {
    reader: &'r Reader<'r>,
    /// None where they have ended, or failed.
    pieces: Option<Pieces<'r>>,
    /// How many windows are on their way while one is used.
    windows_ahead: usize,
    ahead: VecDeque<(PlacedPieces, Batch<'r, 'r>)>,
    /// What comes after these, and was announced.
    coming: VecDeque<PlacedPieces>,
    /// Why there are no more pieces: told when all before were taken.
    failed: Option<Error>,
    subject: String,
}

impl<'r> ContentReader<'r> {
    /// The content of `subject`.
    pub fn new(reader: &'r Reader<'r>, content: &Content, subject: &str) -> Result<Self> {
        let pieces = Some(Pieces::new(reader, content, subject)?);
        let (ahead, coming, subject) = (VecDeque::new(), VecDeque::new(), subject.to_owned());
        let windows_ahead = WINDOWS_AHEAD;
        Ok(ContentReader { reader, pieces, windows_ahead, ahead, coming, failed: None, subject })
    }

    /// The same for readers that hardly ever need more than the first window: nothing is read ahead.
    pub fn of_head(reader: &'r Reader<'r>, content: &Content, subject: &str) -> Result<Self> {
        Ok(ContentReader { windows_ahead: 0, ..Self::new(reader, content, subject)? })
    }

    /// The next window.
    pub fn next_window(&mut self) -> Result<Option<ContentWindow>> {
        while self.ahead.len() <= self.windows_ahead {
            if self.coming.is_empty() {
                self.announce();
            }
            let Some(pieces) = self.coming.pop_front() else { break };
            let batch = self.reader.begin(BlobKind::Data, &chunks(&pieces));
            self.ahead.push_back((pieces, batch));
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

    /// Hands out all of its runs, in order.
    pub fn each_run(mut self, each: &mut dyn FnMut(&Run) -> Result<()>) -> Result<()> {
        while let Some(window) = self.next_window()? {
            window.runs(&self.subject).try_for_each(|run| each(&run?))?;
        }
        Ok(())
    }

    /// Writes all of it; `each` hears of the bytes as they go.
    pub fn copy(self, out: &mut dyn Write, each: &mut dyn FnMut(u64) -> Result<()>) -> Result<()> {
        let subject = self.subject.clone();
        self.each_run(&mut |run| {
            run.write_to(out).attempt("write", &subject)?;
            each(run.length())
        })
    }

    /// Finds out what comes next, and lets it be read in large ranges.
    fn announce(&mut self) {
        while self.coming.len() <= self.windows_ahead {
            match self.pieces.as_mut().map(Pieces::next_pieces) {
                Some(Ok(pieces)) if !pieces.is_empty() => self.coming.push_back(pieces),
                Some(ended) => {
                    self.pieces = None;
                    self.failed = ended.err();
                }
                None => break,
            }
        }
        if self.coming.len() > 1 {
            let ids: Vec<ChunkId> = self.coming.iter().flat_map(chunks).collect();
            self.reader.announce(BlobKind::Data, &ids);
        }
    }
}

fn chunks(pieces: &PlacedPieces) -> Vec<ChunkId> {
    pieces.iter().filter_map(|(_, piece)| piece.chunk()).collect()
}

impl Pieces<'_> {
    /// The next pieces, up to a window's bytes or number; none at the end. A hole ends a window.
    pub fn next_pieces(&mut self) -> Result<PlacedPieces> {
        let mut window = Vec::new();
        let mut length = 0;
        while length < WINDOW && window.len() < WINDOW_PIECES {
            let Some((at, piece)) = self.next_piece()? else { break };
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
}
