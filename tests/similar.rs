//! Finding similar chunks by content.
#![allow(clippy::cast_possible_truncation)]

use icecore::chunk::similar::Sketches;
use std::collections::{BTreeMap, BTreeSet};

const CHUNK: usize = 64 << 10;

fn random(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// A reproducible order of `count` things.
fn shuffled(seed: u64, count: usize) -> Vec<usize> {
    let keys = random(seed, 8 * count);
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|index| &keys[8 * index..8 * index + 8]);
    order
}

/// Rows of about 150 bytes with a fixed part, as a table holds them.
fn rows(seed: u64, count: usize) -> Vec<Vec<u8>> {
    let noise = random(seed, count * 120);
    let row = |(number, noise): (usize, &[u8])| {
        let mut row = format!("{number:08} customer account status=open balance=").into_bytes();
        row.extend(&noise[..100 + usize::from(noise[0]) % 20]);
        row
    };
    noise.chunks(120).enumerate().map(row).collect()
}

/// Fills chunks with whole units; yields each chunk and the numbers of its units.
fn packed(units: &[Vec<u8>], order: &[usize]) -> Vec<(Vec<u8>, Vec<usize>)> {
    let mut chunks = vec![(Vec::new(), Vec::new())];
    for number in order {
        if chunks.last().unwrap().0.len() + units[*number].len() > CHUNK {
            chunks.push((Vec::new(), Vec::new()));
        }
        let (bytes, numbers) = chunks.last_mut().unwrap();
        bytes.extend(&units[*number]);
        numbers.push(*number);
    }
    chunks
}

/// How many of the units are in the `k` bases found, and how many are in the `k` best ones.
fn found_and_possible(
    sketches: &mut Sketches,
    units: &[Vec<u8>],
    order: &[usize],
    k: usize,
) -> (usize, usize) {
    let in_order: Vec<usize> = (0..units.len()).collect();
    let old = packed(units, &in_order);
    let mut home = BTreeMap::new();
    for (chunk, (bytes, numbers)) in old.iter().enumerate() {
        sketches.add(chunk as u32, bytes);
        home.extend(numbers.iter().map(|number| (*number, chunk as u32)));
    }
    let (mut found, mut possible) = (0, 0);
    for (bytes, numbers) in packed(units, order) {
        let bases: BTreeSet<u32> = sketches.votes(&bytes, k).into_iter().collect();
        let mut in_chunk = BTreeMap::<u32, usize>::new();
        numbers.iter().for_each(|number| *in_chunk.entry(home[number]).or_default() += 1);
        found += bases.iter().filter_map(|base| in_chunk.get(base)).sum::<usize>();
        let mut best: Vec<usize> = in_chunk.into_values().collect();
        best.sort_unstable();
        possible += best.iter().rev().take(k).sum::<usize>();
    }
    (found, possible)
}

fn in_runs(seed: u64, count: usize, run: usize) -> Vec<usize> {
    shuffled(seed, count / run)
        .into_iter()
        .flat_map(|first| first * run..(first + 1) * run)
        .collect()
}

/// Pages of 4 KiB in another order: nearly all that three bases can hold is found.
#[test]
fn shuffled_pages_are_found() {
    let units: Vec<Vec<u8>> = random(1, 1024 * 4096).chunks(4096).map(<[u8]>::to_vec).collect();
    for (run, least) in [(1, 75), (4, 90)] {
        let order = in_runs(2, units.len(), run);
        let (found, possible) = found_and_possible(&mut Sketches::default(), &units, &order, 3);
        assert!(found * 100 >= possible * least, "runs of {run}: {found} of {possible}");
    }
}

/// Rows of 150 bytes that moved in runs, as a VACUUM and a repack move them, are found; the share
/// falls as runs come down to the size of a sub-block.
#[test]
fn moved_rows_are_found() {
    let units = rows(3, 24_000);
    for (run, least) in [(1, 35), (8, 55), (40, 85), (200, 95)] {
        let order = in_runs(4, units.len(), run);
        let (found, possible) = found_and_possible(&mut Sketches::default(), &units, &order, 3);
        assert!(found * 100 >= possible * least, "runs of {run}: {found} of {possible}");
    }
}

/// A full table keeps an even sample of all chunks, within its bound, and still finds them.
#[test]
fn a_full_table_is_thinned_evenly() {
    let units: Vec<Vec<u8>> = random(5, 1024 * 4096).chunks(4096).map(<[u8]>::to_vec).collect();
    let mut sketches = Sketches::with_capacity(500);
    let order = in_runs(6, units.len(), 8);
    let (found, possible) = found_and_possible(&mut sketches, &units, &order, 3);
    assert!((150..=500).contains(&sketches.remembered()), "{} hashes", sketches.remembered());
    assert!(found * 10 >= possible * 7, "{found} of {possible}");
}

/// The most similar chunk comes last, and no more than asked for come.
#[test]
fn the_best_comes_last() {
    let chunks: Vec<Vec<u8>> = (0..4).map(|seed| random(10 + seed, CHUNK)).collect();
    let mut sketches = Sketches::default();
    chunks.iter().enumerate().for_each(|(number, chunk)| sketches.add(number as u32, chunk));
    let mixed: Vec<u8> = [&chunks[3][..9000], &chunks[1][..30_000], &chunks[2][..20_000]].concat();
    assert_eq!(sketches.votes(&mixed, 8), [3, 2, 1]);
    assert_eq!(sketches.votes(&mixed, 2), [2, 1]);
    assert!(sketches.votes(&random(20, CHUNK), 8).is_empty());
    assert!(sketches.votes(&[], 8).is_empty());
}
