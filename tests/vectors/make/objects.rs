//! Chapters 1 to 4: records, the configuration, keys, frames.

use super::{Maker, NOW, and, cut, edit, short_previous, with};
use serde_json::json;

/// Chapter 1: how records refuse what is not canonical, shown on a heartbeat.
pub fn conventions(m: &mut Maker) {
    let beat = json!({"id": m.id::<16>(), "beat": 7, "at": NOW});
    let ok = m.good("01-conventions/record", "heartbeat", "a record in its envelope", beat);
    let mut bad = |name: &str, class: &str, comment: &str, bytes: Vec<u8>| {
        m.bad(&format!("01-conventions/{name}"), "heartbeat", class, comment, bytes);
    };
    bad("record-empty", "bad-record", "no bytes at all", Vec::new());
    bad("record-short", "bad-record", "the last byte is missing", cut(&ok, 1));
    bad("record-trailing", "bad-record", "a byte too many", and(&ok, &[0]));
    bad(
        "record-version",
        "unknown-version",
        "version 2",
        edit(&ok, b"gversion\x01", b"gversion\x02"),
    );
    bad("record-kind", "unknown-version", "another kind", edit(&ok, b"iheartbeat", b"iheartbeau"));
    bad(
        "record-unknown-field",
        "unknown-version",
        "a field that this version does not have",
        edit(&ok, b"\xa3bid", b"\xa4caxe\x01bid"),
    );
    bad(
        "record-missing-field",
        "bad-record",
        "the beat is missing",
        edit(&edit(&ok, b"\xa3bid", b"\xa2bid"), b"dbeat\x07", b""),
    );
    bad(
        "record-duplicate-key",
        "bad-record",
        "the beat twice",
        edit(&ok, b"\xa3bid", b"\xa4dbeat\x07bid"),
    );
    bad(
        "record-long-integer",
        "bad-record",
        "7 in two bytes is not canonical",
        edit(&ok, b"dbeat\x07", b"dbeat\x18\x07"),
    );
    bad(
        "record-indefinite-map",
        "bad-record",
        "a map of indefinite length is not canonical",
        and(&edit(&ok, b"\xa3bid", b"\xbfbid"), &[0xff]),
    );
    bad("record-tag", "bad-record", "tags are not used", edit(&ok, b"dbeat\x07", b"dbeat\xc1\x07"));
    bad(
        "record-huge-string",
        "bad-record",
        "a byte string that says it has 2^63 bytes",
        edit(&ok, b"bid\x50", b"bid\x5b\x80\0\0\0\0\0\0\0"),
    );
    bad("record-deep", "bad-record", "two thousand arrays in each other", vec![0x81; 2000]);
}

/// Chapter 2: the configuration.
pub fn repository(m: &mut Maker) {
    let first = json!({
        "repository": m.id::<16>(), "created": NOW, "previous": null,
        "slots": [m.id::<16>()], "features": [],
        "single_writer": false, "listing_after_write": true,
    });
    m.good("02-repository/config-first", "config", "config/0, without its MAC", first.clone());
    let mut second = first;
    second["previous"] = m.id::<32>();
    second["features"] = json!(["colour", "shape"]);
    second["single_writer"] = true.into();
    let comment = "a later one, with features that no program knows yet";
    let ok = m.good("02-repository/config-later", "config", comment, second);
    let comment = "a hash of 31 bytes";
    m.bad("02-repository/config-previous", "config", "bad-record", comment, short_previous(&ok));
    let comment = "features out of order";
    let swapped = edit(&ok, b"fcoloureshape", b"eshapefcolour");
    m.bad("02-repository/config-order", "config", "bad-record", comment, swapped);
}

/// Chapter 3: slots and keyrings as records, without cryptography.
pub fn keys(m: &mut Maker) {
    let mut slot = json!({
        "id": m.id::<16>(),
        "kdf": {"argon2id": {"memory_kib": 65536, "passes": 3, "lanes": 4}},
        "salt": m.id::<32>(), "commitment": m.id::<32>(), "wrapped": m.id::<80>(),
        "label": "laptop", "created": NOW,
    });
    let ok = m.good(
        "03-keys/slot-passphrase",
        "key-slot",
        "a passphrase's slot, as a record",
        slot.clone(),
    );
    slot["kdf"] = "key-file".into();
    m.good("03-keys/slot-key-file", "key-slot", "a key file's slot, as a record", slot);
    let comment = "a derivation of a later version";
    let other = edit(&ok, b"hargon2id", b"hargon3id");
    m.bad("03-keys/slot-unknown-kdf", "key-slot", "unknown-version", comment, other);
    let keys = json!({"keys": [
        {"purpose": "meta-id", "epoch": 0, "key": m.id::<32>()},
        {"purpose": "seal-meta", "epoch": 0, "key": m.id::<32>()},
        {"purpose": "seal-meta", "epoch": 4_294_967_295_u32, "key": m.id::<32>()},
    ]});
    let comment = "a keyring as it stands inside a slot, which grants little";
    let ok = m.good("03-keys/keyring", "keyring", comment, keys);
    m.bad("03-keys/keyring-short", "keyring", "bad-record", "half of it", cut(&ok, ok.len() / 2));
    let mut bad = |name: &str, class: &str, comment: &str, old: &[u8], new: &[u8]| {
        let name = format!("03-keys/keyring-{name}");
        m.bad(&name, "keyring", class, comment, edit(&ok, old, new));
    };
    let comment = "a purpose that this version does not have";
    bad("purpose", "unknown-version", comment, b"gmeta-id", b"gmeta-ix");
    bad("twice", "bad-record", "one purpose and epoch twice", b"\x1a\xff\xff\xff\xff", b"\x00");
    let comment = "a second epoch of a key of ids";
    bad("fixed", "bad-record", comment, b"iseal-meta\x65epoch\x1a", b"gmeta-id\x65epoch\x1a");
}

/// Chapter 4: frames.
pub fn envelope(m: &mut Maker) {
    let ok = m.good(
        "04-envelope/open",
        "open-object",
        "head, body, checksum of an open object of kind config",
        json!({"kind": 1, "body": "h'626f6479'"}),
    );
    m.good("04-envelope/open-empty", "open-object", "no body", json!({"kind": 1, "body": "h''"}));
    let mut bad = |name: &str, class: &str, comment: &str, bytes: Vec<u8>| {
        m.bad(&format!("04-envelope/open-{name}"), "open-object", class, comment, bytes);
    };
    bad("magic", "bad-frame", "another magic number", with(&ok, 0, b"X"));
    bad("version", "unknown-version", "format version 4", with(&ok, 4, &[4]));
    bad("kind", "bad-frame", "a key slot where a config belongs", with(&ok, 6, &[2]));
    bad("checksum", "bad-frame", "one bit of the body flipped", with(&ok, 8, b"c"));
    bad("short", "bad-frame", "shorter than head and checksum", ok[..39].to_vec());
    bad("trailing", "bad-frame", "a byte too many", and(&ok, &[0]));

    let head = json!({
        "kind": 4, "salt": {"epoch": 3, "bytes": m.id::<32>()}, "rest": m.id::<40>(),
    });
    let comment = "head of a sealed object of kind index; the rest is nonce, ciphertext, tag";
    let ok = m.good("04-envelope/sealed-head", "sealed-head", comment, head);
    let comment = "the reserved byte is not zero";
    m.bad("04-envelope/sealed-reserved", "sealed-head", "bad-frame", comment, with(&ok, 7, &[1]));
    let comment = "it ends within the salt";
    m.bad("04-envelope/sealed-short", "sealed-head", "bad-frame", comment, ok[..43].to_vec());
}
