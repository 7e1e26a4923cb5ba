//! Chapter 8: outcomes, writers, notes, collection.

use super::{Maker, NOW, cut, edit, short_previous};
use icecore::id::hex;
use serde_json::{Value as Json, json};

fn quoted(text: &str) -> Json {
    format!("h'{}'", hex(text.as_bytes())).into()
}

/// Chapter 8: outcomes, notes, writers.
pub fn outcomes(m: &mut Maker) {
    let entries = m.id::<32>();
    let part = |kind: &str, folder: &str, name: &str, facts: Json, tainted: bool| {
        let root = json!({
            "name": quoted(name), "kind": {"directory": {"entries": {"id": entries, "levels": 0}}},
            "meta": {"mode": 493, "uid": 0, "gid": 0, "mtime": [1_795_219_100, 0]},
        });
        let mut part = json!({
            "kind": kind, "path": quoted(&format!("{folder}/{name}")), "root": root, "started": NOW,
            "finished": NOW + 2, "tainted": u64::from(tainted), "incomplete": !tainted,
        });
        if tainted {
            part["taints"] = json!([{
                "path": quoted(&format!("{folder}/{name}/a")),
                "taint": {
                    "finding": "page 7 is on two lists", "since": NOW, "scrutiny": "full",
                },
            }]);
        }
        if !facts.is_null() {
            part["selection"] = json!(["database=shop"]);
            part["parents"] = json!([format!("h'{}'", "07".repeat(16))]);
            part["facts"] = facts;
        }
        part
    };
    let stored = json!({"blobs": 3, "plain": 200_000, "stored": 90_000});
    let original = format!("h'{}'", "0a".repeat(16));
    let byte = |byte: &str, length| format!("h'{}'", byte.repeat(length));
    let origin = json!({
        "repository": byte("0b", 16), "snapshot": byte("0c", 16), "hash": byte("0d", 32), "late": true,
    });
    let snapshot = json!({"snapshot": {
        "id": m.id::<16>(), "series": m.id::<16>(), "sequence": 2, "previous": m.id::<32>(),
        "generation": 4, "original": original, "origin": origin, "started": NOW, "finished": NOW + 1_000_000_000,
        "host": "db1", "user": "backup", "tags": ["daily", "hourly"], "labels": {"app": "1.2"},
        "tool": "icecore 0.1.0",
        "parts": [
            part("files", "/srv", "app", Json::Null, false),
            part("sqlite", "/srv", "app.db", json!({"engine": "3.51.3"}), true),
            part("stdin", "", "said", Json::Null, false),
            part("postgres-dump", "/postgres", "db:5432", json!({"server": "15.18"}), false),
        ],
        "missing": [{
            "kind": "postgres-dump", "path": "h'2f737276'", "selection": ["database=crm"],
            "reason": "it is away",
        }],
        "warnings": ["/srv/app/x changed while it was read"],
        "summary": {
            "items": 13, "files_new": 1, "files_changed": 2, "files_unchanged": 3, "directories": 4,
            "databases": 5, "failed": 6, "bytes": 7, "bytes_read": 8, "chunks_new": 9,
            "chunks_known": 10, "whole": stored, "delta": stored, "packed": 11, "written": 12,
        },
    }});
    let ok = m.good("08-snapshot/snapshot", "outcome", "with a part of each kind", snapshot);
    let comment = "a hash of 31 bytes";
    m.bad("08-snapshot/previous", "outcome", "bad-record", comment, short_previous(&ok));
    let comment = "a part of a kind that this version does not have";
    let other = edit(&ok, b"fsqlite", b"foracle");
    m.bad("08-snapshot/part-kind", "outcome", "unknown-version", comment, other);
    let mut bad = |name: &str, comment: &str, old: &[u8], new: &[u8]| {
        let name = format!("08-snapshot/{name}");
        m.bad(&name, "outcome", "bad-record", comment, edit(&ok, old, new));
    };
    bad("sequence", "number 0 of its series", b"hsequence\x02", b"hsequence\x00");
    bad("path-relative", "a relative path", b"dpathH/srv/app", b"dpathHxsrv/app");
    bad("path-slash", "an empty name in a path", b"dpathH/srv/app", b"dpathI/srv//app");
    bad("path-up", "a name that leads up", b"dpathK/srv/app.db", b"dpathJ/../app.db");
    bad("root-name", "a root of another name", b"dnameDsaid", b"dnameDsaie");
    bad("overlap", "a part in another", b"dpathK/srv/app.db", b"dpathO/srv/app/app.db");
    bad("tag-twice", "a tag twice", b"edailyfhourly", b"edailyedaily");
    bad("tag-order", "tags out of order", b"edailyfhourly", b"fhourlyedaily");
    bad("label-twice", "a label twice", b"\xa1capp\x631.2", b"\xa2capp\x631.2capp\x631.2");
    let comment = "labels in another order than that of their bytes";
    bad("label-order", comment, b"\xa1capp\x631.2", b"\xa2ab\x61xbaa\x61x");
    let comment = "an outcome of a kind that this version does not have";
    let other = edit(&ok, b"\xa1hsnapshot", b"\xa1hsnapshop");
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
            "id": m.id::<16>(), "at": NOW, "about": {"snapshot": {
                "snapshot": m.id::<16>(), "topic": "verified", "text": "all data read",
            }},
        }),
    );
    for (name, comment, about) in [
        (
            "note-tags",
            "other tags",
            json!({"tags": {"snapshot": m.id::<16>(), "remove": ["hourly"], "add": ["kept"]}}),
        ),
        (
            "note-damage",
            "a pack and a blob that were found damaged",
            json!({"damage": {"packs": [m.id::<32>()], "blobs": [[m.id::<32>(), 77]]}}),
        ),
        ("note-withdrawal", "it is well again", json!({"withdrawal": {"notes": [m.id::<16>()]}})),
    ] {
        let value = json!({"id": m.id::<16>(), "at": NOW, "about": about});
        m.good(&format!("08-snapshot/{name}"), "note", comment, value);
    }
    let id = format!("h'{}'", "5a".repeat(16));
    m.good(
        "08-snapshot/note-hold",
        "note",
        "a snapshot that must stay for a day",
        json!({"id": id, "at": NOW, "about": {"hold": {
            "snapshot": id, "reason": "audit", "until": NOW + 86_400_000_000_000,
        }}}),
    );
    ledger(m);
    m.bad("08-snapshot/note-short", "note", "bad-record", "cut", cut(&ok, 1));
    let mut writer = json!({
        "id": m.id::<16>(), "started": NOW, "verb": "backup", "host": "db1", "process": 4242,
        "tool": "icecore 0.1.0", "continues": null,
    });
    m.good("08-snapshot/writer", "writer", "a writer's registration", writer.clone());
    writer["continues"] = m.id::<16>();
    let ok = m.good("08-snapshot/writer-continues", "writer", "one that goes on", writer);
    m.bad("08-snapshot/writer-short", "writer", "bad-record", "cut", cut(&ok, 1));
    let folder = json!({"kind": "files", "path": "h'2f737276'"});
    let database = json!({
        "kind": "postgres-dump", "path": "h'2f706f7374677265732f6462'",
        "selection": ["database=shop", "schema=public"],
    });
    let original = format!("h'{}'", "0a".repeat(16));
    let origin = format!("h'{}'", "0c".repeat(16));
    let sources = [folder, database];
    let value = json!({"host": "db1", "sources": sources, "original": original, "origin": origin});
    let ok = m.good("08-snapshot/series", "series", "a folder and a database", value);
    m.bad("08-snapshot/series-short", "series", "bad-record", "cut", cut(&ok, 1));
}

/// Chapter 8: a note of the ledger.
fn ledger(m: &mut Maker) {
    let id = format!("h'{}'", "5b".repeat(16));
    let (one, other) = ("01".repeat(8), "02".repeat(8));
    m.good(
        "08-snapshot/note-verified",
        "note",
        "packs that two hosts have verified",
        json!({"id": id, "at": NOW, "about": {"verified": {"runs": [
            {"host": "db1", "at": NOW, "sound": format!("h'{one}{other}'"), "damaged": "h''"},
            {"host": "db2", "at": NOW - 5, "sound": "h''", "damaged": "h'ffffffffffffffff'"},
        ]}}}),
    );
}

/// Chapter 8: collection.
pub fn collection(m: &mut Maker) {
    let ok = m.good(
        "08-snapshot/forgotten",
        "forgotten",
        "a snapshot given up",
        json!({
            "id": m.id::<16>(), "at": NOW, "first": 15, "position": {
                "series": m.id::<16>(), "sequence": 17, "hash": m.id::<32>(),
            },
        }),
    );
    m.good(
        "08-snapshot/forgotten-unread",
        "forgotten",
        "one that could not be read",
        json!({"id": m.id::<16>(), "at": NOW}),
    );
    m.bad("08-snapshot/forgotten-short", "forgotten", "bad-record", "cut", cut(&ok, 1));
    let ok = m.good(
        "08-snapshot/condemned",
        "condemned",
        "one pack for each reason",
        json!({
            "generation": 5, "at": NOW, "packs": [
                [m.id::<32>(), "garbage"], [m.id::<32>(), "duplicate"], [m.id::<32>(), "damaged"],
            ], "segments": [m.id::<32>()],
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
