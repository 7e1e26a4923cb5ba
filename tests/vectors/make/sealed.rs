//! Whole objects, with their cryptography.

use super::super::{form, sealed};
use super::{Maker, NOW, cut, with};
use icecore::id::hex;
use serde_json::json;

// Frames by zstd 1.5 at level 3, kept as bytes: another version may compress otherwise.
const ZSTD: &str = "28b52ffd20a8ad000070666f757220666976652073697820010097a0a612";
const DELTA: &str = "28b52ffd605400ad000018616e640500ad690acf06819ee966374d61153240";

/// Chapters 3 to 6 and 8 with their cryptography.
pub fn with_keys(m: &mut Maker) {
    let comment = "a whole key slot; the key file is 32 bytes 44, the repository 16 bytes 11";
    let keys = sealed::slot_value();
    let ok = m.good("03-keys/sealed-slot-key-file", "slot-key-file", comment, keys.clone());
    let comment = "the slot of the passphrase, opened with the key file";
    let other = (form("slot-passphrase").encode)(&keys).unwrap();
    m.bad("03-keys/sealed-slot-other", "slot-key-file", "wrong-key", comment, other);
    let comment = "one bit of the keyring flipped, the checksum made anew";
    let m_of = |bytes: &[u8], at: usize| {
        let mut body = bytes[8..bytes.len() - 32].to_vec();
        body[at] ^= 1;
        icecore::format::frame::encode_open(icecore::format::ObjectKind::Key, &body)
    };
    let wrapped = ok.windows(8).position(|window| window == b"gwrapped").unwrap() + 40 - 8;
    m.bad("03-keys/sealed-slot-flipped", "slot-key-file", "bad-tag", comment, m_of(&ok, wrapped));
    let comment = "a whole key slot; the passphrase is: correct horse";
    let ok = m.good("03-keys/sealed-slot-passphrase", "slot-passphrase", comment, keys);
    let comment = "rot: a bit of the checksum";
    let rotten = with(&ok, ok.len() - 1, &[!ok[ok.len() - 1]]);
    m.bad("03-keys/sealed-slot-rotten", "slot-passphrase", "bad-frame", comment, rotten);

    let value = json!({"tombstone": {
        "id": format!("h'{}'", sealed::WRITER), "generation": 2, "at": NOW,
    }});
    let comment = "the object snapshots/33..33 of the repository of 03-keys/sealed-slot-key-file";
    let ok = m.good("04-envelope/sealed-outcome", "sealed-outcome", comment, value.clone());
    let comment = "the same, sealed for another name";
    let other = sealed::outcome_at(icecore::id::SnapshotId([0x34; 16]), &value).unwrap();
    m.bad("04-envelope/sealed-outcome-place", "sealed-outcome", "bad-tag", comment, other);
    let mut bad = |name: &str, class: &str, comment: &str, bytes: Vec<u8>| {
        m.bad(
            &format!("04-envelope/sealed-outcome-{name}"),
            "sealed-outcome",
            class,
            comment,
            bytes,
        );
    };
    bad("bit", "bad-tag", "one bit of the ciphertext flipped", with(&ok, 80, &[!ok[80]]));
    bad("short", "bad-tag", "the last byte is missing", cut(&ok, 1));
    bad("salt", "bad-tag", "another salt", with(&ok, 12, &[0]));
    bad("epoch", "bad-tag", "a key epoch that does not exist", with(&ok, 8, &[1]));
    bad("version", "unknown-version", "format version 4", with(&ok, 4, &[4]));

    let value = json!({"generation": 1, "salts": [], "packs": [], "entries": []});
    let comment = "a whole index object; its name is its BLAKE3 hash";
    let ok = m.good("06-index/sealed-segment", "sealed-segment", comment, value);
    let comment = "one bit of the tag flipped, found under the name of these bytes";
    let flipped = with(&ok, ok.len() - 1, &[!ok[ok.len() - 1]]);
    m.bad("06-index/sealed-segment-bit", "sealed-segment", "bad-tag", comment, flipped);
    sealed_pack(m);
}

/// Chapter 5: a whole pack.
fn sealed_pack(m: &mut Maker) {
    let plain = |text: &[u8]| format!("h'{}'", hex(text));
    let (one, two) = (b"one two three ".repeat(12), b"four five six ".repeat(12));
    let both = [&one[..], b"and ", &two].concat();
    let value = json!({"kind": "data", "filler": "h'00000000000000'", "blobs": [
        {"plain": plain(&one), "payload": plain(&one), "codec": 0, "bases": []},
        {"plain": plain(&two), "payload": format!("h'{ZSTD}'"), "codec": 1, "bases": []},
        {"plain": plain(&both), "payload": format!("h'{DELTA}'"), "codec": 2, "bases": [0, 1]},
    ]});
    let comment = "raw, zstd, and a delta on both; repository and keys of chapter 3's slot";
    let ok = m.good("05-pack/sealed-pack", "pack", comment, value);
    let mut bad = |name: &str, class: &str, comment: &str, bytes: Vec<u8>| {
        m.bad(&format!("05-pack/sealed-pack-{name}"), "pack", class, comment, bytes);
    };
    bad("blob", "bad-tag", "one bit of a blob flipped", with(&ok, 100, &[!ok[100]]));
    bad(
        "trailer",
        "bad-tag",
        "one bit of the trailer",
        with(&ok, ok.len() - 9, &[!ok[ok.len() - 9]]),
    );
    bad("head", "bad-tag", "another key epoch in the head", with(&ok, 14, &[1]));
    bad("kind", "bad-tag", "said to be metadata", with(&ok, 7, &[1]));
}
