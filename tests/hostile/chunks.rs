//! What the index and packs can say wrongly of chunks: false content, false places, false bases.

use super::{bring_back, file, honest, id_of, is_whole, read};
use crate::common::chance::Chance;
use crate::common::forge::{Blob, Forger, commit, segment, session};
use crate::common::repo::TempRepo;
use icecore::codec::{Encoder, Level};
use icecore::error::Kind;
use icecore::format::content::{Content, Piece};
use icecore::format::gc::Reason;
use icecore::format::{BlobKind, Codec, ObjectKind};
use icecore::id::ChunkId;
use icecore::repo::NewBlob;

/// A false chunk, sealed by a key holder under the id of other content, is never given out, the
/// error names it and its pack, and `check` finds it. As a base it is named too.
#[test]
fn a_false_chunk_is_named() {
    let (mut repo, tree, before) = honest(1);
    repo.damaged = true;
    let forger = Forger::new(&repo);
    let honest = Chance::new(1001).noise(3000);
    let delta = [&honest[..], b"!"].concat();
    let id = id_of(&repo, &honest);
    let mut encoder = Encoder::new(Level::default());
    let encoded = encoder.delta(&delta, &honest).unwrap();
    let against = Blob {
        id: id_of(&repo, &delta),
        plain: u32::try_from(delta.len()).unwrap(),
        codec: encoded.codec,
        payload: encoded.bytes,
        depth: 1,
        bases: vec![id.base()],
    };
    let mut lie = honest.clone();
    lie[700] ^= 1;
    let pack = forger.pack(BlobKind::Data, &[Blob::raw(id, &lie), against.clone()]);
    forger.index(0, std::slice::from_ref(&pack));
    for wanted in [id, against.id] {
        let error = read(&repo, wanted).unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged);
        let text = error.to_string();
        assert!(text.contains(&id.to_string()), "{text}");
        assert!(text.contains(&pack.row.id.to_string()), "{text}");
        assert!(text.contains("not what its id says"), "{text}");
    }
    let chunk = Piece::Chunk { id, length: u32::try_from(lie.len()).unwrap() };
    let forged = commit(session(&repo), "/evil", file("evil", Content::inline(1, &[chunk])), 1);
    let report = repo.check();
    let named = |text: &String| text.contains(&id.to_string()) && text.contains("its id says");
    let findings: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    assert!(findings.iter().any(named), "{findings:#?}");
    assert!(report.touched.iter().any(|touched| touched.snapshot == forged.id));
    let (restored, _, target) = bring_back(&repo, &forged);
    assert_eq!(restored.unwrap().failed, 1);
    assert!(!target.path().join("evil").exists());
    is_whole(&repo, &before, &tree);

    // Once somebody stores the real chunk beside it, both read: every entry is tried, bases too.
    let real = forger.pack(BlobKind::Data, &[Blob::raw(id, &honest)]);
    forger.index(0, &[real]);
    assert!(read(&repo, id).unwrap() == honest);
    assert!(read(&repo, against.id).unwrap() == delta);
}

/// Index entries with a wrong offset, length or pack are errors, read nothing past the place, and
/// hide no honest entry of the same chunk.
#[test]
fn wrong_index_entries_mislead_nobody() {
    let mut repo = TempRepo::new(2);
    repo.damaged = true;
    let forger = Forger::new(&repo);
    let plains: Vec<Vec<u8>> = (1..5_u8).map(|byte| vec![byte; 1000]).collect();
    let blobs: Vec<Blob> =
        plains.iter().map(|plain| Blob::raw(id_of(&repo, plain), plain)).collect();
    let true_pack = forger.pack(BlobKind::Data, &blobs);
    let other = forger.pack(BlobKind::Data, &[Blob::raw(id_of(&repo, b"other"), &[9; 5000])]);
    let mut lies = true_pack.clone();
    lies.entries.truncate(3);
    lies.entries[0].offset += 1;
    lies.entries[1].stored += 1;
    lies.entries[2].plain -= 1;
    let mut elsewhere = true_pack.clone();
    (elsewhere.row, elsewhere.salt) = (other.row, other.salt);
    elsewhere.entries.drain(..3);
    // The pack is said to be larger than it is, so that the entry lies within it.
    let mut beyond = true_pack.clone();
    beyond.row.size = u32::MAX;
    beyond.entries.truncate(1);
    beyond.entries[0].offset = u32::MAX - 4_000_000;
    beyond.entries[0].stored = 3_999_999;
    forger.index(0, &[lies, elsewhere, beyond]);
    for blob in &blobs {
        assert_eq!(read(&repo, blob.id).unwrap_err().kind(), Kind::Damaged, "{}", blob.id);
    }
    assert!(repo.check().errors >= 4);
    forger.index(0, std::slice::from_ref(&true_pack));
    for (blob, plain) in blobs.iter().zip(&plains) {
        assert!(read(&repo, blob.id).unwrap() == *plain);
    }

    // Past the end of its own pack: the whole segment is refused, and reported.
    let mut past = true_pack;
    past.entries[0].offset = past.row.size;
    forger.segment(&segment(0, &[past]).encode().unwrap());
    let mut index = repo.repository.load_index().unwrap();
    let troubles = index.take_troubles();
    assert_eq!(troubles.len(), 1);
    let (handle, error) = &troubles[0];
    assert_eq!(handle.kind(), ObjectKind::Index);
    assert!(error.to_string().contains("past the end of its pack"), "{error}");
}

/// Deltas in a circle, deltas against themselves, lying depths, depth past the bound and wide
/// closures carry nothing, and end in an error at once.
#[test]
fn delta_graphs_are_checked_before_decoding() {
    let mut repo = TempRepo::new(3);
    repo.damaged = true;
    let forger = Forger::new(&repo);
    let id = |number: u32| id_of(&repo, &number.to_le_bytes());
    let delta = |number: u32, depth: u8, bases: &[u32]| Blob {
        id: id(number),
        plain: 4,
        codec: Codec::Delta,
        payload: vec![0; 30],
        depth,
        bases: bases.iter().map(|base| id(*base).base()).collect(),
    };
    let mut blobs = vec![
        delta(1, 1, &[2]),
        delta(2, 1, &[1]),
        delta(3, 1, &[3]),
        delta(4, 2, &[5]),
        delta(5, 3, &[4]),
        delta(6, 8, &[7]),
        delta(7, 8, &[6]),
    ];
    // Eight levels of eight bases each, all different: 8^8 ways down.
    for level in 1..=8_u8 {
        for at in 0..8 {
            let below = 100 * u32::from(level - 1);
            let bases: Vec<u32> = (0..8).map(|base| below + 50 + base).collect();
            blobs.push(delta(100 * u32::from(level) + 50 + at, level, &bases));
        }
    }
    blobs.extend((50..58_u32).map(|number| Blob::raw(id(number), &number.to_le_bytes())));
    forger.index(0, &[forger.pack(BlobKind::Data, &blobs)]);
    let index = repo.repository.load_index().unwrap();
    for number in 1..=7 {
        assert!(!index.knows(BlobKind::Data, &id(number)), "{number}");
        assert_eq!(read(&repo, id(number)).unwrap_err().kind(), Kind::Damaged);
    }
    assert_eq!(read(&repo, id(850)).unwrap_err().kind(), Kind::Damaged);
    assert!(read(&repo, id(50)).unwrap() == 50_u32.to_le_bytes());
    assert!(!repo.check().is_healthy());

    // Depth 9 does not even encode; patched into the bytes it makes the segment worthless.
    let pack = forger.pack(BlobKind::Data, &[delta(900, 8, &[50])]);
    let mut bytes = segment(0, &[pack]).encode().unwrap();
    let at = bytes.len() - 17;
    assert_eq!(bytes[at], 0x81);
    bytes[at] = 0x91;
    forger.segment(&bytes);
    assert_eq!(repo.repository.load_index().unwrap().take_troubles().len(), 1);
}

/// A frame that unpacks to more than its entry says is refused before anything is unpacked.
#[test]
fn a_decompression_bomb_does_not_go_off() {
    let mut repo = TempRepo::new(4);
    repo.damaged = true;
    let forger = Forger::new(&repo);
    let bomb = Encoder::new(Level::default()).whole(&vec![0; 4 << 20]).unwrap();
    assert!(bomb.bytes.len() < 1000);
    let id = id_of(&repo, b"bomb");
    let (codec, payload) = (bomb.codec, bomb.bytes);
    let blob = Blob { id, plain: 100, codec, payload, depth: 0, bases: Vec::new() };
    forger.index(0, &[forger.pack(BlobKind::Data, &[blob])]);
    let error = read(&repo, id).unwrap_err();
    assert_eq!(error.kind(), Kind::Damaged);
    assert!(error.to_string().contains("length"), "{error}");
}

/// One writer stored A as a delta of B, another B as a delta of A, and whole copies of both are
/// condemned: neither delta counts as a provider of the other, so that a sweep sees what
/// would be lost; while one whole copy stands, both are read.
#[test]
fn crossed_deltas_carry_each_other_never() {
    let mut repo = TempRepo::new(19);
    repo.damaged = true;
    let forger = Forger::new(&repo);
    let (a, b) = (b"first of the two".repeat(99), b"second of the two".repeat(99));
    let (id_a, id_b) = (id_of(&repo, &a), id_of(&repo, &b));
    let delta = |id: ChunkId, plain: &[u8], base: ChunkId, prefix: &[u8]| {
        let encoded = Encoder::new(Level::default()).delta(plain, prefix).unwrap();
        let plain = u32::try_from(plain.len()).unwrap();
        let (codec, payload) = (encoded.codec, encoded.bytes);
        Blob { id, plain, codec, payload, depth: 1, bases: vec![base.base()] }
    };
    let whole_a = forger.pack(BlobKind::Data, &[Blob::raw(id_a, &a)]);
    let whole_b = forger.pack(BlobKind::Data, &[Blob::raw(id_b, &b)]);
    let cross_a = forger.pack(BlobKind::Data, &[delta(id_a, &a, id_b, &b)]);
    let cross_b = forger.pack(BlobKind::Data, &[delta(id_b, &b, id_a, &a)]);
    for pack in [&whole_a, &whole_b, &cross_a, &cross_b] {
        forger.index(0, std::slice::from_ref(pack));
    }
    let both = |repo: &TempRepo| read(repo, id_a).unwrap() == a && read(repo, id_b).unwrap() == b;
    assert!(both(&repo));
    forger.condemn(1, &[whole_a.row.id], Reason::Duplicate);
    assert!(both(&repo));
    forger.decide(&repo, 1, |_| {});
    let index = repo.repository.load_index().unwrap();
    assert_eq!(index.find(BlobKind::Data, &id_a).unwrap().depth, 1);
    forger.condemn(2, &[whole_b.row.id], Reason::Duplicate);
    let index = repo.repository.load_index().unwrap();
    let counting = index.judged_by(index.generations().clone());
    assert!(!counting.knows(BlobKind::Data, &id_a) && !counting.knows(BlobKind::Data, &id_b));
    assert!(both(&repo), "readers take them last");
    // So a writer stores them again, and the crossed deltas count once more.
    let mut healing = session(&repo);
    healing
        .store(&[NewBlob { kind: BlobKind::Data, id: id_b, plain: &b, bases: Vec::new() }])
        .unwrap();
    healing.abandon().unwrap();
    assert!(both(&repo));
}

/// As many blobs as a closure may have, two at each depth, each with both of those below as its
/// bases: hundreds of paths lead down, and all are usable and read.
#[test]
fn many_paths_to_few_bases_are_usable() {
    let repo = TempRepo::new(28);
    let forger = Forger::new(&repo);
    let mut chance = Chance::new(28);
    let mut below = vec![chance.noise(4000)];
    let mut blobs = vec![Blob::raw(id_of(&repo, &below[0]), &below[0])];
    for depth in 1..=8 {
        let prefix = below.concat();
        let bases: Vec<_> = below.iter().map(|plain| id_of(&repo, plain).base()).collect();
        let layer: Vec<Vec<u8>> = (0..if depth == 8 { 1 } else { 2 })
            .map(|_| [&below[0][..], &chance.noise(20)].concat())
            .collect();
        for plain in &layer {
            let encoded = Encoder::new(Level::default()).delta(plain, &prefix).unwrap();
            let mut blob = Blob::raw(id_of(&repo, plain), &encoded.bytes);
            blob.plain = u32::try_from(plain.len()).unwrap();
            (blob.codec, blob.depth, blob.bases) = (Codec::Delta, depth, bases.clone());
            blobs.push(blob);
        }
        below = layer;
    }
    assert_eq!(blobs.len(), icecore::limits::CLOSURE_MAX);
    let pack = forger.pack(BlobKind::Data, &blobs);
    forger.index(0, &[pack]);
    let index = repo.repository.load_index().unwrap();
    for blob in &blobs {
        assert!(index.knows(BlobKind::Data, &blob.id), "depth {}", blob.depth);
    }
    assert!(read(&repo, blobs[15].id).unwrap() == below[0]);
}
