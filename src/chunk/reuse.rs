//! Cutting with a parent at hand: its boundaries are tried first, because comparing ids is
//! several times faster than looking for cuts. The cuts are the same as without it.

use super::Chunker;
use crate::id::ChunkId;
use rayon::prelude::*;
use std::ops::Range;

/// A piece of the parent's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParentPiece {
    /// Where it begins, in bytes from the start of the stream.
    pub at: u64,
    /// Length in bytes.
    pub length: u32,
    /// Its content.
    pub id: ChunkId,
}

/// One chunk of the window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Its bytes, from the start of the window.
    pub range: Range<usize>,
    /// Its content.
    pub id: ChunkId,
    /// The parent's piece that is the same, at the same place: an index into `old`.
    pub known: Option<usize>,
}

/// What came of one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windowed {
    /// The chunks, without gaps from the start of the window.
    pub cuts: Vec<Cut>,
    /// Bytes of the window in `cuts`. The rest must come again, at the start of the next window
    /// and with more after it.
    pub consumed: usize,
    /// Pieces of `old` that end before the next window and are of no more use.
    pub old_used: usize,
}

/// Cuts `window`, which begins `at` bytes into its stream and, if `at_end`, ends it.
///
/// `old` is a run of the parent's pieces in order, with gaps for its holes, from about `at` on:
/// what lies before the window is skipped, what is missing costs speed. All must have been cut by
/// a chunker of the same key and id. If not `at_end`, a window of at least the chunker's maximum
/// yields a cut.
pub fn cut_window(
    chunker: &Chunker,
    at: u64,
    window: &[u8],
    at_end: bool,
    old: &[ParentPiece],
    id_of: &(dyn Fn(&[u8]) -> ChunkId + Sync),
) -> Windowed {
    let view = View { chunker, window, at_end, id_of };
    let mut guesses = view.hash_candidates(at, old);
    view.judge(&mut guesses);
    let (cuts, consumed) = view.walk(&guesses);
    let cuts = view.name(cuts);
    let next = at.saturating_add(u64::try_from(consumed).unwrap_or(u64::MAX));
    let old_used = old.partition_point(|piece| piece.at + u64::from(piece.length) <= next);
    Windowed { cuts, consumed, old_used }
}

/// What is known of the window at a boundary of the parent.
struct Guess {
    /// Where the parent's piece would lie.
    range: Range<usize>,
    /// The id of what lies there now.
    id: ChunkId,
    /// The piece, if that is its id.
    same: Option<usize>,
    /// Length of the chunk that begins here, if that was found out.
    length: Option<usize>,
}

/// A chunk whose id may still be unknown.
struct UnnamedCut {
    range: Range<usize>,
    id: Option<ChunkId>,
    known: Option<usize>,
}

struct View<'a> {
    chunker: &'a Chunker,
    window: &'a [u8],
    at_end: bool,
    id_of: &'a (dyn Fn(&[u8]) -> ChunkId + Sync),
}

impl View<'_> {
    /// Hashes the range of each of the parent's pieces that lie wholly in the window.
    fn hash_candidates(&self, at: u64, old: &[ParentPiece]) -> Vec<Guess> {
        let first = old.partition_point(|piece| piece.at < at);
        let mut candidates = Vec::new();
        for (index, piece) in old.iter().enumerate().skip(first) {
            let Some(range) = place(piece, at, self.window.len()) else { break };
            candidates.push((index, piece.id, range));
        }
        in_parallel(candidates, self.window.len(), |(index, old_id, range)| {
            let id = (self.id_of)(self.bytes(&range));
            Guess { range, id, same: (id == old_id).then_some(index), length: None }
        })
    }

    /// Finds the length of the chunk at each guess that the walk will probably come to: the
    /// parent's where it stands, otherwise by the gear where the piece before was unchanged.
    fn judge(&self, guesses: &mut [Guess]) {
        let mut changed = Vec::new();
        let mut before_same = true;
        for (index, guess) in guesses.iter_mut().enumerate() {
            if guess.same.is_some() && self.stands(&guess.range) {
                guess.length = Some(guess.range.len());
            } else if before_same {
                changed.push((index, guess.range.start));
            }
            before_same = guess.length.is_some();
        }
        let work = changed.len() * self.chunker.max();
        let lengths = in_parallel(changed, work, |(index, start)| (index, self.cut_at(start)));
        for (index, length) in lengths {
            if let Some(guess) = guesses.get_mut(index) {
                guess.length = length;
            }
        }
    }

    /// The chunks in order, as far as the window allows, and the bytes in them.
    fn walk(&self, guesses: &[Guess]) -> (Vec<UnnamedCut>, usize) {
        let mut found = Vec::new();
        let mut position = 0;
        let mut ahead = guesses.iter().peekable();
        loop {
            while ahead.next_if(|guess| guess.range.start < position).is_some() {}
            let guess = ahead.next_if(|guess| guess.range.start == position);
            let length = guess.and_then(|guess| guess.length).or_else(|| self.cut_at(position));
            let Some(length) = length else { return (found, position) };
            let range = position..position + length;
            let guess = guess.filter(|guess| guess.range == range);
            position = range.end;
            let id = guess.map(|guess| guess.id);
            found.push(UnnamedCut { range, id, known: guess.and_then(|guess| guess.same) });
        }
    }

    /// Computes the ids that are still missing.
    fn name(&self, found: Vec<UnnamedCut>) -> Vec<Cut> {
        let work = found.iter().filter(|cut| cut.id.is_none()).map(|cut| cut.range.len()).sum();
        in_parallel(found, work, |UnnamedCut { range, id, known }| {
            let id = id.unwrap_or_else(|| (self.id_of)(self.bytes(&range)));
            Cut { range, id, known }
        })
    }

    /// Does the unchanged piece at `range` still end there? Unknown at the end of the window, as
    /// long as the stream goes on: no.
    fn stands(&self, range: &Range<usize>) -> bool {
        let next = self.window.get(range.end).copied();
        // The algorithm looks at bytes in pairs: a stream's last one without a partner is not
        // tested, and no chunk ends before it unless it must.
        let untested = self.at_end
            && range.end + 1 == self.window.len()
            && range.len().is_multiple_of(2)
            && range.len() < self.chunker.max();
        (next.is_some() || self.at_end) && !untested && self.chunker.stands(self.bytes(range), next)
    }

    fn cut_at(&self, start: usize) -> Option<usize> {
        self.chunker.cut(self.window.get(start..)?, self.at_end)
    }

    fn bytes(&self, range: &Range<usize>) -> &[u8] {
        self.window.get(range.clone()).unwrap_or_default()
    }
}

/// Where `piece` lies in a window of `length` bytes at `at`, if wholly inside.
fn place(piece: &ParentPiece, at: u64, length: usize) -> Option<Range<usize>> {
    let start = usize::try_from(piece.at.checked_sub(at)?).ok()?;
    let end = start.checked_add(usize::try_from(piece.length).ok()?)?;
    (end <= length).then_some(start..end)
}

/// Maps on all cores, in order; on this one if the `work`, in bytes, is not worth the hand-over.
fn in_parallel<T: Send, U: Send>(
    items: Vec<T>,
    work: usize,
    each: impl Fn(T) -> U + Sync + Send,
) -> Vec<U> {
    const WORTHWHILE: usize = 256 << 10;
    if items.len() < 2 || work < WORTHWHILE {
        return items.into_iter().map(each).collect();
    }
    items.into_par_iter().map(each).collect()
}

#[cfg(test)]
mod tests {
    use super::{ParentPiece, cut_window};
    use crate::chunk::{Chunker, Params};
    use crate::id::ChunkId;

    /// A stream that has grown by a byte, or by more, is cut as it would be without its parent,
    /// also where the parent's odd last byte, untested there, or the one after it would have ended
    /// a chunk (found by fuzzing).
    #[test]
    fn bytes_appended() {
        let chunker = Chunker::new(9, Params { min: 64, avg: 256, max: 1024 }, &[7; 32]);
        let id = |bytes: &[u8]| ChunkId(*blake3::hash(bytes).as_bytes());
        for (seed, more) in (0..40_000_u64).zip([1, 2, 2000].into_iter().cycle()) {
            let length = 65 + usize::try_from(seed % 64).unwrap();
            let mut data = vec![0; length + more];
            blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut data);
            let Some(parent) = data.get(..length) else { continue };
            if chunker.cut(parent, true) != Some(length) {
                continue;
            }
            let old = ParentPiece { at: 0, length: u32::try_from(length).unwrap(), id: id(parent) };
            let cuts = cut_window(&chunker, 0, &data, true, &[old], &id).cuts;
            let first = cuts.first().map(|cut| cut.range.len());
            assert_eq!(first, chunker.cut(&data, true), "seed {seed}, {more} more");
        }
    }
}
