//! The local cache: the same answers as without it, fewer requests, and nothing lost by it.

mod damage;
mod histories;
mod packs;
mod requests;

use crate::common::chance::Chance;
use crate::common::forge::Forger;
use crate::common::repo::TempRepo;
use icecore::format::index::{IndexEntry, PackRow, SegmentBuilder};
use icecore::format::pack::Salt;
use icecore::format::{BlobKind, Codec};
use icecore::id::{ChunkId, IndexId, PackId};
use icecore::repo::{BlobLocation, Index, Repository};
use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Different chunks of the random indexes.
const CHUNKS: usize = 2000;

fn repository(seed: u64) -> TempRepo {
    let mut repo = TempRepo::new(seed);
    repo.damaged = true;
    repo
}

/// The same repository with a cache.
fn cached(repo: &TempRepo, folder: &Path) -> Repository {
    repo.reopen().unwrap().with_cache(folder)
}

fn chunk(number: usize) -> ChunkId {
    ChunkId(*blake3::hash(&number.to_le_bytes()).as_bytes())
}

fn pack(number: usize) -> PackId {
    PackId(*blake3::hash(&(1 << 40 | number).to_le_bytes()).as_bytes())
}

/// A segment of random entries, which share chunks, packs and salts with others; some have bases.
fn segment(chance: &mut Chance, generation: u64, entries: usize) -> SegmentBuilder {
    let salts =
        (0..1 + chance.below(3)).map(|_| Salt { epoch: 0, bytes: [chance.below(8) as u8; 32] });
    let salts: Vec<Salt> = salts.collect();
    let kinds = [BlobKind::Data, BlobKind::Meta];
    let packs: Vec<PackRow> = (0..1 + chance.below(4))
        .map(|_| chance.below(40))
        .map(|number| PackRow { id: pack(number), size: u32::MAX, kind: kinds[number % 2] })
        .collect();
    let entry = |_| {
        let bases = match chance.below(3) {
            0 => (0..1 + chance.below(3)).map(|_| chunk(chance.below(CHUNKS)).base()).collect(),
            _ => Vec::new(),
        };
        let (codec, depth) = match bases.is_empty() {
            true => (Codec::Raw, 0),
            false => (Codec::Delta, 1 + chance.below(2) as u8),
        };
        IndexEntry {
            id: chunk(chance.below(CHUNKS)),
            pack: chance.below(packs.len()) as u32,
            offset: chance.below(1 << 20) as u32,
            stored: 100,
            plain: 60,
            salt: chance.below(salts.len()) as u16,
            codec,
            depth,
            bases,
        }
    };
    let entries = (0..entries).map(entry).collect();
    SegmentBuilder { generation, salts, packs, entries }
}

fn add(forger: &Forger, chance: &mut Chance, generation: u64, entries: usize) -> IndexId {
    forger.segment(&segment(chance, generation, entries).encode().unwrap())
}

/// How often each entry is there.
fn counted(places: impl Iterator<Item = BlobLocation>) -> HashMap<BlobLocation, usize> {
    let mut counts = HashMap::new();
    places.for_each(|place| *counts.entry(place).or_default() += 1);
    counts
}

/// Two indexes answer every question alike.
fn assert_alike(cached: &Index, plain: &Index) {
    assert!(cached.failure().is_none(), "{:?}", cached.failure());
    assert_eq!(cached.len(), plain.len());
    let sorted = |index: &Index| {
        let mut names = index.names().to_vec();
        names.sort();
        names
    };
    assert_eq!(sorted(cached), sorted(plain));
    assert_eq!(cached.packs(), plain.packs());
    assert_eq!(cached.entries_by_pack(), plain.entries_by_pack());
    assert!(counted(cached.places()) == counted(plain.places()), "entries differ");
    assert!(counted(cached.counting()) == counted(plain.counting()), "what counts differs");
    assert!(cached.in_order().is_sorted_by_key(|place| place.id));
    assert!(counted(cached.in_order()) == counted(plain.places()), "entries in order differ");
    for id in (0..CHUNKS + 50).map(chunk) {
        for kind in [BlobKind::Data, BlobKind::Meta] {
            // Of entries of the same depth any may be taken.
            let depth = |index: &Index| index.find(kind, &id).map(|place| place.depth);
            assert_eq!(depth(cached), depth(plain), "{id}");
        }
        let may = |index: &Index| index.may_rest_on(&id).len();
        assert_eq!(may(cached), may(plain), "{id}");
    }
    let of_packs = |index: &Index| {
        let mut packs = BTreeMap::new();
        let mut visit = |id, rows: &[_]| {
            packs.insert(id, counted(rows.iter().map(|row| index.at(*row).unwrap())));
            Ok(ControlFlow::Continue(()))
        };
        let named: Vec<_> = index.entries_by_pack().into_iter().collect();
        index.each_pack(&named, &mut visit).unwrap();
        packs
    };
    assert!(of_packs(cached) == of_packs(plain), "entries pack by pack differ");
}

/// The tables in a cache.
fn tables(folder: &Path) -> Vec<PathBuf> {
    let repositories = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = repositories.map(|entry| entry.path().join("index"));
    let files =
        folders.flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten());
    let mut files: Vec<PathBuf> = files.map(|entry| entry.path()).collect();
    files.sort();
    files
}
