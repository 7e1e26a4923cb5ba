//! Closures: what a reader makes of bases that several writers stored in several ways, and of
//! more bases than anybody honest needs.

use super::{id_of, read};
use crate::common::chance::Chance;
use crate::common::chunks::Chunks;
use crate::common::forge::{Blob, Forger, commit, session};
use crate::common::memory::node;
use crate::common::repo::TempRepo;
use icecore::codec::{Encoder, Level};
use icecore::error::Kind;
use icecore::format::BlobKind;
use icecore::format::directory::NodeKind;
use icecore::repo::NewBlob;

/// One writer stores eight bases and a chunk upon them, and all that it knows is within its
/// bound. Others store the same bases at the same time, flatter but far wider. The chunk is read
/// all the same: with their entries as far as these are few, else with the writer's own.
#[test]
fn bases_of_other_writers_do_not_hide_a_chunk() {
    for (seed, levels) in [(71, 1), (72, 2)] {
        let repo = TempRepo::new(seed);
        let forger = Forger::new(&repo);
        let mut chunks = Chunks::of(&repo);
        let mut chain = chunks.whole(1);
        for depth in 1..=3_u8 {
            chain = chunks.delta(1 + u32::from(depth), depth, &[chain]);
        }
        let bases: Vec<u32> = (10..18).map(|base| chunks.delta(base, 4, &[chain])).collect();
        let top = chunks.delta(9, 5, &bases);
        let id = chunks.id(top);
        chunks.store(&forger);
        let index = repo.repository.load_index().unwrap();
        assert_eq!(
            index.closure(&index.find(BlobKind::Data, &id).unwrap()).unwrap().len(),
            1 + 8 + 4
        );

        let mut next = 100..;
        for base in &bases {
            let mut below = Vec::new();
            for number in next.by_ref().take(8).collect::<Vec<u32>>() {
                let whole: Vec<u32> = next.by_ref().take(8).map(|at| chunks.whole(at)).collect();
                below.push(match levels {
                    1 => whole[0],
                    _ => chunks.delta(number, 1, &whole),
                });
            }
            chunks.delta(*base, levels, &below);
        }
        chunks.store(&forger);
        let index = repo.repository.load_index().unwrap();
        let found = index.closure(&index.find(BlobKind::Data, &id).unwrap());
        match levels {
            1 => assert_eq!(found.unwrap().len(), 1 + 8 + 64),
            _ => assert!(found.is_err(), "1 + 8 + 64 + 512 blobs"),
        }
        assert!(read(&repo, id).unwrap() == Chunks::plain(top));
    }
}

/// A chunk that needs more bases than a reader takes, whichever entries are chosen, is refused
/// before anything is decoded.
#[test]
fn a_forest_of_bases_is_refused() {
    let repo = TempRepo::new(79);
    let forger = Forger::new(&repo);
    let mut chunks = Chunks::of(&repo);
    let mut below: Vec<u32> = (1000..1512).map(|number| chunks.whole(number)).collect();
    for depth in 1..=3_u8 {
        let first = 10_000 * u32::from(depth);
        let nodes = below.chunks(8).zip(first..);
        below = nodes.map(|(bases, number)| chunks.delta(number, depth, bases)).collect();
    }
    chunks.store(&forger);
    let error = read(&repo, chunks.id(below[0])).unwrap_err();
    assert_eq!(error.kind(), Kind::Damaged);
    assert!(error.to_string().contains("too many bases"), "{error}");
}

/// Of a base's two entries the flat one is rotten and the deeper one is well: the base itself is
/// still read, but nobody makes a delta of it that only the flat one could carry.
#[test]
fn no_delta_rests_on_a_rotten_entry() {
    let mut repo = TempRepo::new(80);
    repo.damaged = true;
    let forger = Forger::new(&repo);
    let mut chance = Chance::new(80);
    let root = chance.noise(20_000);
    let edited = |plain: &[u8], at: usize| {
        let mut plain = plain.to_vec();
        plain[at] ^= 1;
        plain
    };
    let (base, new) = (edited(&root, 5000), edited(&root, 9000));
    let encoded = Encoder::new(Level::default()).delta(&base, &root).unwrap();
    let delta = Blob {
        id: id_of(&repo, &base),
        plain: 20_000,
        codec: encoded.codec,
        payload: encoded.bytes,
        depth: 1,
        bases: vec![id_of(&repo, &root).base()],
    };
    let rotten = Blob::raw(delta.id, &chance.noise(20_000));
    for blobs in [vec![Blob::raw(id_of(&repo, &root), &root), delta], vec![rotten]] {
        let pack = forger.pack(BlobKind::Data, &blobs);
        forger.index(0, &[pack]);
    }
    assert!(read(&repo, id_of(&repo, &base)).unwrap() == base);

    let mut session = session(&repo);
    let (kind, id, bases) = (BlobKind::Data, id_of(&repo, &new), vec![id_of(&repo, &base)]);
    session.store(&[NewBlob { kind, id, plain: &new, bases }]).unwrap();
    commit(session, "/pipe", node("pipe", NodeKind::Fifo), 1);
    assert!(read(&repo, id).unwrap() == new);
}
