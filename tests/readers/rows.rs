//! Going through the whole index: by packs, by ids, and once for each blob.

use crate::common::chance::Chance;
use crate::common::forge::Forger;
use crate::common::repo::TempRepo;
use icecore::format::index::{IndexEntry, PackRow, SegmentBuilder};
use icecore::format::pack::Salt;
use icecore::format::{BlobKind, Codec};
use icecore::id::{ChunkId, PackId};
use icecore::repo::{BlobLocation, BlobSet};
use std::collections::HashSet;
use std::ops::ControlFlow;

/// Entries of an index of several segments, which share packs and blobs, come pack by pack each
/// exactly once, or in the order of ids; a set of blobs knows each of them, and others.
#[test]
fn every_entry_is_met_once() {
    let mut repo = TempRepo::new(80);
    repo.damaged = true;
    let forger = Forger::new(&repo);
    let mut chance = Chance::new(80);
    let mut id = |number: u32| {
        let mut bytes = *blake3::hash(&number.to_le_bytes()).as_bytes();
        bytes[31] = chance.noise(1)[0] & 1;
        bytes
    };
    for first in [0, 50_000_u32] {
        let packs = (0..300).map(|at| PackId(id(1 << 30 | (at + first / 1000))));
        let row = |id| PackRow { id, size: u32::MAX, kind: BlobKind::Data };
        let packs: Vec<PackRow> = packs.map(row).collect();
        let entry = |number: u32| IndexEntry {
            id: ChunkId(id(number)),
            pack: number % 300,
            offset: number.wrapping_mul(0x9e37_79b9) >> 1,
            stored: 100,
            plain: 60,
            salt: 0,
            codec: Codec::Raw,
            depth: 0,
            bases: Vec::new(),
        };
        let entries = (first..first + 70_000).map(entry).collect();
        let salts = vec![Salt { epoch: 0, bytes: [7; 32] }];
        let segment = SegmentBuilder { generation: 0, salts, packs, entries };
        forger.segment(&segment.encode().unwrap());
    }
    let index = repo.repository.load_index().unwrap();
    let all: HashSet<BlobLocation> = index.places().collect();
    assert_eq!(all.len(), 140_000);

    // In whatever order they are asked for.
    let mut wanted: Vec<(PackId, usize)> = index.entries_by_pack().into_iter().collect();
    wanted.reverse();
    wanted.push((PackId([0xee; 32]), 0));
    let (mut met, mut order) = (HashSet::new(), Vec::new());
    index
        .each_pack(&wanted, &mut |pack, rows| {
            let places: Vec<BlobLocation> =
                rows.iter().map(|row| index.at(*row).unwrap()).collect();
            assert!(places.is_sorted_by_key(|place| place.offset));
            assert!(places.iter().all(|place| place.pack == pack));
            order.push((pack, places.len()));
            met.extend(places);
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    assert_eq!(order, wanted);
    assert!(met == all);

    let ordered: Vec<BlobLocation> = index.in_order().collect();
    assert!(ordered.is_sorted_by_key(|place| place.id) && ordered.len() == all.len());
    assert!(ordered.into_iter().collect::<HashSet<_>>() == all);

    let bases: HashSet<_> = all.iter().map(|place| place.id.base()).collect();
    assert_eq!(bases.len(), 120_000);
    let mut set = BlobSet::new(&index);
    let unknown = ChunkId([9; 32]).base();
    for base in bases.iter().chain([&unknown]) {
        assert!(set.insert(base));
        assert!(!set.insert(base));
    }
}
