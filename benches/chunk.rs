//! Throughput of cutting and coding, in MB/s of plaintext: `cargo bench --bench chunk`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing
)]

use icecore::chunk::Chunker;
use icecore::chunk::reuse::{ParentPiece, cut_window};
use icecore::chunk::similar::Sketches;
use icecore::codec::{Encoder, Level, decode};
use icecore::id::ChunkId;
use std::hint::black_box;
use std::time::Instant;

const BYTES: usize = 256 << 20;
const WINDOW: usize = 4 << 20;

fn main() {
    let data = rows(BYTES);
    let chunker = Chunker::ordinary(&[1; 32]);
    let parent = pieces(&chunker, &data);
    let changed = scattered(&data);
    measure("cut", BYTES, || pieces_lengths(&chunker, &data));
    measure("cut_window, unchanged", BYTES, || windows(&chunker, &data, &parent));
    measure("cut_window, a sixth changed", BYTES, || windows(&chunker, &changed, &parent));
    measure("cut_window, no parent", BYTES, || windows(&chunker, &data, &[]));
    let some = 64 << 20;
    let chunks: Vec<&[u8]> =
        parent.iter().map(|old| bytes(&data, old)).take(1 + some / 75_000).collect();
    let news: Vec<&[u8]> =
        parent.iter().map(|old| bytes(&changed, old)).take(chunks.len()).collect();
    let some = chunks.iter().map(|chunk| chunk.len()).sum();
    for level in [1, 3] {
        let mut encoder = Encoder::new(Level::new(level).unwrap());
        measure(&format!("whole, level {level}"), some, || {
            chunks.iter().map(|chunk| encoder.whole(chunk).unwrap().bytes.len()).sum()
        });
    }
    let noise = random(some);
    let mut encoder = Encoder::new(Level::default());
    measure("whole, incompressible", some, || {
        noise.chunks(75_000).map(|chunk| encoder.whole(chunk).unwrap().bytes.len()).sum()
    });
    measure("delta", some, || {
        news.iter()
            .zip(&chunks)
            .map(|(new, old)| encoder.delta(new, old).unwrap().bytes.len())
            .sum()
    });
    let wholes: Vec<_> = chunks.iter().map(|chunk| encoder.whole(chunk).unwrap()).collect();
    let deltas: Vec<_> =
        news.iter().zip(&chunks).map(|(new, old)| encoder.delta(new, old).unwrap()).collect();
    measure("decode, whole", some, || {
        wholes
            .iter()
            .zip(&chunks)
            .map(|(e, c)| decode(e.codec, &e.bytes, &[], c.len()).unwrap().len())
            .sum()
    });
    measure("decode, delta", some, || {
        deltas
            .iter()
            .zip(&chunks)
            .map(|(e, c)| decode(e.codec, &e.bytes, c, c.len()).unwrap().len())
            .sum()
    });
    let mut sketches = Sketches::default();
    measure("similar, add", some, || {
        chunks.iter().enumerate().for_each(|(n, chunk)| sketches.add(n as u32, chunk));
        sketches.remembered()
    });
    measure("similar, votes", some, || chunks.iter().map(|c| sketches.votes(c, 3).len()).sum());
}

/// Runs three times, prints the best.
fn measure(what: &str, bytes: usize, mut run: impl FnMut() -> usize) {
    let mut result = 0;
    let best = (0..3)
        .map(|_| {
            let start = Instant::now();
            result = black_box(run());
            start.elapsed()
        })
        .min()
        .unwrap_or_default();
    let speed = bytes as f64 / best.as_secs_f64() / 1e6;
    println!("{what:30} {speed:8.0} MB/s   ({result})");
}

fn random(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

/// Text and noise, as in a table: shrinks about twofold.
fn rows(length: usize) -> Vec<u8> {
    let noise = random(length / 2 + 40);
    let mut data = Vec::with_capacity(length + 100);
    for (number, row) in noise.chunks_exact(40).enumerate() {
        data.extend(format!("{number:09} customer status=open balance=").into_bytes());
        data.extend(row);
    }
    data.resize(length, 0);
    data
}

/// A few bytes changed in every sixth chunk or so.
fn scattered(data: &[u8]) -> Vec<u8> {
    let mut changed = data.to_vec();
    for at in (1..data.len()).step_by(6 * 75_000) {
        changed[at] ^= 1;
    }
    changed
}

fn id_of(bytes: &[u8]) -> ChunkId {
    ChunkId(*blake3::hash(bytes).as_bytes())
}

fn bytes<'a>(data: &'a [u8], old: &ParentPiece) -> &'a [u8] {
    &data[old.at as usize..old.at as usize + old.length as usize]
}

fn pieces_lengths(chunker: &Chunker, mut rest: &[u8]) -> usize {
    let mut count = 0;
    while let Some(length) = chunker.cut(rest, true) {
        rest = &rest[length..];
        count += 1;
    }
    count
}

fn pieces(chunker: &Chunker, data: &[u8]) -> Vec<ParentPiece> {
    let cuts = cut_window(chunker, 0, data, true, &[], &id_of).cuts;
    let old = |range: std::ops::Range<usize>, id| ParentPiece {
        at: range.start as u64,
        length: range.len() as u32,
        id,
    };
    cuts.into_iter().map(|cut| old(cut.range, cut.id)).collect()
}

fn windows(chunker: &Chunker, data: &[u8], parent: &[ParentPiece]) -> usize {
    let (mut at, mut used, mut known) = (0, 0, 0);
    while at < data.len() {
        let end = data.len().min(at + WINDOW);
        let old = &parent[used..parent.len().min(used + 400)];
        let done = cut_window(chunker, at as u64, &data[at..end], end == data.len(), old, &id_of);
        known += done.cuts.iter().filter(|cut| cut.known.is_some()).count();
        at += done.consumed;
        used += done.old_used;
    }
    known
}
