//! Ids, sealed blobs and objects, nonces, and the configuration's MAC.

use super::{CHEAP, OTHER, REPOSITORY, SALT, env, flips, key_file, keyring, kind_of, passphrase};
use icecore::crypto::object::{open_object, seal_index, seal_object};
use icecore::crypto::{Decryptor, Ids, Keyring, Purpose, Sealer, config_mac, open_config, slot};
use icecore::error::Kind;
use icecore::format::frame::{INNER_HEAD, NONCE, SEAL, SEALED_HEAD};
use icecore::format::pack::{BlobAad, Salt};
use icecore::format::{BlobKind, Codec, Handle, padme};
use icecore::id::{BaseId, ChunkId, NoteId, SlotId, SnapshotId, hex};
use icecore::limits::{INDEX_MAX, RECORD_MAX};

/// One object of each sealed kind that has a name of its own.
fn handles() -> Vec<Handle> {
    let id = SnapshotId([5; 16]);
    vec![
        Handle::writer(id),
        Handle::heartbeat(id, 1),
        Handle::heartbeat(id, 2),
        Handle::snapshot(id),
        Handle::snapshot(SnapshotId([6; 16])),
        Handle::forgotten(id),
        Handle::note(NoteId([5; 16])),
        Handle::gc(0),
        Handle::gc(1),
        Handle::verdict(1),
    ]
}

/// Equal content has equal ids, and only within its kind and its repository.
#[test]
fn ids_are_keyed() {
    let env = env();
    let one = Keyring::generate(&env).unwrap();
    let ids = Ids::new(&one).unwrap();
    let other = Ids::new(&Keyring::generate(&env).unwrap()).unwrap();
    let plain = b"content";
    let id = ids.of(BlobKind::Data, plain);
    assert_eq!(id, ids.of(BlobKind::Data, plain));
    assert_eq!(id.0, *blake3::keyed_hash(&one.key(Purpose::DataId).unwrap(), plain).as_bytes());
    assert_ne!(id, ids.of(BlobKind::Meta, plain));
    assert_ne!(id, ids.of(BlobKind::Data, b"content."));
    assert_ne!(id, other.of(BlobKind::Data, plain));
    assert_ne!(id.0, *blake3::hash(plain).as_bytes());
}

/// A sealed blob opens under exactly the associated data, purpose, salt and keyring that it was
/// sealed with.
#[test]
fn blobs_are_bound_to_their_place() {
    let env = env();
    let (keyring, foreign) = (Keyring::generate(&env).unwrap(), Keyring::generate(&env).unwrap());
    let salt = Salt { epoch: 0, bytes: SALT };
    let other_salt = Salt { epoch: 0, bytes: [4; 32] };
    let (id, base) = (ChunkId([7; 32]), [BaseId([8; 16]), BaseId([9; 16])]);
    let place = BlobAad {
        repository: REPOSITORY,
        salt: &salt,
        kind: BlobKind::Data,
        id: &id,
        plain: 100,
        codec: Codec::Delta,
        bases: &base,
    };
    let sealer = Sealer::new(&keyring, Purpose::SealData, salt).unwrap();
    let sealed = sealer.seal(7, &place.encode(), b"payload").unwrap();
    assert_eq!(sealed.len(), b"payload".len() + SEAL);
    let decryptor = Decryptor::new(&keyring, Purpose::SealData, &salt).unwrap();
    assert_eq!(decryptor.open(&place.encode(), &sealed).unwrap(), b"payload");

    let swapped = [base[1], base[0]];
    for wrong in [
        BlobAad { repository: OTHER, ..place.clone() },
        BlobAad { salt: &other_salt, ..place.clone() },
        BlobAad { kind: BlobKind::Meta, ..place.clone() },
        BlobAad { id: &ChunkId([0; 32]), ..place.clone() },
        BlobAad { plain: 101, ..place.clone() },
        BlobAad { codec: Codec::Zstd, ..place.clone() },
        BlobAad { bases: &base[..1], ..place.clone() },
        BlobAad { bases: &swapped, ..place.clone() },
    ] {
        let kind = kind_of(decryptor.open(&wrong.encode(), &sealed));
        assert_eq!(kind, Some(Kind::Damaged), "{wrong:?}");
    }
    for decryptor in [
        Decryptor::new(&keyring, Purpose::SealMeta, &salt).unwrap(),
        Decryptor::new(&keyring, Purpose::SealData, &other_salt).unwrap(),
        Decryptor::new(&foreign, Purpose::SealData, &salt).unwrap(),
    ] {
        assert_eq!(kind_of(decryptor.open(&place.encode(), &sealed)), Some(Kind::Damaged));
    }
    for (bit, flipped) in flips(&sealed) {
        let kind = kind_of(decryptor.open(&place.encode(), &flipped));
        assert_eq!(kind, Some(Kind::Damaged), "bit {bit}");
    }
    for length in 0..sealed.len() {
        assert!(decryptor.open(&place.encode(), &sealed[..length]).is_err(), "{length}");
    }
}

/// Nonces are equal for equal input and differ as soon as anything differs, a byte moved from
/// the associated data to the payload included.
#[test]
fn nonces_follow_from_everything() {
    let keyring = keyring();
    let sealer = |byte| {
        Sealer::new(&keyring, Purpose::SealData, Salt { epoch: 0, bytes: [byte; 32] }).unwrap()
    };
    let one = sealer(1);
    let sealed = one.seal(0, b"aad", b"payload").unwrap();
    assert_eq!(sealed, sealer(1).seal(0, b"aad", b"payload").unwrap());
    let mut nonces = std::collections::BTreeSet::from([sealed[..NONCE].to_vec()]);
    for other in [
        one.seal(1, b"aad", b"payload"),
        one.seal(u64::MAX, b"aad", b"payload"),
        one.seal(0, b"aae", b"payload"),
        one.seal(0, b"aadp", b"ayload"),
        one.seal(0, b"", b"aadpayload"),
        one.seal(0, b"aad", b"paylobd"),
        one.seal(0, b"aad", b""),
        sealer(2).seal(0, b"aad", b"payload"),
    ] {
        let other = other.unwrap();
        assert!(nonces.insert(other[..NONCE].to_vec()), "{}", hex(&other));
    }
}

/// An object opens at its own name in its own repository and nowhere else, whatever its head is
/// made to say.
#[test]
fn objects_cannot_be_swapped() {
    let (keyring, payload) = (keyring(), b"record");
    for from in handles() {
        let bytes = seal_object(&keyring, &from, REPOSITORY, &SALT, 0, payload).unwrap();
        assert_eq!(open_object(&keyring, &from, REPOSITORY, &bytes).unwrap(), payload);
        assert_eq!(kind_of(open_object(&keyring, &from, OTHER, &bytes)), Some(Kind::Damaged));
        for to in handles().into_iter().filter(|to| *to != from) {
            let kind = kind_of(open_object(&keyring, &to, REPOSITORY, &bytes));
            assert_eq!(kind, Some(Kind::Damaged), "{from} at {to}");
            let mut dressed = bytes.clone();
            dressed[6] = to.kind().number();
            let kind = kind_of(open_object(&keyring, &to, REPOSITORY, &dressed));
            assert_eq!(kind, Some(Kind::Damaged), "{from} dressed as {to}");
        }
    }
}

/// An index segment is named by its bytes and opens under no other name.
#[test]
fn index_segments_are_named_by_their_bytes() {
    let keyring = keyring();
    let (id, bytes) = seal_index(&keyring, REPOSITORY, &SALT, 0, b"one").unwrap();
    let (other, _) = seal_index(&keyring, REPOSITORY, &SALT, 0, b"two").unwrap();
    assert_eq!(id.0, *blake3::hash(&bytes).as_bytes());
    assert_eq!(open_object(&keyring, &Handle::index(id), REPOSITORY, &bytes).unwrap(), b"one");
    let misplaced = open_object(&keyring, &Handle::index(other), REPOSITORY, &bytes);
    assert_eq!(kind_of(misplaced), Some(Kind::Damaged));
    let foreign = open_object(&keyring, &Handle::index(id), OTHER, &bytes);
    assert_eq!(kind_of(foreign), Some(Kind::Damaged));
}

/// Every flipped bit of an object is found, every truncation, and a byte too many.
#[test]
fn every_bit_of_an_object_counts() {
    let (keyring, handle) = (keyring(), Handle::gc(3));
    let bytes = seal_object(&keyring, &handle, REPOSITORY, &SALT, 0, b"small").unwrap();
    for (bit, flipped) in flips(&bytes) {
        let kind = kind_of(open_object(&keyring, &handle, REPOSITORY, &flipped));
        let version = (32..48).contains(&bit);
        let wanted = if version { Kind::Unsupported } else { Kind::Damaged };
        assert_eq!(kind, Some(wanted), "bit {bit}");
    }
    for length in 0..bytes.len() {
        let cut = open_object(&keyring, &handle, REPOSITORY, &bytes[..length]);
        assert_eq!(kind_of(cut), Some(Kind::Damaged), "{length}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    let longer = open_object(&keyring, &handle, REPOSITORY, &longer);
    assert_eq!(kind_of(longer), Some(Kind::Damaged));
}

/// The whole file has a Padme length, and its payload comes back without the padding.
#[test]
fn objects_have_padme_lengths() {
    let (keyring, handle) = (keyring(), Handle::gc(3));
    for length in (0..300).chain([4_095, 4_096, 70_001, 1_000_003]) {
        let payload = vec![0xa5; length];
        let bytes = seal_object(&keyring, &handle, REPOSITORY, &SALT, 0, &payload).unwrap();
        let least = (SEALED_HEAD + SEAL + INNER_HEAD + length) as u64;
        assert_eq!(bytes.len() as u64, padme::padded(least), "{length}");
        assert_eq!(open_object(&keyring, &handle, REPOSITORY, &bytes).unwrap(), payload);
    }
}

/// Objects above their bound are neither made nor opened, and kinds with a form of their own are
/// not taken.
#[test]
fn objects_are_bounded() {
    let keyring = keyring();
    let seal = |handle: &Handle, length: usize| {
        seal_object(&keyring, handle, REPOSITORY, &SALT, 0, &vec![0; length])
    };
    let handle = Handle::gc(3);
    assert_eq!(kind_of(seal(&handle, RECORD_MAX)), Some(Kind::InvalidInput));
    let huge = open_object(&keyring, &handle, REPOSITORY, &vec![0; RECORD_MAX + 1]);
    assert_eq!(kind_of(huge), Some(Kind::Damaged));
    let index = seal_index(&keyring, REPOSITORY, &SALT, 0, &vec![0; INDEX_MAX]);
    assert_eq!(kind_of(index), Some(Kind::InvalidInput));
    for handle in [Handle::config(0), Handle::key(SlotId([0; 16]))] {
        assert_eq!(kind_of(seal(&handle, 1)), Some(Kind::InvalidInput), "{handle}");
        let opened = open_object(&keyring, &handle, REPOSITORY, &[0; 200]);
        assert_eq!(kind_of(opened), Some(Kind::InvalidInput), "{handle}");
    }
}

/// The configuration's MAC proves every bit of the record, and only under its own key.
#[test]
fn the_configuration_is_authentic() {
    let env = env();
    let (keyring, foreign) = (Keyring::generate(&env).unwrap(), Keyring::generate(&env).unwrap());
    let mut body = b"a record".to_vec();
    body.extend(config_mac(&keyring, &body).unwrap());
    assert_eq!(open_config(&keyring, &body, "config/0").unwrap(), b"a record");
    assert_eq!(kind_of(open_config(&foreign, &body, "config/0")), Some(Kind::Damaged));
    for (bit, flipped) in flips(&body) {
        let kind = kind_of(open_config(&keyring, &flipped, "config/0"));
        assert_eq!(kind, Some(Kind::Damaged), "bit {bit}");
    }
    for length in 0..body.len() {
        assert!(open_config(&keyring, &body[..length], "config/0").is_err(), "{length}");
    }
}

/// Bytes that other versions of this program, and other programs, must be able to reproduce:
/// pinned from a seeded keyring.
#[test]
fn golden_bytes() {
    let env = env();
    let keyring = Keyring::generate(&env).unwrap();
    let digest = |bytes: &[u8]| hex(&blake3::hash(bytes).as_bytes()[..8]);
    let id = Ids::new(&keyring).unwrap().of(BlobKind::Data, b"icecore");
    let object = seal_object(&keyring, &Handle::gc(3), REPOSITORY, &SALT, 1, b"payload").unwrap();
    let (_, typed) = slot::wrap(&keyring, &passphrase("x"), CHEAP, "", REPOSITORY, &env).unwrap();
    let (_, filed) = slot::wrap(&keyring, &key_file(1), CHEAP, "", REPOSITORY, &env).unwrap();
    let found = [
        id.short(),
        digest(&object),
        digest(&typed),
        digest(&filed),
        digest(&config_mac(&keyring, b"a record").unwrap()),
    ];
    assert_eq!(
        found,
        [
            "3016ff48",
            "ef3c902228d348f9",
            "22ab9c695d753fae",
            "eac2e04048e03572",
            "431a3a21223ca0f4"
        ]
    );
}
