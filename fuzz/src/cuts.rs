//! Cuts are the same however the bytes arrive, and with whatever parent.

use icecore::chunk::reuse::{ParentPiece, cut_window};
use icecore::chunk::{Chunker, Params};
use icecore::id::ChunkId;

/// `bytes` is a step, a place and a change for the parent, and content.
pub fn same(bytes: &[u8]) {
    let Some(([step, place, change], data)) = bytes.split_first_chunk() else { return };
    let chunker = Chunker::new(9, Params { min: 64, avg: 256, max: 1024 }, &[7; 32]);
    let step = 1 + 8 * usize::from(*step);
    let expected = at_once(&chunker, data);
    assert_eq!(expected.iter().sum::<usize>(), data.len());
    assert_eq!(in_steps(&chunker, data, step), expected, "in steps of {step}");

    // A parent that differs in one place, and lacks a few bytes or has some more.
    let mut parent = data.to_vec();
    let at = data.len() * usize::from(*place) / 256;
    match change % 3 {
        0 => parent.splice(at..at, [*change; 7]).for_each(drop),
        1 => parent.truncate(at),
        _ => parent.iter_mut().skip(at).take(3).for_each(|byte| *byte ^= *change | 1),
    }
    let old = pieces(&chunker, &parent);
    assert_eq!(with_parent(&chunker, data, &old, 1024 + step), expected, "with a parent");
}

fn at_once(chunker: &Chunker, mut data: &[u8]) -> Vec<usize> {
    let mut lengths = Vec::new();
    while let Some(length) = chunker.cut(data, true) {
        lengths.push(length);
        data = &data[length..];
    }
    lengths
}

fn in_steps(chunker: &Chunker, data: &[u8], step: usize) -> Vec<usize> {
    let (mut lengths, mut from, mut to) = (Vec::new(), 0, 0);
    while from < data.len() {
        match chunker.cut(&data[from..to], to == data.len()) {
            Some(length) => {
                lengths.push(length);
                from += length;
            }
            None => to = (to + step).min(data.len()),
        }
    }
    lengths
}

fn with_parent(chunker: &Chunker, data: &[u8], old: &[ParentPiece], window: usize) -> Vec<usize> {
    let (mut lengths, mut from, mut used) = (Vec::new(), 0, 0);
    while from < data.len() {
        let to = (from + window).min(data.len());
        let at = u64::try_from(from).expect("a place");
        let done = cut_window(chunker, at, &data[from..to], to == data.len(), &old[used..], &id);
        assert!(done.consumed > 0, "no progress");
        for cut in &done.cuts {
            assert_eq!(cut.id, id(&data[from..][cut.range.clone()]));
            lengths.push(cut.range.len());
        }
        (from, used) = (from + done.consumed, used + done.old_used);
    }
    lengths
}

fn pieces(chunker: &Chunker, data: &[u8]) -> Vec<ParentPiece> {
    let mut at = 0;
    let lengths = at_once(chunker, data);
    let piece = |length: usize| {
        let old = ParentPiece {
            at: u64::try_from(at).expect("a place"),
            length: u32::try_from(length).expect("a length"),
            id: id(&data[at..at + length]),
        };
        at += length;
        old
    };
    lengths.into_iter().map(piece).collect()
}

fn id(bytes: &[u8]) -> ChunkId {
    ChunkId(*blake3::hash(bytes).as_bytes())
}
