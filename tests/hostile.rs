//! Repositories that somebody with a valid key wrote to do harm, and records of collections: what
//! may be read, what is refused, and who is named (faults 12, 13, 17, 19, 32 to 35, 46, 47, 52, 53).

use crate::common::chance::Chance;
use crate::common::forge::{Blob, Forger, commit, segment, session, snapshot};
use crate::common::memory::{Tree, folder, items, node};
use crate::common::repo::TempRepo;
use icecore::backend::Handle;
use icecore::codec::{Encoder, Level};
use icecore::crypto::config_mac;
use icecore::error::{Kind, Result};
use icecore::format::config::Config;
use icecore::format::gc::{Reason, Verdict};
use icecore::format::list::{Content, ListNode, Piece, TreeRef};
use icecore::format::node::{DirectoryNode, Node, NodeKind};
use icecore::format::snapshot::{Outcome, Snapshot, Tombstone};
use icecore::format::{BlobKind, Codec, ObjectKind, frame, record};
use icecore::id::{ChunkId, IndexId, SnapshotId};
use icecore::monitor::{Recording, Silent};
use icecore::ops::backup::backup;
use icecore::ops::restore::{RestoreOptions, RestoreReport, restore};
use icecore::repo::{Candidate, Reader, Session};
use icecore::source::{ByteStream, FileItem, FileProof, Got, Item};
use std::sync::Arc;

/// A repository with one honest backup.
fn honest(seed: u64) -> (TempRepo, Tree, Snapshot) {
    let repo = TempRepo::new(seed);
    let mut chance = Chance::new(seed);
    let mut tree = Tree::default();
    tree.put("a/file", chance.noise(3000));
    tree.put("db", chance.rows(400_000));
    let snapshot = repo.backup(vec![tree.source("/data")]).unwrap().snapshot;
    (repo, tree, snapshot)
}

fn is_whole(repo: &TempRepo, snapshot: &Snapshot, tree: &Tree) {
    for path in tree.files.keys() {
        assert!(repo.read(snapshot, &format!("/data/{path}")).unwrap() == tree.bytes(path));
    }
}

fn id_of(repo: &TempRepo, plain: &[u8]) -> ChunkId {
    repo.repository.ids().of(BlobKind::Data, plain)
}

fn read(repo: &TempRepo, id: ChunkId) -> Result<Vec<u8>> {
    let index = repo.repository.load_index()?;
    Ok(Reader::new(&repo.repository, &index).read(&id)?.to_vec())
}

/// Stores a metadata blob through the front door.
fn meta(session: &mut Session<'_>, plain: &[u8]) -> ChunkId {
    let id = session.repository().ids().of(BlobKind::Meta, plain);
    session.store(&[Candidate { kind: BlobKind::Meta, id, plain, bases: Vec::new() }]).unwrap();
    id
}

fn directory(name: &str, id: ChunkId) -> Node {
    node(name, NodeKind::Directory { entries: TreeRef { id, levels: 0 } })
}

fn file(name: &str, content: Content) -> Node {
    node(name, NodeKind::File { content, sqlite: None })
}

fn bring_back(
    repo: &TempRepo,
    snapshot: &Snapshot,
) -> (Result<RestoreReport>, Vec<String>, tempfile::TempDir) {
    let target = tempfile::tempdir().unwrap();
    let index = repo.repository.load_index().unwrap();
    let reader = Reader::new(&repo.repository, &index);
    let heard = Recording::default();
    let mut options = RestoreOptions::default();
    let report = restore(&reader, snapshot, None, target.path(), &mut options, &heard);
    (report, heard.heard(), target)
}

/// A false chunk, sealed by a key holder under the id of other content, is never given out, the
/// error names it and its pack, and `check` finds it. As a base it is named too (fault 46).
#[test]
fn a_false_chunk_is_named() {
    let (mut repo, tree, before) = honest(1);
    repo.damaged = true;
    let forger = Forger::new(&repo);
    let honest = Chance::new(1001).noise(3000);
    let delta = [&honest[..], b"!"].concat();
    let id = id_of(&repo, &honest);
    let mut encoder = Encoder::new(Level::default());
    let encoded = encoder.delta(&delta, &honest).unwrap();
    let against = Blob {
        id: id_of(&repo, &delta),
        plain: u32::try_from(delta.len()).unwrap(),
        codec: encoded.codec,
        payload: encoded.bytes,
        depth: 1,
        bases: vec![id.base()],
    };
    let mut lie = honest.clone();
    lie[700] ^= 1;
    let pack = forger.pack(BlobKind::Data, &[Blob::raw(id, &lie), against.clone()]);
    forger.index(0, std::slice::from_ref(&pack));
    for wanted in [id, against.id] {
        let error = read(&repo, wanted).unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged);
        let text = error.to_string();
        assert!(text.contains(&id.to_string()), "{text}");
        assert!(text.contains(&pack.row.id.to_string()), "{text}");
        assert!(text.contains("not what its id says"), "{text}");
    }
    let chunk = Piece::Chunk { id, length: u32::try_from(lie.len()).unwrap() };
    let forged = commit(session(&repo), "/evil", file("evil", Content::inline(1, &[chunk])), 1);
    let report = repo.check();
    let named = |text: &String| text.contains(&id.to_string()) && text.contains("its id says");
    let findings: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    assert!(findings.iter().any(named), "{findings:#?}");
    assert!(report.touched.iter().any(|touched| touched.snapshot == forged.id));
    let (restored, _, target) = bring_back(&repo, &forged);
    assert_eq!(restored.unwrap().failed, 1);
    assert!(!target.path().join("evil").exists());
    is_whole(&repo, &before, &tree);

    // Once somebody stores the real chunk beside it, both read: every entry is tried, bases too.
    let real = forger.pack(BlobKind::Data, &[Blob::raw(id, &honest)]);
    forger.index(0, &[real]);
    assert!(read(&repo, id).unwrap() == honest);
    assert!(read(&repo, against.id).unwrap() == delta);
}

/// Index entries with a wrong offset, length or pack are errors, read nothing past the place, and
/// hide no honest entry of the same chunk (fault 13).
#[test]
fn wrong_index_entries_mislead_nobody() {
    let mut repo = TempRepo::new(2);
    repo.damaged = true;
    let forger = Forger::new(&repo);
    let plains: Vec<Vec<u8>> = (1..5_u8).map(|byte| vec![byte; 1000]).collect();
    let blobs: Vec<Blob> =
        plains.iter().map(|plain| Blob::raw(id_of(&repo, plain), plain)).collect();
    let true_pack = forger.pack(BlobKind::Data, &blobs);
    let other = forger.pack(BlobKind::Data, &[Blob::raw(id_of(&repo, b"other"), &[9; 5000])]);
    let mut lies = true_pack.clone();
    lies.entries.truncate(3);
    lies.entries[0].offset += 1;
    lies.entries[1].stored += 1;
    lies.entries[2].plain -= 1;
    let mut elsewhere = true_pack.clone();
    (elsewhere.row, elsewhere.salt) = (other.row, other.salt);
    elsewhere.entries.drain(..3);
    // The pack is said to be larger than it is, so that the entry lies within it.
    let mut beyond = true_pack.clone();
    beyond.row.size = u32::MAX;
    beyond.entries.truncate(1);
    beyond.entries[0].offset = u32::MAX - 4_000_000;
    beyond.entries[0].stored = 3_999_999;
    forger.index(0, &[lies, elsewhere, beyond]);
    for blob in &blobs {
        assert_eq!(read(&repo, blob.id).unwrap_err().kind(), Kind::Damaged, "{}", blob.id);
    }
    assert!(repo.check().errors >= 4);
    forger.index(0, &[true_pack.clone()]);
    for (blob, plain) in blobs.iter().zip(&plains) {
        assert!(read(&repo, blob.id).unwrap() == *plain);
    }

    // Past the end of its own pack: the whole segment is refused, and reported.
    let mut past = true_pack;
    past.entries[0].offset = past.row.size;
    forger.segment(&segment(0, &[past]).encode().unwrap());
    let mut index = repo.repository.load_index().unwrap();
    let troubles = index.take_troubles();
    assert_eq!(troubles.len(), 1);
    assert!(troubles[0].to_string().contains("past the end of its pack"), "{}", troubles[0]);
}

/// Deltas in a circle, deltas against themselves, lying depths, depth past the bound and wide
/// closures carry nothing, and end in an error at once (fault 32).
#[test]
fn delta_graphs_are_checked_before_decoding() {
    let mut repo = TempRepo::new(3);
    repo.damaged = true;
    let forger = Forger::new(&repo);
    let id = |number: u32| id_of(&repo, &number.to_le_bytes());
    let delta = |number: u32, depth: u8, bases: &[u32]| Blob {
        id: id(number),
        plain: 4,
        codec: Codec::Delta,
        payload: vec![0; 30],
        depth,
        bases: bases.iter().map(|base| id(*base).base()).collect(),
    };
    let mut blobs = vec![
        delta(1, 1, &[2]),
        delta(2, 1, &[1]),
        delta(3, 1, &[3]),
        delta(4, 2, &[5]),
        delta(5, 3, &[4]),
        delta(6, 8, &[7]),
        delta(7, 8, &[6]),
    ];
    // Eight levels of eight bases each, all different: 8^8 ways down.
    for level in 1..=8_u8 {
        for at in 0..8 {
            let below = 100 * u32::from(level - 1);
            let bases: Vec<u32> = (0..8).map(|base| below + 50 + base).collect();
            blobs.push(delta(100 * u32::from(level) + 50 + at, level, &bases));
        }
    }
    blobs.extend((50..58_u32).map(|number| Blob::raw(id(number), &number.to_le_bytes())));
    forger.index(0, &[forger.pack(BlobKind::Data, &blobs)]);
    let index = repo.repository.load_index().unwrap();
    for number in 1..=7 {
        assert!(!index.knows(&id(number)), "{number}");
        assert_eq!(read(&repo, id(number)).unwrap_err().kind(), Kind::Damaged);
    }
    assert_eq!(read(&repo, id(850)).unwrap_err().kind(), Kind::Damaged);
    assert!(read(&repo, id(50)).unwrap() == 50_u32.to_le_bytes());
    assert!(!repo.check().is_healthy());

    // Depth 9 does not even encode; patched into the bytes it makes the segment worthless.
    let pack = forger.pack(BlobKind::Data, &[delta(900, 8, &[50])]);
    let mut bytes = segment(0, &[pack]).encode().unwrap();
    let at = bytes.len() - 17;
    assert_eq!(bytes[at], 0x81);
    bytes[at] = 0x91;
    forger.segment(&bytes);
    assert_eq!(repo.repository.load_index().unwrap().take_troubles().len(), 1);
}

/// A frame that unpacks to more than its entry says is refused before anything is unpacked
/// (fault 32).
#[test]
fn a_decompression_bomb_does_not_go_off() {
    let mut repo = TempRepo::new(4);
    repo.damaged = true;
    let forger = Forger::new(&repo);
    let bomb = Encoder::new(Level::default()).whole(&vec![0; 4 << 20]).unwrap();
    assert!(bomb.bytes.len() < 1000);
    let id = id_of(&repo, b"bomb");
    let (codec, payload) = (bomb.codec, bomb.bytes);
    let blob = Blob { id, plain: 100, codec, payload, depth: 0, bases: Vec::new() };
    forger.index(0, &[forger.pack(BlobKind::Data, &[blob])]);
    let error = read(&repo, id).unwrap_err();
    assert_eq!(error.kind(), Kind::Damaged);
    assert!(error.to_string().contains("length"), "{error}");
}

/// Names that are no names, in directories and in the paths of parts, restore nothing outside the
/// target and nothing under such a name (fault 35).
#[test]
fn bad_names_are_refused() {
    let mut repo = TempRepo::new(5);
    repo.damaged = true;
    let plain = |names: &[&str]| {
        let entries = names.iter().map(|name| file(name, Content::inline(1, &[]))).collect();
        DirectoryNode::Leaf(entries).encode().unwrap()
    };
    let long = "x".repeat(5000);
    for names in
        [&[".."][..], &["."], &[""], &["a/b"], &["a\0b"], &[&long], &["b", "a"], &["a", "a"]]
    {
        let mut session = session(&repo);
        let id = meta(&mut session, &plain(names));
        let forged = commit(session, "/evil", directory("evil", id), 10);
        let (report, heard, target) = bring_back(&repo, &forged);
        assert_eq!(report.unwrap().failed, 1, "{names:?}");
        assert_eq!(heard.len(), 1, "{names:?}");
        assert_eq!(count(target.path()), 1, "{names:?}: only the folder itself");
        let report = repo.check();
        assert!(report.touched.iter().any(|touched| touched.snapshot == forged.id), "{names:?}");
        repo.repository.forget(&stored(&repo, forged.id)).unwrap();
    }
    let deep = "/d".repeat(1_000_000);
    for path in ["/../../evil", "/a/./b", "/a\0", &deep] {
        let root = file("evil", Content::inline(1, &[]));
        let forged = commit(session(&repo), path, root, 1);
        let mut trouble = Vec::new();
        repo.repository.snapshots(|error| trouble.push(error)).unwrap();
        assert!(trouble.iter().any(|error| error.subject().contains(&forged.id.to_string())));
        repo.backend.delete(&Handle::snapshot(forged.id)).unwrap();
    }
    let forged = commit(session(&repo), "/evil", file("../evil", Content::inline(1, &[])), 1);
    let (report, _, target) = bring_back(&repo, &forged);
    assert_eq!(report.unwrap().failed, 1);
    assert_eq!(count(target.path()), 0);
    assert!(!target.path().parent().unwrap().join("evil").exists());
}

fn stored(repo: &TempRepo, id: SnapshotId) -> icecore::repo::StoredSnapshot {
    let stored = repo.repository.snapshots(|error| panic!("{error}")).unwrap();
    stored.into_iter().find(|stored| stored.snapshot.id == id).unwrap()
}

fn count(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { 1 + count(&path) } else { 1 }).sum()
}

/// Directories nested past the bound end in an error, for `check` and for `restore`, without
/// exhausting the stack.
#[test]
fn bottomless_directories_are_refused() {
    let mut repo = TempRepo::new(6);
    repo.damaged = true;
    let mut session = session(&repo);
    let mut id = meta(&mut session, &DirectoryNode::Leaf(Vec::new()).encode().unwrap());
    for _ in 0..1100 {
        let leaf = DirectoryNode::Leaf(vec![directory("d", id)]).encode().unwrap();
        id = meta(&mut session, &leaf);
    }
    let forged = commit(session, "/evil", directory("evil", id), 2000);
    let report = repo.check();
    let findings: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    assert!(findings.iter().any(|text| text.contains("nested too deeply")), "{findings:?}");
    let (report, heard, _target) = bring_back(&repo, &forged);
    assert!(report.is_err() || !heard.is_empty());
}

/// A thousand million paths out of thirty small nodes: `check` looks at each node once, `restore`
/// stops where the snapshot's own count ends. The same for lists of pieces (fault 34).
#[test]
fn countless_paths_from_a_few_nodes_are_bounded() {
    let mut repo = TempRepo::new(7);
    let mut session = session(&repo);
    let mut id = meta(&mut session, &DirectoryNode::Leaf(Vec::new()).encode().unwrap());
    for _ in 0..30 {
        let entries = vec![directory("a", id), directory("b", id)];
        id = meta(&mut session, &DirectoryNode::Leaf(entries).encode().unwrap());
    }
    let forged = commit(session, "/evil", directory("evil", id), 10);
    let report = repo.check();
    assert!(report.is_healthy(), "{:#?}", report.findings);
    let (restored, _, target) = bring_back(&repo, &forged);
    let error = restored.unwrap_err();
    assert_eq!(error.kind(), Kind::Damaged);
    assert!(error.to_string().contains("more entries than it says"), "{error}");
    assert!(count(target.path()) < 1100);

    let mut session = crate::common::forge::session(&repo);
    let mut id = meta(&mut session, &ListNode::Leaf(vec![Piece::Hole { length: 1 }; 500]).encode());
    let mut length = 500;
    for level in 1..=5 {
        id = meta(&mut session, &ListNode::Inner(level, vec![(id, length); 500]).encode());
        length *= 500;
    }
    let list = Some(TreeRef { id, levels: 5 });
    let content = Content { length, chunker: 1, pieces: Vec::new(), list };
    commit(session, "/list", file("list", content), 1);
    let report = repo.check();
    assert!(report.is_healthy(), "{:#?}", report.findings);
    // No honest repository looks like this, but nothing in it is damaged.
    repo.damaged = true;
}

/// Outcomes of malformed CBOR, of any length they claim and any depth, are reported one by one in
/// bounded memory, and hide no honest snapshot (fault 33).
#[test]
fn malformed_snapshots_hide_nothing() {
    let (mut repo, tree, before) = honest(8);
    repo.damaged = true;
    let forger = Forger::new(&repo);
    let huge = |head: u8| [&[head][..], &[0xff; 8]].concat();
    let mut twice = record::encode(&Outcome::Tombstone(Tombstone {
        id: SnapshotId([0; 16]),
        generation: 0,
        at: icecore::env::Time(0),
    }))
    .unwrap();
    twice[0] += 1;
    twice.extend(b"\x64kind\x61x");
    let bombs = [
        huge(0x5b),
        huge(0x7b),
        huge(0x9b),
        huge(0xbb),
        [b"\xa1\x64kind".to_vec(), huge(0x7b)].concat(),
        vec![0x81; 1_000_000],
        vec![0xa1; 1_000_000],
        [vec![0x9f; 1_000_000], vec![0xff; 1_000_000]].concat(),
        vec![0xd8; 100_000],
        twice,
        Vec::new(),
    ];
    for (number, bomb) in bombs.iter().enumerate() {
        let id = SnapshotId([u8::try_from(number).unwrap(); 16]);
        forger.object(&Handle::snapshot(id), bomb);
    }
    let mut trouble = Vec::new();
    let snapshots = repo.repository.snapshots(|error| trouble.push(error)).unwrap();
    assert_eq!((snapshots.len(), trouble.len()), (1, bombs.len()), "{trouble:#?}");
    assert!(trouble.iter().all(|error| error.kind() == Kind::Damaged), "{trouble:#?}");
    is_whole(&repo, &before, &tree);
    assert!(repo.check().errors >= bombs.len() as u64);
    let after = repo.backup(vec![tree.source("/data")]).unwrap().snapshot;
    assert_eq!(after.sequence, 2);
}

/// What a newer program wrote is "unsupported", whichever object it is, and nothing is deleted,
/// whatever is tried (fault 47).
#[test]
fn newer_formats_are_unsupported_and_untouched() {
    let unsupported = |repo: &TempRepo, what: &str| {
        let error = repo.reopen().err().unwrap_or_else(|| panic!("{what}: it opens"));
        assert_eq!(error.kind(), Kind::Unsupported, "{what}: {error}");
        assert!(error.hint_text().is_some(), "{what}");
    };
    // The frame's version.
    let (mut repo, ..) = honest(9);
    repo.damaged = true;
    let mut config = repo.backend.get(&Handle::config(0), None).unwrap();
    config[4] = 2;
    repo.backend.delete(&Handle::config(0)).unwrap();
    repo.backend.put_new(&Handle::config(0), &config).unwrap();
    unsupported(&repo, "version 2");

    // A feature, under a right MAC, in a configuration that follows the first.
    let (mut repo, ..) = honest(10);
    repo.damaged = true;
    let forger = Forger::new(&repo);
    let first = repo.backend.get(&Handle::config(0), None).unwrap();
    let config = Config {
        previous: Some(blake3::hash(&first).as_bytes().to_vec()),
        features: ["telepathy".to_owned()].into(),
        ..repo.repository.config().clone()
    };
    let mut body = record::encode(&config).unwrap();
    let mac = config_mac(&forger.keys, &body).unwrap();
    body.extend(mac);
    forger.put(&Handle::config(1), &frame::encode_open(ObjectKind::Config, &body));
    unsupported(&repo, "an unknown feature");

    // Outcomes of a later version, with a field more, or of another sort.
    let (mut repo, tree, before) = honest(11);
    repo.damaged = true;
    let forger = Forger::new(&repo);
    let outcome = Outcome::Snapshot(Box::new(before.clone()));
    let known = record::encode(&outcome).unwrap();
    let edits = [
        ("later version", replaced(&known, b"\x67version\x01", b"\x67version\x02")),
        ("another sort", replaced(&known, b"\x68snapshot", b"\x68snapshut")),
        ("another field", replaced(&known, b"\x64user", b"\x64usor")),
        ("another record", replaced(&known, b"\x67outcome", b"\x67outcame")),
    ];
    let mut objects = 0;
    for (what, bytes) in &edits {
        objects += 1;
        let handle = Handle::snapshot(SnapshotId([objects; 16]));
        forger.object(&handle, bytes);
        let error = repo.repository.outcome(handle.snapshot_id().unwrap()).unwrap_err();
        assert_eq!(error.kind(), Kind::Unsupported, "{what}: {error}");
    }
    assert_eq!(repo.check().errors, 4);
    is_whole(&repo, &before, &tree);

    // An index segment of a later version: reading and writing stop, since it may name anything.
    let index = repo.backend.list(ObjectKind::Index).unwrap().remove(0).handle;
    let mut bytes = repo.backend.get(&index, None).unwrap();
    bytes[4] = 2;
    forger.put(&Handle::index(IndexId(*blake3::hash(&bytes).as_bytes())), &bytes);
    let error = repo.backup(vec![tree.source("/data")]).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported, "{error}");
    assert_eq!(repo.repository.load_index().unwrap_err().kind(), Kind::Unsupported);
    for number in 1..=objects {
        assert!(repo.backend.size(&Handle::snapshot(SnapshotId([number; 16]))).is_ok());
    }
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

/// A writer whose outcome stands already was fenced: its commit fails as that, nothing of the
/// outcome changes, and the same command run again goes through (faults 17 and 20).
#[test]
fn a_fenced_writer_starts_again() {
    let (repo, tree, _) = honest(12);
    let forger = Forger::new(&repo);
    let mut fenced = session(&repo);
    let plain = Chance::new(1).noise(5000);
    let id = id_of(&repo, &plain);
    fenced
        .store(&[Candidate { kind: BlobKind::Data, id, plain: &plain, bases: Vec::new() }])
        .unwrap();
    let writer = fenced.id();
    let tombstone = Tombstone { id: writer, generation: 1, at: repo.env.now() };
    forger.record(&Handle::snapshot(writer), &Outcome::Tombstone(tombstone));
    let root = file("x", Content::inline(1, &[]));
    let error = fenced.commit(|id, _| snapshot(id, "/x", root, 1)).unwrap_err();
    assert_eq!(error.kind(), Kind::Fenced, "{error}");
    assert!(error.hint_text().unwrap().contains("again"));
    assert!(matches!(repo.repository.outcome(writer).unwrap().0, Outcome::Tombstone(_)));
    let after = repo.backup(vec![tree.source("/data")]).unwrap().snapshot;
    assert_eq!(after.sequence, 2);
    is_whole(&repo, &after, &tree);
}

/// A stream whose opening does something first.
struct Plain {
    bytes: Vec<u8>,
    at: usize,
}

impl ByteStream for Plain {
    fn read(&mut self, buffer: &mut [u8]) -> Result<Got> {
        let length = buffer.len().min(self.bytes.len() - self.at);
        buffer[..length].copy_from_slice(&self.bytes[self.at..self.at + length]);
        self.at += length;
        Ok(if length == 0 { Got::End } else { Got::Data(length) })
    }

    fn finish(self: Box<Self>) -> Result<FileProof> {
        Ok(FileProof::default())
    }
}

/// Four large files; `before` is called with the number of each as it is opened.
fn slowly(
    tree: &Tree,
    before: impl Fn(usize) + Send + Sync + 'static,
) -> Vec<Box<dyn icecore::source::Source>> {
    let before = Arc::new(before);
    let mut all = vec![Item::Enter(folder("data"))];
    for (number, path) in tree.files.keys().enumerate() {
        let (bytes, before) = (tree.bytes(path), before.clone());
        all.push(Item::File(FileItem {
            node: file(path, Content::default()),
            stamp: None,
            settled: false,
            open: Box::new(move || {
                before(number);
                Ok(Box::new(Plain { bytes, at: 0 }) as _)
            }),
        }));
        // Whatever was given so far is read before the next.
        for filler in 0..1023 {
            let name = format!("{path}{filler:04}");
            all.push(Item::Other(node(&name, NodeKind::Fifo)));
        }
    }
    all.push(Item::Leave);
    vec![items("/data", all)]
}

fn four_files(seed: u64) -> Tree {
    let mut chance = Chance::new(seed);
    let mut tree = Tree::default();
    for name in ["a", "b", "c", "d"] {
        tree.put(name, chance.noise(600_000));
    }
    tree
}

/// A backup of many hours commits what it has as partials, goes on as other writers, and its
/// snapshot is whole in the end; clocks that jump back by years change nothing (fault 19).
#[test]
fn a_long_backup_goes_on_as_another_writer() {
    let repo = TempRepo::new(13);
    let tree = four_files(13);
    let clock = repo.clock.clone();
    let sources = slowly(&tree, move |number| {
        clock.advance(if number == 2 { -300_000_000 } else { 4000 });
    });
    let report = repo.backup(sources).unwrap();
    is_whole(&repo, &report.snapshot, &tree);
    let outcomes = repo.repository.outcomes().unwrap();
    let partials = outcomes
        .iter()
        .filter(|(_, outcome)| matches!(outcome, Ok((Outcome::Partial(_), ..))))
        .count();
    assert!(partials >= 2, "{partials} partials");
    assert_eq!(outcomes.len(), partials + 1);
    assert!(repo.backend.list(ObjectKind::Writer).unwrap().len() > partials);
    let again = repo.backup(slowly(&tree, |_| {})).unwrap().snapshot;
    assert_eq!(again.summary.chunks_new, 0);
}

/// What a long backup counted on may be swept once its partial stands and a collection began: it
/// is fenced, and run again it stores what was condemned meanwhile (faults 17 and 18).
#[test]
fn a_long_backup_does_not_outlive_a_collection() {
    let repo = TempRepo::new(14);
    let mut tree = four_files(14);
    let first = repo.backup(slowly(&tree, |_| {})).unwrap().snapshot;
    repo.repository.forget(&stored(&repo, first.id)).unwrap();
    // All of it is garbage now; the next backup counts on it.
    let packs: Vec<_> = repo.repository.load_index().unwrap().packs().into_keys().collect();
    tree.put("a", Chance::new(15).noise(600_000));
    let (clock, forger) = (repo.clock.clone(), Forger::new(&repo));
    let condemned = packs.clone();
    let sources = slowly(&tree, move |number| {
        clock.advance(4000);
        if number == 2 {
            forger.condemn(1, &condemned, Reason::Garbage);
        }
    });
    let error = repo.backup(sources).unwrap_err();
    assert_eq!(error.kind(), Kind::Fenced, "{error}");
    let snapshot = repo.backup(slowly(&tree, |_| {})).unwrap().snapshot;
    for pack in packs {
        repo.backend.delete(&Handle::pack(pack)).unwrap();
    }
    is_whole(&repo, &snapshot, &tree);
}

/// A condemned pack's chunks count as unknown and are stored again; rescued by the verdict they
/// count once more; swept, everything committed since stays whole without them.
#[test]
fn condemned_chunks_are_stored_again() {
    for rescued in [false, true] {
        let (repo, tree, before) = honest(16);
        let forger = Forger::new(&repo);
        let packs: Vec<_> = repo.repository.load_index().unwrap().packs().into_keys().collect();
        forger.condemn(1, &packs, Reason::Duplicate);
        let index = repo.repository.load_index().unwrap();
        assert_eq!(index.generation(), 1);
        assert!(index.places().all(|place| !index.knows(&place.id)));
        let after = repo.backup(vec![tree.source("/data")]).unwrap().snapshot;
        assert_eq!((after.generation, after.summary.chunks_known), (1, 0));
        forger.decide(&repo, 1, |verdict| {
            let packs = packs.iter().copied().collect();
            if rescued { verdict.rescued = packs } else { verdict.swept = packs }
        });
        let index = repo.repository.load_index().unwrap();
        assert!(index.places().all(|place| index.knows(&place.id)));
        if !rescued {
            for pack in packs {
                repo.backend.delete(&Handle::pack(pack)).unwrap();
            }
        }
        for snapshot in [&before, &after] {
            is_whole(&repo, snapshot, &tree);
        }
        let again = repo.backup(vec![tree.source("/data")]).unwrap().snapshot;
        assert_eq!(again.summary.chunks_new, 0);
    }
}

/// Names never come back: an index segment and an outcome that were written without having read
/// the newest decided collection, and are not listed alive there, are dead, however late they
/// appear; what is listed lives (fault 53).
#[test]
fn what_comes_after_a_verdict_is_dead() {
    let (repo, tree, before) = honest(17);
    let forger = Forger::new(&repo);
    let late = b"written before the verdict, applied after it".repeat(50);
    let id = id_of(&repo, &late);
    let pack = forger.pack(BlobKind::Data, &[Blob::raw(id, &late)]);
    forger.condemn(1, &[], Reason::Garbage);
    forger.decide(&repo, 1, |_| {});
    forger.index(0, std::slice::from_ref(&pack));
    assert!(!repo.repository.load_index().unwrap().knows(&id));
    let writer = SnapshotId([3; 16]);
    let length = u32::try_from(late.len()).unwrap();
    let content = Content::inline(1, &[Piece::Chunk { id, length }]);
    let outcome = snapshot(writer, "/late", file("late", content), 1);
    forger.record(&Handle::snapshot(writer), &Outcome::Snapshot(Box::new(outcome)));
    let alive = repo.repository.snapshots(|error| panic!("{error}")).unwrap();
    assert_eq!(alive.len(), 1);
    assert_eq!(alive[0].snapshot, before);
    let report = repo.check();
    assert!(report.is_healthy(), "{:#?}", report.findings);
    assert_eq!((report.snapshots, report.orphans), (1, 1));
    is_whole(&repo, &before, &tree);
    let after = repo.backup(vec![tree.source("/data")]).unwrap().snapshot;
    assert_eq!((after.sequence, after.generation, after.summary.chunks_new), (2, 1, 0));
    // Written in knowledge of the verdict, it would count.
    forger.index(1, &[pack]);
    assert!(repo.repository.load_index().unwrap().knows(&id));
}

/// A verdict that stands without its generation, or names another, is damage: nobody goes on as
/// if there had been no collection.
#[test]
fn a_broken_chain_of_collections_stops_writers() {
    for named in [1, 7] {
        let (mut repo, tree, _) = honest(18);
        repo.damaged = true;
        let forger = Forger::new(&repo);
        let verdict = Verdict {
            generation: named,
            swept: Default::default(),
            rescued: Default::default(),
            snapshots: Default::default(),
            segments: Default::default(),
            at: repo.env.now(),
        };
        forger.record(&Handle::verdict(1), &verdict);
        let error = repo.backup(vec![tree.source("/data")]).unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged, "{error}");
    }
}

/// One writer stored A as a delta of B, another B as a delta of A, and whole copies of both are
/// condemned: neither delta counts as a provider of the other, so that whoever sweeps sees what
/// would be lost; while one whole copy stands, both are read (fault 52).
#[test]
fn crossed_deltas_carry_each_other_never() {
    let mut repo = TempRepo::new(19);
    repo.damaged = true;
    let forger = Forger::new(&repo);
    let (a, b) = (b"first of the two".repeat(99), b"second of the two".repeat(99));
    let (id_a, id_b) = (id_of(&repo, &a), id_of(&repo, &b));
    let delta = |id: ChunkId, plain: &[u8], base: ChunkId, prefix: &[u8]| {
        let encoded = Encoder::new(Level::default()).delta(plain, prefix).unwrap();
        let plain = u32::try_from(plain.len()).unwrap();
        let (codec, payload) = (encoded.codec, encoded.bytes);
        Blob { id, plain, codec, payload, depth: 1, bases: vec![base.base()] }
    };
    let whole_a = forger.pack(BlobKind::Data, &[Blob::raw(id_a, &a)]);
    let whole_b = forger.pack(BlobKind::Data, &[Blob::raw(id_b, &b)]);
    let cross_a = forger.pack(BlobKind::Data, &[delta(id_a, &a, id_b, &b)]);
    let cross_b = forger.pack(BlobKind::Data, &[delta(id_b, &b, id_a, &a)]);
    for pack in [&whole_a, &whole_b, &cross_a, &cross_b] {
        forger.index(0, std::slice::from_ref(pack));
    }
    let both = |repo: &TempRepo| read(repo, id_a).unwrap() == a && read(repo, id_b).unwrap() == b;
    assert!(both(&repo));
    forger.condemn(1, &[whole_a.row.id], Reason::Duplicate);
    assert!(both(&repo));
    let index = repo.repository.load_index().unwrap();
    assert_eq!(index.find(&id_a).unwrap().depth, 1);
    forger.condemn(2, &[whole_b.row.id], Reason::Duplicate);
    let index = repo.repository.load_index().unwrap();
    assert!(!index.knows(&id_a) && !index.knows(&id_b));
    // So a writer stores them again, and the crossed deltas count once more.
    let mut healing = session(&repo);
    healing
        .store(&[Candidate { kind: BlobKind::Data, id: id_b, plain: &b, bases: Vec::new() }])
        .unwrap();
    healing.abandon().unwrap();
    assert!(both(&repo));
}

/// Two writers at once on one source and on another: all commit, all is whole, and the series
/// goes on after them.
#[test]
fn writers_side_by_side() {
    let (repo, tree, _) = honest(20);
    let (one, other) = (four_files(20), four_files(21));
    let run = |source| {
        let options = crate::common::repo::options();
        backup(&repo.repository, vec![source], &options, &Silent).unwrap().snapshot
    };
    for _ in 0..3 {
        let made: Vec<(Snapshot, &str, &Tree)> = std::thread::scope(|scope| {
            let jobs = [("/data", &tree), ("/data", &tree), ("/one", &one), ("/other", &other)];
            let spawn = |(path, tree): (&'static str, _)| {
                let tree: &Tree = tree;
                (scope.spawn(move || run(tree.source(path))), path, tree)
            };
            let threads: Vec<_> = jobs.map(spawn).into_iter().collect();
            threads.into_iter().map(|(job, path, tree)| (job.join().unwrap(), path, tree)).collect()
        });
        for (snapshot, path, tree) in made {
            for name in tree.files.keys() {
                assert!(
                    repo.read(&snapshot, &format!("{path}/{name}")).unwrap() == tree.bytes(name)
                );
            }
        }
        let report = repo.check();
        assert!(report.is_healthy(), "{:#?}", report.findings);
    }
}
