//! Cutting, with and without a parent; placing and finding of older chunks.
#![allow(clippy::cast_possible_truncation)]

use icecore::chunk::align::{Piece, align};
use icecore::chunk::reuse::{Cut, ParentPiece, cut_window};
use icecore::chunk::{Chunker, Params};
use icecore::id::ChunkId;
use proptest::prelude::*;
use std::ops::Range;

/// Small chunks, so that little data has many.
fn small() -> Chunker {
    Chunker::new(9, Params { min: 128, avg: 512, max: 2048 }, &[7; 32])
}

fn id_of(bytes: &[u8]) -> ChunkId {
    ChunkId(*blake3::hash(bytes).as_bytes())
}

/// Random bytes, the same for the same seed.
fn random(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// The definition: one cut after another over the whole stream.
fn lengths(chunker: &Chunker, data: &[u8]) -> Vec<usize> {
    let mut rest = data;
    let mut lengths = Vec::new();
    while let Some(length) = chunker.cut(rest, true) {
        lengths.push(length);
        rest = &rest[length..];
    }
    lengths
}

fn parent_of(chunker: &Chunker, data: &[u8]) -> Vec<ParentPiece> {
    let mut at = 0;
    let piece = |length: usize| {
        let bytes = &data[at..at + length];
        let old = ParentPiece { at: at as u64, length: length as u32, id: id_of(bytes) };
        at += length;
        old
    };
    lengths(chunker, data).into_iter().map(piece).collect()
}

/// Cuts a stream through windows of the lengths that `feed` yields, as a caller does.
fn cut_stream(
    chunker: &Chunker,
    data: &[u8],
    parent: &[ParentPiece],
    mut feed: impl FnMut() -> usize,
) -> Vec<Cut> {
    let mut cuts = Vec::new();
    let (mut at, mut read, mut used) = (0, 0, 0);
    while at < data.len() {
        let step = feed().max(1);
        read = data.len().min(read + step);
        let old = &parent[used..];
        let done = cut_window(chunker, at as u64, &data[at..read], read == data.len(), old, &id_of);
        for cut in done.cuts {
            let range = at + cut.range.start..at + cut.range.end;
            assert_eq!(id_of(&data[range.clone()]), cut.id);
            if let Some(known) = cut.known {
                assert_eq!(old[known].id, cut.id);
                assert_eq!((old[known].at, old[known].length), place_of(&range));
            }
            cuts.push(Cut { range, ..cut });
        }
        at += done.consumed;
        used += done.old_used;
        assert!(at <= read);
    }
    cuts
}

fn place_of(range: &Range<usize>) -> (u64, u32) {
    (range.start as u64, range.len() as u32)
}

fn assert_same_cuts(
    chunker: &Chunker,
    data: &[u8],
    parent: &[ParentPiece],
    feed: impl FnMut() -> usize,
) {
    let cuts = cut_stream(chunker, data, parent, feed);
    let found: Vec<usize> = cuts.iter().map(|cut| cut.range.len()).collect();
    assert_eq!(found, lengths(chunker, data));
}

/// One change of a stream.
#[derive(Clone, Debug)]
enum Edit {
    Set(prop::sample::Index, u8),
    Insert(prop::sample::Index, u16),
    Remove(prop::sample::Index, u16),
    Zero(prop::sample::Index, u16),
    Append(u16),
    /// The byte before, at or after a cut of the parent: where look-ahead matters.
    NearCut(prop::sample::Index, i8, u8),
    Truncate(prop::sample::Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        (index(), any::<u8>()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        (index(), 1..3000_u16).prop_map(|(at, length)| Edit::Insert(at, length)),
        (index(), 1..3000_u16).prop_map(|(at, length)| Edit::Remove(at, length)),
        (index(), 1..9000_u16).prop_map(|(at, length)| Edit::Zero(at, length)),
        (1..3000_u16).prop_map(Edit::Append),
        (index(), -2..=2_i8, any::<u8>()).prop_map(|(at, by, byte)| Edit::NearCut(at, by, byte)),
        index().prop_map(Edit::Truncate),
    ]
}

fn apply(data: &mut Vec<u8>, parent: &[ParentPiece], edit: &Edit) {
    let at = |index: &prop::sample::Index| index.index(data.len() + 1);
    match edit {
        Edit::Set(index, byte) => {
            let at = at(index);
            data.iter_mut().skip(at).take(1).for_each(|old| *old = *byte);
        }
        Edit::Insert(index, length) => {
            let at = at(index);
            data.splice(at..at, random(u64::from(*length), usize::from(*length)));
        }
        Edit::Remove(index, length) => {
            let at = at(index);
            data.drain(at..data.len().min(at + usize::from(*length)));
        }
        Edit::Zero(index, length) => {
            let at = at(index);
            data.iter_mut().skip(at).take(usize::from(*length)).for_each(|old| *old = 0);
        }
        Edit::Append(length) => data.extend(random(u64::from(*length), usize::from(*length))),
        Edit::NearCut(index, by, byte) if !parent.is_empty() => {
            let old = parent[index.index(parent.len())];
            let cut = (old.at + u64::from(old.length)) as usize;
            let at = cut.saturating_add_signed(isize::from(*by));
            data.iter_mut().skip(at).take(1).for_each(|old| *old = *byte);
        }
        Edit::NearCut(..) => {}
        Edit::Truncate(index) => {
            let at = at(index);
            data.truncate(at);
        }
    }
}

/// Random data, runs of few values and zeros one after another.
fn mixed(seed: u64, parts: &[(u8, u16)]) -> Vec<u8> {
    let mut data = Vec::new();
    for (number, (kind, length)) in parts.iter().enumerate() {
        let mut part = random(seed ^ number as u64, usize::from(*length));
        match kind % 4 {
            0 => part.fill(0),
            1 => part.iter_mut().for_each(|byte| *byte &= 1),
            _ => {}
        }
        data.extend(part);
    }
    data
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever changed since the parent, and however the stream arrives in windows, its chunks
    /// are those that cutting it without a parent yields.
    #[test]
    fn parent_and_windows_never_change_cuts(
        seed: u64,
        parts in prop::collection::vec((any::<u8>(), 0..12_000_u16), 0..8),
        edits in prop::collection::vec(edit(), 0..12),
        windows in prop::collection::vec(1..20_000_usize, 1..8),
    ) {
        let chunker = small();
        let before = mixed(seed, &parts);
        let parent = parent_of(&chunker, &before);
        let mut after = before;
        edits.iter().for_each(|edit| apply(&mut after, &parent, edit));
        let mut feed = windows.iter().copied().cycle();
        assert_same_cuts(&chunker, &after, &parent, || feed.next().unwrap());
    }

    /// A stream that was cut off at any byte and then goes on is cut as if it never had ended:
    /// the last chunk of the parent is not trusted.
    #[test]
    fn last_chunk_of_the_parent_is_judged_anew(seed: u64, length in 1..6000_usize, more in 1..5_usize) {
        let chunker = small();
        let data = random(seed, length + more);
        let parent = parent_of(&chunker, &data[..length]);
        assert_same_cuts(&chunker, &data, &parent, || usize::MAX >> 1);
    }

    /// A piece stands exactly if cutting from its start ends there.
    #[test]
    fn stands_says_what_cut_does(seed: u64, length in 1..4000_usize, next in prop::option::of(any::<u8>())) {
        let chunker = small();
        let data = random(seed, length);
        let mut at = 0;
        for piece in lengths(&chunker, &data) {
            let chunk = &data[at..at + piece];
            let mut followed = chunk.to_vec();
            followed.extend(next);
            followed.extend(next.map(|_| random(seed ^ 1, 2048)).unwrap_or_default());
            let cut = chunker.cut(&followed, true) == Some(piece);
            prop_assert_eq!(chunker.stands(chunk, next), cut, "piece {} at {}", piece, at);
            at += piece;
        }
    }

    /// Every piece has a place inside the old list or at a gap of it, equal pieces are matched in
    /// order, and the best base lies in the place.
    #[test]
    fn places_are_in_order_and_in_bounds(
        new in prop::collection::vec((0..12_u8, 1..9_u32), 0..40),
        old in prop::collection::vec((0..12_u8, 1..9_u32), 0..40),
    ) {
        let pieces = |list: &[(u8, u32)]| -> Vec<Piece> {
            list.iter().map(|(id, length)| Piece { id: ChunkId([*id; 32]), length: *length }).collect()
        };
        let (new, old) = (pieces(&new), pieces(&old));
        let places = align(&new, &old, false);
        prop_assert_eq!(places.len(), new.len());
        for place in &places {
            prop_assert!(place.range.start <= place.range.end && place.range.end <= old.len());
            prop_assert!(old.is_empty() || place.best < old.len());
            prop_assert!(place.range.is_empty() || place.range.contains(&place.best));
        }
    }
}

/// A thousand appends of 10 KiB, each cut with the state before as its parent, leave the same
/// chunks as cutting the whole at once.
#[test]
fn appends_a_thousand_times() {
    let chunker = Chunker::ordinary(&[1; 32]);
    let all = random(60, 1000 * 10_240);
    let mut parent: Vec<ParentPiece> = Vec::new();
    // The front has settled: an append changes the last chunks only, the rest is taken over.
    for end in (10_240..=all.len()).step_by(10_240) {
        let keep = parent.len().saturating_sub(8);
        let start = parent.get(keep).map_or(0, |old| old.at as usize);
        let done =
            cut_window(&chunker, start as u64, &all[start..end], true, &parent[keep..], &id_of);
        assert_eq!(done.consumed, end - start);
        parent.truncate(keep);
        parent.extend(done.cuts.iter().map(|cut| ParentPiece {
            at: (start + cut.range.start) as u64,
            length: cut.range.len() as u32,
            id: cut.id,
        }));
    }
    assert_eq!(parent, parent_of(&chunker, &all));
}

/// Changing the byte just past a cut, which the cut had looked at, moves the cut like everywhere.
#[test]
fn byte_past_a_cut_counts() {
    let chunker = Chunker::ordinary(&[1; 32]);
    let before = random(61, 4 << 20);
    let parent = parent_of(&chunker, &before);
    let mut moved = 0;
    for old in parent.iter().take(parent.len() - 1) {
        let past = (old.at + u64::from(old.length)) as usize;
        let mut after = before.clone();
        after[past] ^= 0x55;
        assert_same_cuts(&chunker, &after, &parent, || 1 << 20);
        moved += usize::from(!lengths(&chunker, &after).starts_with(&lengths_until(&parent, past)));
    }
    assert!(moved > 0, "some cut depends on the byte after it");
}

fn lengths_until(parent: &[ParentPiece], end: usize) -> Vec<usize> {
    parent.iter().take_while(|old| (old.at as usize) < end).map(|old| old.length as usize).collect()
}

/// Data in which the gear never cuts is cut at the maximum, with and without a parent.
#[test]
fn monotonous_data_is_cut_at_the_maximum() {
    let chunker = Chunker::ordinary(&[1; 32]);
    let zeros = vec![0; 3 * chunker.max() + 5];
    assert_eq!(lengths(&chunker, &zeros), [chunker.max(), chunker.max(), chunker.max(), 5]);
    assert_same_cuts(&chunker, &zeros, &parent_of(&chunker, &zeros), || 100_000);
}

/// An unchanged stream is known throughout; after a change in the middle, the rest is again.
#[test]
fn unchanged_pieces_are_known() {
    let chunker = Chunker::ordinary(&[1; 32]);
    let mut data = random(62, 8 << 20);
    let parent = parent_of(&chunker, &data);
    let known = |data: &[u8]| {
        let cuts = cut_stream(&chunker, data, &parent, || 4 << 20);
        cuts.iter().filter(|cut| cut.known.is_some()).count()
    };
    assert_eq!(known(&data), parent.len());
    data[3 << 20] ^= 1;
    assert!(known(&data) >= parent.len() - 3);
}

/// Cut points never change: the same key and data are cut in the same places for ever.
#[test]
fn cut_points_are_golden() {
    let key: [u8; 32] = std::array::from_fn(|index| index as u8);
    let data = random(10, 3 << 20);
    let digest = |chunker: &Chunker, data: &[u8]| {
        let lengths = lengths(chunker, data);
        let bytes: Vec<u8> = lengths.iter().flat_map(|l| (*l as u32).to_le_bytes()).collect();
        (lengths.len(), lengths[..4].to_vec(), blake3::hash(&bytes).to_hex()[..16].to_string())
    };
    let ordinary = digest(&Chunker::ordinary(&key), &data);
    let coarse = digest(&Chunker::coarse(&key), &data);
    assert_eq!(ordinary, (44, vec![17040, 77833, 70363, 30674], "e2e96aa793373018".into()));
    assert_eq!(coarse, (12, vec![195910, 340872, 162380, 213934], "c0a97df5b108862d".into()));
}

/// The algorithm as chapter 10 of the format describes it, a byte at a time, cuts the same.
#[test]
fn the_written_algorithm_is_the_one_that_runs() {
    let key = [3; 32];
    let mut stream = [0; 2048];
    let mut hasher = blake3::Hasher::new_keyed(&key);
    hasher.update(b"icecore gear table 1").finalize_xof().fill(&mut stream);
    let gear: Vec<u64> =
        stream.chunks(8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap())).collect();
    let written = |data: &[u8]| -> usize {
        let (min, avg) = (16 << 10, 64 << 10);
        let end = data.len().min(256 << 10);
        let mut hash = 0_u64;
        for length in min..end - end % 2 {
            hash = (hash << 1).wrapping_add(gear[usize::from(data[length])]);
            let mask = if length < avg { 0xd907_0753_7000 } else { 0xd903_1353_0000_u64 };
            if hash & mask == 0 {
                return length;
            }
        }
        end
    };
    for seed in 0..4 {
        let data = random(seed, 1_000_000 + seed as usize);
        let mut rest = &data[..];
        for length in lengths(&Chunker::ordinary(&key), &data) {
            assert_eq!(written(rest), length, "seed {seed}");
            rest = &rest[length..];
        }
    }
}

fn piece(name: u8, length: u32) -> Piece {
    Piece { id: ChunkId([name; 32]), length }
}

/// Changed, inserted and removed pieces are laid against what stood in their place, also where an
/// insertion shifted all that follows.
#[test]
fn places_follow_the_equal_pieces() {
    let old = [piece(1, 10), piece(2, 10), piece(3, 10), piece(4, 10), piece(5, 10)];
    // 2 changed, a piece was put in after 3, 4 was split in two.
    let new = [
        piece(1, 10),
        piece(20, 12),
        piece(3, 10),
        piece(30, 50),
        piece(40, 4),
        piece(41, 6),
        piece(5, 10),
    ];
    let places = align(&new, &old, false);
    let ranges: Vec<Range<usize>> = places.iter().map(|place| place.range.clone()).collect();
    assert_eq!(ranges, [0..1, 1..2, 2..3, 3..4, 3..4, 3..4, 4..5]);
    assert!(align(&new, &[], false).iter().all(|place| place.range.is_empty()));
    // Between two neighbours nothing stood; the one before is the next best.
    let places = align(&[piece(1, 10), piece(9, 5), piece(2, 10)], &old[..2], false);
    assert_eq!((places[1].range.clone(), places[1].best), (1..1, 0));
}

/// Repeated pieces are matched in order next to unique ones.
#[test]
fn repeated_pieces_are_matched() {
    let old = [piece(0, 8), piece(0, 8), piece(1, 8), piece(0, 8), piece(2, 8)];
    let new = [piece(0, 8), piece(0, 8), piece(1, 8), piece(0, 8), piece(9, 8)];
    let best: Vec<usize> = align(&new, &old, false).iter().map(|place| place.best).collect();
    assert_eq!(best, [0, 1, 2, 3, 4]);
}
