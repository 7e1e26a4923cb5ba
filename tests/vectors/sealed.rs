//! Vectors that need keys: slots, sealed objects, whole packs. All belong to one repository, whose
//! keyring is made from a seed and stands in the slot vectors.

use super::forms::{Form, json as readable, value};
use icecore::codec;
use icecore::crypto::object::{open_object, seal_index, seal_object};
use icecore::crypto::{
    Decryptor, Ids, KdfCost, Keyring, Purpose, Sealer, Secret, config_mac, open_config, slot,
};
use icecore::env::{Env, Time};
use icecore::error::{Error, Result};
use icecore::format::pack::{self, BlobAad, PackEntry, PackHead, Salt, Trailer};
use icecore::format::{BlobKind, Codec, Handle, ObjectKind, frame, index::Segment, record};
use icecore::id::{BaseId, ChunkId, IndexId, RepoId, SnapshotId, hex};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use zeroize::Zeroizing;

/// The repository of all these vectors.
pub const REPOSITORY: RepoId = RepoId([0x11; 16]);
/// The salt of their writer.
pub const SALT: Salt = Salt { epoch: 0, bytes: [0x22; 32] };
/// The writer, and the name of the outcome.
pub const WRITER: SnapshotId = SnapshotId([0x33; 16]);
/// The key file that opens the slot.
const KEY_FILE: [u8; 32] = [0x44; 32];
/// The passphrase that opens the other slot.
const PASSPHRASE: &str = "correct horse";
/// The least that a reader accepts.
const COST: KdfCost = KdfCost { memory_kib: 19 << 10, passes: 2, lanes: 1 };

/// Structures that need the keyring.
pub const FORMS: [Form; 6] = [
    Form {
        name: "slot-key-file",
        decode: |bytes| slot_decode(&key_file(), bytes),
        encode: |value| slot_encode(&key_file(), value),
        given: || json!({"secret": {"key-file": quoted(&KEY_FILE)}, "repository": quoted(&REPOSITORY.0)}),
    },
    Form {
        name: "slot-passphrase",
        decode: |bytes| slot_decode(&passphrase(), bytes),
        encode: |value| slot_encode(&passphrase(), value),
        given: || json!({"secret": {"passphrase": PASSPHRASE}, "repository": quoted(&REPOSITORY.0)}),
    },
    Form {
        name: "open-config",
        decode: config_decode,
        encode: config_encode,
        given: || given("config/0", &[Purpose::Config]),
    },
    Form {
        name: "sealed-outcome",
        decode: outcome_decode,
        encode: outcome_encode,
        given: || given(&Handle::snapshot(WRITER).path(), &[Purpose::SealSnapshot]),
    },
    Form {
        name: "sealed-segment",
        decode: segment_decode,
        encode: segment_encode,
        given: || given("index", &[Purpose::SealIndex]),
    },
    Form {
        name: "pack",
        decode: pack_decode,
        encode: pack_encode,
        given: || {
            let seals = [Purpose::SealData, Purpose::SealMeta];
            given("packs", &[seals[0], seals[1], Purpose::DataId, Purpose::MetaId])
        },
    },
];

/// The keyring that stands in the slots.
pub fn keyring() -> &'static Keyring {
    &KEYRING
}

fn quoted(bytes: &[u8]) -> Json {
    format!("h'{}'", hex(bytes)).into()
}

/// Where an object stands, in which repository, and the keys of epoch 0 that read it.
fn given(path: &str, purposes: &[Purpose]) -> Json {
    let key = |purpose: &Purpose| (purpose.name(), quoted(&*KEYRING.key(*purpose).unwrap()));
    let keys: BTreeMap<&str, Json> = purposes.iter().map(key).collect();
    json!({"repository": quoted(&REPOSITORY.0), "path": path, "keys": keys})
}

static KEYRING: LazyLock<Keyring> =
    LazyLock::new(|| Keyring::generate(&Env::seeded(1, Time(0)).0).unwrap());

fn key_file() -> Secret {
    Secret::KeyFile(Zeroizing::new(KEY_FILE))
}

fn passphrase() -> Secret {
    Secret::Passphrase(Zeroizing::new(PASSPHRASE.to_owned()))
}

/// The keys, by purpose.
pub fn keys(keyring: &Keyring) -> Result<Json> {
    let key = |purpose: Purpose| {
        Ok((purpose.name(), format!("h'{}'", hex(&*keyring.key_at(purpose, 0)?))))
    };
    readable(&Purpose::ALL.into_iter().map(key).collect::<Result<BTreeMap<_, _>>>()?)
}

/// The value of both slots.
pub fn slot_value() -> Json {
    keys(&KEYRING).unwrap()
}

fn slot_decode(secret: &Secret, bytes: &[u8]) -> Result<Json> {
    let body = frame::decode_open(bytes, ObjectKind::Key, "a vector")?;
    let id = record::decode::<icecore::format::slot::Slot>(body, "a vector")?.id;
    keys(&slot::unwrap(bytes, id, secret, REPOSITORY)?)
}

fn slot_encode(secret: &Secret, value: &Json) -> Result<Vec<u8>> {
    assert_eq!(*value, slot_value(), "there is only one keyring");
    let env = Env::seeded(2, Time(0)).0;
    slot::wrap(&KEYRING, secret, COST, "a vector", REPOSITORY, &env).map(|(_, bytes)| bytes)
}

/// `config/0` with its MAC.
fn config_decode(bytes: &[u8]) -> Result<Json> {
    let body = frame::decode_open(bytes, ObjectKind::Config, "a vector")?;
    (super::form("config").decode)(open_config(&KEYRING, body, "a vector")?)
}

fn config_encode(value: &Json) -> Result<Vec<u8>> {
    let mut body = (super::form("config").encode)(value)?;
    let mac = config_mac(&KEYRING, &body)?;
    body.extend(mac);
    Ok(frame::encode_open(ObjectKind::Config, &body))
}

/// An outcome's object whose seal holds these bytes, whatever they are.
pub fn outcome_holding(inner: &[u8]) -> Vec<u8> {
    let place = Handle::snapshot(WRITER);
    let head = frame::SealedHead { kind: place.kind(), epoch: 0, salt: SALT.bytes }.encode();
    let aad = [&head[..], &REPOSITORY.0, place.path().as_bytes()].concat();
    let sealer = Sealer::new(&KEYRING, Purpose::SealSnapshot, SALT).unwrap();
    [&head[..], &sealer.seal(0, &aad, inner).unwrap()].concat()
}

fn outcome_decode(bytes: &[u8]) -> Result<Json> {
    let opened = open_object(&KEYRING, &Handle::snapshot(WRITER), REPOSITORY, bytes)?;
    (super::form("outcome").decode)(&opened)
}

fn outcome_encode(value: &Json) -> Result<Vec<u8>> {
    outcome_at(WRITER, value)
}

/// The outcome sealed for the place of `writer`.
pub fn outcome_at(writer: SnapshotId, value: &Json) -> Result<Vec<u8>> {
    let payload = (super::form("outcome").encode)(value)?;
    let place = Handle::snapshot(writer);
    seal_object(&KEYRING, &place, REPOSITORY, &SALT.bytes, 0, &payload)
}

fn segment_decode(bytes: &[u8]) -> Result<Json> {
    let name = Handle::index(IndexId(*blake3::hash(bytes).as_bytes()));
    let opened = open_object(&KEYRING, &name, REPOSITORY, bytes)?;
    Segment::decode(opened.clone(), "a vector")?;
    (super::form("segment").decode)(&opened)
}

fn segment_encode(value: &Json) -> Result<Vec<u8>> {
    let payload = (super::form("segment").encode)(value)?;
    seal_index(&KEYRING, REPOSITORY, &SALT.bytes, 0, &payload).map(|(_, bytes)| bytes)
}

// ---- packs

/// One blob of a pack: what it says, what it is stored as, on which blobs before it it is based.
#[derive(Serialize, Deserialize)]
struct BlobForm {
    #[serde(with = "serde_bytes")]
    plain: Vec<u8>,
    #[serde(with = "serde_bytes")]
    payload: Vec<u8>,
    codec: u8,
    bases: Vec<usize>,
}

#[derive(Serialize, Deserialize)]
struct PackForm {
    kind: BlobKind,
    blobs: Vec<BlobForm>,
    #[serde(with = "serde_bytes")]
    filler: Vec<u8>,
}

fn purpose(kind: BlobKind) -> Purpose {
    match kind {
        BlobKind::Data => Purpose::SealData,
        BlobKind::Meta => Purpose::SealMeta,
    }
}

fn aad(kind: BlobKind, entry: &PackEntry) -> Vec<u8> {
    let PackEntry { id, plain, codec, bases, .. } = entry;
    let (plain, codec) = (*plain, *codec);
    BlobAad { repository: REPOSITORY, salt: &SALT, kind, id, plain, codec, bases }.encode()
}

fn u32_of(length: usize) -> u32 {
    u32::try_from(length).unwrap()
}

/// The pack, put together as chapter 5 says.
fn pack_encode(text: &Json) -> Result<Vec<u8>> {
    let form: PackForm = value(text)?;
    let ids = Ids::new(&KEYRING)?;
    let sealer = Sealer::new(&KEYRING, purpose(form.kind), SALT)?;
    let head = PackHead { kind: form.kind, salts: vec![SALT] }.encode()?;
    let (mut bytes, mut entries) = (head.clone(), Vec::<PackEntry>::new());
    for (counter, blob) in form.blobs.iter().enumerate() {
        let bases: Vec<&PackEntry> = blob.bases.iter().map(|base| &entries[*base]).collect();
        let entry = PackEntry {
            id: ids.of(form.kind, &blob.plain),
            stored: u32_of(blob.payload.len() + frame::SEAL),
            plain: u32_of(blob.plain.len()),
            codec: Codec::from_number(blob.codec).unwrap(),
            depth: bases.iter().map(|base| base.depth + 1).max().unwrap_or(0),
            salt: 0,
            bases: bases.iter().map(|base| base.id.base()).collect(),
        };
        bytes.extend(sealer.seal(counter as u64, &aad(form.kind, &entry), &blob.payload)?);
        entries.push(entry);
    }
    bytes.extend(&form.filler);
    let trailer = Trailer { entries, filler: u32_of(form.filler.len()) }.encode()?;
    let counter = form.blobs.len() as u64;
    let sealed = sealer.seal(counter, &pack::trailer_aad(&head, REPOSITORY), &trailer)?;
    bytes.extend(&sealed);
    bytes.extend(pack::footer(sealed.len())?);
    Ok(bytes)
}

/// The pack, read as chapter 5 says, from its end.
fn pack_decode(bytes: &[u8]) -> Result<Json> {
    let short = || Error::damaged("read", "a vector", "too short");
    pack::check_length(bytes.len() as u64, "a vector")?;
    let head = PackHead::decode(bytes, "a vector")?;
    let (front, rest) = bytes.split_at(PackHead::length(head.salts.len()));
    let (rest, footer) = rest.split_last_chunk::<{ pack::FOOTER }>().ok_or_else(short)?;
    let length = pack::read_footer(footer, "a vector")?;
    let middle = rest.len().checked_sub(length).ok_or_else(short)?;
    let (mut rest, sealed) = rest.split_at(middle);
    let decryptor = Decryptor::new(&KEYRING, purpose(head.kind), &head.salts[0])?;
    let trailer = decryptor.open(&pack::trailer_aad(front, REPOSITORY), sealed)?;
    let trailer = Trailer::decode(&trailer, "a vector")?;

    let ids = Ids::new(&KEYRING)?;
    let mut plains: Vec<(BaseId, Vec<u8>)> = Vec::new();
    let mut blobs = Vec::new();
    for entry in &trailer.entries {
        let sealed;
        (sealed, rest) = rest.split_at_checked(entry.stored as usize).ok_or_else(short)?;
        let payload = decryptor.open(&aad(head.kind, entry), sealed)?;
        let place = |base: &BaseId| plains.iter().position(|(id, _)| id == base).unwrap();
        let bases: Vec<usize> = entry.bases.iter().map(place).collect();
        let prefix: Vec<u8> = bases.iter().flat_map(|base| plains[*base].1.clone()).collect();
        let plain = codec::decode(entry.codec, &payload, &prefix, entry.plain as usize)?;
        let id: ChunkId = ids.of(head.kind, &plain);
        assert_eq!(id, entry.id, "the id proves the plaintext");
        plains.push((id.base(), plain.clone()));
        blobs.push(BlobForm { plain, payload, codec: entry.codec.number(), bases });
    }
    if rest.len() != trailer.filler as usize {
        return Err(short());
    }
    readable(&PackForm { kind: head.kind, blobs, filler: rest.to_vec() })
}
