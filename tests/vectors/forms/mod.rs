//! The structures that vectors are about: bytes to a readable value and back.
//!
//! The readable form is JSON; a byte string is written `"h'00ff'"`, as in CBOR's diagnostic
//! notation, also where it is a key.

pub mod packs;
pub mod trees;

use icecore::crypto::Keyring;
use icecore::error::{Error, Kind, Result};
use icecore::format::frame::{self, SealedHead};
use icecore::format::record::{self, Record};
use icecore::format::{ObjectKind, config, fault, gc, note, slot, snapshot, writer};
use icecore::id::hex;
use packs::SaltForm;
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
    /// What else a reader needs: keys, the place, the repository. Null where it is nothing.
    pub given: fn() -> Json,
}

/// Every structure.
pub const FORMS: [Form; 25] = [
    plain("open-object", open_decode, open_encode),
    plain("sealed-head", sealed_decode, sealed_encode),
    of_record::<config::Config>("config"),
    of_record::<slot::Slot>("key-slot"),
    Form { decode: keyring_decode, ..of_record::<slot::KeyringRecord>("keyring") },
    Form { decode: outcome_decode, ..of_record::<snapshot::Outcome>("outcome") },
    of_record::<snapshot::SeriesName>("series"),
    of_record::<note::Note>("note"),
    of_record::<writer::Registration>("writer"),
    of_record::<writer::Heartbeat>("heartbeat"),
    of_record::<gc::Forgotten>("forgotten"),
    of_record::<gc::Condemned>("condemned"),
    of_record::<gc::Verdict>("verdict"),
    plain("pack-head", packs::pack_head_decode, packs::pack_head_encode),
    plain("trailer", packs::trailer_decode, packs::trailer_encode),
    plain("footer", packs::footer_decode, packs::footer_encode),
    plain("segment", packs::segment_decode, packs::segment_encode),
    plain("content", trees::content_decode, trees::content_encode),
    plain("list-leaf", trees::list_decode::<0>, trees::list_encode::<0>),
    plain("list-inner-1", trees::list_decode::<1>, trees::list_encode::<1>),
    plain("list-inner-8", trees::list_decode::<8>, trees::list_encode::<8>),
    plain("directory-leaf", trees::directory_decode::<0>, trees::directory_encode::<0>),
    plain("directory-inner-1", trees::directory_decode::<1>, trees::directory_encode::<1>),
    plain("directory-inner-8", trees::directory_decode::<8>, trees::directory_encode::<8>),
    plain("node", trees::node_decode, trees::node_encode),
];

/// A structure that is read by itself.
pub const fn plain(
    name: &'static str,
    decode: fn(&[u8]) -> Result<Json>,
    encode: fn(&Json) -> Result<Vec<u8>>,
) -> Form {
    Form { name, decode, encode, given: nothing }
}

const fn of_record<T: Record>(name: &'static str) -> Form {
    Form {
        name,
        decode: |bytes| record::decode::<T>(bytes, "a vector").and_then(|value| json(&value)),
        encode: |text| record::encode(&value::<T>(text)?),
        given: nothing,
    }
}

/// For structures that are read by themselves.
pub fn nothing() -> Json {
    Json::Null
}

/// A keyring, as it stands in a slot: its purposes count, too.
fn keyring_decode(bytes: &[u8]) -> Result<Json> {
    let readable = json(&record::decode::<slot::KeyringRecord>(bytes, "a vector")?)?;
    Keyring::decode(bytes, "a vector").map(|_| readable)
}

/// An outcome: of a snapshot, what holds beyond its fields counts, too.
fn outcome_decode(bytes: &[u8]) -> Result<Json> {
    let outcome = record::decode::<snapshot::Outcome>(bytes, "a vector")?;
    if let snapshot::Outcome::Snapshot(snapshot) = &outcome
        && let Some(reason) = fault::of_snapshot(snapshot)
    {
        return Err(Error::damaged("read", "a vector", reason));
    }
    json(&outcome)
}

/// Any value in its readable form.
pub fn json<T: Serialize>(value: &T) -> Result<Json> {
    let cbor = serde_cbor::to_vec(value).map_err(broken)?;
    readable(&serde_cbor::from_slice(&cbor).map_err(broken)?)
}

/// A value from its readable form.
pub fn value<T: DeserializeOwned>(json: &Json) -> Result<T> {
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
