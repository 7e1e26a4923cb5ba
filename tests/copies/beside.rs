//! A mirror beside others at work in its source.

use super::{mirrored, objects, past, shown, shows_whole_snapshots, store, well_mirrored};
use crate::common::meanwhile::Meanwhile;
use crate::common::memory::Tree;
use crate::common::repo::options;
use crate::common::stores::copy;
use crate::prune::{open, pruned};
use icecore::backend::{Backend, Handle};
use icecore::env::Env;
use icecore::error::{Error, Kind, Result};
use icecore::format::ObjectKind;
use icecore::format::snapshot::Snapshot;
use icecore::forward;
use icecore::monitor::Silent;
use icecore::ops::backup::backup;
use icecore::repo::Repository;
use std::sync::{Arc, Mutex};

/// What somebody else does in the source.
type Act = fn(&Repository, &[(Snapshot, Tree)]) -> Vec<(Snapshot, Tree)>;

/// Saves another state of the tree.
fn backs_up(repository: &Repository, trees: &[(Snapshot, Tree)]) -> Vec<(Snapshot, Tree)> {
    let mut tree = trees.last().unwrap().1.clone();
    tree.put("new", crate::common::chance::Chance::new(77).noise(50_000));
    let report = backup(repository, vec![tree.source("/data")], &options(), &Silent).unwrap();
    vec![(report.snapshot, tree)]
}

/// Gives snapshots up, and their room.
fn forgets_and_prunes(
    repository: &Repository,
    trees: &[(Snapshot, Tree)],
) -> Vec<(Snapshot, Tree)> {
    let snapshots = repository.snapshots(|error| panic!("{error}")).unwrap();
    for (gone, _) in &trees[..2] {
        let key = *snapshots.keys().find(|key| key.id == gone.id).unwrap();
        repository.forget(&key).unwrap();
    }
    prunes(repository, trees)
}

/// Gives back the room of what was given up before.
fn prunes(repository: &Repository, _: &[(Snapshot, Tree)]) -> Vec<(Snapshot, Tree)> {
    let report = pruned(repository).unwrap();
    assert!(report.swept.packs.count > 0, "{report:?}");
    Vec::new()
}

fn both(repository: &Repository, trees: &[(Snapshot, Tree)]) -> Vec<(Snapshot, Tree)> {
    forgets_and_prunes(repository, trees);
    backs_up(repository, trees)
}

/// A store that lets no segment of the index go.
struct KeepsSegments(Arc<dyn Backend>);

impl Backend for KeepsSegments {
    forward!([0] describe capabilities put_shared get size list_pages);

    fn delete_all(&self, handles: &[Handle]) -> Result<()> {
        match handles.iter().find(|handle| handle.kind() == ObjectKind::Index) {
            Some(kept) => Err(Error::new(Kind::Denied, "delete", kept)),
            None => self.0.delete_all(handles),
        }
    }
}

/// A backup, or a forget with its prune, or both, run to their end before whichever call of a mirror to
/// its source: what the mirror shows is whole, and the next run makes it equal. So it is where old
/// segments stay, so that nothing is missing in the mirror but what is new.
#[test]
fn whatever_comes_between_a_mirror_is_whole() {
    let mut past = past(21, 6);
    (0..2).for_each(|_| past.forget(1));
    let begun = past.repo.backend.clone();
    for (act, keeps_segments) in
        [(backs_up as Act, false), (forgets_and_prunes, false), (both, false), (prunes, true)]
    {
        for at in 0.. {
            let source: Arc<dyn Backend> = copy(&*begun);
            let (env, _) = Env::seeded(7_000 + at, past.repo.env.now());
            let made: Arc<Mutex<Vec<(Snapshot, Tree)>>> = Arc::default();
            let other: Arc<dyn Backend> = match keeps_segments {
                true => Arc::new(KeepsSegments(source.clone())),
                false => source.clone(),
            };
            let (trees, new) = (past.trees.clone(), made.clone());
            let happens = move || *new.lock().unwrap() = act(&open(&other, &env), &trees);
            let threads = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
            let racing = Meanwhile::new(&source, at, move || threads.install(happens));
            let acting: Arc<dyn Backend> = racing.clone();
            let target = store();
            let report = mirrored(&acting, &[&target]).unwrap();
            if !racing.has_happened() {
                assert!(at > 30, "only {at} calls");
                break;
            }
            assert!(report.troubles.is_empty() && report.targets[0].is_whole(), "{report:?}");
            let mut all = past.trees.clone();
            all.extend(made.lock().unwrap().iter().cloned());
            shows_whole_snapshots(&*target, &all, &format!("before call {at}"));
            well_mirrored(&source, &target);
            assert_eq!(shown(&target), shown(&source));
            let (has, wants) = (objects(&*target), objects(&*source));
            assert!(wants.iter().all(|(handle, it)| has.get(handle) == Some(it)));
        }
    }
}
