//! The keyring, and the slots that wrap it.

use super::{CHEAP, OTHER, REPOSITORY, SALT, env, flips, key_file, keyring, kind_of, passphrase};
use icecore::crypto::{KdfCost, Keyring, Purpose, Sealer, slot};
use icecore::env::Time;
use icecore::error::Kind;
use icecore::format::pack::Salt;
use icecore::format::slot::{Kdf, Slot};
use icecore::format::{ObjectKind, frame, record};
use icecore::id::SlotId;

/// No two purposes share a key, a name, or a key with another repository.
#[test]
fn purposes_are_independent() {
    let env = env();
    let (one, two) = (Keyring::generate(&env).unwrap(), Keyring::generate(&env).unwrap());
    let mut seen = std::collections::BTreeSet::new();
    let mut names = std::collections::BTreeSet::new();
    for purpose in Purpose::ALL {
        assert!(names.insert(purpose.name()));
        assert!(seen.insert(*one.key(purpose).unwrap()), "{purpose:?}");
        assert!(seen.insert(*two.key(purpose).unwrap()), "{purpose:?}");
        assert_eq!(one.epoch(purpose).unwrap(), 0);
    }
}

/// Neither keys nor secrets show in debug output.
#[test]
fn debug_output_keeps_secrets() {
    let keyring = keyring();
    let sealer = Sealer::new(&keyring, Purpose::SealData, Salt { epoch: 0, bytes: SALT }).unwrap();
    let text = format!("{keyring:?} {sealer:?} {:?} {:?}", passphrase("hunter2"), key_file(77));
    assert!(!text.contains("hunter2") && !text.contains("77"), "{text}");
    assert!(!text.contains('['), "{text}");
}

/// A slot gives back every key to its own secret, and tells a wrong secret from damage.
#[test]
fn slots_open_for_their_secret_only() {
    let (env, keyring) = (env(), keyring());
    for (right, wrong) in [(passphrase("right"), passphrase("wrong")), (key_file(1), key_file(2))] {
        let (id, bytes) = slot::wrap(&keyring, &right, CHEAP, "l", REPOSITORY, &env).unwrap();
        let opened = slot::unwrap(&bytes, id, &right, REPOSITORY).unwrap();
        for purpose in Purpose::ALL {
            assert_eq!(*opened.key(purpose).unwrap(), *keyring.key(purpose).unwrap());
        }
        for secret in [&wrong, &passphrase("right "), &key_file(9)] {
            let kind = kind_of(slot::unwrap(&bytes, id, secret, REPOSITORY));
            assert_eq!(kind, Some(Kind::WrongKey), "{secret:?}");
        }
        let mut rotten = bytes.clone();
        *rotten.last_mut().unwrap() ^= 1;
        for secret in [&right, &wrong] {
            let kind = kind_of(slot::unwrap(&rotten, id, secret, REPOSITORY));
            assert_eq!(kind, Some(Kind::Damaged), "{secret:?}");
        }
    }
}

/// The commitment is compared first: with the right secret a forged wrap is damage, with a wrong
/// one it is a wrong secret, whatever stands in the wrap.
#[test]
fn commitment_comes_before_the_wrap() {
    let (right, wrong) = (key_file(1), key_file(2));
    let (id, bytes) = slot::wrap(&keyring(), &right, CHEAP, "", REPOSITORY, &env()).unwrap();
    let forged = forge(&bytes, id, |slot| slot.wrapped[40] ^= 1);
    assert_eq!(kind_of(slot::unwrap(&forged, id, &right, REPOSITORY)), Some(Kind::Damaged));
    assert_eq!(kind_of(slot::unwrap(&forged, id, &wrong, REPOSITORY)), Some(Kind::WrongKey));
    let forged = forge(&bytes, id, |slot| slot.commitment[0] ^= 1);
    assert_eq!(kind_of(slot::unwrap(&forged, id, &right, REPOSITORY)), Some(Kind::WrongKey));
}

/// A slot stands for one name and one repository, and all that it says openly is covered.
#[test]
fn slots_cannot_be_moved_or_relabelled() {
    let (keyring, secret) = (keyring(), key_file(1));
    let (id, bytes) = slot::wrap(&keyring, &secret, CHEAP, "me", REPOSITORY, &env()).unwrap();
    assert_eq!(slot::read(&bytes, id).unwrap().label, "me");
    let elsewhere = SlotId([9; 16]);
    assert_eq!(kind_of(slot::unwrap(&bytes, elsewhere, &secret, REPOSITORY)), Some(Kind::Damaged));
    assert_eq!(kind_of(slot::unwrap(&bytes, id, &secret, OTHER)), Some(Kind::Damaged));
    let renamed = forge(&bytes, id, |slot| slot.id = elsewhere);
    assert_eq!(
        kind_of(slot::unwrap(&renamed, elsewhere, &secret, REPOSITORY)),
        Some(Kind::Damaged)
    );
    let forged = forge(&bytes, id, |slot| slot.label.push('x'));
    assert_eq!(kind_of(slot::unwrap(&forged, id, &secret, REPOSITORY)), Some(Kind::Damaged));
    let forged = forge(&bytes, id, |slot| slot.created = Time(0));
    assert_eq!(kind_of(slot::unwrap(&forged, id, &secret, REPOSITORY)), Some(Kind::Damaged));
}

/// Every flipped bit and every truncation of a slot is found, and never taken for a wrong
/// secret; where the checksum was made anew, it does not open all the same.
#[test]
fn every_bit_of_a_slot_counts() {
    let secret = key_file(1);
    let (id, bytes) = slot::wrap(&keyring(), &secret, CHEAP, "me", REPOSITORY, &env()).unwrap();
    for (bit, flipped) in flips(&bytes) {
        let kind = kind_of(slot::unwrap(&flipped, id, &secret, REPOSITORY));
        assert!(matches!(kind, Some(Kind::Damaged | Kind::Unsupported)), "bit {bit}: {kind:?}");
    }
    for length in 0..bytes.len() {
        assert!(slot::unwrap(&bytes[..length], id, &secret, REPOSITORY).is_err(), "{length}");
    }
    let body = frame::decode_open(&bytes, ObjectKind::Key, "slot").unwrap();
    for (bit, flipped) in flips(body) {
        let summed = frame::encode_open(ObjectKind::Key, &flipped);
        assert!(slot::unwrap(&summed, id, &secret, REPOSITORY).is_err(), "bit {bit}");
    }
}

/// Costs out of bounds are refused when a slot is made and when it is read, before anything is
/// allocated for them.
#[test]
fn costs_out_of_bounds_are_refused() {
    let cost = |memory_kib, passes, lanes| KdfCost { memory_kib, passes, lanes };
    assert!(KdfCost::default().check().is_ok() && CHEAP.check().is_ok());
    let refused = [
        cost(0, 3, 4),
        cost((19 << 10) - 1, 3, 4),
        cost((4 << 20) + 1, 3, 1),
        cost(u32::MAX, 3, 4),
        cost(64 << 10, 0, 4),
        cost(64 << 10, 1, 4),
        cost(64 << 10, 65, 4),
        cost(64 << 10, u32::MAX, 4),
        cost(64 << 10, 3, 0),
        cost(64 << 10, 3, 65),
        cost(4 << 20, 64, 1),
        cost(4 << 20, 3, 4),
        cost((128 << 10) + 1, 64, 1),
        cost(u32::MAX, u32::MAX, u32::MAX),
    ];
    let (keyring, secret, env) = (keyring(), passphrase("x"), env());
    let (id, bytes) = slot::wrap(&keyring, &secret, CHEAP, "", REPOSITORY, &env).unwrap();
    for cost in refused {
        assert_eq!(kind_of(cost.check()), Some(Kind::Refused), "{cost}");
        let made = slot::wrap(&keyring, &secret, cost, "", REPOSITORY, &env);
        assert_eq!(kind_of(made), Some(Kind::Refused), "{cost}");
        let KdfCost { memory_kib, passes, lanes } = cost;
        let forged = forge(&bytes, id, |slot| {
            slot.kdf = Kdf::Argon2id { memory_kib, passes, lanes };
        });
        let opened = slot::unwrap(&forged, id, &secret, REPOSITORY);
        assert_eq!(kind_of(opened), Some(Kind::Refused), "{cost}");
    }
}

/// An empty passphrase or an endless label makes no slot.
#[test]
fn senseless_slots_are_not_made() {
    let (keyring, env) = (keyring(), env());
    let label = "x".repeat(257);
    let empty = slot::wrap(&keyring, &passphrase(""), CHEAP, "", REPOSITORY, &env);
    let long = slot::wrap(&keyring, &key_file(1), CHEAP, &label, REPOSITORY, &env);
    assert_eq!(kind_of(empty), Some(Kind::InvalidInput));
    assert_eq!(kind_of(long), Some(Kind::InvalidInput));
}

/// Changes a slot and makes its checksum anew, as somebody without the key can.
fn forge(bytes: &[u8], id: SlotId, change: impl FnOnce(&mut Slot)) -> Vec<u8> {
    let mut slot = slot::read(bytes, id).unwrap();
    change(&mut slot);
    frame::encode_open(ObjectKind::Key, &record::encode(&slot).unwrap())
}
