//! Packs and index segments.

use super::{json, value};
use icecore::error::Result;
use icecore::format::index::{IndexEntry, PackRow, Segment, SegmentBuilder};
use icecore::format::pack::{self, PackEntry, PackHead, Salt, Trailer};
use icecore::format::{BlobKind, Codec};
use icecore::id::{BaseId, ChunkId, PackId};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

#[derive(Serialize, Deserialize)]
/// A salt.
pub struct SaltForm {
    pub epoch: u32,
    #[serde(with = "serde_bytes")]
    pub bytes: [u8; 32],
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

pub fn pack_head_decode(bytes: &[u8]) -> Result<Json> {
    let head = PackHead::decode(bytes, "a vector")?;
    let salts = head.salts.into_iter().map(SaltForm::from).collect();
    json(&PackHeadForm { kind: head.kind, salts })
}

pub fn pack_head_encode(text: &Json) -> Result<Vec<u8>> {
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

pub fn trailer_decode(bytes: &[u8]) -> Result<Json> {
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

pub fn trailer_encode(text: &Json) -> Result<Vec<u8>> {
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

pub fn footer_decode(bytes: &[u8]) -> Result<Json> {
    pack::read_footer(bytes, "a vector").map(Json::from)
}

pub fn footer_encode(text: &Json) -> Result<Vec<u8>> {
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

pub fn segment_decode(bytes: &[u8]) -> Result<Json> {
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

pub fn segment_encode(text: &Json) -> Result<Vec<u8>> {
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
