//! Encoders and decoders of the format: round trips, and hostile bytes.

mod round_trips;

use crate::vectors::{self, Vector};
use icecore::error::Kind;
use icecore::format::content::{Content, ListNode, Piece};
use icecore::format::directory::{self, DirectoryNode, Metadata, Node, NodeKind};
use icecore::format::index::{self, IndexEntry, PackRow, Segment, SegmentBuilder};
use icecore::format::pack::{PackEntry, PackHead, Salt, Trailer};
use icecore::format::{BlobKind, Codec, ObjectKind, frame, record, snapshot, writer};
use icecore::id::{BaseId, ChunkId, PackId, hex};
use icecore::limits::{NODE_MAX, PACK_MAX};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_bytes::ByteBuf;

/// What decodes must encode to the very same bytes again; zero padding behind a trailer is the
/// only thing that may be lost.
fn assert_canonical(vector: &Vector, bytes: &[u8], how: &str) {
    let Ok(value) = (vector.form().decode)(bytes) else { return };
    let again = (vector.form().encode)(&value).expect("what was decoded");
    let rest = match vector.structure.as_str() {
        "pack-head" => &[][..], // the blobs of the pack follow it
        _ => bytes.strip_prefix(&again[..]).expect("the same bytes"),
    };
    let padding = vector.structure == "trailer" && rest.iter().all(|byte| *byte == 0);
    assert!(rest.is_empty() || padding, "{} {how}: {} decodes", vector.name, hex(bytes));
    assert!(bytes.starts_with(&again), "{} {how}: another form is accepted", vector.name);
}

/// Every vector cut at every length, and with every single bit flipped, decodes to an error or to
/// a value that encodes to the same bytes; and never panics.
#[test]
fn truncated_and_flipped() {
    for vector in vectors::structures() {
        let mut bytes = vector.bytes.clone();
        for length in 0..bytes.len() {
            assert_canonical(&vector, &bytes[..length], &format!("cut to {length}"));
        }
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_canonical(&vector, &bytes, &format!("bit {bit}"));
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

/// A byte behind any structure is noticed, but for those that stand at the front of something.
#[test]
fn trailing_bytes() {
    for vector in vectors::structures().into_iter().filter(|vector| vector.expect == "ok") {
        if ["pack-head", "sealed-head"].contains(&vector.structure.as_str()) {
            continue;
        }
        let longer = [&vector.bytes[..], &[0x61]].concat();
        assert!((vector.form().decode)(&longer).is_err(), "{}", vector.name);
    }
}

/// Every structure takes only its own bytes: no vector of one decodes as another, apart from the
/// levels of nodes that are alike. (An empty segment is nothing but zeros; seals tell such apart.)
#[test]
fn structures_are_not_confused() {
    let name = |vector: &Vector| vector.structure.split('-').next().unwrap().to_owned();
    let good: Vec<Vector> =
        vectors::structures().into_iter().filter(|vector| vector.expect == "ok").collect();
    for one in good.iter().filter(|vector| vector.bytes.iter().any(|byte| *byte != 0)) {
        for other in good.iter().filter(|other| name(other) != name(one)) {
            let decoded = (other.form().decode)(&one.bytes);
            assert!(decoded.is_err(), "{} decodes as {}", one.name, other.structure);
        }
    }
}

/// Any bytes at all make an error or a canonical value.
#[test]
fn any_bytes() {
    let forms = &vectors::forms::FORMS;
    let strategy = (0..forms.len(), vec(any::<u8>(), 0..200));
    proptest!(ProptestConfig::with_cases(4000), |((form, bytes) in strategy)| {
        let form = &forms[form];
        if let Ok(value) = (form.decode)(&bytes) {
            let again = (form.encode)(&value).expect("what was decoded");
            prop_assert!(bytes.starts_with(&again) || form.name == "pack-head");
        }
    });
}

/// Nesting of a million levels is an error, not a stack overflow: as a whole, inside a record's
/// body, and in a field that nobody knows.
#[test]
fn deep_nesting() {
    for open in [&b"\x81"[..], b"\xa1\x61a", b"\xc1", b"\x9f", b"\xbf\x61a", b"\xa1\xa1\x61a"] {
        let deep = open.repeat(1_000_000);
        let inside = |key: &[u8]| [b"\xa3dkindfwritergversion\x01", key, &deep[..]].concat();
        for bytes in [deep.clone(), inside(b"dbody"), inside(b"dboxy"), inside(b"dkind")] {
            let error = record::decode::<writer::Registration>(&bytes, "x").unwrap_err();
            assert!(matches!(error.kind(), Kind::Damaged | Kind::Unsupported), "{error}");
            assert!(record::from_cbor::<Node>(&bytes, "x").is_err());
        }
    }
}

/// Lengths of 2^31 to 2^64 - 1 in front of a few bytes are errors at once, whatever they count.
#[test]
fn hostile_lengths() {
    for major in [0x40_u8, 0x60, 0x80, 0xa0] {
        for length in [1_u64 << 31, 1 << 32, 1 << 47, 1 << 63, u64::MAX] {
            let head = [&[major | 27][..], &length.to_be_bytes()].concat();
            let fields: [&[u8]; 4] =
                [b"\xa3dkindfwritergversion\x01dbody", b"\xa1dname", b"", b"\xa1dkind"];
            for field in fields {
                let bytes = [field, &head[..], &[0; 16]].concat();
                assert!(record::decode::<writer::Registration>(&bytes, "x").is_err());
                assert!(record::decode::<snapshot::Outcome>(&bytes, "x").is_err());
                assert!(record::from_cbor::<Node>(&bytes, "x").is_err());
                assert!(record::from_cbor::<Content>(&bytes, "x").is_err());
            }
        }
    }
    for count in [1_u32 << 31, u32::MAX, 1 << 18, 65_537] {
        let count = count.to_le_bytes();
        for field in 0..4 {
            let mut segment = vec![0; index::HEADER];
            segment[4 * field..4 * field + 4].copy_from_slice(&count);
            assert_eq!(Segment::decode(segment, "x").unwrap_err().kind(), Kind::Damaged);
        }
        for field in 0..2 {
            let mut trailer = vec![0; 8];
            trailer[4 * field..4 * field + 4].copy_from_slice(&count);
            assert_eq!(Trailer::decode(&trailer, "x").unwrap_err().kind(), Kind::Damaged);
        }
        let head = frame::head(ObjectKind::Pack, 0);
        assert!(PackHead::decode(&[&head[..], &count].concat(), "x").is_err());
        let leaf = [&[b'D', 0][..], &count, &[0; 64]].concat();
        assert!(DirectoryNode::decode(&leaf, 0, "x").is_err());
        let inner = [&[b'D', 1][..], &[0; 32], &count, &[1; 64]].concat();
        assert!(DirectoryNode::decode(&inner, 1, "x").is_err());
    }
}

/// A record larger than the bound is refused before it is read.
#[test]
fn large_record() {
    let bytes = vec![0xa0; icecore::limits::RECORD_MAX + 1];
    let error = record::decode::<writer::Heartbeat>(&bytes, "x").unwrap_err();
    assert_eq!(error.kind(), Kind::Damaged);
    assert!(error.to_string().contains("larger"), "{error}");
}

/// Levels past the bound are refused even where the parent expects them.
#[test]
fn levels() {
    let inner = ListNode::Inner(9, vec![(ChunkId([1; 32]), 1)]).encode();
    assert!(ListNode::decode(&inner, 9, "x").is_err());
    let inner = DirectoryNode::Inner(255, vec![(ChunkId([1; 32]), b"a".to_vec())]);
    assert!(DirectoryNode::decode(&inner.encode().unwrap(), 255, "x").is_err());
}

/// Names that cannot stand in a directory are refused on both levels of nodes.
#[test]
fn bad_names() {
    let long = vec![b'a'; icecore::limits::NAME_MAX + 1];
    for name in [&b""[..], b".", b"..", b"/", b"a/b", b"a\0", &long] {
        assert!(directory::bad_name(name).is_some());
        let leaf = DirectoryNode::Leaf(vec![fifo(name)]).encode().unwrap();
        assert!(DirectoryNode::decode(&leaf, 0, "x").is_err());
        let inner = DirectoryNode::Inner(1, vec![(ChunkId([1; 32]), name.to_vec())]);
        assert!(DirectoryNode::decode(&inner.encode().unwrap(), 1, "x").is_err());
    }
    for name in [&b"..."[..], b".a", b"\xff", b"a b", b"\\"] {
        assert_eq!(directory::bad_name(name), None);
    }
}

fn fifo(name: &[u8]) -> Node {
    Node {
        name: name.to_vec(),
        kind: NodeKind::Fifo,
        meta: Metadata::default(),
        stamp: None,
        taint: None,
    }
}

/// Encoders refuse what no decoder takes, so that nothing unreadable is ever written.
#[test]
fn encoders_keep_bounds() {
    let mut large = fifo(b"a");
    large.meta.xattrs.insert(ByteBuf::from("a"), ByteBuf::from(vec![0; NODE_MAX]));
    assert_eq!(directory::encode_entry(&large).unwrap_err().kind(), Kind::InvalidInput);

    let head = |salts| PackHead { kind: BlobKind::Data, salts: vec![SALT; salts] };
    assert!(head(0).encode().is_err() && head(257).encode().is_err());
    assert_eq!(head(256).encode().unwrap().len(), PackHead::length(256));

    for bases in [0, 9, 16, 256] {
        let bases = vec![BaseId([1; 16]); bases];
        let entry = PackEntry {
            id: ChunkId([1; 32]),
            stored: 1,
            plain: 1,
            codec: Codec::Delta,
            depth: 1,
            salt: 0,
            bases: bases.clone(),
        };
        let trailer = Trailer { entries: vec![entry], filler: 0 };
        assert_eq!(trailer.encode().unwrap_err().kind(), Kind::InvalidInput);
        let mut entry = index_entry(1, 0);
        (entry.codec, entry.depth, entry.bases) = (Codec::Delta, 1, bases);
        let segment = SegmentBuilder { entries: vec![entry], ..SegmentBuilder::default() };
        assert_eq!(segment.encode().unwrap_err().kind(), Kind::InvalidInput);
    }
}

/// Inline content must add up; pieces beside a list are refused.
#[test]
fn inline_content() {
    let pieces: Vec<Piece> = (1..=8).map(|length| Piece::Hole { length }).collect();
    let good = Content::inline(1, &pieces);
    assert_eq!(good.inline_pieces("x").unwrap(), pieces);
    let nine = Content::inline(1, &[Piece::Hole { length: 1 }; 9]);
    let beside = Content { list: Some(tree(1)), ..good.clone() };
    let short = Content { length: good.length - 1, ..good };
    for content in [nine, beside, short] {
        assert_eq!(content.inline_pieces("x").unwrap_err().kind(), Kind::Damaged);
    }
}

/// Many entries of one id, more than one of one depth: `find` gives exactly the rows of the
/// prefix, in the order of depth, also where the id stands first or last.
#[test]
fn find_among_equal_prefixes() {
    for count in [1_usize, 2, 3, 100, 5000] {
        let mut entries = Vec::new();
        for id in [0, 7, 8, 255] {
            entries.extend((0..count).map(|at| index_entry(id, u32::try_from(at).unwrap())));
        }
        // The same first half, another second half: a base names both.
        let mut near = index_entry(7, 0);
        near.id.0[31] = 9;
        entries.push(near);
        entries.reverse();
        let segment = segment(entries);
        for (id, rows) in [(0, count), (7, count + 1), (8, count), (255, count), (1, 0), (9, 0)] {
            let found = segment.find(&BaseId([id; 16]));
            assert_eq!(found.len(), rows, "id {id}, {count} each");
            let entries: Vec<_> = found.map(|row| segment.entry(row).unwrap()).collect();
            assert!(entries.iter().all(|entry| entry.id.0[..16] == [id; 16]));
            assert!(
                entries
                    .windows(2)
                    .all(|pair| pair[0].offset <= pair[1].offset || pair[0].id < pair[1].id)
            );
        }
    }
}

const SALT: Salt = Salt { epoch: 0, bytes: [3; 32] };

fn index_entry(id: u8, offset: u32) -> IndexEntry {
    IndexEntry {
        id: ChunkId([id; 32]),
        pack: 0,
        offset,
        stored: 100,
        plain: 60,
        salt: 0,
        codec: Codec::Raw,
        depth: 0,
        bases: Vec::new(),
    }
}

fn segment(entries: Vec<IndexEntry>) -> Segment {
    let size = u32::try_from(PACK_MAX).unwrap();
    let packs = vec![PackRow { id: PackId([9; 32]), size, kind: BlobKind::Data }];
    let builder = SegmentBuilder { generation: 1, salts: vec![SALT], packs, entries };
    Segment::decode(builder.encode().unwrap(), "x").unwrap()
}

fn tree(levels: u8) -> icecore::format::content::TreeRef {
    icecore::format::content::TreeRef { id: ChunkId([5; 32]), levels }
}
