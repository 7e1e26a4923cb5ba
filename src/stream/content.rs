//! Content into chunks: cut beside the parent's, stored as deltas against what stood in place.

use super::list::ListWriter;
use super::parent::ParentPieces;
use super::window::{Segment, Window, WindowReader};
use crate::chunk::Chunker;
use crate::chunk::reuse::{Cut, ParentPiece, cut_window};
use crate::error::{Error, Result};
use crate::format::BlobKind;
use crate::format::list::{Content, Piece};
use crate::id::ChunkId;
use crate::limits::COARSE_STREAM;
use crate::repo::{Candidate, Reader, Repository, Session, Stored};
use crate::source::ByteStream;

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
        let mut cut = Vec::with_capacity(files.len());
        for (bytes, before) in files {
            let mut old = ParentPieces::new(self.reader, *before, self.cutter.ordinary.id());
            cut.push(cut_whole(self.session.repository(), &self.cutter.ordinary, bytes, &mut old));
        }
        let candidates = cut.iter().zip(files).flat_map(|(cuts, (bytes, _))| {
            cuts.iter().map(|(cut, bases)| candidate(bytes, cut, bases.clone()))
        });
        self.session.store(&candidates.collect::<Vec<_>>())?;
        let mut written = Vec::with_capacity(files.len());
        for (cuts, (bytes, before)) in cut.iter().zip(files) {
            let mut list = ListWriter::new(self.reader, self.cutter.ordinary.id(), *before);
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
        let list = ListWriter::new(self.reader, chunker.id(), before);
        let old = ParentPieces::new(self.reader, before, chunker.id());
        let mut run = StreamRun {
            list,
            bytes: 0,
            cutting: Cutting { chunker, old, at: 0, repository: self.session.repository() },
        };
        std::thread::scope(|scope| {
            let feed = WindowReader::start(scope, stream, chunker.max());
            let mut feed = feed.map_err(StreamError::Repository)?;
            run.all(self.session, &mut feed)?;
            feed.finish().map_err(StreamError::Source)
        })?;
        let content = run.list.finish(self.session).map_err(StreamError::Repository)?;
        Ok(Written { content, bytes: run.bytes })
    }
}

/// A stream on its way.
struct StreamRun<'a> {
    cutting: Cutting<'a>,
    list: ListWriter,
    bytes: u64,
}

impl StreamRun<'_> {
    /// While one window is being stored, the next one is cut.
    fn all(
        &mut self,
        session: &mut Session<'_>,
        feed: &mut WindowReader,
    ) -> Result<(), StreamError> {
        let mut ready = self.cutting.next(feed);
        while let Some(cut) = ready {
            let cutting = &mut self.cutting;
            let (stored, next) = match &cut {
                CutSegment::Window { window, cuts } => {
                    rayon::join(|| store(session, window.bytes(), cuts), || cutting.next(feed))
                }
                CutSegment::Hole(_) => (Ok(Vec::new()), cutting.next(feed)),
            };
            let stored = stored.map_err(StreamError::Repository)?;
            self.add(session, &cut, &stored).map_err(StreamError::Repository)?;
            self.cutting.old.learn(&stored);
            if let CutSegment::Window { window, .. } = cut {
                feed.give_back(window);
            }
            ready = next;
        }
        Ok(())
    }

    fn add(
        &mut self,
        session: &mut Session<'_>,
        cut: &CutSegment,
        stored: &[Stored],
    ) -> Result<()> {
        match cut {
            CutSegment::Hole(length) => self.list.push(session, Piece::Hole { length: *length }),
            CutSegment::Window { cuts, .. } => {
                debug_assert_eq!(cuts.len(), stored.len());
                for (cut, _) in cuts {
                    self.bytes += cut.range.len() as u64;
                    self.list.push(session, piece(cut)?)?;
                }
                Ok(())
            }
        }
    }
}

/// A part of the stream, cut.
enum CutSegment {
    Window { window: Window, cuts: Vec<(Cut, Vec<ChunkId>)> },
    Hole(u64),
}

struct Cutting<'a> {
    repository: &'a Repository,
    chunker: &'a Chunker,
    old: ParentPieces<'a>,
    at: u64,
}

impl Cutting<'_> {
    fn next(&mut self, feed: &mut WindowReader) -> Option<CutSegment> {
        match feed.next()? {
            Segment::Hole(length) => {
                self.at = self.at.saturating_add(length);
                Some(CutSegment::Hole(length))
            }
            Segment::Window(window) => {
                let bytes = window.bytes();
                let at = self.at;
                let old = self.old.at(at, bytes.len());
                let cuts = cut(self.repository, self.chunker, at, bytes, window.is_last(), old);
                self.at += cuts.consumed as u64;
                feed.keep(bytes.get(cuts.consumed..).unwrap_or_default());
                let bases = self.old.bases(at, bytes, &cuts.cuts, window.is_last());
                let cuts = cuts.cuts.into_iter().zip(bases).collect();
                Some(CutSegment::Window { window, cuts })
            }
        }
    }
}

fn cut(
    repository: &Repository,
    chunker: &Chunker,
    at: u64,
    bytes: &[u8],
    last: bool,
    old: &[ParentPiece],
) -> crate::chunk::reuse::Windowed {
    let id_of = |bytes: &[u8]| repository.ids().of(BlobKind::Data, bytes);
    cut_window(chunker, at, bytes, last, old, &id_of)
}

fn cut_whole(
    repository: &Repository,
    chunker: &Chunker,
    bytes: &[u8],
    old: &mut ParentPieces<'_>,
) -> Vec<(Cut, Vec<ChunkId>)> {
    let cuts = cut(repository, chunker, 0, bytes, true, old.at(0, bytes.len())).cuts;
    let bases = old.bases(0, bytes, &cuts, true);
    cuts.into_iter().zip(bases).collect()
}

fn store(
    session: &mut Session<'_>,
    bytes: &[u8],
    cuts: &[(Cut, Vec<ChunkId>)],
) -> Result<Vec<Stored>> {
    let candidates: Vec<_> =
        cuts.iter().map(|(cut, bases)| candidate(bytes, cut, bases.clone())).collect();
    session.store(&candidates)
}

fn candidate<'a>(bytes: &'a [u8], cut: &Cut, bases: Vec<ChunkId>) -> Candidate<'a> {
    let plain = bytes.get(cut.range.clone()).unwrap_or_default();
    Candidate { kind: BlobKind::Data, id: cut.id, plain, bases }
}

fn piece(cut: &Cut) -> Result<Piece> {
    let length = crate::format::cursor::length32(cut.range.len(), "a chunk")?;
    Ok(Piece::Chunk { id: cut.id, length })
}
