//! A repository with objects of every class, and every way to damage one of them.

use crate::common::chance::Chance;
use crate::common::forge::session;
use crate::common::memory::Tree;
use crate::common::repo::{TempRepo, secret};
use crate::common::stores::copy_into;
use icecore::backend::{Backend, Handle, Memory};
use icecore::crypto::Secret;
use icecore::env::{Env, Time};
use icecore::error::Result;
use icecore::format::snapshot::Snapshot;
use icecore::format::{BlobKind, ObjectKind};
use icecore::id::PackId;
use icecore::repo::Repository;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A healthy repository with objects of every class, and the states that it holds.
pub struct Fixture {
    pub store: Arc<Memory>,
    pub kept: Vec<(Snapshot, Tree)>,
    /// The state of the source by now.
    pub tree: Tree,
}

impl Fixture {
    /// Five states, the second and the third given up; two key slots; a writer that lived long.
    pub fn new(seed: u64) -> Self {
        Fixture::of(seed, 1_200_000, 60_000)
    }

    /// The same with a database and a file of these lengths.
    pub fn of(seed: u64, rows: usize, noise: usize) -> Self {
        let store = Arc::new(Memory::new());
        let repo = TempRepo::over(store.clone(), seed);
        let other = Secret::KeyFile(Zeroizing::new([8; 32]));
        repo.repository.add_slot(&other, Default::default(), "other").unwrap();
        let mut chance = Chance::new(seed);
        let (mut tree, mut kept) = (Tree::default(), Vec::new());
        tree.put("db", chance.rows(rows));
        tree.put("still", chance.noise(noise));
        // Not opened again, unless something is wrong with what is stored.
        tree.stamps.insert("still".into(), 1);
        for hour in 0..5 {
            let mut bytes = tree.bytes("db");
            let at = hour * rows / 6 + 7777;
            bytes[at..at + 40].copy_from_slice(&chance.noise(40));
            tree.put("db", bytes);
            tree.put(&format!("a/new{hour}"), chance.noise(noise / 3));
            tree.stamps.insert(format!("a/new{hour}"), 1);
            let snapshot = repo.backup(vec![tree.source("/data")]).unwrap().snapshot;
            kept.push((snapshot, tree.clone()));
        }
        for stored in repo.repository.snapshots(|error| panic!("{error}")).unwrap().all().unwrap() {
            if [2, 3].contains(&stored.snapshot.sequence) {
                assert!(repo.repository.forget(&stored.key()).unwrap());
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
        Fixture { store, kept, tree }
    }

    pub fn copied(&self) -> Arc<Memory> {
        let store = Arc::new(Memory::new());
        copy_into(&*self.store, &*store);
        store
    }

    pub fn objects(&self) -> Vec<Handle> {
        let listed = ObjectKind::ALL.iter().flat_map(|kind| self.store.list(*kind).unwrap());
        listed.map(|object| object.handle).collect()
    }

    /// The object that stands for its class.
    pub fn object(&self, class: Class) -> Handle {
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
        Handle::key(repository.slot())
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
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

pub const CLASSES: [Class; 12] = [
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
pub enum How {
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

pub const HOWS: [How; 8] = [
    How::Flipped,
    How::Emptied,
    How::Halved,
    How::Shortened,
    How::Lengthened,
    How::Removed,
    How::Swapped,
    How::Foreign,
];

pub fn replace(store: &Memory, handle: &Handle, bytes: &[u8]) {
    store.delete(handle).unwrap();
    store.put_new(handle, bytes).unwrap();
}

/// Damages an object; false if the store has nothing to swap it with.
pub fn damage(store: &Memory, handle: &Handle, how: How, foreign: &Fixture) -> bool {
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

fn open(store: Arc<dyn Backend>) -> Result<Repository> {
    let (env, _) = Env::seeded(600, Time(2_000_000_000 * Time::SECOND));
    Repository::open(store, env, &secret())
}
