//! Backups that store nearly everything before they capture, and hold packs back meanwhile.

use crate::common::chance::Chance;
use crate::common::memory::{Tree, stream};
use crate::common::repo::{TempRepo, options, secret};
use icecore::backend::testing::{Fault, Faulty, Manners, Remote};
use icecore::backend::{Backend, Bytes, Handle, Memory, Put, Spool};
use icecore::env::{Env, Time};
use icecore::error::Kind;
use icecore::format::ObjectKind;
use icecore::id::PackId;
use icecore::monitor::Silent;
use icecore::ops::backup::{Backup, Wanted};
use icecore::repo::Repository;
use icecore::source::Source;
use std::sync::Arc;

const MIB: usize = 1 << 20;

fn wanted(sources: Vec<Box<dyn Source>>) -> Wanted {
    Wanted::of(sources, false).unwrap()
}

/// Two files whose stamps are known, of a MiB each.
fn tree(chance: &mut Chance) -> Tree {
    let mut tree = Tree::default();
    for name in ["changes", "stays"] {
        tree.put(name, chance.noise(MIB));
        tree.stamps.insert(name.to_owned(), 1);
    }
    tree
}

/// Another state of it: a few bytes of one file have changed.
fn changed(tree: &Tree) -> Tree {
    let mut tree = tree.clone();
    let mut bytes = tree.bytes("changes");
    bytes[MIB / 2] = bytes[MIB / 2].wrapping_add(1);
    tree.put("changes", bytes);
    *tree.stamps.get_mut("changes").unwrap() += 1;
    tree
}

fn snapshots(repository: &Repository) -> usize {
    repository.snapshots(|error| panic!("{error}")).unwrap().len()
}

/// After a warm-up the capture opens only what has changed since, and stores only that; the snapshot is of
/// the capture, and until it stands there is none. Commands run once.
#[test]
fn what_was_warmed_up_is_not_read_again() {
    let repo = TempRepo::new(1);
    let mut chance = Chance::new(1);
    let before = tree(&mut chance);
    let after = changed(&before);
    let backup = {
        let all = || vec![before.source("/data"), stream("/out", b"a".to_vec())];
        let backup = Backup::begin(&repo.repository, &wanted(all()), &options()).unwrap();
        backup.warm_up(wanted(all()), &Silent).unwrap()
    };
    assert_eq!(snapshots(&repo.repository), 0);
    let stored = repo.backend.list(ObjectKind::Pack).unwrap();
    // The file that stays would break when it is opened.
    let source = after.source_breaking_at("/data", "stays", 0);
    let sources = vec![source, stream("/out", b"b".to_vec())];
    let report = backup.capture(wanted(sources), &Silent).commit(&Silent).unwrap();
    assert!(!report.incomplete);
    assert_eq!(repo.read(&report.snapshot, "/data/changes").unwrap(), after.bytes("changes"));
    assert_eq!(repo.read(&report.snapshot, "/data/stays").unwrap(), after.bytes("stays"));
    assert_eq!(repo.read(&report.snapshot, "/out").unwrap(), b"b");
    assert_eq!(snapshots(&repo.repository), 1);
    let bytes = |listed: &[icecore::backend::Listed]| listed.iter().map(|it| it.size).sum::<u64>();
    let all = repo.backend.list(ObjectKind::Pack).unwrap();
    let more = bytes(&all) - bytes(&stored);
    assert!(more < MIB as u64 / 4, "{more} bytes were stored by the capture");
    assert!(report.snapshot.parts.iter().all(|part| part.parents.is_empty()));

    // The next one names the snapshot as parent, whether it leans on it itself or its warm-up did.
    let last = changed(&after);
    let backup =
        Backup::begin(&repo.repository, &wanted(vec![last.source("/data")]), &options()).unwrap();
    let backup = backup.warm_up(wanted(vec![last.source("/data")]), &Silent).unwrap();
    let captured = backup.capture(wanted(vec![last.source("/data")]), &Silent);
    let next = captured.commit(&Silent).unwrap();
    assert_eq!(
        next.snapshot.parts[0].parents.iter().copied().collect::<Vec<_>>(),
        [report.snapshot.id]
    );
}

/// What a warm-up stored that came to nothing is not stored again by the next backup; sources that come
/// between the two are captured all the same.
#[test]
fn a_warm_up_may_come_to_nothing() {
    let repo = TempRepo::new(2);
    let tree = tree(&mut Chance::new(2));
    let begin = || {
        let sources = || wanted(vec![tree.source("/data")]);
        let backup = Backup::begin(&repo.repository, &sources(), &options()).unwrap();
        backup.warm_up(sources(), &Silent).unwrap()
    };
    // As if the machine had died.
    drop(begin());
    begin().abandon().unwrap();
    let stored = repo.backend.list(ObjectKind::Pack).unwrap().len();
    let sources = vec![tree.source("/data"), stream("/later", b"x".to_vec())];
    let report = begin().capture(wanted(sources), &Silent).commit(&Silent).unwrap();
    assert_eq!(report.snapshot.parts.len(), 2);
    assert!(report.snapshot.summary.packed < 64 << 10, "{:?}", report.snapshot.summary);
    assert!(repo.backend.list(ObjectKind::Pack).unwrap().len() > stored);
}

/// While packs are held back a capture after a warm-up asks nothing of the store; then all of it arrives, and
/// the snapshot is whole.
#[test]
fn nothing_waits_for_the_store() {
    let (env, _) = Env::seeded(3, Time(1_800_000_000 * Time::SECOND));
    let store = Arc::new(Memory::new());
    let remote = Arc::new(Remote::new(store, Manners::default(), env.clone(), 3));
    let repo = TempRepo::over(remote.clone(), 3);
    let folder = tempfile::tempdir().unwrap();
    let (repository, spool) = Repository::open(remote.clone(), env, &secret())
        .unwrap()
        .with_cache(folder.path())
        .spooling(folder.path());
    let repository = repository.keeping_packs();
    let mut now = tree(&mut Chance::new(3));
    for _ in 0..3 {
        let sources = |tree: &Tree| wanted(vec![tree.source("/data")]);
        let backup = Backup::begin(&repository, &sources(&now), &options()).unwrap();
        let backup = backup.warm_up(sources(&now), &Silent).unwrap();
        now = changed(&now);
        let wanted = sources(&now);
        spool.hold();
        remote.take_log();
        let captured = backup.capture(wanted, &Silent);
        assert_eq!(remote.take_log(), []);
        spool.release();
        let report = captured.commit(&Silent).unwrap();
        let asked = remote.take_log();
        assert!(asked.iter().any(|asked| asked.what.starts_with("create packs/")), "{asked:?}");
        assert_eq!(repo.read(&report.snapshot, "/data/changes").unwrap(), now.bytes("changes"));
    }
}

fn pack(number: u8) -> (Handle, Bytes) {
    let bytes = vec![number; 1000];
    (Handle::pack(PackId(*blake3::hash(&bytes).as_bytes())), Bytes::from(bytes))
}

/// Packs are held back as long as they have room, and read from where they wait; whatever else is created
/// comes after them. A store that is near holds nothing back.
#[test]
fn packs_are_held_back() {
    let (env, _) = Env::seeded(4, Time(0));
    let store = Arc::new(Memory::new());
    let remote = Remote::new(store.clone(), Manners::default(), env, 4);
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::new(remote, folder.path(), 2500);
    let packs: Vec<(Handle, Bytes)> = (0..4).map(pack).collect();
    let [first, second, third, fourth] = packs.as_slice() else { unreachable!() };
    let put = |(handle, bytes): &(Handle, Bytes)| {
        assert_eq!(spool.put_shared(handle, bytes.clone()).unwrap(), Put::Created);
    };
    let stored = || store.list(ObjectKind::Pack).unwrap().len();
    put(first);
    assert_eq!(stored(), 1);
    spool.hold();
    put(second);
    put(third);
    assert_eq!(stored(), 1);
    put(fourth);
    assert_eq!(stored(), 2, "there was no room for it");
    for held in [second, third] {
        assert_eq!(spool.get(&held.0, None).unwrap(), held.1);
        assert_eq!(spool.get(&held.0, Some(10..20)).unwrap(), held.1[10..20]);
        assert_eq!(spool.size(&held.0).unwrap(), 1000);
    }
    let error = spool.get(&first.0, None).unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    spool.release();
    assert_eq!(spool.get(&first.0, None).unwrap(), first.1);
    assert_eq!(spool.get(&second.0, None).unwrap(), second.1);
    assert_eq!(stored(), 2);
    spool.put_new(&Handle::config(0), b"x").unwrap();
    assert_eq!(stored(), 4);
    assert_eq!(objects(&store), 5);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "files are left");

    let near = Spool::new(Memory::new(), folder.path(), 2500);
    near.hold();
    near.put_new(&first.0, &first.1).unwrap();
    assert_eq!(near.get(&first.0, None).unwrap(), first.1);
}

fn objects(store: &Memory) -> usize {
    store.list(ObjectKind::Pack).unwrap().len() + store.list(ObjectKind::Config).unwrap().len()
}

/// A store that does not take what was held back gets nothing that rests on it, also where it only says that
/// the pack is there already.
#[test]
fn what_rests_on_a_lost_pack_is_not_stored() {
    for fault in [Fault::Fails, Fault::SaysExists] {
        let (env, _) = Env::seeded(5, Time(0));
        let store = Arc::new(Memory::new());
        let remote = Remote::new(store.clone(), Manners::default(), env, 5);
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new(Faulty::new(remote, 5).once(0, fault), folder.path(), 2500);
        spool.hold();
        let (handle, bytes) = pack(1);
        spool.put_shared(&handle, bytes).unwrap();
        spool.release();
        spool.put_new(&Handle::config(0), b"x").unwrap_err();
        assert_eq!(objects(&store), 0, "{fault:?}");
        // It is not forgotten for that.
        spool.put_new(&Handle::config(0), b"x").unwrap();
        assert_eq!(objects(&store), 2, "{fault:?}");
    }
}
