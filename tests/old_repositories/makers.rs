//! The repositories, each with what it is made of.

use crate::common::chance::Chance;
use crate::common::forge::{Blob, Forger, commit, session};
use crate::common::memory::{Tree, node};
use crate::common::repo::TempRepo;
use icecore::backend::{Backend, Handle, Local};
use icecore::crypto::{KdfCost, Secret};
use icecore::format::content::{Content, Piece};
use icecore::format::directory::NodeKind;
use icecore::format::gc::Reason;
use icecore::format::note::{About, Note, Withdrawal};
use icecore::format::snapshot::Snapshot;
use icecore::format::{BlobKind, ObjectKind};
use icecore::id::{NoteId, PackId};
use icecore::monitor::Silent;
use icecore::ops::prune::{PlanLimits, PruneOptions, Unused, prune};
use icecore::repo::NewBlob;
use rusqlite::Connection;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A repository: how to write it. What is returned stands beside it.
pub struct Maker {
    pub name: &'static str,
    pub make: fn(&Path) -> Json,
}

pub const MAKERS: [Maker; 6] = [
    Maker { name: "healthy", make: healthy },
    Maker { name: "hours", make: hours },
    Maker { name: "writers", make: writers },
    Maker { name: "slots", make: slots },
    Maker { name: "collected", make: collected },
    Maker { name: "pruned", make: pruned },
];

const KEY: &str = "0909090909090909090909090909090909090909090909090909090909090909";

fn new(path: &Path, seed: u64) -> TempRepo {
    TempRepo::over(Arc::new(Local::create(path).unwrap()), seed)
}

fn backup(repo: &TempRepo, tree: &Tree) -> Snapshot {
    let report = repo.backup(vec![tree.source("/srv/app")]).unwrap();
    report.snapshot
}

fn said(
    snapshot: &Snapshot,
    tags: &[&str],
    files: impl Iterator<Item = (String, Vec<u8>)>,
) -> Json {
    let hashes = files.map(|(path, bytes)| (path, blake3::hash(&bytes).to_string().into()));
    let files: serde_json::Map<String, Json> = hashes.collect();
    json!({"id": snapshot.id.to_string(), "tags": tags, "files": files})
}

/// A snapshot of a tree at `/srv/app`.
fn of_tree(snapshot: &Snapshot, tags: &[&str], tree: &Tree) -> Json {
    let files = tree.files.keys();
    said(snapshot, tags, files.map(|path| (format!("/srv/app/{path}"), tree.bytes(path))))
}

fn with_key_file(comment: &str, snapshots: Vec<Json>) -> Json {
    json!({
        "comment": comment, "secrets": [{"key-file": KEY}], "refused": [],
        "snapshots": snapshots,
    })
}

fn healthy(path: &Path) -> Json {
    let repo = new(path, 20_261_121);
    let mut tree = Tree::default();
    let mut noise = vec![0; 40_000];
    blake3::Hasher::new_keyed(&[1; 32]).finalize_xof().fill(&mut noise);
    tree.put("app.db", noise.clone());
    tree.put("uploads/a.txt", b"an upload\n".to_vec());
    tree.put("empty", Vec::new());
    let first = of_tree(&backup(&repo, &tree), &[], &tree);
    noise[20_000] ^= 0x20;
    tree.put("app.db", noise);
    tree.put("uploads/b.txt", b"another\n".to_vec());
    let snapshot = backup(&repo, &tree);
    assert!(snapshot.summary.delta.blobs > 0);
    let second = of_tree(&snapshot, &[], &tree);
    with_key_file("two snapshots of a folder; one bit of a file differs", vec![first, second])
}

/// A database that SQLite wrote, in WAL mode: every hour a few rows change, and some come and go;
/// after the fourth it is vacuumed. Deltas upon deltas of content, lists and directories.
fn hours(path: &Path) -> Json {
    let repo = new(path, 2);
    let mut tree = Tree::default();
    let mut snapshots = Vec::new();
    let folder = tempfile::tempdir().unwrap();
    let database = Connection::open(folder.path().join("app.db")).unwrap();
    database.pragma_update(None, "journal_mode", "wal").unwrap();
    database.execute_batch("CREATE TABLE log (id INTEGER PRIMARY KEY, said BLOB)").unwrap();
    let mut chance = Chance::new(2);
    for hour in 0..6_i64 {
        let mut rows: Vec<i64> = if hour == 0 { (0..1200).collect() } else { Vec::new() };
        rows.extend(1200 + 10 * hour..1210 + 10 * hour);
        rows.extend((0..3).map(|_| i64::try_from(chance.below(1200)).unwrap()));
        for id in rows {
            let row = (id, chance.noise(100));
            database.execute("INSERT OR REPLACE INTO log VALUES (?, ?)", row).unwrap();
        }
        database.execute("DELETE FROM log WHERE id % 300 = ?", [hour]).unwrap();
        if hour == 3 {
            database.execute_batch("VACUUM").unwrap();
        }
        database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        let mut bytes = std::fs::read(folder.path().join("app.db")).unwrap();
        // The version of SQLite that wrote last, which means nothing to it.
        bytes[96..100].fill(0);
        tree.put("app.db", bytes);
        tree.put(&format!("logs/{hour}"), format!("hour {hour}\n").into_bytes());
        let snapshot = backup(&repo, &tree);
        assert!(hour == 0 || snapshot.summary.delta.blobs > 0);
        let mut said = of_tree(&snapshot, &[], &tree);
        said["rows"] = json!({"/srv/app/app.db": digest_of_rows(&database)});
        snapshots.push(said);
    }
    let index = repo.repository.load_index().unwrap();
    let deltas = |kind| index.places().any(|place| place.kind == kind && place.depth > 1);
    assert!(deltas(BlobKind::Data) && deltas(BlobKind::Meta), "deltas upon deltas");
    with_key_file("six hours of an SQLite database: deltas upon deltas, and a VACUUM", snapshots)
}

/// A hash over all rows of the table of [`hours`], each as its id and its bytes in a line.
pub fn digest_of_rows(database: &Connection) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut rows = database.prepare("SELECT id || ' ' || hex(said) FROM log ORDER BY id").unwrap();
    for row in rows.query_map([], |row| row.get::<_, String>(0)).unwrap() {
        hasher.update(format!("{}\n", row.unwrap()).as_bytes());
    }
    hasher.finalize().to_string()
}

/// Two writers who know nothing of each other store one chunk each for itself, and each a delta
/// upon its own.
fn writers(path: &Path) -> Json {
    let repo = new(path, 3);
    let base = Chance::new(3).rows(20_000);
    let id = |plain: &[u8]| repo.repository.ids().of(BlobKind::Data, plain);
    let mut sessions = [session(&repo), session(&repo)];
    let mut plains = Vec::new();
    for (number, session) in (0..).zip(&mut sessions) {
        let mut changed = base.clone();
        changed[100 + number] ^= 1;
        let bases = vec![id(&base)];
        let whole = NewBlob { kind: BlobKind::Data, id: id(&base), plain: &base, bases: vec![] };
        session.store(&[whole]).unwrap();
        let delta = NewBlob { kind: BlobKind::Data, id: id(&changed), plain: &changed, bases };
        session.store(&[delta]).unwrap();
        plains.push(changed);
    }
    let snapshots = sessions.into_iter().zip(["one", "two"]).zip(&plains);
    let snapshots = snapshots.map(|((session, name), changed)| {
        let pieces = [&base, changed].map(|plain| {
            let length = u32::try_from(plain.len()).unwrap();
            Piece::Chunk { id: id(plain), length }
        });
        let content = Content::inline(1, &pieces);
        let root = node(name, NodeKind::File { content, database: None });
        let place = format!("/{name}");
        let snapshot = commit(session, &place, root, 1);
        said(&snapshot, &[], [(place, [&base[..], changed].concat())].into_iter())
    });
    let snapshots = snapshots.collect();
    with_key_file("two writers at once, who stored one chunk each for itself", snapshots)
}

/// A passphrase and two key files, one of which was removed while its slot's object stays; tags
/// that notes changed, one of which was withdrawn; a forgotten snapshot.
fn slots(path: &Path) -> Json {
    let repo = new(path, 4);
    let cost = KdfCost { memory_kib: 19 << 10, passes: 2, lanes: 1 };
    let removed = Secret::KeyFile(Zeroizing::new([10; 32]));
    let removed = repo.repository.add_slot(&removed, cost, "removed").unwrap();
    let phrase = Secret::Passphrase(Zeroizing::new("correct horse".to_owned()));
    repo.repository.add_slot(&phrase, cost, "phrase").unwrap();
    let object = repo.backend.get(&Handle::key(removed), None).unwrap();
    repo.repository.remove_slot(removed).unwrap();
    repo.backend.put_new(&Handle::key(removed), &object).unwrap();
    let mut tree = Tree::default();
    let mut made = Vec::new();
    for number in 0..3_u8 {
        tree.put("a", vec![number; 2000]);
        made.push((backup(&repo, &tree), tree.clone()));
    }
    let forgotten = repo.repository.snapshots(|error| panic!("{error}")).unwrap();
    let forgotten = forgotten.keys().find(|key| key.id == made[1].0.id).unwrap();
    repo.repository.forget(forgotten).unwrap();
    let tag = |snapshot: &Snapshot, tags: &[&str]| {
        let tags: BTreeSet<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        assert!(repo.repository.change_tags(snapshot, &tags).unwrap());
    };
    tag(&made[0].0, &["kept", "first"]);
    tag(&made[2].0, &["wrong"]);
    let notes = repo.backend.list(ObjectKind::Note).unwrap();
    let forger = Forger::new(&repo);
    let wrong = notes.iter().filter_map(|object| object.handle.note_id()).find(|id| {
        let read = repo.repository.open_object(&Handle::note(*id)).unwrap().0;
        read.windows(5).any(|window| window == b"wrong")
    });
    let about = About::Withdrawal(Withdrawal { notes: wrong.into_iter().collect() });
    let id = NoteId([0xaa; 16]);
    forger.record(&Handle::note(id), &Note { id, at: repo.env.now(), about });
    json!({
        "comment": "several slots, one of them removed though its object stands; notes; a forgotten snapshot",
        "secrets": [{"key-file": KEY}, {"passphrase": "correct horse"}],
        "refused": [{"key-file": "0a".repeat(32)}, {"passphrase": "wrong horse"}],
        "snapshots": [
            of_tree(&made[0].0, &["first", "kept"], &made[0].1), of_tree(&made[2].0, &[], &made[2].1),
        ],
    })
}

/// Collections: packs condemned and swept, whose chunks were stored again; rescued; rescued and
/// condemned again; a dead snapshot, a dead segment that names what stands nowhere.
fn collected(path: &Path) -> Json {
    let repo = new(path, 5);
    let forger = Forger::new(&repo);
    let mut chance = Chance::new(5);
    let mut tree = Tree::default();
    let packs = || -> BTreeSet<PackId> {
        repo.repository.load_index().unwrap().packs().into_keys().collect()
    };
    tree.put("a", chance.noise(3000));
    let first = (backup(&repo, &tree), tree.clone());
    let swept = packs();
    forger.condemn(1, &swept.iter().copied().collect::<Vec<_>>(), Reason::Duplicate);
    // Nothing of it counts: it is stored again.
    let again = (backup(&repo, &tree), tree.clone());
    tree.put("b", chance.noise(1000));
    let dead = backup(&repo, &tree).id;
    forger.decide(&repo, 1, |verdict| verdict.swept = swept.clone());
    for pack in &swept {
        repo.backend.delete(&Handle::pack(*pack)).unwrap();
    }
    let junk = forger.pack(
        BlobKind::Data,
        &[Blob::raw(
            repo.repository.ids().of(BlobKind::Data, &tree.bytes("a")),
            b"not what its id says",
        )],
    );
    forger.index(0, std::slice::from_ref(&junk));
    let rescued: Vec<PackId> = packs().difference(&swept).copied().collect();
    forger.condemn(2, &rescued, Reason::Garbage);
    forger.decide(&repo, 2, |verdict| {
        verdict.rescued = rescued.iter().copied().collect();
        verdict.snapshots.remove(&dead);
    });
    tree.put("c", b"after the second".to_vec());
    let last = (backup(&repo, &tree), tree.clone());
    forger.condemn(3, &[junk.row.id], Reason::Damaged);
    with_key_file(
        "three collections: swept, rescued, undecided; a dead snapshot and a dead segment",
        [first, again, last].iter().map(|(snapshot, tree)| of_tree(snapshot, &[], tree)).collect(),
    )
}

/// Of many snapshots two were kept, and their room was given back: packs written anew with what is
/// still needed of them, index segments in the place of others, no note of what is gone; then a backup.
fn pruned(path: &Path) -> Json {
    let repo = new(path, 6);
    let mut chance = Chance::new(6);
    let mut tree = Tree::default();
    tree.put("app.db", chance.rows(60_000));
    let tags: BTreeSet<String> = ["seen".to_owned()].into();
    let mut made = Vec::new();
    for hour in 0..6 {
        let mut db = tree.bytes("app.db");
        let at = chance.below(db.len() - 2000);
        let rows = chance.rows(1000);
        db[at..at + rows.len()].copy_from_slice(&rows);
        tree.put("app.db", db);
        tree.put("log", chance.noise(4000));
        tree.put(&format!("logs/{hour}"), format!("hour {hour}\n").into_bytes());
        let snapshot = backup(&repo, &tree);
        assert!(repo.repository.change_tags(&snapshot, &tags).unwrap());
        made.push((snapshot, tree.clone()));
    }
    let snapshots = repo.repository.snapshots(|error| panic!("{error}")).unwrap();
    for (snapshot, _) in made.drain(1..5) {
        let key = snapshots.keys().find(|key| key.id == snapshot.id).unwrap();
        repo.repository.forget(key).unwrap();
    }
    let limits = PlanLimits { unused: Unused::Bytes(0), repack: None };
    let options = PruneOptions { limits, host: "host".into(), ..PruneOptions::default() };
    let report = prune(&repo.repository, &options, &Silent).unwrap();
    assert!(report.moved > 0 && report.swept.packs.count > 0, "{report:?}");
    assert!(report.swept.segments.count > 1 && report.swept.records.count >= 4 + 4, "{report:?}");
    let mut said: Vec<Json> =
        made.iter().map(|(snapshot, tree)| of_tree(snapshot, &["seen"], tree)).collect();
    tree.put("log", b"after the prune\n".to_vec());
    said.push(of_tree(&backup(&repo, &tree), &[], &tree));
    with_key_file("two of six snapshots after a prune, and one that came later", said)
}
