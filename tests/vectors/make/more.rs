//! What is computed, frames of zstd, and records and objects that break one rule each.

use super::super::{form, sealed};
use super::{Maker, NOW, and, cut, edit, with};
use icecore::format::{ObjectKind, frame};
use icecore::id::hex;
use serde_json::{Value as Json, json};

const ZSTD: &str = "28b52ffd20a8ad000070666f757220666976652073697820010097a0a612";
const DELTA: &str = "28b52ffd2075c5000088616e642061206c6974746c65206d6f72650100e1951a20";

/// Ids, cuts, lengths and a seal.
pub fn computed(m: &mut Maker) {
    let mut make = |name: &str, structure: &str, comment: &str, bytes: Vec<u8>| {
        let value = (form(structure).decode)(&bytes).unwrap();
        m.push(name, structure, "ok", comment, Some(value), bytes);
    };
    make("05-pack/ids", "ids", "ids of five bytes, as content and as a list", b"plain".to_vec());
    make("05-pack/ids-empty", "ids", "ids of no bytes", Vec::new());
    let comment = "a seal: nonce, ciphertext, tag, made as chapter 4 says";
    make("04-envelope/seal", "seal", comment, b"payload".to_vec());
    make("04-envelope/seal-empty", "seal", "a seal of no bytes", Vec::new());
    let lengths = [0, 1, 2, 3, 8, 9, 10, 100, 1000, 4097, 65_537, 100_000, 1_000_003, 83_886_079];
    let bytes = lengths.iter().flat_map(|length: &u64| length.to_le_bytes()).collect();
    make("04-envelope/padme", "padme", "lengths and what they are padded to", bytes);
    for (name, comment, length, chunker) in [
        ("ordinary", "a stream of 1,000,000 bytes, cut ordinarily", 1_000_000_u64, 1),
        ("coarse", "a stream of 3,000,001 bytes, cut coarsely", 3_000_001, 2),
        ("short", "a stream that is shorter than any cut", 16_384, 1),
        ("none", "no bytes, no chunk", 0, 1),
    ] {
        let bytes = [&[0x55; 32][..], &length.to_le_bytes(), &[chunker]].concat();
        make(&format!("10-chunking/{name}"), "cuts", comment, bytes);
    }
    let series = json!({"host": "db1", "sources": [
        {"kind": "files", "path": "h'2f737276'"}, {"kind": "sqlite", "path": "h'2f612e6462'"},
    ]});
    let record = (form("series").encode)(&series).unwrap();
    let comment = "the id of a series, from the record of its name";
    make("08-snapshot/series-id", "series-id", comment, record);
}

fn unhex(text: &str) -> Vec<u8> {
    super::super::unhex(text)
}

/// Frames that are taken, and those that zstd would decode and chapter 10 forbids.
pub fn frames(m: &mut Maker) {
    let ok = unhex(ZSTD);
    let good = |m: &mut Maker, name: &str, structure: &str, comment: &str, bytes: &[u8]| {
        let value = (form(structure).decode)(bytes).unwrap();
        m.push(name, structure, "ok", comment, Some(value), bytes.to_vec());
    };
    let comment = "one frame, a single segment that states its content size";
    good(m, "10-chunking/frame", "zstd-frame", comment, &ok);
    let wide = [&ok[..4], &[0xa0, ok[5], 0, 0, 0], &ok[6..]].concat();
    let comment = "it states its content size in four bytes, where one would do";
    good(m, "10-chunking/frame-wide", "zstd-frame", comment, &wide);
    let delta = unhex(DELTA);
    let comment = "a delta whose prefix begins like a dictionary of zstd and is none";
    good(m, "10-chunking/delta", "delta-frame", comment, &delta);
    m.bad("10-chunking/delta-short", "delta-frame", "bad-frame", "cut", cut(&delta, 1));
    let mut bad = |name: &str, comment: &str, bytes: Vec<u8>| {
        m.bad(&format!("10-chunking/frame-{name}"), "zstd-frame", "bad-frame", comment, bytes);
    };
    bad("checksum", "it states a checksum", and(&with(&ok, 4, &[0x24]), &[0x9b, 0xed, 0xd2, 0xe7]));
    let id = [&ok[..4], &[0x21, 1], &ok[5..]].concat();
    bad("dictionary", "it states the id of a dictionary", id);
    bad("block", "its block is of the reserved type", with(&ok, 6, &[ok[6] | 6]));
    let window = [&ok[..4], &[0x00, 0x00], &ok[6..]].concat();
    bad("window", "a window in the place of a content size", window);
    bad("unused", "the unused bit", with(&ok, 4, &[0x30]));
    bad("reserved", "the reserved bit", with(&ok, 4, &[0x28]));
    bad("size", "another content size than the entry's", with(&ok, 5, &[0xa9]));
    bad("two", "two frames", and(&ok, &ok));
    bad("trailing", "a byte behind it", and(&ok, &[0]));
    let skippable = [0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0];
    bad("skippable", "a skippable frame behind it", and(&ok, &skippable));
    bad("skippable-first", "a skippable frame before it", and(&skippable, &ok));
    bad("magic", "another magic number", with(&ok, 0, &[0x27]));
    bad("short", "cut", cut(&ok, 1));
    bad("empty", "no bytes", Vec::new());
}

/// Records that break one rule each.
pub fn records(m: &mut Maker) {
    let beat = json!({"id": m.id::<16>(), "beat": 7, "at": NOW});
    let ok = (form("heartbeat").encode)(&beat).unwrap();
    let mut bad = |name: &str, class: &str, comment: &str, bytes: Vec<u8>| {
        m.bad(&format!("01-conventions/record-{name}"), "heartbeat", class, comment, bytes);
    };
    let comment = "a field that this version does not have, in the place of one that it has";
    bad("renamed-field", "unknown-version", comment, edit(&ok, b"dbeat", b"dbeau"));
    let [before, after] = [b"dbeat\x07", &ok[ok.len() - 12..]]
        .map(|end: &[u8]| ok.windows(end.len()).position(|window| window == end).unwrap());
    let order = [&ok[..before], &ok[after..], &ok[before..after]].concat();
    bad("order", "bad-record", "fields out of order", order);
    bad("text-key", "bad-record", "a field named by bytes", edit(&ok, b"dbeat", b"Dbeat"));
    bad("negative", "bad-record", "a number below zero", edit(&ok, b"dbeat\x07", b"dbeat\x26"));
    bad("float", "bad-record", "a float", edit(&ok, b"dbeat\x07", b"dbeat\xf9\x47\x00"));

    let node = |kind: Json, user: Json| {
        let meta = json!({"mode": 420, "uid": 1, "gid": 1, "user": user, "mtime": [1, 2]});
        json!([{"name": "h'61'", "kind": kind, "meta": meta}])
    };
    let link = json!({"symlink": {"target": "h'622f63'"}});
    let comment = "a link with an owner";
    let ok = m.good("07-tree/directory-link", "directory-leaf", comment, node(link, "u".into()));
    let mut bad = |name: &str, comment: &str, bytes: Vec<u8>| {
        m.bad(
            &format!("07-tree/directory-link-{name}"),
            "directory-leaf",
            "bad-record",
            comment,
            bytes,
        );
    };
    bad("nul", "NUL in the target of a link", edit(&ok, b"Cb/c", b"Cb\0c"));
    let shorter = with(&ok, 2, &[ok[2] - 1]);
    let comment = "an optional text that is empty";
    bad("owner", comment, edit(&shorter, b"duserau", b"duser`"));
    bad("count", "fewer bytes than its length says", shorter);
}

/// Whole objects that break one rule each.
pub fn objects(m: &mut Maker) {
    let config = json!({
        "repository": format!("h'{}'", hex(&sealed::REPOSITORY.0)), "created": NOW,
        "previous": null, "slots": [m.id::<16>()], "features": [], "single_writer": false,
        "listing_after_write": true,
    });
    let comment = "a whole config/0, with its MAC";
    let ok = m.good("02-repository/object", "open-config", comment, config);
    let body = &ok[8..ok.len() - 32];
    let again = |body: &[u8]| frame::encode_open(ObjectKind::Config, body);
    let mut bad = |name: &str, class: &str, comment: &str, bytes: Vec<u8>| {
        m.bad(&format!("02-repository/object-{name}"), "open-config", class, comment, bytes);
    };
    let flipped = with(body, body.len() - 1, &[!body[body.len() - 1]]);
    let comment = "a bit of the MAC flipped, the checksum made anew";
    bad("mac", "bad-tag", comment, again(&flipped));
    let comment = "another record under the MAC, the checksum made anew";
    let other = edit(body, b"msingle_writer\xf4", b"msingle_writer\xf5");
    bad("record", "bad-tag", comment, again(&other));
    bad("checksum", "bad-frame", "rot", with(&ok, 60, &[!ok[60]]));
    bad("short", "bad-frame", "no room for a MAC", again(&[0; 31]));

    let slot = (form("slot-passphrase").encode)(&sealed::slot_value()).unwrap();
    let body = &slot[8..slot.len() - 32];
    let (memory, rest) = (b"jmemory_kib\x19\x4c\x00", b"fpasses\x02elanes\x01");
    let costs = |m: &mut Maker, name: &str, comment: &str, bytes: Vec<u8>| {
        let bytes = frame::encode_open(ObjectKind::Key, &bytes);
        let name = format!("03-keys/sealed-slot-{name}");
        m.bad(&name, "slot-passphrase", "refused", comment, bytes);
    };
    let more = |kibibytes: u32| [b"jmemory_kib\x1a", &kibibytes.to_be_bytes()[..]].concat();
    costs(m, "memory", "2^32 - 1 KiB of memory", edit(body, memory, &more(u32::MAX)));
    costs(m, "memory-little", "18 MiB", edit(body, memory, b"jmemory_kib\x19\x48\x00"));
    costs(m, "passes", "65 passes", edit(body, rest, b"fpasses\x18\x41elanes\x01"));
    costs(m, "passes-few", "one pass", edit(body, rest, b"fpasses\x01elanes\x01"));
    costs(m, "lanes", "65 lanes", edit(body, rest, b"fpasses\x02elanes\x18\x41"));
    costs(m, "lanes-none", "no lane", edit(body, rest, b"fpasses\x02elanes\x00"));
    let dear = edit(&edit(body, memory, &more(262_144)), rest, b"fpasses\x18\x21elanes\x01");
    costs(m, "work", "256 MiB in 33 passes: more work than 2^23", dear);

    let outcome = json!({"tombstone": {
        "id": format!("h'{}'", sealed::WRITER), "generation": 2, "at": NOW,
    }});
    let payload = (form("outcome").encode)(&outcome).unwrap();
    let length = u32::try_from(payload.len()).unwrap();
    let inner = |length: u32, plain: u32, rest: [u8; 4], padding: &[u8]| {
        let head = [length.to_le_bytes(), plain.to_le_bytes(), rest].concat();
        sealed::outcome_holding(&[&head[..], &payload, padding].concat())
    };
    let mut bad = |name: &str, class: &str, comment: &str, bytes: Vec<u8>| {
        m.bad(&format!("04-envelope/inner-{name}"), "sealed-outcome", class, comment, bytes);
    };
    let comment = "padding that is not zero";
    bad("padding", "bad-frame", comment, inner(length, length, [0; 4], &[0, 0, 1]));
    bad("codec", "unknown-version", "codec 1", inner(length, length, [1, 0, 0, 0], &[]));
    bad("zeros", "bad-frame", "a reserved byte", inner(length, length, [0, 0, 0, 1], &[]));
    bad("plain", "bad-frame", "two lengths", inner(length, length + 1, [0; 4], &[0]));
    bad("long", "bad-frame", "longer than it is", inner(length + 1, length + 1, [0; 4], &[]));
    bad("short", "bad-frame", "no room for its head", sealed::outcome_holding(&[0; 11]));

    let salt = json!({"epoch": 0, "bytes": format!("h'{}'", "22".repeat(32))});
    let entry = |m: &Maker, depth: u8, bases: Vec<Json>| {
        json!({
            "id": m.id::<32>(), "stored": 200, "plain": 160, "codec": 2 * u8::from(depth > 0),
            "depth": depth, "bases": bases, "salt": 0, "pack": 0, "offset": 50 + 200 * u32::from(depth),
        })
    };
    let mut entries = vec![entry(m, 0, vec![]), entry(m, 1, vec![m.id::<16>(), m.id::<16>()])];
    entries.sort_by_key(|entry| entry["id"].to_string());
    let value = json!({
        "generation": 3, "salts": [salt], "entries": entries,
        "packs": [{"id": m.id::<32>(), "size": 1000, "kind": "data"}],
    });
    let comment = "a whole index object with entries";
    m.good("06-index/sealed-entries", "sealed-segment", comment, value);
}
