//! Any value survives being encoded and decoded.

use super::{SALT, tree};
use icecore::env::Time;
use icecore::format::content::{Content, ListNode, Piece};
use icecore::format::database::{
    DatabaseFacts, PostgresFacts, PostgresSetting, PostgresTable, SqliteFacts,
};
use icecore::format::directory::{
    self, DirectoryNode, FileTime, LinkGroup, Metadata, Node, NodeKind, Scrutiny, Stamp, Taint,
};
use icecore::format::index::{IndexEntry, PackRow, Segment, SegmentBuilder};
use icecore::format::pack::{self, PackEntry, PackHead, Salt, Trailer};
use icecore::format::{BlobKind, Codec, ObjectKind, frame, record, snapshot};
use icecore::id::{BaseId, ChunkId, PackId, SnapshotId};
use icecore::limits::{BASES_MAX, BLOB_MAX, DEPTH_MAX, PACK_MAX};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_bytes::ByteBuf;

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
    vec(any::<u8>(), 1..20).prop_filter("a name", |name| directory::bad_name(name).is_none())
}

fn file_time() -> impl Strategy<Value = FileTime> {
    (any::<i64>(), 0..1_000_000_000_u32).prop_map(|(seconds, nanos)| FileTime(seconds, nanos))
}

/// Never empty: an optional one that is stands in no record.
fn text() -> impl Strategy<Value = String> {
    any::<String>().prop_filter("it is empty", |text| !text.is_empty())
}

fn metadata() -> impl Strategy<Value = Metadata> {
    let bytes = || vec(any::<u8>(), 0..12).prop_map(ByteBuf::from);
    (
        (any::<u32>(), any::<u32>(), any::<u32>(), file_time()),
        (proptest::option::of(text()), proptest::option::of(text()), any::<Option<(u64, u64)>>()),
        btree_map(bytes(), bytes(), 0..4),
    )
        .prop_map(|((mode, uid, gid, mtime), (user, group, link), xattrs)| Metadata {
            mode,
            uid,
            gid,
            user,
            group,
            mtime,
            xattrs,
            link_group: link.map(|(device, inode)| LinkGroup { device, inode, born: None }),
        })
}

fn node_kind() -> impl Strategy<Value = NodeKind> {
    let sqlite = (any::<u32>(), any::<i64>(), text(), any::<bool>()).prop_map(
        |(number, version, text, counted)| SqliteFacts {
            page_size: number,
            user_version: version,
            encoding: text.clone(),
            verified: counted.then(|| text.clone()),
            row_counts: counted.then(|| [(text, 5)].into()),
            ..SqliteFacts::default()
        },
    );
    let postgres =
        (any::<u64>(), text(), any::<bool>()).prop_map(|(number, text, optional)| PostgresFacts {
            name: text.clone(),
            size: number,
            exact: optional,
            selection: if optional { vec![text.clone()] } else { Vec::new() },
            lsn: optional.then(|| text.clone()),
            acl: optional.then(Vec::new),
            settings: vec![PostgresSetting {
                role: optional.then(|| text.clone()),
                ..PostgresSetting::default()
            }],
            tables: optional.then(|| {
                vec![PostgresTable { schema: text, rows: Some(number), ..PostgresTable::default() }]
            }),
            ..PostgresFacts::default()
        });
    let database = prop_oneof![
        sqlite.prop_map(|facts| DatabaseFacts::Sqlite(Box::new(facts))),
        postgres.prop_map(|facts| DatabaseFacts::Postgres(Box::new(facts))),
    ];
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
        (content, proptest::option::of(database))
            .prop_map(|(content, database)| NodeKind::File { content, database }),
        any::<u8>().prop_map(|levels| NodeKind::Directory { entries: Some(tree(levels)) }),
        vec(1..=u8::MAX, 0..50).prop_map(|target| NodeKind::Symlink { target }),
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
        .prop_map(|(name, kind, meta, stamp, finding)| Node {
            name,
            kind,
            meta,
            stamp,
            taint: finding.map(|finding: String| Taint {
                finding,
                since: Time(7),
                scrutiny: Scrutiny::Full,
            }),
        })
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
