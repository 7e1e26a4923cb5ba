//! The structures that vectors are about: bytes to a readable value and back.
//!
//! The readable form is JSON; a byte string is written `"h'00ff'"`, as in CBOR's diagnostic
//! notation, also where it is a key.

use icecore::error::{Error, Kind, Result};
use icecore::format::frame::{self, SealedHead};
use icecore::format::index::{IndexEntry, PackRow, Segment, SegmentBuilder};
use icecore::format::list::{Content, ListNode, Piece};
use icecore::format::node::{DirectoryNode, Node};
use icecore::format::pack::{self, PackEntry, PackHead, Salt, Trailer};
use icecore::format::record::{self, Record};
use icecore::format::{BlobKind, Codec, ObjectKind, config, gc, slot, snapshot, writer};
use icecore::id::{BaseId, ChunkId, PackId, hex};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// A structure of the format, as vectors name it.
pub struct Form {
    /// Its name in vectors.
    pub name: &'static str,
    /// Bytes to the readable value.
    pub decode: fn(&[u8]) -> Result<Json>,
    /// The readable value to bytes.
    pub encode: fn(&Json) -> Result<Vec<u8>>,
}

/// Every structure.
pub const FORMS: [Form; 24] = [
    Form { name: "open-object", decode: open_decode, encode: open_encode },
    Form { name: "sealed-head", decode: sealed_decode, encode: sealed_encode },
    of_record::<config::Config>("config"),
    of_record::<slot::Slot>("key-slot"),
    of_record::<slot::KeyringRecord>("keyring"),
    of_record::<snapshot::Outcome>("outcome"),
    of_record::<snapshot::Note>("note"),
    of_record::<writer::Registration>("writer"),
    of_record::<writer::Heartbeat>("heartbeat"),
    of_record::<gc::Forgotten>("forgotten"),
    of_record::<gc::Condemned>("condemned"),
    of_record::<gc::Verdict>("verdict"),
    Form { name: "pack-head", decode: pack_head_decode, encode: pack_head_encode },
    Form { name: "trailer", decode: trailer_decode, encode: trailer_encode },
    Form { name: "footer", decode: footer_decode, encode: footer_encode },
    Form { name: "segment", decode: segment_decode, encode: segment_encode },
    Form { name: "content", decode: content_decode, encode: content_encode },
    Form { name: "list-leaf", decode: list_decode::<0>, encode: list_encode::<0> },
    Form { name: "list-inner-1", decode: list_decode::<1>, encode: list_encode::<1> },
    Form { name: "list-inner-8", decode: list_decode::<8>, encode: list_encode::<8> },
    Form { name: "directory-leaf", decode: directory_decode::<0>, encode: directory_encode::<0> },
    Form {
        name: "directory-inner-1",
        decode: directory_decode::<1>,
        encode: directory_encode::<1>,
    },
    Form {
        name: "directory-inner-8",
        decode: directory_decode::<8>,
        encode: directory_encode::<8>,
    },
    Form { name: "node", decode: node_decode, encode: node_encode },
];

/// The structure of this name.
pub fn form(name: &str) -> &'static Form {
    FORMS.iter().find(|form| form.name == name).unwrap_or_else(|| panic!("no structure {name:?}"))
}

const fn of_record<T: Record>(name: &'static str) -> Form {
    Form {
        name,
        decode: |bytes| record::decode::<T>(bytes, "a vector").and_then(|value| json(&value)),
        encode: |text| record::encode(&value::<T>(text)?),
    }
}

/// Any value in its readable form.
pub fn json<T: Serialize>(value: &T) -> Result<Json> {
    let cbor = serde_cbor::to_vec(value).map_err(broken)?;
    readable(&serde_cbor::from_slice(&cbor).map_err(broken)?)
}

fn value<T: DeserializeOwned>(json: &Json) -> Result<T> {
    let cbor = serde_cbor::to_vec(&machine(json)).map_err(broken)?;
    serde_cbor::from_slice(&cbor).map_err(broken)
}

fn broken(cause: impl std::fmt::Display) -> Error {
    Error::new(Kind::InvalidInput, "read", "a vector").because(cause.to_string())
}

fn readable(value: &serde_cbor::Value) -> Result<Json> {
    use serde_cbor::Value;
    Ok(match value {
        Value::Null => Json::Null,
        Value::Bool(bool) => Json::Bool(*bool),
        Value::Integer(number) => match u64::try_from(*number) {
            Ok(number) => number.into(),
            Err(_) => i64::try_from(*number).map_err(broken)?.into(),
        },
        Value::Bytes(bytes) => format!("h'{}'", hex(bytes)).into(),
        Value::Text(text) => text.clone().into(),
        Value::Array(items) => items.iter().map(readable).collect::<Result<_>>()?,
        Value::Map(map) => {
            let mut object = serde_json::Map::new();
            for (key, value) in map {
                let Json::String(key) = readable(key)? else { return Err(broken("a key")) };
                object.insert(key, readable(value)?);
            }
            object.into()
        }
        other => return Err(broken(format!("{other:?}"))),
    })
}

fn machine(json: &Json) -> serde_cbor::Value {
    use serde_cbor::Value;
    match json {
        Json::Null => Value::Null,
        Json::Bool(bool) => Value::Bool(*bool),
        Json::Number(number) => Value::Integer(
            number.as_u64().map(i128::from).or(number.as_i64().map(i128::from)).unwrap(),
        ),
        Json::String(text) => scalar(text),
        Json::Array(items) => Value::Array(items.iter().map(machine).collect()),
        Json::Object(object) => {
            let pairs = object.iter().map(|(key, value)| (scalar(key), machine(value)));
            Value::Map(pairs.collect::<BTreeMap<_, _>>())
        }
    }
}

fn scalar(text: &str) -> serde_cbor::Value {
    match text.strip_prefix("h'").and_then(|text| text.strip_suffix('\'')) {
        Some(digits) => serde_cbor::Value::Bytes(super::unhex(digits)),
        None => serde_cbor::Value::Text(text.to_owned()),
    }
}

// ---- frames

#[derive(Serialize, Deserialize)]
struct OpenForm {
    kind: u8,
    #[serde(with = "serde_bytes")]
    body: Vec<u8>,
}

fn kind_of(number: u8) -> ObjectKind {
    ObjectKind::from_number(number).expect("a kind")
}

fn open_decode(bytes: &[u8]) -> Result<Json> {
    let kind = ObjectKind::Config;
    let body = frame::decode_open(bytes, kind, "a vector")?.to_vec();
    json(&OpenForm { kind: kind.number(), body })
}

fn open_encode(text: &Json) -> Result<Vec<u8>> {
    let form: OpenForm = value(text)?;
    Ok(frame::encode_open(kind_of(form.kind), &form.body))
}

#[derive(Serialize, Deserialize)]
struct SealedForm {
    kind: u8,
    salt: SaltForm,
    #[serde(with = "serde_bytes")]
    rest: Vec<u8>,
}

fn sealed_decode(bytes: &[u8]) -> Result<Json> {
    let (head, rest) = SealedHead::decode(bytes, ObjectKind::Index, "a vector")?;
    let salt = SaltForm { epoch: head.epoch, bytes: head.salt };
    json(&SealedForm { kind: head.kind.number(), salt, rest: rest.to_vec() })
}

fn sealed_encode(text: &Json) -> Result<Vec<u8>> {
    let form: SealedForm = value(text)?;
    let SaltForm { epoch, bytes: salt } = form.salt;
    let head = SealedHead { kind: kind_of(form.kind), epoch, salt };
    Ok([&head.encode()[..], &form.rest].concat())
}

// ---- packs

#[derive(Serialize, Deserialize)]
struct SaltForm {
    epoch: u32,
    #[serde(with = "serde_bytes")]
    bytes: [u8; 32],
}

impl From<Salt> for SaltForm {
    fn from(Salt { epoch, bytes }: Salt) -> Self {
        SaltForm { epoch, bytes }
    }
}

impl From<SaltForm> for Salt {
    fn from(SaltForm { epoch, bytes }: SaltForm) -> Self {
        Salt { epoch, bytes }
    }
}

#[derive(Serialize, Deserialize)]
struct PackHeadForm {
    kind: BlobKind,
    salts: Vec<SaltForm>,
}

fn pack_head_decode(bytes: &[u8]) -> Result<Json> {
    let head = PackHead::decode(bytes, "a vector")?;
    let salts = head.salts.into_iter().map(SaltForm::from).collect();
    json(&PackHeadForm { kind: head.kind, salts })
}

fn pack_head_encode(text: &Json) -> Result<Vec<u8>> {
    let form: PackHeadForm = value(text)?;
    PackHead { kind: form.kind, salts: form.salts.into_iter().map(Salt::from).collect() }.encode()
}

#[derive(Serialize, Deserialize)]
struct BlobForm {
    id: ChunkId,
    stored: u32,
    plain: u32,
    codec: u8,
    depth: u8,
    bases: Vec<BaseId>,
    salt: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pack: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    offset: Option<u32>,
}

#[derive(Serialize, Deserialize)]
struct TrailerForm {
    entries: Vec<BlobForm>,
    filler: u32,
}

fn trailer_decode(bytes: &[u8]) -> Result<Json> {
    let trailer = Trailer::decode(bytes, "a vector")?;
    let entries = trailer.entries.into_iter().map(|entry| BlobForm {
        id: entry.id,
        stored: entry.stored,
        plain: entry.plain,
        codec: entry.codec.number(),
        depth: entry.depth,
        bases: entry.bases,
        salt: u16::from(entry.salt),
        pack: None,
        offset: None,
    });
    json(&TrailerForm { entries: entries.collect(), filler: trailer.filler })
}

fn trailer_encode(text: &Json) -> Result<Vec<u8>> {
    let form: TrailerForm = value(text)?;
    let entries = form.entries.into_iter().map(|entry| PackEntry {
        id: entry.id,
        stored: entry.stored,
        plain: entry.plain,
        codec: Codec::from_number(entry.codec).expect("a codec"),
        depth: entry.depth,
        salt: u8::try_from(entry.salt).expect("a salt"),
        bases: entry.bases,
    });
    Trailer { entries: entries.collect(), filler: form.filler }.encode()
}

fn footer_decode(bytes: &[u8]) -> Result<Json> {
    pack::read_footer(bytes, "a vector").map(Json::from)
}

fn footer_encode(text: &Json) -> Result<Vec<u8>> {
    pack::footer(value(text)?).map(|bytes| bytes.to_vec())
}

// ---- index

#[derive(Serialize, Deserialize)]
struct PackRowForm {
    id: PackId,
    size: u32,
    kind: BlobKind,
}

#[derive(Serialize, Deserialize)]
struct SegmentForm {
    generation: u64,
    salts: Vec<SaltForm>,
    packs: Vec<PackRowForm>,
    entries: Vec<BlobForm>,
}

fn segment_decode(bytes: &[u8]) -> Result<Json> {
    let segment = Segment::decode(bytes.to_vec(), "a vector")?;
    let entries = (0..segment.len()).map(|row| segment.entry(row).expect("an entry"));
    let entries = entries.map(|entry| BlobForm {
        id: entry.id,
        stored: entry.stored,
        plain: entry.plain,
        codec: entry.codec.number(),
        depth: entry.depth,
        bases: entry.bases,
        salt: entry.salt,
        pack: Some(entry.pack),
        offset: Some(entry.offset),
    });
    let pack = |row: &PackRow| PackRowForm { id: row.id, size: row.size, kind: row.kind };
    json(&SegmentForm {
        generation: segment.generation(),
        salts: segment.salts().iter().copied().map(SaltForm::from).collect(),
        packs: segment.packs().iter().map(pack).collect(),
        entries: entries.collect(),
    })
}

fn segment_encode(text: &Json) -> Result<Vec<u8>> {
    let form: SegmentForm = value(text)?;
    let entries = form.entries.into_iter().map(|entry| IndexEntry {
        id: entry.id,
        pack: entry.pack.expect("a pack"),
        offset: entry.offset.expect("an offset"),
        stored: entry.stored,
        plain: entry.plain,
        salt: entry.salt,
        codec: Codec::from_number(entry.codec).expect("a codec"),
        depth: entry.depth,
        bases: entry.bases,
    });
    let pack = |row: PackRowForm| PackRow { id: row.id, size: row.size, kind: row.kind };
    let builder = SegmentBuilder {
        generation: form.generation,
        salts: form.salts.into_iter().map(Salt::from).collect(),
        packs: form.packs.into_iter().map(pack).collect(),
        entries: entries.collect(),
    };
    builder.encode()
}

// ---- trees

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PieceForm {
    Chunk { id: ChunkId, length: u32 },
    Hole { length: u64 },
}

impl From<Piece> for PieceForm {
    fn from(piece: Piece) -> Self {
        match piece {
            Piece::Chunk { id, length } => PieceForm::Chunk { id, length },
            Piece::Hole { length } => PieceForm::Hole { length },
        }
    }
}

impl From<PieceForm> for Piece {
    fn from(piece: PieceForm) -> Self {
        match piece {
            PieceForm::Chunk { id, length } => Piece::Chunk { id, length },
            PieceForm::Hole { length } => Piece::Hole { length },
        }
    }
}

fn content_decode(bytes: &[u8]) -> Result<Json> {
    let content: Content = record::from_cbor(bytes, "a vector")?;
    content.inline_pieces("a vector")?;
    json(&content)
}

fn content_encode(text: &Json) -> Result<Vec<u8>> {
    record::to_cbor(&value::<Content>(text)?, "a vector")
}

fn list_decode<const LEVEL: u8>(bytes: &[u8]) -> Result<Json> {
    match ListNode::decode(bytes, LEVEL, "a vector")? {
        ListNode::Leaf(pieces) => {
            json(&pieces.into_iter().map(PieceForm::from).collect::<Vec<_>>())
        }
        ListNode::Inner(level, children) => {
            assert_eq!(level, LEVEL);
            json(&children)
        }
    }
}

fn list_encode<const LEVEL: u8>(text: &Json) -> Result<Vec<u8>> {
    if LEVEL > 0 {
        return Ok(ListNode::Inner(LEVEL, value(text)?).encode());
    }
    let pieces: Vec<PieceForm> = value(text)?;
    Ok(ListNode::Leaf(pieces.into_iter().map(Piece::from).collect()).encode())
}

fn directory_decode<const LEVEL: u8>(bytes: &[u8]) -> Result<Json> {
    match DirectoryNode::decode(bytes, LEVEL, "a vector")? {
        DirectoryNode::Leaf(nodes) => json(&nodes),
        DirectoryNode::Inner(level, children) => {
            assert_eq!(level, LEVEL);
            let named = |(id, last)| (id, serde_bytes::ByteBuf::from(last));
            json(&children.into_iter().map(named).collect::<Vec<_>>())
        }
    }
}

fn directory_encode<const LEVEL: u8>(text: &Json) -> Result<Vec<u8>> {
    if LEVEL == 0 {
        return DirectoryNode::Leaf(value(text)?).encode();
    }
    let children: Vec<(ChunkId, serde_bytes::ByteBuf)> = value(text)?;
    let plain = children.into_iter().map(|(id, last)| (id, last.into_vec()));
    DirectoryNode::Inner(LEVEL, plain.collect()).encode()
}

fn node_decode(bytes: &[u8]) -> Result<Json> {
    record::from_cbor::<Node>(bytes, "a vector").and_then(|node| json(&node))
}

fn node_encode(text: &Json) -> Result<Vec<u8>> {
    record::to_cbor(&value::<Node>(text)?, "a vector")
}
