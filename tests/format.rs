//! Encoders and decoders of the format: round trips, and hostile bytes.

use crate::vectors::{self, Vector};
use icecore::error::Kind;
use icecore::format::index::{self, IndexEntry, PackRow, Segment, SegmentBuilder};
use icecore::format::list::{Content, ListNode, Piece};
use icecore::format::node::{
    self, DirectoryNode, FileTime, Metadata, Node, NodeKind, SqliteFacts, Stamp,
};
use icecore::format::pack::{self, PackEntry, PackHead, Salt, Trailer};
use icecore::format::{BlobKind, Codec, ObjectKind, frame, record, snapshot, writer};
use icecore::id::{BaseId, ChunkId, PackId, SnapshotId, hex};
use icecore::limits::{BASES_MAX, BLOB_MAX, DEPTH_MAX, NODE_MAX, PACK_MAX};
use proptest::collection::{btree_map, vec};
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
    for vector in vectors::all() {
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
    for vector in vectors::all().into_iter().filter(|vector| vector.expect == "ok") {
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
        vectors::all().into_iter().filter(|vector| vector.expect == "ok").collect();
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

/// Names that cannot stand in a directory are refused on both levels of nodes (fault 35).
#[test]
fn bad_names() {
    let long = vec![b'a'; icecore::limits::NAME_MAX + 1];
    for name in [&b""[..], b".", b"..", b"/", b"a/b", b"a\0", &long] {
        assert!(node::bad_name(name).is_some());
        let leaf = DirectoryNode::Leaf(vec![fifo(name)]).encode().unwrap();
        assert!(DirectoryNode::decode(&leaf, 0, "x").is_err());
        let inner = DirectoryNode::Inner(1, vec![(ChunkId([1; 32]), name.to_vec())]);
        assert!(DirectoryNode::decode(&inner.encode().unwrap(), 1, "x").is_err());
    }
    for name in [&b"..."[..], b".a", b"\xff", b"a b", b"\\"] {
        assert_eq!(node::bad_name(name), None);
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
    assert_eq!(node::encode_entry(&large).unwrap_err().kind(), Kind::InvalidInput);

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

fn tree(levels: u8) -> icecore::format::list::TreeRef {
    icecore::format::list::TreeRef { id: ChunkId([5; 32]), levels }
}

// ---- round trips of arbitrary values

fn chunk_id() -> impl Strategy<Value = ChunkId> {
    // Few different ones, so that equal prefixes are common.
    (0..6_u8, 0..3_u8).prop_map(|(first, last)| {
        let mut id = [first; 32];
        id[31] = last;
        ChunkId(id)
    })
}

fn blob() -> impl Strategy<Value = (ChunkId, u32, u32, Codec, u8, Vec<BaseId>)> {
    let bound = u32::try_from(BLOB_MAX).unwrap();
    let bases = vec(any::<[u8; 16]>().prop_map(BaseId), 1..=BASES_MAX);
    let how = prop_oneof![
        Just((Codec::Raw, 0, Vec::new())),
        Just((Codec::Zstd, 0, Vec::new())),
        (1..=DEPTH_MAX, bases).prop_map(|(depth, bases)| (Codec::Delta, depth, bases)),
    ];
    (chunk_id(), 0..=bound, 0..=bound, how).prop_map(
        |(id, stored, plain, (codec, depth, bases))| (id, stored, plain, codec, depth, bases),
    )
}

fn piece() -> impl Strategy<Value = Piece> {
    let bound = u32::try_from(BLOB_MAX).unwrap();
    prop_oneof![
        (any::<[u8; 32]>(), 1..=bound)
            .prop_map(|(id, length)| Piece::Chunk { id: ChunkId(id), length }),
        (1..u64::MAX / 64).prop_map(|length| Piece::Hole { length }),
    ]
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 1..20).prop_filter("a name", |name| node::bad_name(name).is_none())
}

fn file_time() -> impl Strategy<Value = FileTime> {
    (any::<i64>(), 0..1_000_000_000_u32).prop_map(|(seconds, nanos)| FileTime(seconds, nanos))
}

fn metadata() -> impl Strategy<Value = Metadata> {
    let bytes = || vec(any::<u8>(), 0..12).prop_map(ByteBuf::from);
    (
        (any::<u32>(), any::<u32>(), any::<u32>(), file_time()),
        (any::<Option<String>>(), any::<Option<String>>(), any::<Option<(u64, u64)>>()),
        btree_map(bytes(), bytes(), 0..4),
    )
        .prop_map(|((mode, uid, gid, mtime), (user, group, hard_link), xattrs)| Metadata {
            mode,
            uid,
            gid,
            user,
            group,
            mtime,
            xattrs,
            hard_link,
        })
}

fn node_kind() -> impl Strategy<Value = NodeKind> {
    let sqlite = (any::<u32>(), any::<i64>(), any::<String>(), any::<bool>()).prop_map(
        |(number, version, text, counted)| SqliteFacts {
            page_size: number,
            user_version: version,
            encoding: text.clone(),
            verified: counted.then(|| text.clone()),
            row_counts: counted.then(|| [(text, 5)].into()),
            ..SqliteFacts::default()
        },
    );
    let content = prop_oneof![
        vec(piece(), 0..8).prop_map(|pieces| Content::inline(1, &pieces)),
        (any::<u64>(), any::<u8>()).prop_map(|(length, levels)| Content {
            length,
            chunker: 2,
            pieces: Vec::new(),
            list: Some(tree(levels)),
        }),
    ];
    prop_oneof![
        (content, proptest::option::of(sqlite.prop_map(Box::new)))
            .prop_map(|(content, sqlite)| NodeKind::File { content, sqlite }),
        any::<u8>().prop_map(|levels| NodeKind::Directory { entries: tree(levels) }),
        vec(any::<u8>(), 0..50).prop_map(|target| NodeKind::Symlink { target }),
        Just(NodeKind::Fifo),
        Just(NodeKind::Socket),
        any::<(u32, u32)>().prop_map(|device| NodeKind::CharDevice { device }),
        any::<(u32, u32)>().prop_map(|device| NodeKind::BlockDevice { device }),
    ]
}

fn any_node() -> impl Strategy<Value = Node> {
    let stamp = (any::<u64>(), file_time(), file_time(), any::<u64>())
        .prop_map(|(size, mtime, ctime, inode)| Stamp { size, mtime, ctime, inode });
    (name(), node_kind(), metadata(), proptest::option::of(stamp), any::<Option<String>>())
        .prop_map(|(name, kind, meta, stamp, taint)| Node { name, kind, meta, stamp, taint })
}

proptest! {
    /// A trailer survives, with padding behind it too.
    #[test]
    fn trailer(blobs in vec((blob(), any::<u8>()), 0..20), filler: u32, padding in 0..100_usize) {
        let entries = blobs.into_iter().map(|((id, stored, plain, codec, depth, bases), salt)| {
            PackEntry { id, stored, plain, codec, depth, salt, bases }
        });
        let trailer = Trailer { entries: entries.collect(), filler };
        let mut bytes = trailer.encode().unwrap();
        bytes.resize(bytes.len() + padding, 0);
        prop_assert_eq!(Trailer::decode(&bytes, "x").unwrap(), trailer);
    }

    /// A pack's head survives, whatever follows it.
    #[test]
    fn pack_head(epochs in vec(any::<(u32, [u8; 32])>(), 1..20), meta: bool) {
        let salts = epochs.into_iter().map(|(epoch, bytes)| Salt { epoch, bytes });
        let kind = if meta { BlobKind::Meta } else { BlobKind::Data };
        let head = PackHead { kind, salts: salts.collect() };
        let mut bytes = head.encode().unwrap();
        prop_assert_eq!(bytes.len(), PackHead::length(head.salts.len()));
        bytes.extend([1, 2, 3]);
        prop_assert_eq!(PackHead::decode(&bytes, "x").unwrap(), head);
    }

    /// A footer survives.
    #[test]
    fn footer(length in 0..=PACK_MAX) {
        prop_assert_eq!(pack::read_footer(&pack::footer(length).unwrap(), "x").unwrap(), length);
    }

    /// A segment holds what was put into it, sorted; every id is found with all its entries and
    /// nothing else.
    #[test]
    fn index_segment(blobs in vec((blob(), 0..3_u32, 0..1000_u32, 0..2_u16), 0..60), generation: u64) {
        let size = u32::try_from(PACK_MAX).unwrap();
        let packs = (0..3).map(|id| PackRow { id: PackId([id; 32]), size, kind: BlobKind::Meta });
        let entries: Vec<IndexEntry> = blobs.into_iter().map(
            |((id, stored, plain, codec, depth, bases), pack, offset, salt)| {
                IndexEntry { id, pack, offset, stored, plain, salt, codec, depth, bases }
            },
        ).collect();
        let mut builder = SegmentBuilder { generation, packs: packs.collect(), ..Default::default() };
        let rows = (builder.salt_row(SALT).unwrap(), builder.salt_row(Salt { epoch: 1, ..SALT }).unwrap());
        prop_assert_eq!(rows, (0, 1));
        prop_assert_eq!(builder.salt_row(SALT).unwrap(), 0);
        builder.entries.clone_from(&entries);
        let (salts, packs) = (builder.salts.clone(), builder.packs.clone());
        let segment = Segment::decode(builder.encode().unwrap(), "x").unwrap();
        prop_assert_eq!(segment.generation(), generation);
        prop_assert_eq!(segment.salts(), &salts[..]);
        prop_assert_eq!(segment.packs(), &packs[..]);
        let mut sorted = entries;
        sorted.sort_by_key(|entry| (entry.id, entry.depth, entry.pack, entry.offset));
        let read: Vec<_> = (0..segment.len()).map(|row| segment.entry(row).unwrap()).collect();
        prop_assert_eq!(&read, &sorted);
        prop_assert!(segment.entry(segment.len()).is_none() && segment.entry(usize::MAX).is_none());
        for first in 0..7 {
            let base = BaseId([first; 16]);
            let found = segment.find(&base);
            let expected = sorted.iter().filter(|entry| entry.id.base() == base).count();
            prop_assert_eq!(found.len(), expected);
            prop_assert!(found.into_iter().all(|row| read[row].id.base() == base));
        }
    }

    /// Leaves and inner nodes of lists survive.
    #[test]
    fn list(pieces in vec(piece(), 0..40), children in vec((any::<[u8; 32]>(), 1..1_u64 << 40), 1..40), level in 1..=8_u8) {
        let leaf = ListNode::Leaf(pieces);
        prop_assert_eq!(&ListNode::decode(&leaf.encode(), 0, "x").unwrap(), &leaf);
        let children = children.into_iter().map(|(id, beneath)| (ChunkId(id), beneath));
        let inner = ListNode::Inner(level, children.collect());
        prop_assert_eq!(&ListNode::decode(&inner.encode(), level, "x").unwrap(), &inner);
        prop_assert!(ListNode::decode(&inner.encode(), level - 1, "x").is_err());
    }

    /// Directories survive, whatever their entries are.
    #[test]
    fn directory(nodes in vec(any_node(), 0..10), level in 1..=8_u8) {
        let mut nodes = nodes;
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        nodes.dedup_by(|a, b| a.name == b.name);
        let names: Vec<_> = nodes.iter().map(|node| (ChunkId([1; 32]), node.name.clone())).collect();
        let reversed: Vec<_> = nodes.iter().rev().cloned().collect();
        let leaf = DirectoryNode::Leaf(nodes);
        prop_assert_eq!(&DirectoryNode::decode(&leaf.encode().unwrap(), 0, "x").unwrap(), &leaf);
        if !names.is_empty() {
            let inner = DirectoryNode::Inner(level, names);
            let bytes = inner.encode().unwrap();
            prop_assert_eq!(&DirectoryNode::decode(&bytes, level, "x").unwrap(), &inner);
        }
        if reversed.len() > 1 {
            let bytes = DirectoryNode::Leaf(reversed).encode().unwrap();
            prop_assert!(DirectoryNode::decode(&bytes, 0, "x").is_err());
        }
    }

    /// Open objects survive; no flipped bit does.
    #[test]
    fn open_object(body in vec(any::<u8>(), 0..300), bit: usize) {
        let mut bytes = frame::encode_open(ObjectKind::Key, &body);
        prop_assert_eq!(frame::decode_open(&bytes, ObjectKind::Key, "x").unwrap(), &body[..]);
        let bit = bit % (bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(frame::decode_open(&bytes, ObjectKind::Key, "x").is_err());
    }

    /// A blob's associated data is another for every field of the blob.
    #[test]
    fn associated_data(one in blob(), other in blob(), epoch: u32) {
        let aad = |blob: &(ChunkId, u32, u32, Codec, u8, Vec<BaseId>), kind, epoch| pack::BlobAad {
            repository: icecore::id::RepoId([7; 16]),
            salt: &Salt { epoch, ..SALT },
            kind,
            id: &blob.0,
            plain: blob.2,
            codec: blob.3,
            bases: &blob.5,
        }.encode();
        let fields = |blob: &(ChunkId, u32, u32, Codec, u8, Vec<BaseId>)| (blob.0, blob.2, blob.3, blob.5.clone());
        let equal = aad(&one, BlobKind::Data, 0) == aad(&other, BlobKind::Data, 0);
        prop_assert_eq!(equal, fields(&one) == fields(&other));
        prop_assert_ne!(aad(&one, BlobKind::Data, 0), aad(&one, BlobKind::Meta, 0));
        prop_assert_eq!(aad(&one, BlobKind::Data, 0) == aad(&one, BlobKind::Data, epoch), epoch == 0);
    }

    /// Partials of any number of packs survive.
    #[test]
    fn partial(packs in vec(any::<[u8; 32]>(), 0..50), at: i64) {
        let partial = snapshot::Outcome::Partial(snapshot::Partial {
            id: SnapshotId([1; 16]),
            generation: u64::MAX,
            packs: packs.into_iter().map(PackId).collect(),
            at: icecore::env::Time(at),
        });
        let bytes = record::encode(&partial).unwrap();
        prop_assert_eq!(record::decode::<snapshot::Outcome>(&bytes, "x").unwrap(), partial);
    }
}
