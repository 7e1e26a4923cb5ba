//! Content that another repository has cut: stored in the same pieces, new ones as deltas against
//! what stands in their place here.

use super::list::ListWriter;
use super::parent::ParentPieces;
use crate::chunk::FOREIGN;
use crate::chunk::reuse::Cut;
use crate::error::Result;
use crate::format::BlobKind;
use crate::format::content::{Content, Piece};
use crate::id::ChunkId;
use crate::repo::{NewBlob, Plain, Reader, Session};

/// A piece of a content that is copied.
pub enum CopiedPiece {
    /// So many zeros.
    Hole(u64),
    /// A chunk.
    Chunk {
        /// Its id here.
        id: ChunkId,
        /// Bytes of plaintext.
        length: u32,
        /// What it takes to store it; nothing of one that is known to be here.
        new: Option<NewChunk>,
    },
}

/// A chunk that may have to be stored.
pub struct NewChunk {
    /// Its bytes.
    pub plain: Plain,
    /// What it may be a delta of, the best last; without any, what stands in its place.
    pub bases: Vec<ChunkId>,
}

impl CopiedPiece {
    fn piece(&self) -> Piece {
        match *self {
            CopiedPiece::Hole(length) => Piece::Hole { length },
            CopiedPiece::Chunk { id, length, .. } => Piece::Chunk { id, length },
        }
    }
}

/// Writes one content.
pub struct CopyWriter<'a> {
    list: ListWriter,
    old: ParentPieces<'a>,
    at: u64,
    length: u64,
}

impl<'a> CopyWriter<'a> {
    /// A content of this length; `before` is what stood in its place.
    pub fn new(reader: &'a Reader<'a>, length: u64, before: Option<&Content>) -> Self {
        let list = ListWriter::new(reader, FOREIGN, before);
        CopyWriter { list, old: ParentPieces::new(reader, before, FOREIGN), at: 0, length }
    }

    /// Adds pieces, of which at most the last is a hole, and stores what is new of them.
    pub fn push(&mut self, session: &mut Session<'_>, pieces: &[CopiedPiece]) -> Result<()> {
        self.store(session, pieces)?;
        for piece in pieces {
            let piece = piece.piece();
            self.at = self.at.saturating_add(piece.length());
            self.list.push(session, piece)?;
        }
        Ok(())
    }

    /// The content.
    pub fn finish(self, session: &mut Session<'_>) -> Result<Content> {
        self.list.finish(session)
    }

    fn store(&mut self, session: &mut Session<'_>, pieces: &[CopiedPiece]) -> Result<()> {
        let (mut bytes, mut cuts, mut chunks) = (Vec::new(), Vec::new(), Vec::new());
        for piece in pieces {
            let CopiedPiece::Chunk { id, length, new } = piece else { break };
            let start = bytes.len();
            match new {
                Some(new) => bytes.extend_from_slice(&new.plain),
                // What is known needs no bases: nobody looks at its bytes.
                None => bytes.resize(start + usize::try_from(*length).unwrap_or(0), 0),
            }
            cuts.push(Cut { range: start..bytes.len(), id: *id, known: None });
            chunks.push((id, new));
        }
        if chunks.iter().all(|(_, new)| new.is_none()) {
            return Ok(());
        }
        self.old.at(self.at, bytes.len());
        let last = self.at.saturating_add(bytes.len() as u64) >= self.length;
        let in_place = self.old.bases(self.at, &bytes, &cuts, last);
        let blobs = chunks.into_iter().zip(in_place).filter_map(|((id, new), in_place)| {
            let NewChunk { plain, bases } = new.as_ref()?;
            let bases = if bases.is_empty() { in_place } else { bases.clone() };
            Some(NewBlob { kind: BlobKind::Data, id: *id, plain, bases })
        });
        let stored = session.store(&blobs.collect::<Vec<_>>())?;
        self.old.learn(&stored);
        Ok(())
    }
}
