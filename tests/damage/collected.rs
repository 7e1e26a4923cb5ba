//! Snapshots are given up, and their room, in a repository that is damaged: what could be read before can
//! be read afterwards.

use super::fixture::{CLASSES, Fixture, HOWS, damage};
use super::temp;
use crate::common::repo::TempRepo;
use crate::prune::pruned;
use icecore::format::snapshot::Snapshot;
use icecore::monitor::Silent;
use icecore::ops::forget::{forget, plan};
use icecore::ops::select::Filter;
use std::collections::BTreeSet;

/// Every class damaged in every way, and then the newest snapshot is given up and a prune collects, as far
/// as either will: no file of another snapshot is lost by it, and no wrong bytes come out.
#[test]
fn nothing_more_is_lost_by_a_prune() {
    let (fixture, foreign) = (Fixture::of(33, 200_000, 20_000), Fixture::of(34, 200_000, 20_000));
    let (mut opened, mut collected) = (0, 0);
    for class in CLASSES {
        let handle = fixture.object(class);
        for how in HOWS {
            let store = fixture.copied();
            if !damage(&store, &handle, how, &foreign) {
                continue;
            }
            let Ok(repo) = temp(store) else { continue };
            let what = format!("{class:?} {how:?}: {handle}");
            let before = readable(&fixture, &repo, &what);
            let newest = fixture.kept[2].0.id.to_string();
            let planned = plan(&repo.repository, &[newest], &Filter::default(), false);
            let gone = planned.and_then(|plan| forget(&repo.repository, &plan, &Silent)).is_ok();
            let done = pruned(&repo.reopen().unwrap());
            let after = readable(&fixture, &repo, &what);
            let lost: Vec<_> =
                before.difference(&after).filter(|(at, _)| !gone || *at < 2).collect();
            assert!(lost.is_empty(), "{what}: {lost:?} after {done:?}");
            opened += 1;
            collected += u32::from(done.is_ok_and(|report| report.swept.packs.count > 0));
        }
    }
    assert!(opened > 20 && collected > 5, "{collected} of {opened}");
}

/// The files that can be read of all snapshots that are listed; they have their own bytes.
fn readable<'f>(
    fixture: &'f Fixture,
    repo: &TempRepo,
    what: &str,
) -> BTreeSet<(usize, &'f String)> {
    let mut found = BTreeSet::new();
    let Ok(listed) = repo.repository.snapshots(drop) else { return found };
    let is_listed = |snapshot: &Snapshot| listed.keys().any(|key| key.id == snapshot.id);
    let kept = fixture.kept.iter().enumerate().filter(|(_, (snapshot, _))| is_listed(snapshot));
    for (at, (snapshot, tree)) in kept {
        for path in tree.files.keys() {
            if let Ok(bytes) = repo.read(snapshot, &format!("/data/{path}")) {
                assert!(bytes == tree.bytes(path), "{what}: {path}");
                found.insert((at, path));
            }
        }
    }
    found
}
