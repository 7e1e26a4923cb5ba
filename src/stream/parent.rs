//! The parent's pieces beside a stream that is being cut: what may be the same, and what may
//! serve as a base.

use super::list::Pieces;
use super::windows::{ContentReader, Run};
use crate::chunk::align::{self, Place};
use crate::chunk::reuse::{Cut, ParentPiece};
use crate::chunk::similar::Sketches;
use crate::format::content::{Content, Piece};
use crate::id::ChunkId;
use crate::limits::WINDOW;
use crate::repo::{Reader, Stored};

/// The parent's content, read along.
pub(super) struct ParentPieces<'a> {
    reader: &'a Reader<'a>,
    content: Option<Content>,
    pieces: Option<Pieces<'a>>,
    /// Chunks of the parent from `aligned` or the current place on, whichever comes first.
    ahead: Vec<ParentPiece>,
    /// Where in `ahead` the new stream stands, by content rather than by offset.
    aligned: usize,
    /// How much further on than the new stream the parent's was at the last chunk that had a
    /// counterpart there.
    shift: i64,
    /// Whether the parent was cut by the same chunker.
    comparable: bool,
    similar: Similar,
}

/// Content-based bases, once position turns out to be of no help.
enum Similar {
    Watching { tried: u32, whole: u32 },
    Found(Box<Sketches>, Vec<ChunkId>),
    Useless,
}

/// Bytes of the parent looked at beyond the place of a window.
const SLACK: u64 = 2 * WINDOW as u64;
/// The parent's chunks kept at most: an insertion longer than this loses its place.
const AHEAD_MOST: usize = 1 << 14;
/// Chunks that must have been stored before similar ones are looked for.
const WATCHED: u32 = 48;
/// A parent longer than this is not searched for similar chunks.
const SEARCHED_MOST: u64 = 64 << 30;
/// Bases found by content.
const SIMILAR: usize = 6;
/// Lengths are near if they differ by so small a part.
const NEAR: u64 = 64;
/// Bases found by position, on each side of the best.
const BESIDE: usize = 1;

impl<'a> ParentPieces<'a> {
    pub(super) fn new(reader: &'a Reader<'a>, content: Option<&Content>, chunker: u8) -> Self {
        ParentPieces {
            reader,
            content: content.cloned(),
            // A parent that cannot be read is no parent.
            pieces: content.and_then(|content| Pieces::new(reader, content, "the parent").ok()),
            ahead: Vec::new(),
            aligned: 0,
            shift: 0,
            comparable: content.is_some_and(|content| content.chunker == chunker),
            similar: Similar::Watching { tried: 0, whole: 0 },
        }
    }

    /// The parent's chunks from about `at` on, as far as a window of `length` bytes may need.
    pub(super) fn at(&mut self, at: u64, length: usize) -> &[ParentPiece] {
        self.drop_before(at);
        self.read_to(at.saturating_add(length as u64).saturating_add(SLACK));
        if !self.comparable {
            return &[];
        }
        let first = self.ahead.partition_point(|piece| piece.at < at);
        self.ahead.get(first..).unwrap_or_default()
    }

    /// For each cut of a window that begins at `at`, the chunks that may serve as bases, best last.
    pub(super) fn bases(
        &mut self,
        at: u64,
        bytes: &[u8],
        cuts: &[Cut],
        last: bool,
    ) -> Vec<Vec<ChunkId>> {
        // Where no chunk is as before for long, counting bytes keeps the place.
        let beside = at.saturating_add_signed(self.shift);
        self.read_to(beside);
        self.aligned =
            self.ahead.partition_point(|piece| piece.at + u64::from(piece.length) <= beside);
        let length: usize = cuts.iter().map(|cut| cut.range.len()).sum();
        let until = self.ahead.get(self.aligned).map_or(0, |old| old.at);
        self.read_to(until.saturating_add(length as u64).saturating_add(SLACK));
        let old = self.ahead.get(self.aligned..).unwrap_or_default();
        let new: Vec<align::Piece> = cuts.iter().map(new_piece).collect();
        let pieces: Vec<align::Piece> =
            old.iter().map(|old| align::Piece { id: old.id, length: old.length }).collect();
        let places = align::align(&new, &pieces, !last);
        let mut bases = Vec::with_capacity(cuts.len());
        for (cut, place) in cuts.iter().zip(&places) {
            let place = counterpart(old, place, cut.range.len());
            if let Some(beside) = old.get(place.best).filter(|old| is_near(old, cut.range.len())) {
                let here = at.saturating_add(cut.range.end as u64);
                let there = beside.at.saturating_add(beside.length.into());
                self.shift = there.wrapping_sub(here).cast_signed();
            }
            if old.get(place.best).is_some_and(|old| old.id == cut.id) {
                bases.push(Vec::new());
                continue;
            }
            let plain = bytes.get(cut.range.clone()).unwrap_or_default();
            bases.push(self.similar.bases(plain, in_place(old, &place)));
        }
        if let Some(last) = places.last() {
            self.aligned += last.best.min(old.len().saturating_sub(1));
        }
        bases
    }

    /// Learns how deltas went: where most chunks had to be stored whole, the parent is searched.
    pub(super) fn learn(&mut self, stored: &[Stored]) {
        let Similar::Watching { tried, whole } = &mut self.similar else { return };
        for stored in stored {
            *tried += u32::from(*stored != Stored::Known);
            *whole += u32::from(matches!(stored, Stored::Whole(_)));
        }
        let Some(content) = self.content.as_ref().filter(|_| *tried >= WATCHED) else { return };
        self.similar = if *whole * 2 < *tried || content.length > SEARCHED_MOST {
            Similar::Watching { tried: 0, whole: 0 }
        } else {
            sketch(self.reader, content)
                .map_or(Similar::Useless, |(sketches, ids)| Similar::Found(Box::new(sketches), ids))
        };
    }

    fn drop_before(&mut self, at: u64) {
        let passed = self.ahead.partition_point(|piece| piece.at + u64::from(piece.length) <= at);
        let excess = self.ahead.len().saturating_sub(AHEAD_MOST);
        let unused = passed.min(self.aligned).max(excess);
        self.ahead.drain(..unused.min(self.ahead.len()));
        self.aligned = self.aligned.saturating_sub(unused);
    }

    fn read_to(&mut self, end: u64) {
        while self.ahead.last().is_none_or(|piece| piece.at < end)
            && self.ahead.len() < 2 * AHEAD_MOST
        {
            let next = self.pieces.as_mut().and_then(|pieces| pieces.next_piece().ok().flatten());
            match next {
                Some((at, Piece::Chunk { id, length })) => {
                    self.ahead.push(ParentPiece { at, length, id })
                }
                Some(_) => {}
                None => {
                    self.pieces = None;
                    return;
                }
            }
        }
    }
}

impl Similar {
    /// What was found by content, or else what stood in place.
    fn bases(&self, plain: &[u8], in_place: Vec<ChunkId>) -> Vec<ChunkId> {
        let Similar::Found(sketches, ids) = self else { return in_place };
        let votes = sketches.votes(plain, SIMILAR);
        let similar: Vec<ChunkId> =
            votes.iter().filter_map(|number| ids.get(*number as usize).copied()).collect();
        if similar.is_empty() { in_place } else { similar }
    }
}

/// The one chunk at the middle of the place, or next to it, that has nearly the same length, or
/// else the place as it is: where little was changed, the cuts around are the same. Then what
/// stands beside is of no use, and would only make the closure large.
fn counterpart(old: &[ParentPiece], place: &Place, length: usize) -> Place {
    let near = |at: &usize| old.get(*at).is_some_and(|old| is_near(old, length));
    let best = place.best;
    match [best, best.saturating_add(1), best.wrapping_sub(1)].into_iter().find(near) {
        Some(best) => Place { range: best..best.saturating_add(1), best },
        None => place.clone(),
    }
}

fn is_near(old: &ParentPiece, length: usize) -> bool {
    let length = length as u64;
    u64::from(old.length).abs_diff(length) <= length / NEAR
}

/// The chunks in a place, the one over against its middle last.
fn in_place(old: &[ParentPiece], place: &Place) -> Vec<ChunkId> {
    let Some(best) = old.get(place.best) else { return Vec::new() };
    let first = place.range.start.max(place.best.saturating_sub(BESIDE));
    let end = place.range.end.min(place.best + BESIDE + 1);
    let beside = old.get(first..end).unwrap_or_default().iter().filter(|old| old.id != best.id);
    beside.map(|old| old.id).chain([best.id]).collect()
}

fn new_piece(cut: &Cut) -> align::Piece {
    align::Piece { id: cut.id, length: u32::try_from(cut.range.len()).unwrap_or(u32::MAX) }
}

/// Reads the parent's content once and keeps what tells its chunks by.
fn sketch(reader: &Reader<'_>, content: &Content) -> Option<(Sketches, Vec<ChunkId>)> {
    let mut content = ContentReader::new(reader, content, "the parent").ok()?;
    let mut sketches = Sketches::default();
    let mut ids = Vec::new();
    while let Some(window) = content.next_window().ok()? {
        for run in window.runs("the parent") {
            if let Ok(Run::Chunk { id, plain, .. }) = run {
                sketches.add(u32::try_from(ids.len()).ok()?, &plain);
                ids.push(id);
            }
        }
    }
    Some((sketches, ids))
}
