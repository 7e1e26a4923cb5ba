//! Content into chunks: cut beside the parent's, stored as deltas against what stood in place.

use super::cutting::{CutAndBases, CutPart, CutStream, Cutting};
use super::list::ListWriter;
use super::parent::ParentPieces;
use super::window::WindowReader;
use crate::chunk::Chunker;
use crate::chunk::reuse::Cut;
use crate::error::{Error, Result};
use crate::format::BlobKind;
use crate::format::content::{Content, Piece};
use crate::limits::COARSE_STREAM;
use crate::repo::{NewBlob, Reader, Repository, Session, Stored};
use crate::source::ByteStream;
use rayon::prelude::*;

/// The repository's chunkers, one for ordinary and one for very long streams.
pub struct Cutter {
    ordinary: Chunker,
    coarse: Chunker,
}

impl Cutter {
    /// Keyed by the repository.
    pub fn new(repository: &Repository) -> Result<Self> {
        let key = repository.gear_key()?;
        Ok(Cutter { ordinary: Chunker::ordinary(&key), coarse: Chunker::coarse(&key) })
    }

    /// For a stream of about `length` bytes. The parent's chunker stays while the length is near
    /// the bound, since another one shares no chunk with it.
    fn chunker(&self, coarse: bool, length: u64, before: Option<&Content>) -> &Chunker {
        if coarse {
            return &self.coarse;
        }
        let bound = match before.map(|content| content.chunker) {
            Some(id) if id == self.coarse.id() => COARSE_STREAM / 2,
            Some(_) => 2 * COARSE_STREAM,
            None => COARSE_STREAM,
        };
        if length > bound { &self.coarse } else { &self.ordinary }
    }
}

/// Content that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its description.
    pub content: Content,
    /// Bytes that were read; holes are not.
    pub bytes: u64,
}

/// Which side failed: the rest of a backup survives its source's failure, not the repository's.
#[derive(Debug)]
pub enum StreamError {
    /// The source could not be read on.
    Source(Error),
    /// The repository could not be read or written.
    Repository(Error),
}

/// Writes content into a session.
pub struct ContentWriter<'b, 'r> {
    session: &'b mut Session<'r>,
    reader: &'b Reader<'b>,
    cutter: &'b Cutter,
}

impl<'b, 'r> ContentWriter<'b, 'r> {
    /// A writer that finds the parent's content through `reader`.
    pub fn new(session: &'b mut Session<'r>, reader: &'b Reader<'b>, cutter: &'b Cutter) -> Self {
        ContentWriter { session, reader, cutter }
    }

    /// Several small contents at once, each with the parent's.
    pub fn write_small(&mut self, files: &[(&[u8], Option<&Content>)]) -> Result<Vec<Written>> {
        let (repository, reader) = (self.session.repository(), self.reader);
        let chunker = &self.cutter.ordinary;
        let cut: Vec<Vec<CutAndBases>> = files
            .par_iter()
            .map(|(bytes, before)| {
                let old = ParentPieces::new(reader, *before, chunker.id());
                Cutting::new(repository, chunker, old).whole(bytes)
            })
            .collect();
        let blobs = cut
            .iter()
            .zip(files)
            .flat_map(|(cuts, (bytes, _))| cuts.iter().map(|cut| new_blob(bytes, cut)));
        self.session.store(&blobs.collect::<Vec<_>>())?;
        let mut written = Vec::with_capacity(files.len());
        for (cuts, (bytes, before)) in cut.iter().zip(files) {
            let mut list = ListWriter::new(reader, chunker.id(), *before);
            for (cut, _) in cuts {
                list.push(self.session, piece(cut)?)?;
            }
            let content = list.finish(self.session)?;
            written.push(Written { content, bytes: bytes.len() as u64 });
        }
        Ok(written)
    }

    /// One content of any length, near `size` bytes long, read while what came before is stored;
    /// `coarse` cuts it into large chunks, whatever its length.
    pub fn write_stream(
        &mut self,
        stream: &mut dyn ByteStream,
        size: u64,
        coarse: bool,
        before: Option<&Content>,
    ) -> Result<Written, StreamError> {
        let chunker = self.cutter.chunker(coarse, size, before);
        let mut list = ListWriter::new(self.reader, chunker.id(), before);
        let old = ParentPieces::new(self.reader, before, chunker.id());
        let cutting = Cutting::new(self.session.repository(), chunker, old);
        let mut bytes = 0;
        std::thread::scope(|scope| {
            let windows = WindowReader::start(scope, stream, chunker.max());
            let mut cuts = windows
                .and_then(|windows| CutStream::start(scope, cutting, windows))
                .map_err(StreamError::Repository)?;
            while let Some(part) = cuts.next() {
                let stored = self.store(&mut list, &part).map_err(StreamError::Repository)?;
                bytes += part.length();
                cuts.stored(part, stored);
            }
            cuts.finish().map_err(StreamError::Source)
        })?;
        let content = list.finish(self.session).map_err(StreamError::Repository)?;
        Ok(Written { content, bytes })
    }

    /// Stores a part of a stream; the outcomes for its chunks.
    fn store(&mut self, list: &mut ListWriter, part: &CutPart) -> Result<Vec<Stored>> {
        match part {
            CutPart::Hole(length) => {
                list.push(self.session, Piece::Hole { length: *length })?;
                Ok(Vec::new())
            }
            CutPart::Window { window, cuts } => {
                let blobs = cuts.iter().map(|cut| new_blob(window.bytes(), cut));
                let stored = self.session.store(&blobs.collect::<Vec<_>>())?;
                for (cut, _) in cuts {
                    list.push(self.session, piece(cut)?)?;
                }
                Ok(stored)
            }
        }
    }
}

fn new_blob<'a>(bytes: &'a [u8], (cut, bases): &CutAndBases) -> NewBlob<'a> {
    let plain = bytes.get(cut.range.clone()).unwrap_or_default();
    NewBlob { kind: BlobKind::Data, id: cut.id, plain, bases: bases.clone() }
}

fn piece(cut: &Cut) -> Result<Piece> {
    let length = crate::format::cursor::length32(cut.range.len(), "a chunk")?;
    Ok(Piece::Chunk { id: cut.id, length })
}
