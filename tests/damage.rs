//! What is damaged, how, and what comes next: each cell with its outcome (faults 3, 8, 11, 12, 51).

use crate::common::chance::Chance;
use crate::common::forge::{Forger, session};
use crate::common::memory::Tree;
use crate::common::repo::{TempRepo, secret};
use crate::interrupted::copy;
use icecore::backend::{Backend, Handle, Memory};
use icecore::crypto::Secret;
use icecore::env::{Env, Time};
use icecore::error::{Kind, Result};
use icecore::format::gc::Reason;
use icecore::format::snapshot::Snapshot;
use icecore::format::{BlobKind, ObjectKind};
use icecore::id::PackId;
use icecore::ops::check::CheckReport;
use icecore::repo::Repository;
use std::collections::BTreeSet;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A healthy repository with objects of every class, and the states that it holds.
struct Scene {
    store: Arc<Memory>,
    kept: Vec<(Snapshot, Tree)>,
    /// The state of the source by now.
    tree: Tree,
}

impl Scene {
    /// Five states, the second and the third given up; two key slots; a writer that lived long.
    fn new(seed: u64) -> Self {
        let store = Arc::new(Memory::new());
        let repo = TempRepo::over(store.clone(), seed);
        let other = Secret::KeyFile(Zeroizing::new([8; 32]));
        repo.repository.add_slot(&other, Default::default(), "other").unwrap();
        let mut chance = Chance::new(seed);
        let (mut tree, mut kept) = (Tree::default(), Vec::new());
        tree.put("db", chance.rows(1_200_000));
        tree.put("still", chance.noise(60_000));
        for hour in 0..5 {
            let mut bytes = tree.bytes("db");
            let at = hour * 200_000 + 7777;
            bytes[at..at + 40].copy_from_slice(&chance.noise(40));
            tree.put("db", bytes);
            tree.put(&format!("a/new{hour}"), chance.noise(20_000));
            let snapshot = repo.backup(vec![tree.source("/data")]).unwrap().snapshot;
            kept.push((snapshot, tree.clone()));
        }
        for stored in repo.repository.snapshots(|error| panic!("{error}")).unwrap() {
            if [2, 3].contains(&stored.snapshot.sequence) {
                assert!(repo.repository.forget(&stored).unwrap());
            }
        }
        kept.drain(1..3);
        let mut long = session(&repo);
        for _ in 0..2 {
            repo.clock.advance(700);
            long.store(&[]).unwrap();
        }
        long.abandon().unwrap();
        drop(repo);
        Scene { store, kept, tree }
    }

    fn copied(&self) -> Arc<Memory> {
        let store = Arc::new(Memory::new());
        copy(&*self.store, &*store);
        store
    }

    fn objects(&self) -> Vec<Handle> {
        let listed = ObjectKind::ALL.iter().flat_map(|kind| self.store.list(*kind).unwrap());
        listed.map(|object| object.handle).collect()
    }

    /// The object that stands for its class.
    fn object(&self, class: Class) -> Handle {
        let snapshot = |at: usize| Handle::snapshot(self.kept[at].0.id);
        let of_kind = |kind, beat: bool| {
            let mut handles = self
                .objects()
                .into_iter()
                .filter(|handle| handle.kind() == kind && handle.number().is_some() == beat);
            handles.next().unwrap()
        };
        match class {
            Class::Config => Handle::config(0),
            Class::Key => self.first_slot(),
            Class::Pack(kind, oldest) => self.pack(kind, oldest),
            Class::Index => self
                .objects()
                .into_iter()
                .find_map(|handle| handle.index_id())
                .map(Handle::index)
                .unwrap(),
            Class::Snapshot => snapshot(1),
            Class::NewestSnapshot => snapshot(2),
            Class::Writer => of_kind(ObjectKind::Writer, false),
            Class::Heartbeat => of_kind(ObjectKind::Writer, true),
            Class::Forgotten => of_kind(ObjectKind::Forgotten, false),
        }
    }

    fn first_slot(&self) -> Handle {
        let repository = open(self.store.clone()).unwrap();
        Handle::key(repository.slot_of(&secret()).unwrap())
    }

    /// The largest pack is that of the first backup; the others hold deltas.
    fn pack(&self, kind: BlobKind, oldest: bool) -> Handle {
        let index = open(self.store.clone()).unwrap().load_index().unwrap();
        let mut packs: Vec<(u32, PackId)> = index
            .places()
            .filter(|place| place.kind == kind)
            .map(|place| (index.packs()[&place.pack], place.pack))
            .collect();
        packs.sort();
        let pack = if oldest { packs.last() } else { packs.first() };
        Handle::pack(pack.unwrap().1)
    }
}

fn open(store: Arc<dyn Backend>) -> Result<Repository> {
    let (env, _) = Env::seeded(600, Time(2_000_000_000 * Time::SECOND));
    Repository::open(store, env, &secret())
}

/// A repository that a test has damaged.
fn temp(store: Arc<Memory>) -> Result<TempRepo> {
    let (env, clock) = Env::seeded(601, Time(2_000_000_000 * Time::SECOND));
    let repository = Repository::open(store.clone(), env.clone(), &secret())?;
    Ok(TempRepo { backend: store, env, clock, repository, damaged: true })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Config,
    Key,
    /// Data or metadata, of the first backup or of a later one.
    Pack(BlobKind, bool),
    Index,
    Snapshot,
    NewestSnapshot,
    Writer,
    Heartbeat,
    Forgotten,
}

const CLASSES: [Class; 12] = [
    Class::Config,
    Class::Key,
    Class::Pack(BlobKind::Data, true),
    Class::Pack(BlobKind::Data, false),
    Class::Pack(BlobKind::Meta, true),
    Class::Pack(BlobKind::Meta, false),
    Class::Index,
    Class::Snapshot,
    Class::NewestSnapshot,
    Class::Writer,
    Class::Heartbeat,
    Class::Forgotten,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Flipped,
    Emptied,
    Halved,
    Shortened,
    Lengthened,
    Removed,
    /// With another of its kind.
    Swapped,
    /// By one of its kind from another repository under the same key file.
    Foreign,
}

const HOWS: [How; 8] = [
    How::Flipped,
    How::Emptied,
    How::Halved,
    How::Shortened,
    How::Lengthened,
    How::Removed,
    How::Swapped,
    How::Foreign,
];

fn replace(store: &Memory, handle: &Handle, bytes: &[u8]) {
    store.delete(handle).unwrap();
    store.put_new(handle, bytes).unwrap();
}

/// Damages an object; false if the store has nothing to swap it with.
fn damage(store: &Memory, handle: &Handle, how: How, foreign: &Scene) -> bool {
    let mut bytes = store.get(handle, None).unwrap();
    let length = bytes.len();
    match how {
        How::Flipped => bytes[length / 2] ^= 4,
        How::Emptied => bytes.clear(),
        How::Halved => bytes.truncate(length / 2),
        How::Shortened => bytes.truncate(length - 1),
        How::Lengthened => bytes.push(0),
        How::Removed => {
            store.delete(handle).unwrap();
            return true;
        }
        How::Swapped => {
            let beat = handle.number().is_some();
            let others = store.list(handle.kind()).unwrap().into_iter();
            let mut others = others
                .map(|object| object.handle)
                .filter(|other| other != handle && other.number().is_some() == beat);
            let Some(other) = others.next() else { return false };
            let own = std::mem::replace(&mut bytes, store.get(&other, None).unwrap());
            replace(store, &other, &own);
        }
        How::Foreign => {
            let other = foreign.objects().into_iter().find(|other| {
                other.kind() == handle.kind()
                    && other.number().is_some() == handle.number().is_some()
            });
            bytes = foreign.store.get(&other.unwrap(), None).unwrap();
        }
    }
    replace(store, handle, &bytes);
    true
}

/// One bit flipped, anywhere in any object of any class, is found by a check that reads all data,
/// or refuses the opening as damage, never as a wrong password (faults 8 and 30).
#[test]
fn every_flipped_bit_is_found() {
    let scene = Scene::new(21);
    let mut chance = Chance::new(22);
    for handle in scene.objects() {
        let length = scene.store.get(&handle, None).unwrap().len();
        let heads = [0, 4, 5, 6, 7, 8, 12, 40, length / 2, length - 9, length - 1];
        let places: BTreeSet<usize> = heads.into_iter().filter(|at| *at < length).collect();
        for at in places.into_iter().chain([chance.below(length), chance.below(length)]) {
            let bit = chance.below(8);
            let what = format!("bit {bit} of byte {at} of {handle}");
            let store = scene.copied();
            let mut bytes = store.get(&handle, None).unwrap();
            bytes[at] ^= 1 << bit;
            replace(&store, &handle, &bytes);
            match temp(store) {
                Ok(repo) => assert!(!repo.check().is_healthy(), "{what}"),
                Err(error) => {
                    let honest = matches!(error.kind(), Kind::Damaged | Kind::Unsupported);
                    assert!(honest, "{what}: {error}");
                }
            }
        }
    }
}

enum Expected {
    Refused(Kind),
    Opens { found: bool },
}

fn expected(class: Class, how: How) -> Expected {
    match (class, how) {
        (Class::Config, How::Removed) => Expected::Refused(Kind::NoRepository),
        // The other slot is whole, and this key does not open it.
        (Class::Key, How::Removed) => Expected::Refused(Kind::WrongKey),
        (Class::Config | Class::Key, _) => Expected::Refused(Kind::Damaged),
        // Nothing refers to these.
        (Class::Writer | Class::Heartbeat | Class::NewestSnapshot, How::Removed) => {
            Expected::Opens { found: false }
        }
        _ => Expected::Opens { found: true },
    }
}

/// Every class damaged in every way: it is found; just what it touches is named, and nothing
/// else is lost; wrong bytes never come out; the next backup needs no hand, and what it stores
/// restores, once a collection has condemned the pack that was hit (faults 3, 8, 11, 12, 51).
#[test]
fn damage_is_found_named_contained_and_healed() {
    let (scene, foreign) = (Scene::new(23), Scene::new(24));
    for class in CLASSES {
        let handle = scene.object(class);
        for how in HOWS {
            let what = format!("{class:?} {how:?}: {handle}");
            let store = scene.copied();
            if damage(&store, &handle, how, &foreign) {
                cell(&scene, store, &handle, expected(class, how), &what);
            }
        }
    }
}

fn cell(scene: &Scene, store: Arc<Memory>, handle: &Handle, expected: Expected, what: &str) {
    let (repo, found) = match (temp(store), expected) {
        (Err(error), Expected::Refused(kind)) => return assert_eq!(error.kind(), kind, "{what}"),
        (Ok(repo), Expected::Opens { found }) => (repo, found),
        (Ok(_), Expected::Refused(_)) => panic!("{what}: it opens"),
        (Err(error), _) => panic!("{what}: {error}"),
    };
    let report = repo.check();
    assert_eq!(!report.is_healthy(), found, "{what}: {:#?}", report.findings);
    touched_is_exact(scene, &repo, &report, what);
    let mut tree = scene.tree.clone();
    let mut bytes = tree.bytes("db");
    bytes[5_000..5_020].fill(b'n');
    tree.put("db", bytes);
    let sources = || vec![tree.source("/data")];
    let next = repo.backup(sources()).unwrap_or_else(|error| panic!("{what}: {error}"));
    for path in tree.files.keys() {
        match repo.read(&next.snapshot, &format!("/data/{path}")) {
            Ok(bytes) => assert!(bytes == tree.bytes(path), "{what}: {path}"),
            Err(error) => assert_eq!(handle.kind(), ObjectKind::Pack, "{what}: {path}: {error}"),
        }
    }
    let Some(pack) = handle.pack_id() else { return };
    let mut packs = vec![pack];
    // The one that it was swapped with.
    packs.extend(report.findings.iter().filter_map(|error| named_pack(error.subject())));
    Forger::new(&repo).condemn(1, &packs, Reason::Damaged);
    let healed = repo.backup(sources()).unwrap_or_else(|error| panic!("{what}: {error}")).snapshot;
    for path in tree.files.keys() {
        let bytes = repo.read(&healed, &format!("/data/{path}"));
        let bytes = bytes.unwrap_or_else(|error| panic!("{what}, healed: {error}"));
        assert!(bytes == tree.bytes(path), "{what}, healed: {path}");
    }
    let report = repo.check();
    let stale = report.touched.iter().find(|touched| touched.snapshot == healed.id);
    assert_eq!(stale, None, "{what}, healed: {:#?}", report.findings);
}

fn named_pack(subject: &str) -> Option<PackId> {
    subject.rsplit('/').next().and_then(|name| name.parse().ok())
}

/// A file of a readable snapshot is restored byte by byte, or it is named as touched, or a
/// directory above it is: one of the two, always.
fn touched_is_exact(scene: &Scene, repo: &TempRepo, report: &CheckReport, what: &str) {
    let readable = repo.repository.snapshots(|_| {}).unwrap();
    for (snapshot, tree) in &scene.kept {
        if !readable.iter().any(|stored| stored.snapshot.id == snapshot.id) {
            continue;
        }
        for path in tree.files.keys() {
            let path = format!("/data/{path}");
            let named = report.touched.iter().any(|touched| {
                let at = touched.path.as_slice();
                touched.snapshot == snapshot.id && path.as_bytes().starts_with(at)
            });
            let what = format!("{what}: number {} {path}", snapshot.sequence);
            match repo.read(snapshot, &path) {
                Ok(bytes) => {
                    assert!(bytes == tree.bytes(path.strip_prefix("/data/").unwrap()), "{what}");
                    assert!(!named, "{what}: it is named and restores");
                }
                Err(error) => assert!(named, "{what}: it is not named: {error}"),
            }
        }
    }
}

/// When the base of a delta is hit, exactly the files that need it are named, in every snapshot;
/// a backup of the same source stores the lost chunks whole again, and all that still has the
/// same content restores, the older snapshots too (fault 51).
#[test]
fn a_lost_base_is_named_and_heals() {
    let scene = Scene::new(25);
    let store = scene.copied();
    let repo = temp(store.clone()).unwrap();
    let index = repo.repository.load_index().unwrap();
    let delta = index.places().find(|place| place.kind == BlobKind::Data && place.depth > 0);
    let base = index.find_base(&delta.unwrap().bases[0]).unwrap();
    let handle = Handle::pack(base.pack);
    let mut bytes = store.get(&handle, None).unwrap();
    bytes[usize::try_from(base.offset).unwrap() + 30] ^= 1;
    replace(&store, &handle, &bytes);
    let report = repo.check();
    touched_is_exact(&scene, &repo, &report, "a base");
    let touched: BTreeSet<&[u8]> =
        report.touched.iter().map(|touched| touched.path.as_slice()).collect();
    assert_eq!(touched, BTreeSet::from([&b"/data/db"[..]]));
    assert_eq!(report.touched.len(), 3, "{:#?}", report.touched);

    // Without the verdict that the pack is bad: what changes no longer leans on it.
    let mut tree = scene.tree.clone();
    let mut db = tree.bytes("db");
    db.iter_mut().skip(100).step_by(9_000).for_each(|byte| *byte ^= 2);
    tree.put("db", db);
    let next = repo.backup(vec![tree.source("/data")]).unwrap().snapshot;
    assert!(repo.read(&next, "/data/db").unwrap() == tree.bytes("db"));

    // With it: the state of the last snapshot is stored again, and that snapshot is whole again.
    Forger::new(&repo).condemn(1, &[base.pack], Reason::Damaged);
    let again = repo.backup(vec![scene.tree.source("/data")]).unwrap().snapshot;
    assert!(repo.read(&again, "/data/db").unwrap() == scene.tree.bytes("db"));
    let (last, tree) = scene.kept.last().unwrap();
    for path in tree.files.keys() {
        assert!(repo.read(last, &format!("/data/{path}")).unwrap() == tree.bytes(path), "{path}");
    }
}
