//! Placing the pieces of a new list against those of its parent, by the pieces that they share.

use crate::id::ChunkId;
use std::collections::HashMap;
use std::ops::Range;

/// A piece of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its content.
    pub id: ChunkId,
    /// Length in bytes.
    pub length: u32,
}

/// What stood in the place of a new piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The old pieces: just the equal one if there is one, none where the new ones were put in
    /// between (`range.start` is then the old piece that follows).
    pub range: Range<usize>,
    /// The one among them that lies over against the middle of the new piece; where there is none,
    /// the one before the place. Out of bounds only if there are no old pieces at all.
    pub best: usize,
}

/// For each of `new` the place in `old`: of an equal piece that piece, of others what lies over
/// against them by bytes between the equal pieces around, which may be many. Time and memory are linear in both
/// lengths but for a logarithm.
///
/// If the new stream `goes_on` after these pieces, `old` may reach further than they do: what
/// follows the last equal piece is then counted from there alone.
pub fn align(new: &[Piece], old: &[Piece], goes_on: bool) -> Vec<Place> {
    let mut places = Vec::with_capacity(new.len());
    let mut old_done = 0;
    let end = (new.len(), old.len());
    for (at_new, at_old) in matches(new, old).into_iter().chain([end]) {
        let new_run = new.get(places.len()..at_new).unwrap_or_default();
        let mut old_run = old.get(old_done..at_old).unwrap_or_default();
        if goes_on && at_new == new.len() {
            let beside = self::ends(old_run).position(|end| end >= ends_total(new_run));
            old_run = old_run.get(..=beside.unwrap_or(usize::MAX - 1)).unwrap_or(old_run);
        }
        place_run(new_run, old_run, old_done, &mut places);
        if at_new < new.len() {
            places.push(Place { range: at_old..at_old + 1, best: at_old });
        }
        old_done = at_old + 1;
    }
    places
}

/// Pairs of equal pieces, ascending on both sides: first those whose id is unique on both sides,
/// then whatever is equal next to a pair, which takes in repeated pieces.
fn matches(new: &[Piece], old: &[Piece]) -> Vec<(usize, usize)> {
    let same = |at_new: usize, at_old: usize| match (new.get(at_new), old.get(at_old)) {
        (Some(a), Some(b)) => a.id == b.id,
        _ => false,
    };
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    let anchors = ascending(&unique_pairs(new, old));
    let end = (new.len(), old.len());
    for anchor in anchors.into_iter().chain([end]) {
        // Forward from the pair before, then back from this one.
        let (mut at_new, mut at_old) = pairs.last().map_or((0, 0), |(a, b)| (a + 1, b + 1));
        if anchor.0 < at_new || anchor.1 < at_old {
            continue;
        }
        while at_new < anchor.0 && at_old < anchor.1 && same(at_new, at_old) {
            pairs.push((at_new, at_old));
            (at_new, at_old) = (at_new + 1, at_old + 1);
        }
        let mut back = 0;
        while at_new + back < anchor.0
            && at_old + back < anchor.1
            && same(anchor.0 - back - 1, anchor.1 - back - 1)
        {
            back += 1;
        }
        pairs.extend((1..=back).rev().map(|step| (anchor.0 - step, anchor.1 - step)));
        if anchor != end {
            pairs.push(anchor);
        }
    }
    pairs
}

/// Pairs of the pieces that occur once in each list, in the order of `new`.
fn unique_pairs(new: &[Piece], old: &[Piece]) -> Vec<(usize, usize)> {
    /// Where an id occurs; `None` if more than once.
    fn places(list: &[Piece]) -> HashMap<ChunkId, Option<usize>> {
        let mut places = HashMap::with_capacity(list.len());
        for (index, piece) in list.iter().enumerate() {
            places.entry(piece.id).and_modify(|place| *place = None).or_insert(Some(index));
        }
        places
    }
    let in_old = places(old);
    let in_new = places(new);
    let pair = |(at_new, piece): (usize, &Piece)| {
        in_new.get(&piece.id).copied().flatten()?;
        Some((at_new, in_old.get(&piece.id).copied().flatten()?))
    };
    new.iter().enumerate().filter_map(pair).collect()
}

/// The longest run of `pairs`, not necessarily adjacent, whose second members ascend too.
fn ascending(pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    // Patience: each pile holds the pair that ends the best run of its length so far.
    let mut piles: Vec<(usize, usize)> = Vec::new(); // (old index, pair)
    let mut before: Vec<Option<usize>> = Vec::with_capacity(pairs.len());
    for (index, (_, at_old)) in pairs.iter().enumerate() {
        let pile = piles.partition_point(|(top, _)| top < at_old);
        before.push(pile.checked_sub(1).and_then(|left| piles.get(left)).map(|(_, pair)| *pair));
        match piles.get_mut(pile) {
            Some(top) => *top = (*at_old, index),
            None => piles.push((*at_old, index)),
        }
    }
    let mut run = Vec::with_capacity(piles.len());
    let mut next = piles.last().map(|(_, pair)| *pair);
    while let Some(index) = next {
        run.extend(pairs.get(index));
        next = before.get(index).copied().flatten();
    }
    run.reverse();
    run
}

/// Lays a run of new pieces over the run of old ones between the same two matches, `first` being
/// the index of the first old one. Where the runs differ in bytes, nobody knows at which point
/// they came apart: a place then reaches from where it lies counted from the front to where it
/// lies counted from the back.
fn place_run(new: &[Piece], old: &[Piece], first: usize, places: &mut Vec<Place>) {
    let ends: Vec<u64> = ends(old).collect();
    let old_bytes = ends.last().copied().unwrap_or(0);
    let new_bytes: u64 = ends_total(new);
    let starts = std::iter::once(0).chain(self::ends(new));
    for (piece, start) in new.iter().zip(starts) {
        let length = u64::from(piece.length);
        let from_back = (start + old_bytes).saturating_sub(new_bytes);
        let low = start.min(from_back).min(old_bytes);
        let high = (start.max(from_back) + length).min(old_bytes);
        let range = if low < high {
            let from = ends.partition_point(|end| *end <= low);
            let to = ends.partition_point(|end| *end < high) + 1;
            first + from..first + to.min(old.len())
        } else {
            first + old.len()..first + old.len()
        };
        // The middle of the piece, on the scale of the old run.
        let middle = scaled(start + length / 2, old_bytes, new_bytes);
        let best = first + ends.partition_point(|end| *end <= middle);
        let best = if range.is_empty() {
            range.start.saturating_sub(1)
        } else {
            best.clamp(range.start, range.end - 1)
        };
        places.push(Place { range, best });
    }
}

fn ends(pieces: &[Piece]) -> impl Iterator<Item = u64> {
    pieces.iter().scan(0_u64, |end, piece| {
        *end += u64::from(piece.length);
        Some(*end)
    })
}

fn ends_total(pieces: &[Piece]) -> u64 {
    pieces.iter().map(|piece| u64::from(piece.length)).sum()
}

fn scaled(value: u64, to: u64, from: u64) -> u64 {
    let scaled = u128::from(value) * u128::from(to) / u128::from(from.max(1));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}
