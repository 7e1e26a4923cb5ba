//! No nonce serves twice under one key, whatever becomes of chance.

use super::open;
use crate::common::chance::Chance;
use crate::common::forge::snapshot;
use crate::common::memory::{Tree, node, stream};
use crate::common::recorder::Recorder;
use crate::common::repo::TempRepo;
use icecore::backend::{Handle, Memory};
use icecore::crypto::{KdfCost, Secret};
use icecore::error::{Error, Kind, Result};
use icecore::format::content::{Content, Piece};
use icecore::format::directory::NodeKind;
use icecore::format::frame::{self, NONCE, SealedHead};
use icecore::format::pack::{FOOTER, PackHead, read_footer};
use icecore::format::slot::Slot;
use icecore::format::snapshot::Snapshot;
use icecore::format::{BlobKind, ObjectKind, record};
use icecore::repo::{NewBlob, Repository, Session, SessionOptions, WriterOptions};
use std::collections::HashMap;
use std::sync::Arc;
use zeroize::Zeroizing;

type SaltBytes = [u8; 32];
/// Sealed bytes, and where they stand.
type Seen = (Vec<u8>, String);

/// What was sealed under each salt and nonce, the key's purpose aside: the sealed bytes.
#[derive(Default)]
struct Scan {
    seen: HashMap<(SaltBytes, [u8; NONCE]), Seen>,
    /// Salts that more than one object was sealed under.
    repeated: usize,
}

impl Scan {
    /// Looks at all that was put, and panics where two plaintexts met under one nonce.
    fn of(repository: &Repository, objects: &[(Handle, Vec<u8>)]) -> Self {
        let mut scan = Scan::default();
        for (handle, bytes) in objects {
            let name = handle.to_string();
            match handle.kind() {
                ObjectKind::Config => {}
                ObjectKind::Key => {
                    let body = frame::decode_open(bytes, ObjectKind::Key, &name).unwrap();
                    let slot: Slot = record::decode(body, &name).unwrap();
                    scan.add(slot.salt, &slot.wrapped, &name);
                }
                ObjectKind::Pack => scan.pack(repository, handle, bytes),
                kind => {
                    let (head, sealed) = SealedHead::decode(bytes, kind, &name).unwrap();
                    scan.add(head.salt, sealed, &name);
                }
            }
        }
        scan
    }

    fn pack(&mut self, repository: &Repository, handle: &Handle, bytes: &[u8]) {
        let name = handle.to_string();
        let head = PackHead::decode(bytes, &name).unwrap();
        let contents = repository.pack_contents_of(handle.pack_id().unwrap(), bytes).unwrap();
        for place in contents.places {
            let start = place.offset as usize;
            let sealed = &bytes[start..start + place.stored as usize];
            self.add(place.salt.bytes, sealed, &format!("chunk {} in {name}", place.id));
        }
        let (rest, end) = bytes.split_at(bytes.len() - FOOTER);
        let trailer = rest.len() - read_footer(end, &name).unwrap();
        self.add(head.salts[0].bytes, &rest[trailer..], &format!("the trailer of {name}"));
    }

    fn add(&mut self, salt: SaltBytes, sealed: &[u8], what: &str) {
        let nonce = *sealed.first_chunk().unwrap();
        self.repeated += usize::from(self.seen.keys().any(|(known, _)| *known == salt));
        let new = (sealed.to_vec(), what.to_owned());
        if let Some((known, before)) = self.seen.insert((salt, nonce), new) {
            assert!(known == sealed, "{before} and {what} share a nonce");
        }
    }
}

/// Hours of backups, a long one that goes on as another writer, more key slots, snapshots given
/// up: no nonce comes twice in all of the repository.
#[test]
fn no_nonce_comes_twice() {
    let store = Arc::new(Recorder::new(Memory::new()));
    let repo = TempRepo::over(store.clone(), 7);
    let mut chance = Chance::new(31);
    let mut tree = Tree::default();
    let mut bytes = chance.rows(400_000);
    for hour in 0..6 {
        bytes[hour * 60_000] ^= 1;
        tree.put("db", bytes.clone());
        tree.put(&format!("file{hour}"), chance.noise(3000));
        repo.backup(vec![tree.source("/data"), stream("/dump", bytes.clone())]).unwrap();
    }
    let other = Secret::KeyFile(Zeroizing::new([1; 32]));
    repo.repository.add_slot(&other, KdfCost::default(), "other").unwrap();
    let stored = repo.repository.snapshots(|error| panic!("{error}")).unwrap().all().unwrap();
    repo.repository.forget(&stored[3].key()).unwrap();
    let mut long = Writer::begin(&repo.repository);
    for _ in 0..5 {
        long.store(&chance.rows(90_000)).unwrap();
        repo.clock.advance(20 * 60);
    }
    long.commit().unwrap();
    let objects = store.all();
    let scan = Scan::of(&repo.repository, &objects);
    let of = |kind| objects.iter().filter(|(handle, _)| handle.kind() == kind).count();
    let found = [ObjectKind::Pack, ObjectKind::Writer, ObjectKind::Key].map(of);
    assert!(found[0] >= 12 && found[1] >= 10 && found[2] == 2, "{found:?}");
    assert!(scan.seen.len() >= 70, "{} seals", scan.seen.len());
}

/// A process that is forked, or a machine that is cloned, in mid-run: both copies go on with the
/// same salts, the same ids and the same chance over different content. No nonce meets two
/// plaintexts, and of the two just one commits.
#[test]
fn a_forked_writer_repeats_no_nonce() {
    for seed in 0..4 {
        let store = Arc::new(Recorder::new(Memory::new()));
        let repo = TempRepo::over(store.clone(), 8);
        let mut chance = Chance::new(seed);
        let base = chance.rows(150_000);
        let copies = [open(store.clone(), seed), open(store.clone(), seed)];
        let mut writers = copies.each_ref().map(Writer::begin);
        assert_eq!(writers[0].session.id(), writers[1].session.id());
        for writer in &mut writers {
            writer.store(&base).unwrap();
        }
        // The fork: from here on one chunk differs by a byte, others wholly, some not at all.
        for round in 0..3 {
            let same = chance.rows(40_000);
            for (number, writer) in writers.iter_mut().enumerate() {
                let mut near = base.clone();
                near[1000 * round] ^= 1 << number;
                writer.store(&near).unwrap();
                writer.store(&same).unwrap();
                writer.store(&chance.noise(20_000)).unwrap();
            }
        }
        let ends = writers.map(Writer::commit);
        let kinds = ends.iter().filter_map(|end| end.as_ref().err().map(Error::kind));
        assert_eq!(kinds.collect::<Vec<_>>(), [Kind::Fenced], "seed {seed}");
        let scan = Scan::of(&repo.repository, &store.all());
        assert!(scan.repeated > 10, "the copies had salts of their own");
        let committed = ends.into_iter().find_map(Result::ok).unwrap();
        assert!(repo.read(&committed, "/x").is_ok(), "seed {seed}");
    }
}

/// A session that stores chunks of one file.
struct Writer<'r> {
    session: Session<'r>,
    pieces: Vec<Piece>,
}

impl<'r> Writer<'r> {
    fn begin(repository: &'r Repository) -> Self {
        let options = SessionOptions {
            writer: WriterOptions {
                verb: "backup".into(),
                host: "host".into(),
                tool: "test".into(),
            },
            level: Default::default(),
            deltas: true,
        };
        Writer { session: repository.begin(options).unwrap(), pieces: Vec::new() }
    }

    fn store(&mut self, plain: &[u8]) -> Result<()> {
        let id = self.session.repository().ids().of(BlobKind::Data, plain);
        let bases = self.pieces.first().and_then(Piece::chunk).into_iter().collect();
        self.session.store(&[NewBlob { kind: BlobKind::Data, id, plain, bases }])?;
        self.pieces.push(Piece::Chunk { id, length: u32::try_from(plain.len()).unwrap() });
        Ok(())
    }

    fn commit(self) -> Result<Snapshot> {
        let content = Content::inline(1, &self.pieces[..self.pieces.len().min(8)]);
        let root = node("x", NodeKind::File { content, database: None });
        self.session.commit(|id, _| snapshot(id, "/x", root, 1))
    }
}
