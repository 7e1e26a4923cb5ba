//! Chapter 7: content, lists, directories.

use super::{Maker, cut, edit, with};
use icecore::id::hex;
use serde_json::{Value as Json, json};

/// Chapter 7: content and lists.
pub fn lists(m: &mut Maker) {
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
pub fn directories(m: &mut Maker) {
    let meta = json!({"mode": 420, "uid": 1000, "gid": 100, "mtime": [1_795_219_100, 5]});
    let content = json!({"length": 0, "chunker": 1});
    let plain = |name: &str, kind: Json| json!({"name": name, "kind": kind, "meta": meta});
    let file = json!({
        "name": "h'612e747874'",
        "kind": {"file": {"content": content}},
        "meta": {
            "mode": 33188 & 0o7777, "uid": 0, "gid": 0, "user": "root", "group": "wheel",
            "mtime": [-1, 999_999_999],
            "link_group": {"device": 64769, "inode": 1234, "born": [1_795_219_000, 1]},
            "xattrs": {"h'757365722e61'": "h'00ff'", "h'757365722e62'": "h''"},
        },
        "stamp": {
            "size": 0, "mtime": [-1, 999_999_999], "ctime": [1_795_219_000, 0], "inode": 1234,
        },
        "taint": {
            "finding": "page 7 is on two lists", "since": super::NOW, "scrutiny": "full",
        },
    });
    m.good("07-tree/node-all-fields", "node", "a file with every optional field", file.clone());
    let database = json!({"file": {
        "content": {"length": 8192, "chunker": 1, "list": {"id": m.id::<32>(), "levels": 0}},
        "database": {"sqlite": {
            "page_size": 4096, "page_count": 2, "change_counter": 9, "journal_mode": "wal",
            "encoding": "UTF-8", "user_version": 3, "application_id": -1,
            "schema_hash": "00", "reader": "3.51.3", "method": "dbpage", "verified": "quick",
            "row_counts": {"t": 5},
        }},
    }});
    let dump = json!({"file": {
        "content": {"length": 9000, "chunker": 1, "list": {"id": m.id::<32>(), "levels": 0}},
        "database": {"postgres": {
            "name": "app", "server": 180_001, "pg_dump": 180_001, "format": "custom",
            "selection": ["--schema=public"], "exact": true, "lsn": "0/16B3748",
            "size": 7_900_000, "owner": "app", "encoding": "UTF8", "provider": "icu",
            "collate": "C", "ctype": "C", "locale": "de", "icu_rules": "& a < b",
            "tablespace": "fast", "connection_limit": 10, "comment": "the application",
            "acl": ["=Tc/app", "app=CTc/app"],
            "settings": [{"role": "app", "name": "work_mem", "value": "64MB"}],
            "extensions": {"pg_trgm": "1.6"}, "objects": {"table": 1},
            "tables": [{"schema": "public", "name": "t", "estimate": 4, "rows": 5}],
        }},
    }});
    let directory = json!({"directory": {"entries": {"id": m.id::<32>(), "levels": 1}}});
    let entries = json!([
        file,
        plain("h'62'", database),
        plain("h'6264'", dump),
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
    let most = b"dsize\x00emtime\x82\x20\x1a\x3b\x9a\xc9\xff";
    let more = b"dsize\x00emtime\x82\x20\x1a\x3b\x9a\xca\x00";
    bad("nanoseconds", "10^9 nanoseconds within a second", edit(&ok, most, more));
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
