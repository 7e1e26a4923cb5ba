//! The three parts of writing, each by itself: a writer and its outcome, packs, and bases.

use crate::common::chance::Chance;
use crate::common::forge::{session, snapshot};
use crate::common::memory::{Tree, node};
use crate::common::repo::TempRepo;
use icecore::backend::{Backend, Bytes, Counting, Handle, Memory, Put, Verb};
use icecore::env::Time;
use icecore::error::{Error, Kind, Result};
use icecore::format::content::Content;
use icecore::format::directory::NodeKind;
use icecore::format::pack::Salt;
use icecore::format::snapshot::{Maintenance, Outcome, Partial, Tombstone};
use icecore::format::{BlobKind, Codec, ObjectKind};
use icecore::forward;
use icecore::id::{ChunkId, PackId, SnapshotId};
use icecore::limits::PACK_SALTS_MAX;
use icecore::repo::{
    BlobLocation, NewBlob, PackWriter, SealedBlob, Session, Stored, Writer, WriterOptions,
};
use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

fn writer(repo: &TempRepo) -> Writer<'_> {
    let options = WriterOptions { verb: "prune".into(), host: "host".into(), tool: "test".into() };
    repo.repository.register(options).unwrap()
}

/// A blob that is no longer than it says, and otherwise of no meaning.
fn junk(number: u8, salt: [u8; 32], length: usize) -> SealedBlob {
    let place = BlobLocation {
        id: ChunkId([number; 32]),
        kind: BlobKind::Data,
        pack: PackId([0; 32]),
        offset: 0,
        stored: length as u32,
        plain: length as u32 - 40,
        salt: Salt { epoch: 0, bytes: salt },
        codec: Codec::Raw,
        depth: 0,
        bases: Vec::new(),
    };
    SealedBlob::moved(place, vec![number; length]).unwrap()
}

/// What a pack says of itself is what the index says of it; the number of salts.
fn agrees(repo: &TempRepo, pack: PackId) -> usize {
    let index = repo.repository.load_index().unwrap();
    let mut indexed: Vec<BlobLocation> =
        index.places().filter(|place| place.pack == pack).collect();
    indexed.sort_by_key(|place| place.offset);
    let contents = repo.repository.pack_contents(pack).unwrap();
    assert_eq!(contents.places, indexed);
    indexed.iter().map(|place| place.salt.bytes).collect::<BTreeSet<_>>().len()
}

/// Blobs moved from many packs, unopened, lie in one of each kind with the salts that they had,
/// and are read from there when the old packs are gone, deltas too.
#[test]
fn moved_blobs_are_read_from_their_new_pack() {
    let mut repo = TempRepo::new(1);
    let mut bytes = Chance::new(1).rows(300_000);
    let (mut tree, mut last) = (Tree::default(), None);
    for hour in 0..4 {
        bytes[hour * 50_000] ^= 1;
        tree.put("db", bytes.clone());
        last = Some(repo.backup(vec![tree.source("/data")]).unwrap().snapshot);
    }
    let mut writer = writer(&repo);
    let index = writer.read_index().unwrap();
    let mut packs = PackWriter::new(&repo.repository, index.generation()).unwrap();
    assert!(index.places().any(|place| place.depth > 0), "no delta is moved");
    for place in index.places() {
        let start = u64::from(place.offset);
        let range = start..start + u64::from(place.stored);
        let sealed = repo.backend.get(&Handle::pack(place.pack), Some(range)).unwrap();
        packs.add(SealedBlob::moved(place, sealed).unwrap()).unwrap();
    }
    packs.flush().unwrap();
    let new = packs.take_indexed();
    writer.end().unwrap();
    assert_eq!(new.len(), 2, "data and metadata");
    assert_eq!(new.iter().map(|pack| agrees(&repo, *pack)).collect::<Vec<_>>(), [4, 4]);
    let report = repo.check();
    assert!(report.is_healthy(), "{:#?}", report.findings);
    repo.damaged = true;
    for pack in index.packs().into_keys() {
        repo.backend.delete(&Handle::pack(pack)).unwrap();
    }
    assert!(repo.read(&last.unwrap(), "/data/db").unwrap() == bytes);
}

/// Blobs under more salts than one pack has room for go into several; each keeps its own.
#[test]
fn a_pack_has_no_more_salts_than_it_may() {
    let mut repo = TempRepo::new(2);
    repo.damaged = true;
    let mut packs = PackWriter::new(&repo.repository, 0).unwrap();
    for number in 0..2 * 300u16 {
        let mut salt = [0; 32];
        salt[..2].copy_from_slice(&(number % 300).to_le_bytes());
        packs.add(junk(number as u8, salt, 100)).unwrap();
    }
    packs.flush().unwrap();
    let packs = packs.take_indexed();
    let mut salts: Vec<usize> = packs.iter().map(|pack| agrees(&repo, *pack)).collect();
    salts.sort();
    // The first salt of each pack is its writer's.
    assert_eq!(salts, [600 - 2 * (PACK_SALTS_MAX - 1), PACK_SALTS_MAX - 1, PACK_SALTS_MAX - 1]);
    assert!(
        SealedBlob::moved(
            repo.repository.load_index().unwrap().places().next().unwrap(),
            vec![1; 99]
        )
        .is_err()
    );
}

/// A store that takes packs together, and may take none.
struct Together {
    inner: Memory,
    /// Packs that are being put, and how many there were at most.
    at_once: Mutex<(usize, usize)>,
    changed: Condvar,
    /// So many are waited for.
    wanted: usize,
}

impl Together {
    fn new(wanted: usize) -> Arc<Self> {
        let (at_once, changed) = (Mutex::new((0, 0)), Condvar::new());
        Arc::new(Together { inner: Memory::new(), at_once, changed, wanted })
    }
}

impl Backend for Together {
    forward!([inner] describe capabilities get size list_pages delete_all);

    fn put_shared(&self, handle: &Handle, bytes: Bytes) -> Result<Put> {
        if handle.kind() == ObjectKind::Pack {
            if self.wanted == 0 {
                return Err(Error::new(Kind::NoSpace, "put", handle));
            }
            let mut at_once = self.at_once.lock().unwrap();
            at_once.0 += 1;
            at_once.1 = at_once.1.max(at_once.0);
            self.changed.notify_all();
            let too_few = |at_once: &mut (usize, usize)| at_once.1 < self.wanted;
            let wait = Duration::from_secs(60);
            drop(self.changed.wait_timeout_while(at_once, wait, too_few).unwrap());
            // The next one has time to come too early.
            std::thread::sleep(Duration::from_millis(50));
            self.at_once.lock().unwrap().0 -= 1;
        }
        self.inner.put_shared(handle, bytes)
    }
}

/// Full packs are uploaded several at a time while others are put together, as many as their
/// memory allows and no more; the index names all of them.
#[test]
fn packs_are_uploaded_together() {
    let store = Together::new(2);
    let mut repo = TempRepo::over(store.clone(), 3);
    repo.damaged = true;
    let mut packs = PackWriter::new(&repo.repository, 0).unwrap();
    for number in 0..24 {
        packs.add(junk(number, [1; 32], 4 << 20)).unwrap();
    }
    packs.flush().unwrap();
    let stored = packs.take_indexed();
    assert_eq!(stored.len(), 6);
    stored.iter().for_each(|pack| assert_eq!(agrees(&repo, *pack), 1));
    assert_eq!(*store.at_once.lock().unwrap(), (0, 2));
}

/// After a pack that could not be uploaded nothing more is taken and nothing is indexed.
#[test]
fn a_failed_upload_is_the_end() {
    let mut repo = TempRepo::over(Together::new(0), 4);
    repo.damaged = true;
    let mut packs = PackWriter::new(&repo.repository, 0).unwrap();
    packs.add(junk(1, [1; 32], 1000)).unwrap();
    assert_eq!(packs.flush().unwrap_err().kind(), Kind::NoSpace);
    assert_eq!(packs.add(junk(2, [1; 32], 1000)).unwrap_err().kind(), Kind::Failed);
    assert_eq!(packs.flush().unwrap_err().kind(), Kind::Failed);
    assert!(packs.take_indexed().is_empty());
    assert!(repo.backend.list(ObjectKind::Index).unwrap().is_empty());
}

/// A writer ends with an outcome of any sort, if it is its own; else with none but maintenance.
/// One that was given up ends with nothing.
#[test]
fn a_writer_ends_with_any_outcome() {
    let mut repo = TempRepo::new(5);
    repo.damaged = true;
    let outcomes: [fn(SnapshotId) -> Outcome; 4] = [
        |id| {
            let content = Content::inline(1, &[]);
            let root = node("x", NodeKind::File { content, database: None });
            Outcome::Snapshot(Box::new(snapshot(id, "/x", root, 1)))
        },
        |id| Outcome::Partial(Partial { id, generation: 0, packs: [].into(), at: Time(1) }),
        |id| {
            let verb = "prune".into();
            Outcome::Maintenance(Maintenance { id, generation: 0, verb, at: Time(1) })
        },
        |id| Outcome::Tombstone(Tombstone { id, generation: 0, at: Time(1) }),
    ];
    let of = |id| repo.repository.outcome(id).map(|(outcome, _)| outcome);
    for make in outcomes {
        let mine = writer(&repo);
        let id = mine.id();
        mine.finish(&make(id)).unwrap();
        assert_eq!(of(id).unwrap(), make(id));

        let (mine, other) = (writer(&repo), SnapshotId([7; 16]));
        let id = mine.id();
        assert_eq!(mine.finish(&make(other)).unwrap_err().kind(), Kind::InvalidInput);
        assert!(matches!(of(id).unwrap(), Outcome::Maintenance(_)));
        assert_eq!(of(other).unwrap_err().kind(), Kind::NotFound);

        let mine = writer(&repo);
        let id = mine.id();
        repo.repository.fence(id).unwrap();
        assert_eq!(mine.finish(&make(id)).unwrap_err().kind(), Kind::Fenced);
        assert!(matches!(of(id).unwrap(), Outcome::Tombstone(_)));
    }
    assert!(repo.repository.open_writers().unwrap().is_empty());
    drop(writer(&repo));
    assert_eq!(repo.repository.open_writers().unwrap().len(), 1, "it has no outcome");
}

/// A base is fetched and decoded once for all batches that rest on it, also when the session goes
/// on as another writer with a newer index.
#[test]
fn bases_are_decoded_once() {
    let store = Arc::new(Counting::new(Memory::new()));
    let repo = TempRepo::over(store.clone(), 6);
    let base = Chance::new(6).rows(70_000);
    let id_of = |plain: &[u8]| repo.repository.ids().of(BlobKind::Data, plain);
    let store_one = |session: &mut Session<'_>, plain: &[u8], bases| {
        let id = id_of(plain);
        session.store(&[NewBlob { kind: BlobKind::Data, id, plain, bases }]).unwrap()
    };
    let mut first = session(&repo);
    store_one(&mut first, &base, Vec::new());
    first.abandon().unwrap();
    let mut session = session(&repo);
    let writer = session.id();
    let mut fetched = Vec::new();
    for round in 0..4 {
        let mut plain = base.clone();
        plain[1000 * round] ^= 1;
        let stored = store_one(&mut session, &plain, vec![id_of(&base)]);
        assert!(matches!(stored[..], [Stored::Delta(_)]), "{stored:?}");
        fetched.push(store.tally(Verb::Get, ObjectKind::Pack).calls);
        repo.clock.advance(40 * 60);
    }
    assert_ne!(session.id(), writer, "it did not go on as another");
    assert!(fetched[0] > 0 && fetched.iter().all(|calls| *calls == fetched[0]), "{fetched:?}");
    session.abandon().unwrap();
}
