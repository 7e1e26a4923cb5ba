//! What is computed and stands nowhere as such: ids, cuts, lengths, seals, frames. The bytes are what
//! goes in, the value is that and what comes out.

use super::forms::{self, Form, json, value};
use super::sealed::{SALT, keyring};
use icecore::chunk::{Chunker, Params};
use icecore::codec;
use icecore::crypto::{Ids, Purpose, Sealer};
use icecore::error::Result;
use icecore::format::snapshot::SeriesName;
use icecore::format::{BlobKind, Codec, padme, record};
use icecore::id::{ChunkId, SeriesId, hex};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

/// Those that cannot fail.
pub const FUNCTIONS: [Form; 5] = [
    Form {
        name: "ids",
        decode: ids,
        encode: |json| Ok(value::<OfPlain>(json)?.plain),
        given: || json!({"data-id": key(Purpose::DataId), "meta-id": key(Purpose::MetaId)}),
    },
    Form {
        name: "series-id",
        decode: series,
        encode: |json| record::encode(&value::<OfSeries>(json)?.series),
        given: || json!({"meta-id": key(Purpose::MetaId)}),
    },
    Form {
        name: "cuts",
        decode: cuts,
        encode: stream,
        given: || json!({"gear": key(Purpose::Gear)}),
    },
    forms::plain("padme", padme_lengths, lengths),
    Form {
        name: "seal",
        decode: seal,
        encode: |json| Ok(value::<OfSeal>(json)?.payload),
        given: || {
            json!({
                "seal-data": key(Purpose::SealData), "nonce": key(Purpose::Nonce),
                "salt": bytes(&SALT.bytes), "counter": COUNTER, "aad": bytes(AAD),
            })
        },
    },
];

/// Payloads of blobs, for one plaintext and prefix each.
pub const FRAMES: [Form; 2] = [
    Form {
        name: "zstd-frame",
        decode: |payload| frame(Codec::Zstd, payload, &[], 168),
        encode: |json| Ok(value::<OfFrame>(json)?.payload),
        given: || json!({"plain": 168}),
    },
    Form {
        name: "delta-frame",
        decode: |payload| frame(Codec::Delta, payload, &prefix(), 117),
        encode: |json| Ok(value::<OfFrame>(json)?.payload),
        given: || json!({"plain": 117, "prefix": bytes(&prefix())}),
    },
];

const COUNTER: u64 = 7;
const AAD: &[u8] = b"associated data";

/// Begins like a dictionary of zstd, and is none.
fn prefix() -> Vec<u8> {
    [&[0x37, 0xa4, 0x30, 0xec][..], &b"one two three ".repeat(12)].concat()
}

fn bytes(bytes: &[u8]) -> Json {
    format!("h'{}'", hex(bytes)).into()
}

fn key(purpose: Purpose) -> Json {
    bytes(&*keyring().key(purpose).unwrap())
}

#[derive(Serialize, Deserialize)]
struct OfPlain {
    #[serde(with = "serde_bytes")]
    plain: Vec<u8>,
    data: ChunkId,
    meta: ChunkId,
}

fn ids(plain: &[u8]) -> Result<Json> {
    let ids = Ids::new(keyring())?;
    let (data, meta) = (ids.of(BlobKind::Data, plain), ids.of(BlobKind::Meta, plain));
    json(&OfPlain { plain: plain.to_vec(), data, meta })
}

#[derive(Serialize, Deserialize)]
struct OfSeries {
    series: SeriesName,
    id: SeriesId,
}

fn series(bytes: &[u8]) -> Result<Json> {
    let series = record::decode::<SeriesName>(bytes, "a vector")?;
    let id = Ids::new(keyring())?.of_series(&series)?;
    json(&OfSeries { series, id })
}

/// A stream is the extended output of BLAKE3 keyed with `seed`, over no bytes.
#[derive(Serialize, Deserialize)]
struct OfStream {
    #[serde(with = "serde_bytes")]
    seed: [u8; 32],
    length: u64,
    chunker: u8,
    /// The first and the last values of the table.
    table: [u64; 4],
    lengths: Vec<u64>,
}

fn cuts(bytes: &[u8]) -> Result<Json> {
    let (seed, rest) = bytes.split_first_chunk::<32>().unwrap();
    let (length, chunker) = rest.split_first_chunk::<8>().unwrap();
    let (length, gear) = (u64::from_le_bytes(*length), keyring().key(Purpose::Gear)?);
    let params = if chunker == [1] { Params::ORDINARY } else { Params::COARSE };
    let cutter = Chunker::new(chunker[0], params, &gear);
    let mut stream = vec![0; usize::try_from(length).unwrap()];
    blake3::Hasher::new_keyed(seed).finalize_xof().fill(&mut stream);
    let (mut rest, mut lengths) = (stream.as_slice(), Vec::new());
    while let Some(length) = cutter.cut(rest, true) {
        lengths.push(length as u64);
        rest = &rest[length..];
    }
    let mut table = [0; 2048];
    let mut hasher = blake3::Hasher::new_keyed(&gear);
    hasher.update(b"icecore gear table 1").finalize_xof().fill(&mut table);
    let at = |row: usize| u64::from_le_bytes(table[8 * row..8 * row + 8].try_into().unwrap());
    let table = [at(0), at(1), at(254), at(255)];
    json(&OfStream { seed: *seed, length, chunker: chunker[0], table, lengths })
}

fn stream(json: &Json) -> Result<Vec<u8>> {
    let OfStream { seed, length, chunker, .. } = value(json)?;
    Ok([&seed[..], &length.to_le_bytes(), &[chunker]].concat())
}

fn padme_lengths(bytes: &[u8]) -> Result<Json> {
    let lengths = bytes.chunks(8).map(|length| u64::from_le_bytes(length.try_into().unwrap()));
    json(&lengths.map(|length| (length, padme::padded(length))).collect::<Vec<_>>())
}

fn lengths(json: &Json) -> Result<Vec<u8>> {
    let pairs: Vec<(u64, u64)> = value(json)?;
    Ok(pairs.iter().flat_map(|(length, _)| length.to_le_bytes()).collect())
}

#[derive(Serialize, Deserialize)]
struct OfSeal {
    #[serde(with = "serde_bytes")]
    payload: Vec<u8>,
    #[serde(with = "serde_bytes")]
    sealed: Vec<u8>,
}

fn seal(payload: &[u8]) -> Result<Json> {
    let sealed = Sealer::new(keyring(), Purpose::SealData, SALT)?.seal(COUNTER, AAD, payload)?;
    json(&OfSeal { payload: payload.to_vec(), sealed })
}

#[derive(Serialize, Deserialize)]
struct OfFrame {
    #[serde(with = "serde_bytes")]
    payload: Vec<u8>,
    #[serde(with = "serde_bytes")]
    plain: Vec<u8>,
}

fn frame(codec: Codec, payload: &[u8], prefix: &[u8], length: usize) -> Result<Json> {
    let plain = codec::decode(codec, payload, prefix, length)?;
    json(&OfFrame { payload: payload.to_vec(), plain })
}
