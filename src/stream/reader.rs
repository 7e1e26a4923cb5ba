//! Content in order: chunks are fetched and decoded together, some at a time.

use super::list::Pieces;
use crate::error::{Attempt, Error, Kind, Result};
use crate::format::list::{Content, Piece};
use crate::id::ChunkId;
use crate::limits::{WINDOW, WINDOW_PIECES};
use crate::repo::{Plain, Reader};
use std::io::{Read, Write, copy, repeat};

/// A run of a content.
#[derive(Debug)]
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
    /// Zeros.
    Hole {
        /// Where they begin.
        at: u64,
        /// How many they are.
        length: u64,
    },
}

impl Run {
    /// How many bytes it stands for.
    pub fn length(&self) -> u64 {
        match self {
            Run::Chunk { plain, .. } => plain.len() as u64,
            Run::Hole { length, .. } => *length,
        }
    }
}

/// Runs that were fetched together, in order, each with its own trouble.
pub type Runs = Vec<Result<Run>>;

/// Reads a content from its beginning.
pub struct ContentReader<'a> {
    reader: &'a Reader<'a>,
    pieces: Pieces<'a>,
    subject: String,
}

impl<'a> ContentReader<'a> {
    /// All of a content. What is wrong is said of `subject`.
    pub fn new(reader: &'a Reader<'a>, content: &Content, subject: &str) -> Result<Self> {
        let pieces = Pieces::new(reader, content, subject)?;
        Ok(ContentReader { reader, pieces, subject: subject.to_owned() })
    }

    /// The next runs, up to a window's bytes or number; none at the end.
    pub fn next_runs(&mut self) -> Result<Runs> {
        let mut pieces = Vec::new();
        let mut length = 0;
        while length < WINDOW && pieces.len() < WINDOW_PIECES {
            let Some((at, piece)) = self.pieces.next_piece()? else { break };
            pieces.push((at, piece));
            let Piece::Chunk { length: chunk, .. } = piece else { break };
            length += usize::try_from(chunk).unwrap_or(WINDOW);
        }
        let ids: Vec<ChunkId> = pieces.iter().filter_map(|(_, piece)| piece.chunk()).collect();
        let plains = self.reader.read_all(&ids);
        Ok(runs(pieces, &mut plains.into_iter(), &self.subject))
    }

    /// Writes all of it; `each` hears of the bytes as they go.
    pub fn copy(
        mut self,
        out: &mut dyn Write,
        each: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<()> {
        loop {
            let runs = self.next_runs()?;
            if runs.is_empty() {
                return Ok(());
            }
            for run in runs {
                let run = run?;
                match &run {
                    Run::Chunk { plain, .. } => out.write_all(plain),
                    Run::Hole { length, .. } => copy(&mut repeat(0).take(*length), out).map(drop),
                }
                .attempt("write", &self.subject)?;
                each(run.length())?;
            }
        }
    }
}

/// Pieces, and what was read of the chunks among them.
pub fn runs(
    pieces: Vec<(u64, Piece)>,
    plains: &mut dyn Iterator<Item = Result<Plain>>,
    subject: &str,
) -> Runs {
    let run = |(at, piece)| {
        let (id, length) = match piece {
            Piece::Hole { length } => return Ok(Run::Hole { at, length }),
            Piece::Chunk { id, length } => (id, length),
        };
        let plain = plains.next().ok_or_else(|| Error::new(Kind::Failed, "read", id))??;
        if plain.len() as u64 == u64::from(length) {
            return Ok(Run::Chunk { at, id, plain });
        }
        let reason = format!("chunk {id} has another length than its list says");
        Err(Error::damaged("read", subject, reason))
    };
    pieces.into_iter().map(run).collect()
}
