//! Contents of files: read by the names of one repository, stored under those of the other.

use super::translations::{Lesson, Translations};
use crate::error::{Error, Kind, Result};
use crate::format::BlobKind;
use crate::format::content::{Content, Piece};
use crate::id::ChunkId;
use crate::limits::{WINDOW, WINDOWS_AHEAD};
use crate::monitor::{Counter, Monitor, go_on};
use crate::repo::{Batch, NewBlob, Plain, Reader, Session};
use crate::stream::{CopiedPiece, CopyWriter, NewChunk, Pieces};
use rayon::prelude::*;
use std::collections::{HashSet, VecDeque};

/// How much further on than what is copied the content before is learned.
const SLACK: u64 = 16 * WINDOW as u64;

/// What stood in the place of a content in the copy before.
#[derive(Clone, Copy)]
pub(super) struct FormerContent<'n> {
    /// In the source; nothing where the snapshot is no more.
    pub(super) theirs: Option<&'n Content>,
    /// In the target.
    pub(super) ours: &'n Content,
}

/// Copies contents.
pub(super) struct ContentCopier<'c, 'r> {
    pub(super) source: &'c Reader<'c>,
    pub(super) target: &'c Reader<'c>,
    pub(super) session: &'c mut Session<'r>,
    pub(super) translations: &'c mut Translations,
    pub(super) monitor: &'c dyn Monitor,
    /// Bytes that were read of the source.
    pub(super) bytes_read: u64,
}

/// Pieces that are on their way.
struct Window<'c> {
    /// Each with its id here, where that is known and it is stored here.
    pieces: Vec<(Piece, Option<ChunkId>)>,
    /// All others.
    plains: Batch<'c, 'c>,
}

impl<'c> ContentCopier<'c, '_> {
    /// The id here of a chunk that need not be read.
    pub(super) fn known(&self, theirs: &ChunkId) -> Option<ChunkId> {
        let ours = self.translations.find(theirs)?;
        self.session.knows(BlobKind::Data, &ours).then_some(ours)
    }

    /// Copies one content.
    pub(super) fn copy(
        &mut self,
        subject: &str,
        theirs: &Content,
        former: Option<FormerContent<'_>>,
    ) -> Result<Content> {
        if let Some(FormerContent { theirs: Some(before), ours }) = former
            && before == theirs
            && before.length == ours.length
            && Pieces::new(self.target, ours, subject)?.are_known(self.target)
        {
            return Ok(ours.clone());
        }
        let mut lesson = former.and_then(|former| {
            Lesson::new((self.source, former.theirs?), (self.target, former.ours))
        });
        let ours = former.map(|former| former.ours);
        let mut writer = CopyWriter::new(self.target, theirs.length, ours);
        let mut pieces = Some(Pieces::new(self.source, theirs, subject)?);
        let mut windows: VecDeque<Window<'c>> = VecDeque::new();
        loop {
            while let Some(rest) = pieces.as_mut().filter(|_| windows.len() <= WINDOWS_AHEAD) {
                match self.begin(rest, lesson.as_mut())? {
                    Some(window) => windows.push_back(window),
                    None => pieces = None,
                }
            }
            let Some(window) = windows.pop_front() else { break };
            go_on(self.monitor, "copy")?;
            let copied = self.finish(window, subject)?;
            writer.push(self.session, &copied)?;
        }
        writer.finish(self.session)
    }

    /// Asks for what has to be read of the next pieces.
    fn begin(
        &mut self,
        pieces: &mut Pieces<'c>,
        lesson: Option<&mut Lesson<'c>>,
    ) -> Result<Option<Window<'c>>> {
        let pieces = pieces.next_pieces()?;
        let Some((last, _)) = pieces.last() else { return Ok(None) };
        if let Some(lesson) = lesson {
            lesson.read_to(last.saturating_add(SLACK), self.translations);
        }
        let ours = |piece: Piece| (piece, piece.chunk().and_then(|id| self.known(&id)));
        let pieces: Vec<_> = pieces.into_iter().map(|(_, piece)| ours(piece)).collect();
        let unknown = pieces.iter().filter(|(_, ours)| ours.is_none());
        let unknown: Vec<ChunkId> = unknown.filter_map(|(piece, _)| piece.chunk()).collect();
        Ok(Some(Window { pieces, plains: self.source.begin(BlobKind::Data, &unknown) }))
    }

    fn finish(&mut self, window: Window<'c>, subject: &str) -> Result<Vec<CopiedPiece>> {
        let mut plains = window.plains.finish().into_iter();
        let mut copied = Vec::with_capacity(window.pieces.len());
        for (piece, ours) in window.pieces {
            let (theirs, length) = match piece {
                Piece::Hole { length } => {
                    copied.push(CopiedPiece::Hole(length));
                    continue;
                }
                Piece::Chunk { id, length } => (id, length),
            };
            let (id, new) = match ours {
                Some(id) => (id, None),
                None => {
                    let plain = plains.next();
                    let plain = plain.ok_or_else(|| Error::new(Kind::Failed, "read", theirs))??;
                    if plain.len() as u64 != u64::from(length) {
                        let reason =
                            format!("chunk {theirs} has another length than its list says");
                        return Err(Error::damaged("read", subject, reason));
                    }
                    self.bytes_read += u64::from(length);
                    self.monitor.count(Counter::Bytes, length.into());
                    let id = self.session.repository().ids().of(BlobKind::Data, &plain);
                    self.translations.add(theirs, id);
                    (id, Some(NewChunk { plain, bases: self.bases(&theirs) }))
                }
            };
            copied.push(CopiedPiece::Chunk { id, length, new });
        }
        Ok(copied)
    }

    /// Stores chunks of files that come next, as far as a window goes. What cannot be read is found out when its
    /// file's turn comes.
    pub(super) fn store_together(&mut self, theirs: &[(ChunkId, u32)]) -> Result<()> {
        let (mut room, mut met) = (WINDOW as u64, HashSet::new());
        let theirs: Vec<(ChunkId, u32)> = theirs
            .iter()
            .filter(|(id, _)| met.insert(*id))
            .take_while(|(_, length)| {
                let left = room.checked_sub(u64::from(*length));
                room = left.unwrap_or(room);
                left.is_some()
            })
            .copied()
            .collect();
        let wanted: Vec<ChunkId> = theirs.iter().map(|(id, _)| *id).collect();
        let plains = self.source.read_all(BlobKind::Data, &wanted);
        let read = theirs.iter().zip(plains).filter_map(|((id, length), plain)| {
            let plain = plain.ok().filter(|plain| plain.len() as u64 == u64::from(*length))?;
            Some((*id, plain))
        });
        let read: Vec<(ChunkId, Plain)> = read.collect();
        let ids = self.session.repository().ids();
        let ours: Vec<ChunkId> =
            read.par_iter().map(|(_, plain)| ids.of(BlobKind::Data, plain)).collect();
        let blobs = read.iter().zip(&ours).map(|((theirs, plain), id)| NewBlob {
            kind: BlobKind::Data,
            id: *id,
            plain,
            bases: self.bases(theirs),
        });
        let blobs: Vec<NewBlob<'_>> = blobs.collect();
        self.session.store(&blobs)?;
        for ((theirs, plain), ours) in read.iter().zip(ours) {
            self.bytes_read += plain.len() as u64;
            self.monitor.count(Counter::Bytes, plain.len() as u64);
            self.translations.add(*theirs, ours);
        }
        Ok(())
    }

    /// What a chunk is a delta of in the source, as far as that was copied.
    fn bases(&self, theirs: &ChunkId) -> Vec<ChunkId> {
        let place = self.source.index().find(BlobKind::Data, theirs);
        let bases = place.map(|place| place.bases).unwrap_or_default();
        let ours = bases.iter().filter_map(|base| self.translations.find_base(base));
        ours.filter(|id| self.session.index().knows(BlobKind::Data, id)).collect()
    }
}
