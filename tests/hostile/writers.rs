//! Writers that are fenced, that take hours, and that work side by side.

use super::{file, honest, id_of, is_whole, stored};
use crate::common::chance::Chance;
use crate::common::forge::{Forger, session, snapshot};
use crate::common::memory::{Tree, entry, folder, items, node};
use crate::common::recorder::Recorder;
use crate::common::repo::TempRepo;
use icecore::backend::{Handle, Memory};
use icecore::error::{Kind, Result};
use icecore::format::content::Content;
use icecore::format::directory::NodeKind;
use icecore::format::gc::Reason;
use icecore::format::snapshot::{Outcome, Snapshot, Tombstone};
use icecore::format::{BlobKind, ObjectKind};
use icecore::monitor::Silent;
use icecore::ops::backup::backup;
use icecore::repo::{NewBlob, StoredOutcome};
use icecore::source::{ByteStream, FileItem, FileProof, Got, Item};
use std::sync::Arc;

/// A writer whose outcome stands already was fenced: its commit fails as that, nothing of the
/// outcome changes, and the same command run again goes through.
#[test]
fn a_fenced_writer_starts_again() {
    let (repo, tree, _) = honest(12);
    let forger = Forger::new(&repo);
    let mut fenced = session(&repo);
    let plain = Chance::new(1).noise(5000);
    let id = id_of(&repo, &plain);
    fenced
        .store(&[NewBlob { kind: BlobKind::Data, id, plain: &plain, bases: Vec::new() }])
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
        all.push(Item::File(FileItem::new(
            entry(path),
            None,
            Box::new(move || {
                before(number);
                Ok(Box::new(Plain { bytes, at: 0 }) as _)
            }),
        )));
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
/// snapshot is whole in the end; clocks that jump back by years change nothing.
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
    let (mut outcomes, mut partials) = (0, 0);
    let mut count = |_, outcome: Result<StoredOutcome>| {
        outcomes += 1;
        partials += usize::from(matches!(outcome, Ok((Outcome::Partial(_), ..))));
        Ok(())
    };
    repo.repository.each_outcome(&mut count).unwrap();
    assert!(partials >= 2, "{partials} partials");
    assert_eq!(outcomes, partials + 1);
    assert!(repo.backend.list(ObjectKind::Writer).unwrap().len() > partials);
    let again = repo.backup(slowly(&tree, |_| {})).unwrap().snapshot;
    assert_eq!(again.summary.chunks_new, 0);
}

/// What a long backup counted on may be swept once its partial stands and a collection began: it
/// is fenced, and run again it stores what was condemned meanwhile.
#[test]
fn a_long_backup_does_not_outlive_a_collection() {
    let repo = TempRepo::new(14);
    let mut tree = four_files(14);
    let first = repo.backup(slowly(&tree, |_| {})).unwrap().snapshot;
    repo.repository.forget(&stored(&repo, first.id).key()).unwrap();
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

/// A writer that goes on as another is never without one that has no outcome yet: the next is
/// registered before the partial stands, so that no collection believes that nobody writes. In
/// between, heartbeats tell that it is alive.
#[test]
fn a_long_backup_is_always_registered() {
    let store = Arc::new(Recorder::new(Memory::new()));
    let repo = TempRepo::over(store.clone(), 27);
    let (tree, clock) = (four_files(27), repo.clock.clone());
    repo.backup(slowly(&tree, move |_| clock.advance(1900))).unwrap();
    let newest =
        repo.repository.snapshots(|error| panic!("{error}")).unwrap().all().unwrap()[0].snapshot.id;
    let (mut writers, mut beats, mut outcomes) = (0, 0, 0);
    for (handle, _) in store.all() {
        match (handle.kind(), handle.number()) {
            (ObjectKind::Writer, None) => writers += 1,
            (ObjectKind::Writer, Some(_)) => beats += 1,
            (ObjectKind::Snapshot, _) => {
                outcomes += 1;
                let last = handle.snapshot_id() == Some(newest);
                assert_eq!(writers, outcomes + i32::from(!last), "outcome {outcomes}");
            }
            _ => {}
        }
    }
    assert!(outcomes >= 2 && beats >= 2, "{outcomes} outcomes, {beats} heartbeats");
}
