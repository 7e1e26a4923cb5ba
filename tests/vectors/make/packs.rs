//! Chapters 5 and 6: packs and index segments.

use super::{Maker, and, cut, with};
use serde_json::{Value as Json, json};

fn blob(m: &Maker, stored: u32, plain: u32, codec: u8, depth: u8, bases: usize) -> Json {
    let bases: Vec<Json> = (0..bases).map(|_| m.id::<16>()).collect();
    json!({
        "id": m.id::<32>(), "stored": stored, "plain": plain, "codec": codec, "depth": depth,
        "salt": 0, "bases": bases,
    })
}

/// Chapter 5: heads, trailers and footers of packs.
pub fn pack(m: &mut Maker) {
    let salt = json!({"epoch": 0, "bytes": m.id::<32>()});
    let one = json!({"kind": "data", "salts": [salt]});
    let ok = m.good("05-pack/head-one-salt", "pack-head", "as a writer makes it", one);
    let two = json!({"kind": "meta", "salts": [salt, {"epoch": 1, "bytes": m.id::<32>()}]});
    m.good("05-pack/head-two-salts", "pack-head", "blobs of two writers", two);
    let mut bad = |name: &str, class: &str, comment: &str, bytes: Vec<u8>| {
        m.bad(&format!("05-pack/head-{name}"), "pack-head", class, comment, bytes);
    };
    bad("no-salt", "bad-frame", "a pack without a salt", with(&ok[..12], 8, &[0]));
    bad("salts", "too-large", "2^31 salts", with(&ok, 8, &[0, 0, 0, 0x80]));
    bad("blob-kind", "bad-frame", "neither data nor metadata", with(&ok, 7, &[2]));
    bad("salt-type", "bad-frame", "a salt of another type", with(&ok, 12, &[2]));
    bad("version", "unknown-version", "format version 4", with(&ok, 4, &[4]));

    let entries = [blob(m, 1040, 1000, 0, 0, 0), blob(m, 540, 65536, 1, 0, 0)];
    let mut delta = blob(m, 96, 65536, 2, 2, 2);
    delta["salt"] = 1.into();
    let [raw, zstd] = entries;
    let whole = json!({"entries": [raw, zstd], "filler": 0});
    m.good("05-pack/trailer-whole", "trailer", "a raw and a compressed blob", whole);
    let all = json!({"entries": [raw, zstd, delta], "filler": 4096});
    let comment = "a raw blob, a compressed one, a delta on two bases, filler";
    let ok = m.good("05-pack/trailer-delta", "trailer", comment, all);
    let empty = json!({"entries": [], "filler": 0});
    m.good("05-pack/trailer-empty", "trailer", "nothing", empty);
    let mut bad = |name: &str, class: &str, comment: &str, bytes: Vec<u8>| {
        m.bad(&format!("05-pack/trailer-{name}"), "trailer", class, comment, bytes);
    };
    let third = 8 + 2 * 44;
    bad("count", "too-large", "2^31 entries", with(&ok, 0, &[0, 0, 0, 0x80]));
    bad("bases-sum", "bad-frame", "one base more than entries have", with(&ok, 4, &[3]));
    bad("codec", "bad-frame", "an unknown codec", with(&ok, 8 + 40, &[3]));
    bad("raw-depth", "bad-frame", "a raw blob of depth 1", with(&ok, 8 + 41, &[1]));
    bad("delta-depth", "bad-frame", "a delta of depth 0", with(&ok, third + 41, &[0]));
    bad("delta-deep", "bad-frame", "a delta of depth 9", with(&ok, third + 41, &[9]));
    bad("plain", "too-large", "a blob of 2^31 bytes", with(&ok, 8 + 36, &[0, 0, 0, 0x80]));
    bad("filler-id", "bad-frame", "filler with an id", with(&ok, third + 44, &[1]));
    bad("filler-empty", "bad-frame", "filler of no bytes", with(&ok, third + 44 + 32, &[0; 4]));
    bad("padding", "bad-frame", "padding that is not zero", and(&ok, &[0, 0, 1]));

    let ok = m.good("05-pack/footer", "footer", "the sealed trailer has 4096 bytes", json!(4096));
    let comment = "a trailer of 2^31 bytes";
    let huge = with(&ok, 0, &[0, 0, 0, 0x80]);
    m.bad("05-pack/footer-length", "footer", "too-large", comment, huge);
    m.bad("05-pack/footer-magic", "footer", "bad-frame", "another magic", with(&ok, 4, b"P"));
}

/// Chapter 6: index segments.
pub fn index(m: &mut Maker) {
    let empty = json!({"generation": 0, "salts": [], "packs": [], "entries": []});
    m.good("06-index/empty", "segment", "no entry", empty);
    let mut entries =
        vec![blob(m, 1040, 1000, 0, 0, 0), blob(m, 96, 65536, 2, 2, 2), blob(m, 80, 300, 2, 1, 1)];
    // Twice the same blob: as a delta in one pack, whole in the other.
    let mut whole = blob(m, 540, 65536, 1, 0, 0);
    whole["id"] = entries[1]["id"].clone();
    entries.push(whole);
    for (at, entry) in entries.iter_mut().enumerate() {
        entry["pack"] = (at % 2).into();
        entry["offset"] = (50 + 2000 * at).into();
        entry["salt"] = (at % 2).into();
    }
    entries.sort_by_key(|entry| (entry["id"].to_string(), entry["depth"].as_u64()));
    let value = json!({
        "generation": 12,
        "salts": [{"epoch": 0, "bytes": m.id::<32>()}, {"epoch": 1, "bytes": m.id::<32>()}],
        "packs": [
            {"id": m.id::<32>(), "size": 16_777_216, "kind": "data"},
            {"id": m.id::<32>(), "size": 20_000, "kind": "data"},
        ],
        "entries": entries,
    });
    let comment = "two packs, two salts, deltas, one blob with two entries";
    let ok = m.good("06-index/entries", "segment", comment, value);
    let mut bad = |name: &str, class: &str, comment: &str, bytes: Vec<u8>| {
        m.bad(&format!("06-index/{name}"), "segment", class, comment, bytes);
    };
    let (packs, first) = (24 + 2 * 36, 24 + 2 * 36 + 2 * 40);
    let (one, two) = (ok[first..first + 56].to_vec(), ok[first + 56..first + 112].to_vec());
    bad("count", "too-large", "2^31 entries", with(&ok, 8, &[0, 0, 0, 0x80]));
    bad("short", "bad-frame", "the last base is cut", cut(&ok, 1));
    bad("trailing", "bad-frame", "a byte too many", and(&ok, &[0]));
    bad("pack-kind", "bad-frame", "neither data nor metadata", with(&ok, packs + 36, &[2]));
    bad(
        "pack-row",
        "bad-frame",
        "an entry in a pack that is not named",
        with(&ok, first + 32, &[2]),
    );
    bad(
        "salt-row",
        "bad-frame",
        "an entry under a salt that is not named",
        with(&ok, first + 52, &[2]),
    );
    bad("offset", "bad-frame", "an entry past its pack", with(&ok, first + 36, &[255; 4]));
    bad("order", "bad-frame", "entries out of order", with(&ok, first, &and(&two, &one)));
    bad("base-row", "bad-frame", "bases not in the order of entries", with(&ok, first + 48, &[1]));
}
