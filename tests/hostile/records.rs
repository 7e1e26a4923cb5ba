//! Records that are malformed, or newer than this program.

use super::{file, honest, id_of, is_whole, meta};
use crate::common::forge::{Blob, Forger, commit, session};
use crate::common::repo::TempRepo;
use icecore::backend::Handle;
use icecore::codec::{Encoder, Level};
use icecore::crypto::config_mac;
use icecore::error::Kind;
use icecore::format::config::Config;
use icecore::format::content::{Content, ListNode, Piece, TreeRef};
use icecore::format::pack::Trailer;
use icecore::format::snapshot::{Outcome, Tombstone};
use icecore::format::{BlobKind, ObjectKind, VERSION, frame, record};
use icecore::id::{IndexId, SnapshotId};
use icecore::repo::{NewBlob, Reader};
use icecore::stream::ContentReader;

/// Outcomes of malformed CBOR, of any length they claim and any depth, are reported one by one in
/// bounded memory, and hide no honest snapshot.
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
    let snapshots = repo.repository.snapshots(|error| trouble.push(error)).unwrap().all().unwrap();
    assert_eq!((snapshots.len(), trouble.len()), (1, bombs.len()), "{trouble:#?}");
    assert!(trouble.iter().all(|error| error.kind() == Kind::Damaged), "{trouble:#?}");
    is_whole(&repo, &before, &tree);
    assert!(repo.check().errors >= bombs.len() as u64);
    let after = repo.backup(vec![tree.source("/data")]).unwrap().snapshot;
    assert_eq!(after.sequence, 2);
}

/// What a newer program wrote is "unsupported", whichever object it is, and nothing is deleted,
/// whatever is tried.
#[test]
fn newer_formats_are_unsupported_and_untouched() {
    let unsupported = |repo: &TempRepo, what: &str| {
        let error = repo.reopen().err().unwrap_or_else(|| panic!("{what}: it opens"));
        assert_eq!(error.kind(), Kind::Unsupported, "{what}: {error}");
        assert!(error.hint_text().is_some(), "{what}");
    };
    // The frame's version: a newer one, and one from before the first release.
    for version in [VERSION + 1, VERSION - 1] {
        let (mut repo, ..) = honest(9);
        repo.damaged = true;
        let mut config = repo.backend.get(&Handle::config(0), None).unwrap();
        config[4..6].copy_from_slice(&version.to_le_bytes());
        repo.backend.delete(&Handle::config(0)).unwrap();
        repo.backend.put_new(&Handle::config(0), &config).unwrap();
        unsupported(&repo, &format!("version {version}"));
    }

    // A feature, under a right MAC, in a configuration that follows the first.
    let (mut repo, ..) = honest(10);
    repo.damaged = true;
    let forger = Forger::new(&repo);
    let first = repo.backend.get(&Handle::config(0), None).unwrap();
    let config = Config {
        previous: Some(*blake3::hash(&first).as_bytes()),
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
    bytes[4..6].copy_from_slice(&(VERSION + 1).to_le_bytes());
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

/// An outcome that names another writer than it stands under is damage, and no second snapshot.
#[test]
fn an_outcome_stands_under_its_own_name() {
    let (mut repo, _, before) = honest(23);
    repo.damaged = true;
    let elsewhere = SnapshotId([6; 16]);
    let outcome = Outcome::Snapshot(Box::new(before.clone()));
    Forger::new(&repo).record(&Handle::snapshot(elsewhere), &outcome);
    assert_eq!(repo.repository.outcome(elsewhere).unwrap_err().kind(), Kind::Damaged);
    let mut trouble = Vec::new();
    let snapshots = repo.repository.snapshots(|error| trouble.push(error)).unwrap().all().unwrap();
    assert_eq!((snapshots.len(), trouble.len()), (1, 1), "{trouble:?}");
    assert_eq!(snapshots[0].snapshot, before);
}

/// A configuration that does not follow the one before it, or is of another repository, opens
/// nothing, although its MAC is right; one that follows does.
#[test]
fn configurations_are_a_chain() {
    let (mut repo, ..) = honest(24);
    repo.damaged = true;
    let forger = Forger::new(&repo);
    let first = repo.backend.get(&Handle::config(0), None).unwrap();
    let follows = Some(*blake3::hash(&first).as_bytes());
    let right = Config { previous: follows, ..repo.repository.config().clone() };
    let not_following = Config { previous: Some([0; 32]), ..right.clone() };
    let first_again = Config { previous: None, ..right.clone() };
    let foreign = Config { repository: icecore::id::RepoId([1; 16]), ..right.clone() };
    let younger = Config { created: icecore::env::Time(5), ..right.clone() };
    for config in [not_following, first_again, foreign, younger, right.clone()] {
        let mut body = record::encode(&config).unwrap();
        body.extend(config_mac(&forger.keys, &body).unwrap());
        forger.put(&Handle::config(1), &frame::encode_open(ObjectKind::Config, &body));
        match repo.reopen() {
            Ok(repository) => assert_eq!((repository.config(), &config), (&right, &right)),
            Err(error) => {
                assert_ne!(config, right, "{error}");
                assert_eq!(error.kind(), Kind::Damaged, "{error}");
            }
        }
        repo.backend.delete(&Handle::config(1)).unwrap();
    }
}

/// A pack whose blobs do not fill it, or reach into its trailer, is damaged and named.
#[test]
fn a_pack_is_what_its_trailer_adds_up_to() {
    let (mut repo, ..) = honest(25);
    repo.damaged = true;
    let forger = Forger::new(&repo);
    let blob = Blob::raw(id_of(&repo, b"some bytes"), b"some bytes");
    let blobs = std::slice::from_ref(&blob);
    let good = forger.pack(BlobKind::Data, blobs);
    assert_eq!(repo.repository.pack_contents(good.row.id).unwrap().places.len(), 1);
    let edits: [fn(&mut Trailer); 3] = [
        |trailer| trailer.filler = 7,
        |trailer| trailer.entries[0].stored += 1,
        |trailer| trailer.entries.push(trailer.entries[0].clone()),
    ];
    for (number, edit) in edits.into_iter().enumerate() {
        let pack = forger.pack_with(BlobKind::Data, blobs, edit).row.id;
        let error = repo.repository.pack_contents(pack).expect_err(&format!("edit {number}"));
        assert_eq!(error.kind(), Kind::Damaged, "{error}");
    }
}

/// A piece that names a metadata chunk, a reference that names a data chunk, and a delta whose base
/// is of the other kind lead nowhere, although blobs of these ids are stored: what is asked for by one
/// kind is missing where it is there only as the other.
#[test]
fn a_chunk_is_of_the_kind_that_is_asked_for() {
    let (repo, ..) = honest(27);
    let mut session = session(&repo);
    let leaf = ListNode::Leaf(vec![Piece::Hole { length: 100 }]).encode();
    let listed = meta(&mut session, &leaf);
    let data = id_of(&repo, &leaf);
    session
        .store(&[NewBlob { kind: BlobKind::Data, id: data, plain: &leaf, bases: Vec::new() }])
        .unwrap();
    let length = u32::try_from(leaf.len()).unwrap();
    let piece = |id| Content::inline(1, &[Piece::Chunk { id, length }]);
    let list = |id| Content {
        length: 100,
        chunker: 1,
        pieces: Vec::new(),
        list: Some(TreeRef { id, levels: 0 }),
    };
    drop(commit(session, "/x", file("x", piece(data)), 1));
    let index = repo.repository.load_index().unwrap();
    let reader = Reader::new(&repo.repository, &index);
    let read = |content: &Content| {
        let mut bytes = Vec::new();
        ContentReader::new(&reader, content, "x")
            .and_then(|content| content.copy(&mut bytes, &mut |_| Ok(())))
            .map(|()| bytes)
    };
    assert!(read(&piece(data)).unwrap() == leaf);
    assert!(read(&list(listed)).unwrap() == [0; 100]);
    for wrong in [piece(listed), list(data)] {
        let error = read(&wrong).unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged);
        assert!(error.to_string().contains("no usable index entry"), "{error}");
    }
    assert!(index.knows(BlobKind::Meta, &listed) && !index.knows(BlobKind::Data, &listed));

    let (plain, base) = ([&leaf[..], b"!"].concat(), listed.base());
    let encoded = Encoder::new(Level::default()).delta(&plain, &leaf).unwrap();
    let crossed = Blob {
        id: id_of(&repo, &plain),
        plain: length + 1,
        codec: encoded.codec,
        payload: encoded.bytes,
        depth: 1,
        bases: vec![base],
    };
    let forger = Forger::new(&repo);
    let pack = forger.pack(BlobKind::Data, std::slice::from_ref(&crossed));
    forger.index(0, &[pack]);
    assert!(!repo.repository.load_index().unwrap().knows(BlobKind::Data, &crossed.id));
}

/// A list whose pieces are more or fewer bytes than the file says is damage when it is read,
/// never a shorter file or one filled up with zeros.
#[test]
fn lists_are_as_long_as_their_files() {
    let (repo, ..) = honest(26);
    let mut session = session(&repo);
    let chunks: Vec<Vec<u8>> = (0..9).map(|number| vec![number; 100]).collect();
    let mut pieces = Vec::new();
    for plain in &chunks {
        let id = id_of(&repo, plain);
        session.store(&[NewBlob { kind: BlobKind::Data, id, plain, bases: Vec::new() }]).unwrap();
        pieces.push(Piece::Chunk { id, length: 100 });
    }
    let id = meta(&mut session, &ListNode::Leaf(pieces).encode());
    let list = Some(TreeRef { id, levels: 0 });
    let content = |length| Content { length, chunker: 1, pieces: Vec::new(), list };
    let snapshot = commit(session, "/x", file("x", content(900)), 1);
    assert!(repo.read(&snapshot, "/x").unwrap() == chunks.concat());
    let index = repo.repository.load_index().unwrap();
    let reader = Reader::new(&repo.repository, &index);
    for length in [1, 899, 901, 1000, u64::MAX] {
        let mut bytes = Vec::new();
        let read = ContentReader::new(&reader, &content(length), "x")
            .and_then(|content| content.copy(&mut bytes, &mut |_| Ok(())));
        assert_eq!(read.unwrap_err().kind(), Kind::Damaged, "{length}");
        assert!(bytes.len() <= 900, "{length}: {} bytes", bytes.len());
    }
}
