//! Random histories: backups, forgets, prunes and writers that stop, in any order.

use super::{Past, pruned, thorough};
use crate::common::forge::{session, snapshot};
use crate::common::memory::node;
use icecore::backend::testing::{Manners, Remote};
use icecore::backend::{Backend, Memory, Retry};
use icecore::env::{Env, Time};
use icecore::error::Kind;
use icecore::format::content::Content;
use icecore::format::directory::NodeKind;
use icecore::format::{BlobKind, ObjectKind};
use icecore::monitor::Silent;
use icecore::ops::prune::{PruneOptions, prune};
use icecore::repo::NewBlob;
use std::sync::Arc;

/// Whatever came before, after each prune every live snapshot is whole and all that is stored is well;
/// in the end, with all writers ended, next to nothing stays that nobody needs.
#[test]
fn whatever_happens_live_snapshots_stay_whole() {
    for seed in 0..6 {
        history(Past::over(Arc::new(Memory::new()), 100 + seed, 2), 14);
    }
}

/// The same on a store far away that loses requests and answers.
#[test]
fn the_same_far_away() {
    let manners = Manners { failures: 5, ..Manners::default() };
    let (env, _) = Env::seeded(8, Time(0));
    let remote = Remote::new(Arc::new(Memory::new()), manners, env.clone(), 8);
    history(Past::over(Arc::new(Retry::new(remote, env)), 8, 2), 10);
}

fn history(mut past: Past, steps: usize) {
    let mut stopped = 0;
    for step in 0..steps {
        match past.chance.below(10) {
            0..=3 => {
                past.change();
                past.back_up();
            }
            4..=5 if past.trees.len() > 1 => {
                let at = past.chance.below(past.trees.len());
                past.forget(at);
            }
            6 => {
                // A writer that stops before its outcome: packs with an index, or without.
                let mut session = session(&past.repo);
                let plain = past.chance.rows(50_000);
                let id = past.repo.repository.ids().of(BlobKind::Data, &plain);
                let bases = Vec::new();
                session
                    .store(&[NewBlob { kind: BlobKind::Data, id, plain: &plain, bases }])
                    .unwrap();
                drop(session);
                stopped += 1;
            }
            _ => {
                let defaults = PruneOptions { host: "host".into(), ..PruneOptions::default() };
                let options = if past.chance.below(2) == 0 { defaults } else { thorough() };
                past.repo.clock.advance(if past.chance.below(2) == 0 { 0 } else { 25 * 3600 });
                let report = prune(&past.repo.reopen().unwrap(), &options, &Silent).unwrap();
                assert!(report.waits.is_none() || stopped > 0, "step {step}: {report:?}");
                past.is_whole();
            }
        }
    }
    past.repo.clock.advance(25 * 3600);
    past.prune();
    past.is_whole();
    let again = past.prune();
    assert!(again.waits.is_none());
    assert!(past.repo.repository.open_writers().unwrap().is_empty());
    // One snapshot alone needs no more than a repository that never had another.
    while past.trees.len() > 1 {
        past.forget(0);
    }
    past.prune();
    past.is_whole();
    let fresh = Past::over(Arc::new(Memory::new()), 5, 0);
    let mut fresh = Past { tree: past.tree.clone(), trees: Vec::new(), ..fresh };
    fresh.back_up();
    let (left, least) = (past.packs(), fresh.packs());
    assert!(left * 10 <= least * 13, "{left} bytes, {least} would do");
}

/// A snapshot committed by a writer that registered before the collection, and counted on a pack that
/// it condemned, is waited for, and the pack rescued; readers have it all the while.
#[test]
fn a_writer_that_counts_on_a_condemned_pack_is_waited_for() {
    let mut past = Past::over(Arc::new(Memory::new()), 31, 3);
    let old = past.tree.clone();
    let plain = past.chance.rows(90_000);
    let mut held = session(&past.repo);
    let id = past.repo.repository.ids().of(BlobKind::Data, &plain);
    let blob = |bases| NewBlob { kind: BlobKind::Data, id, plain: &plain, bases };
    held.store(&[blob(Vec::new())]).unwrap();
    held.abandon().unwrap();
    let mut late = session(&past.repo);
    assert!(late.knows(BlobKind::Data, &id), "what nobody needs yet is counted on");
    let report = pruned(&past.repo.reopen().unwrap()).unwrap();
    let (generation, writers) = report.waits.unwrap();
    assert_eq!((generation, writers.len()), (1, 1));
    assert!(report.plan.unwrap().garbage.count > 0);
    assert_eq!(report.swept.packs.count, 0);
    // One that comes now stores it again.
    let newer = session(&past.repo);
    assert!(!newer.knows(BlobKind::Data, &id));
    newer.abandon().unwrap();
    late.store(&[blob(Vec::new())]).unwrap();
    let length = u32::try_from(plain.len()).unwrap();
    let piece = icecore::format::content::Piece::Chunk { id, length };
    let kind = NodeKind::File { content: Content::inline(0, &[piece]), database: None };
    let committed = late.commit(|id, _| snapshot(id, "/late", node("late", kind), 1)).unwrap();
    let read = |past: &Past| past.repo.read(&committed, "/late").unwrap();
    assert!(read(&past) == plain, "while the collection is open");
    let report = pruned(&past.repo.reopen().unwrap()).unwrap();
    assert!(report.rescued > 0, "{report:?}");
    assert!(read(&past) == plain);
    past.tree = old;
    past.back_up();
    past.repo
        .repository
        .forget(
            past.repo
                .repository
                .snapshots(drop)
                .unwrap()
                .keys()
                .find(|key| key.id == committed.id)
                .unwrap(),
        )
        .unwrap();
    past.prune();
    past.is_whole();
}

/// A writer that is silent for a day is given up: its commit fails as fenced, its packs are swept, and
/// what it comes to write later stays dead.
#[test]
fn a_silent_writer_is_given_up() {
    let mut past = Past::over(Arc::new(Memory::new()), 32, 3);
    past.forget(0);
    let mut silent = session(&past.repo);
    let plain = past.chance.noise(200_000);
    let id = past.repo.repository.ids().of(BlobKind::Data, &plain);
    let bases = Vec::new();
    silent.store(&[NewBlob { kind: BlobKind::Data, id, plain: &plain, bases }]).unwrap();
    let report = pruned(&past.repo.reopen().unwrap()).unwrap();
    assert!(report.waits.is_some() && report.given_up.is_empty());
    past.repo.clock.advance(25 * 3600);
    let report = pruned(&past.repo.reopen().unwrap()).unwrap();
    assert_eq!((report.given_up.len(), report.waits), (1, None));
    let error =
        silent.commit(|id, _| snapshot(id, "/late", node("late", NodeKind::Fifo), 1)).unwrap_err();
    assert_eq!(error.kind(), Kind::Fenced, "{error}");
    past.is_whole();
    assert!(!past.repo.reopen().unwrap().load_index().unwrap().knows(BlobKind::Data, &id));
    let before = past.packs();
    // What it uploaded last is an orphan, or named by a dead segment alone.
    past.prune();
    past.prune();
    assert!(before - past.packs() >= 200_000, "{before} {}", past.packs());
    past.is_whole();
    let store = past.repo.backend.clone();
    assert!(store.list(ObjectKind::Index).unwrap().len() <= 3);
}
