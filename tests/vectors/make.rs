//! The seeded generator of the vectors.

use super::Vector;
use super::forms::form;
use icecore::env::{Env, Time};
use icecore::id::hex;
use serde_json::{Value as Json, json};

/// Seed of all random bytes in vectors.
const SEED: u64 = 20_261_121;
/// 2026-11-21T00:00:00Z in nanoseconds.
const NOW: i64 = 1_795_219_200_000_000_000;

/// Every vector, in order.
pub fn vectors() -> Vec<Vector> {
    let mut maker = Maker { env: Env::seeded(SEED, Time(NOW)).0, made: Vec::new() };
    conventions(&mut maker);
    repository(&mut maker);
    keys(&mut maker);
    envelope(&mut maker);
    pack(&mut maker);
    index(&mut maker);
    lists(&mut maker);
    directories(&mut maker);
    outcomes(&mut maker);
    collection(&mut maker);
    maker.made
}

struct Maker {
    env: Env,
    made: Vec<Vector>,
}

impl Maker {
    fn id<const N: usize>(&self) -> Json {
        format!("h'{}'", hex(&self.env.random::<N>().unwrap())).into()
    }

    /// A value that encodes and decodes; returns its bytes.
    fn good(&mut self, name: &str, structure: &str, comment: &str, value: Json) -> Vec<u8> {
        let bytes = (form(structure).encode)(&value).expect(name);
        self.push(name, structure, "ok", comment, Some(value), bytes.clone());
        bytes
    }

    /// Bytes that must be refused as `class`.
    fn bad(&mut self, name: &str, structure: &str, class: &str, comment: &str, bytes: Vec<u8>) {
        self.push(name, structure, class, comment, None, bytes);
    }

    fn push(
        &mut self,
        name: &str,
        structure: &str,
        expect: &str,
        comment: &str,
        value: Option<Json>,
        bytes: Vec<u8>,
    ) {
        self.made.push(Vector {
            name: name.to_owned(),
            structure: structure.to_owned(),
            expect: expect.to_owned(),
            comment: comment.to_owned(),
            value,
            bytes,
        });
    }
}

/// `bytes` with those from `at` on replaced.
fn with(bytes: &[u8], at: usize, new: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + new.len()].copy_from_slice(new);
    bytes
}

fn cut(bytes: &[u8], by: usize) -> Vec<u8> {
    bytes[..bytes.len() - by].to_vec()
}

fn and(bytes: &[u8], more: &[u8]) -> Vec<u8> {
    [bytes, more].concat()
}

/// `bytes` with the one place where `old` stands replaced by `new`.
fn edit(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let places = bytes.windows(old.len()).enumerate().filter(|(_, window)| *window == old);
    let places: Vec<usize> = places.map(|(at, _)| at).collect();
    assert_eq!(places.len(), 1, "{old:?} must stand in one place");
    [&bytes[..places[0]], new, &bytes[places[0] + old.len()..]].concat()
}

/// Chapter 1: how records refuse what is not canonical, shown on a heartbeat.
fn conventions(m: &mut Maker) {
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
fn repository(m: &mut Maker) {
    let first = json!({
        "repository": m.id::<16>(), "created": NOW, "previous": null, "features": [],
        "single_writer": false,
    });
    m.good("02-repository/config-first", "config", "config/0, without its MAC", first.clone());
    let mut second = first;
    second["previous"] = m.id::<32>();
    second["features"] = json!(["colour", "shape"]);
    second["single_writer"] = true.into();
    let comment = "a later one, with features that no program knows yet";
    let ok = m.good("02-repository/config-later", "config", comment, second);
    let comment = "features out of order";
    let swapped = edit(&ok, b"fcoloureshape", b"eshapefcolour");
    m.bad("02-repository/config-order", "config", "bad-record", comment, swapped);
}

/// Chapter 3: slots and keyrings as records, without cryptography.
fn keys(m: &mut Maker) {
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
        {"purpose": "first purpose", "epoch": 0, "key": m.id::<32>()},
        {"purpose": "second purpose", "epoch": 4_294_967_295_u32, "key": m.id::<32>()},
    ]});
    let comment = "a keyring as it stands inside a slot; the purposes are invented";
    let ok = m.good("03-keys/keyring", "keyring", comment, keys);
    m.bad("03-keys/keyring-short", "keyring", "bad-record", "half of it", cut(&ok, ok.len() / 2));
}

/// Chapter 4: frames.
fn envelope(m: &mut Maker) {
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
    bad("version", "unknown-version", "format version 2", with(&ok, 4, &[2]));
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

fn blob(m: &Maker, stored: u32, plain: u32, codec: u8, depth: u8, bases: usize) -> Json {
    let bases: Vec<Json> = (0..bases).map(|_| m.id::<16>()).collect();
    json!({
        "id": m.id::<32>(), "stored": stored, "plain": plain, "codec": codec, "depth": depth,
        "salt": 0, "bases": bases,
    })
}

/// Chapter 5: heads, trailers and footers of packs.
fn pack(m: &mut Maker) {
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
    bad("version", "unknown-version", "format version 2", with(&ok, 4, &[2]));

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
fn index(m: &mut Maker) {
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

/// Chapter 7: content and lists.
fn lists(m: &mut Maker) {
    let pieces = json!([
        {"chunk": {"id": m.id::<32>(), "length": 65536}},
        {"hole": {"length": 1_099_511_627_776_u64}},
        {"chunk": {"id": m.id::<32>(), "length": 1}},
    ]);
    let ok = m.good("07-tree/list-leaf", "list-leaf", "chunks and a hole", pieces);
    let mut bad = |name: &str, comment: &str, bytes: Vec<u8>| {
        m.bad(&format!("07-tree/list-leaf-{name}"), "list-leaf", "bad-record", comment, bytes);
    };
    bad("tag", "a directory where a list belongs", with(&ok, 0, b"D"));
    bad("level", "an inner node where a leaf belongs", with(&ok, 1, &[1]));
    bad("piece", "a piece of unknown kind", with(&ok, 2, &[2]));
    bad("zero", "a chunk of no bytes", with(&ok, 3, &[0; 4]));
    bad("large", "a chunk of 2^31 bytes", with(&ok, 3, &[0, 0, 0, 0x80]));
    bad("overflow", "lengths that add up to 2^64", with(&ok, 2 + 37 + 1, &[255; 8]));
    bad("short", "half a piece", cut(&ok, 1));

    let children = json!([[m.id::<32>(), 4_194_304], [m.id::<32>(), 1]]);
    let comment = "two leaves and the bytes beneath each";
    let ok = m.good("07-tree/list-inner", "list-inner-1", comment, children.clone());
    m.good("07-tree/list-inner-deep", "list-inner-8", "the highest level", children);
    let mut bad = |name: &str, comment: &str, bytes: Vec<u8>| {
        m.bad(&format!("07-tree/list-inner-{name}"), "list-inner-1", "bad-record", comment, bytes);
    };
    bad("empty", "no child", ok[..2].to_vec());
    bad("zero", "nothing beneath a child", with(&ok, 2 + 32, &[0; 8]));
    bad("overflow", "lengths that add up to 2^64", with(&ok, 2 + 32, &[255; 8]));
    let deep = with(&ok, 1, &[8]);
    bad("level", "another level than the parent says", deep.clone());
    let comment = "a node of level 1 where one of level 8 belongs";
    m.bad("07-tree/list-inner-deep-level", "list-inner-8", "bad-record", comment, ok);

    let chunk = |m: &Maker, length: u32| {
        let Json::String(id) = m.id::<32>() else { unreachable!() };
        let id = id.trim_start_matches("h'").trim_end_matches('\'').to_owned();
        format!("00{}{id}", hex(&length.to_le_bytes()))
    };
    let two = format!("h'{}{}01{}'", chunk(m, 65536), chunk(m, 100), hex(&7_u64.to_le_bytes()));
    let inline = json!({"length": 65643, "chunker": 1, "pieces": two});
    let ok = m.good("07-tree/content-inline", "content", "three pieces in place", inline);
    let empty = json!({"length": 0, "chunker": 1});
    m.good("07-tree/content-empty", "content", "an empty file", empty);
    let list = json!({
        "length": 1_000_000_000, "chunker": 1, "list": {"id": m.id::<32>(), "levels": 2},
    });
    m.good("07-tree/content-list", "content", "many pieces: the root of a list", list);
    let comment = "pieces that do not add up to the length";
    let short = edit(&ok, b"\x1a\x00\x01\x00\x6b", b"\x1a\x00\x01\x00\x6c");
    m.bad("07-tree/content-length", "content", "bad-record", comment, short);
}

/// Chapter 7: directories.
fn directories(m: &mut Maker) {
    let meta = json!({"mode": 420, "uid": 1000, "gid": 100, "mtime": [1_795_219_100, 5]});
    let content = json!({"length": 0, "chunker": 1});
    let plain = |name: &str, kind: Json| json!({"name": name, "kind": kind, "meta": meta});
    let file = json!({
        "name": "h'612e747874'",
        "kind": {"file": {"content": content}},
        "meta": {
            "mode": 33188 & 0o7777, "uid": 0, "gid": 0, "user": "root", "group": "wheel",
            "mtime": [-1, 999_999_999], "hard_link": [64769, 1234],
            "xattrs": {"h'757365722e61'": "h'00ff'", "h'757365722e62'": "h''"},
        },
        "stamp": {
            "size": 0, "mtime": [-1, 999_999_999], "ctime": [1_795_219_000, 0], "inode": 1234,
        },
        "taint": "it changed while it was read",
    });
    m.good("07-tree/node-all-fields", "node", "a file with every optional field", file.clone());
    let database = json!({"file": {
        "content": {"length": 8192, "chunker": 1, "list": {"id": m.id::<32>(), "levels": 0}},
        "sqlite": {
            "page_size": 4096, "page_count": 2, "change_counter": 9, "journal_mode": "wal",
            "encoding": "UTF-8", "user_version": 3, "application_id": -1,
            "schema_hash": "00", "reader": "3.51.3", "method": "dbpage", "verified": "quick",
            "row_counts": {"t": 5},
        },
    }});
    let directory = json!({"directory": {"entries": {"id": m.id::<32>(), "levels": 1}}});
    let entries = json!([
        file,
        plain("h'62'", database),
        plain("h'63'", directory),
        plain("h'64'", json!({"symlink": {"target": "h'2e2e2f78'"}})),
        plain("h'65'", "fifo".into()),
        plain("h'66'", "socket".into()),
        plain("h'67'", json!({"chardevice": {"device": [1, 3]}})),
        plain("h'68'", json!({"blockdevice": {"device": [8, 0]}})),
        plain("h'ff80'", "fifo".into()),
    ]);
    let ok = m.good("07-tree/directory-leaf", "directory-leaf", "every kind of entry", entries);
    m.good("07-tree/directory-empty", "directory-leaf", "an empty directory", json!([]));
    let comment = "an entry of a kind that this version does not have";
    let other = edit(&ok, b"fsocket", b"fsickle");
    m.bad("07-tree/directory-kind", "directory-leaf", "unknown-version", comment, other);
    let mut bad = |name: &str, comment: &str, bytes: Vec<u8>| {
        let name = format!("07-tree/directory-{name}");
        m.bad(&name, "directory-leaf", "bad-record", comment, bytes);
    };
    bad("slash", "a name with a slash", edit(&ok, b"\x45a.txt", b"\x45a/txt"));
    bad("dot-dot", "the parent's name", edit(&ok, b"\x42\xff\x80", b"\x42.."));
    bad("order", "a name that comes too late", edit(&ok, b"\x41d", b"\x41b"));
    bad("entry-length", "an entry of 2^31 bytes", with(&ok, 2, &[0, 0, 0, 0x80]));
    bad("short", "the last entry is cut", cut(&ok, 1));
    let comment = "attributes out of order are not canonical";
    bad("xattr-order", comment, edit(&ok, b"Fuser.a", b"Fuser.c"));
    let comment = "one attribute twice";
    bad("xattr-twice", comment, edit(&ok, b"Fuser.b@", b"Fuser.a@"));

    let children = json!([[m.id::<32>(), "h'6d'"], [m.id::<32>(), "h'7a7a'"]]);
    let comment = "two leaves and the last name beneath each";
    let ok = m.good("07-tree/directory-inner", "directory-inner-1", comment, children.clone());
    m.good("07-tree/directory-inner-deep", "directory-inner-8", "the highest level", children);
    let mut bad = |name: &str, comment: &str, bytes: Vec<u8>| {
        let name = format!("07-tree/directory-inner-{name}");
        m.bad(&name, "directory-inner-1", "bad-record", comment, bytes);
    };
    bad("empty", "no child", ok[..2].to_vec());
    bad("name", "a name that is no name", with(&ok, 2 + 36, b"/"));
    bad("order", "names out of order", edit(&ok, b"zz", b"aa"));
    bad("name-length", "a name of 2^31 bytes", with(&ok, 2 + 32, &[0, 0, 0, 0x80]));
    let comment = "a node of level 1 where one of level 8 belongs";
    m.bad("07-tree/directory-inner-deep-level", "directory-inner-8", "bad-record", comment, ok);
    let comment = "no node at all";
    m.bad("07-tree/node-empty", "node", "bad-record", comment, vec![0xa0]);
}

/// Chapter 8: outcomes, notes, writers.
fn outcomes(m: &mut Maker) {
    let root = json!({
        "name": "h'617070'",
        "kind": {"directory": {"entries": {"id": m.id::<32>(), "levels": 0}}},
        "meta": {"mode": 493, "uid": 0, "gid": 0, "mtime": [1_795_219_100, 0]},
    });
    let part = |kind: &str, facts: Json, tainted: bool| {
        let mut part = json!({
            "kind": kind, "path": "h'2f7372762f617070'", "root": root, "started": NOW,
            "finished": NOW + 2, "tainted": tainted, "incomplete": !tainted,
        });
        if !facts.is_null() {
            part["facts"] = facts;
        }
        part
    };
    let stored = json!({"blobs": 3, "plain": 200_000, "stored": 90_000});
    let snapshot = json!({"snapshot": {
        "id": m.id::<16>(), "series": m.id::<16>(), "sequence": 2, "previous": m.id::<32>(),
        "parent": m.id::<16>(), "generation": 4, "started": NOW, "finished": NOW + 1_000_000_000,
        "host": "db1", "user": "backup", "tags": ["daily", "hourly"], "labels": {"app": "1.2"},
        "tool": "icecore 0.1.0",
        "parts": [
            part("files", Json::Null, true),
            part("sqlite", json!({"engine": "3.51.3"}), false),
            part("stdin", Json::Null, false),
        ],
        "warnings": ["/srv/app/x changed while it was read"],
        "summary": {
            "files_new": 1, "files_changed": 2, "files_unchanged": 3, "directories": 4,
            "databases": 5, "failed": 6, "bytes": 7, "bytes_read": 8, "chunks_new": 9,
            "chunks_known": 10, "whole": stored, "delta": stored, "packed": 11, "written": 12,
        },
    }});
    let ok = m.good("08-snapshot/snapshot", "outcome", "with a part of each kind", snapshot);
    let comment = "a part of a kind that this version does not have";
    let other = edit(&ok, b"fsqlite", b"foracle");
    m.bad("08-snapshot/part-kind", "outcome", "unknown-version", comment, other);
    let comment = "an outcome of a kind that this version does not have";
    let other = edit(&ok, b"hsnapshot", b"hsnapshop");
    m.bad("08-snapshot/outcome-kind", "outcome", "unknown-version", comment, other);
    let mut packs = [m.id::<32>(), m.id::<32>()];
    packs.sort_by_key(Json::to_string);
    m.good(
        "08-snapshot/partial",
        "outcome",
        "progress of a long backup",
        json!({"partial": {
            "id": m.id::<16>(), "generation": 0, "packs": packs, "at": NOW,
        }}),
    );
    m.good(
        "08-snapshot/maintenance",
        "outcome",
        "packs were moved",
        json!({"maintenance": {
            "id": m.id::<16>(), "generation": 1, "verb": "prune", "at": NOW,
        }}),
    );
    m.good(
        "08-snapshot/tombstone",
        "outcome",
        "a writer given up",
        json!({"tombstone": {
            "id": m.id::<16>(), "generation": 2, "at": NOW,
        }}),
    );
    let ok = m.good(
        "08-snapshot/note",
        "note",
        "a verification",
        json!({
            "id": m.id::<16>(), "snapshot": m.id::<16>(), "at": NOW, "topic": "verified",
            "text": "all data read",
        }),
    );
    m.bad("08-snapshot/note-short", "note", "bad-record", "cut", cut(&ok, 1));
    let mut writer = json!({
        "id": m.id::<16>(), "started": NOW, "verb": "backup", "host": "db1", "process": 4242,
        "tool": "icecore 0.1.0", "continues": null,
    });
    m.good("08-snapshot/writer", "writer", "a writer's registration", writer.clone());
    writer["continues"] = m.id::<16>();
    let ok = m.good("08-snapshot/writer-continues", "writer", "one that goes on", writer);
    m.bad("08-snapshot/writer-short", "writer", "bad-record", "cut", cut(&ok, 1));
}

/// Chapter 8: collection.
fn collection(m: &mut Maker) {
    let ok = m.good(
        "08-snapshot/forgotten",
        "forgotten",
        "a snapshot given up",
        json!({
            "id": m.id::<16>(), "series": m.id::<16>(), "sequence": 17, "hash": m.id::<32>(),
            "at": NOW,
        }),
    );
    m.bad("08-snapshot/forgotten-short", "forgotten", "bad-record", "cut", cut(&ok, 1));
    let ok = m.good(
        "08-snapshot/condemned",
        "condemned",
        "one pack for each reason",
        json!({
            "generation": 5, "at": NOW, "packs": [
                [m.id::<32>(), "garbage"], [m.id::<32>(), "duplicate"], [m.id::<32>(), "damaged"],
            ],
        }),
    );
    let comment = "a reason that this version does not have";
    let other = edit(&ok, b"ggarbage", b"gcabbage");
    m.bad("08-snapshot/condemned-reason", "condemned", "unknown-version", comment, other);
    let ok = m.good(
        "08-snapshot/verdict",
        "verdict",
        "what became of them",
        json!({
            "generation": 5, "swept": [m.id::<32>()], "rescued": [m.id::<32>()],
            "snapshots": [m.id::<16>()], "segments": [m.id::<32>()], "at": NOW,
        }),
    );
    m.bad("08-snapshot/verdict-short", "verdict", "bad-record", "cut", cut(&ok, 1));
}
