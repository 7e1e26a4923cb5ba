//! What a missing snapshot needs is not taken for what nobody needs.

use super::{Past, pruned, thorough};
use crate::common::cli::{Cli, stderr};
use icecore::backend::{Backend, Handle};
use icecore::error::Kind;
use icecore::format::ObjectKind;
use icecore::monitor::Silent;
use icecore::ops::forget::{forget_gaps, gaps};
use icecore::ops::prune::{PruneOptions, prune};
use icecore::ops::series::missing;
use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

fn past(seed: u64) -> Past {
    let mut past = Past::over(Arc::new(icecore::backend::Memory::new()), seed, 5);
    past.forget(0);
    past
}

fn stored(past: &Past) -> BTreeSet<Handle> {
    let kinds = ObjectKind::ALL.into_iter();
    kinds.flat_map(|kind| past.repo.backend.list(kind).unwrap()).map(|it| it.handle).collect()
}

/// Whichever snapshot but the newest is gone without having been given up, a prune changes nothing, and all is whole
/// when it comes back; once the gap was given up, a prune goes on.
#[test]
fn a_gap_stops_a_prune() {
    for gone in 0..3 {
        let past = past(71);
        let handle = Handle::snapshot(past.trees[gone].0.id);
        let bytes = past.repo.backend.get(&handle, None).unwrap();
        past.repo.backend.delete(&handle).unwrap();
        let before = stored(&past);
        for dry_run in [true, false] {
            let options = PruneOptions { dry_run, ..thorough() };
            let error = prune(&past.repo.reopen().unwrap(), &options, &Silent).unwrap_err();
            assert_eq!(error.kind(), Kind::Damaged, "{error}");
            assert!(error.hint_text().unwrap().contains("forget --gaps"), "{error}");
        }
        assert!(stored(&past) == before);
        past.repo.backend.put_new(&handle, &bytes).unwrap();
        past.prune();
        past.is_whole();

        past.repo.backend.delete(&handle).unwrap();
        let found = gaps(&past.repo.repository).unwrap();
        forget_gaps(&past.repo.repository, &found, &Silent).unwrap();
        let report = pruned(&past.repo.reopen().unwrap()).unwrap();
        assert!(report.plan.unwrap().won() > 0);
    }
}

/// Where the mark of one that was given up cannot be read, that is what a prune says, and not that somebody removed a
/// snapshot; once the gap is given up anew, it goes on.
#[test]
fn a_mark_that_cannot_be_read_is_named() {
    let mut past = past(73);
    past.repo.damaged = true;
    let mark = past.repo.backend.list(ObjectKind::Forgotten).unwrap()[0].handle.clone();
    let before = stored(&past);
    past.repo.backend.delete(&mark).unwrap();
    past.repo.backend.put_new(&mark, b"no mark").unwrap();
    let error = prune(&past.repo.reopen().unwrap(), &thorough(), &Silent).unwrap_err();
    let said = format!("{error:#}");
    assert!(said.contains(&mark.to_string()) && said.contains("cannot be read"), "{said}");
    assert!(!said.contains("a snapshot is missing"), "{said}");
    assert!(error.hint_text().unwrap().contains("forget --gaps"), "{error}");
    assert!(stored(&past) == before);

    let repository = past.repo.reopen().unwrap();
    forget_gaps(&repository, &gaps(&repository).unwrap(), &Silent).unwrap();
    pruned(&past.repo.reopen().unwrap()).unwrap();
    past.is_whole();
}

/// A repository that was copied without its snapshots, or has lost all of them, is not emptied by a host that never
/// saw them; once they are back, it is pruned.
#[test]
fn packs_without_any_snapshot_stop_a_prune() {
    let past = Past::over(Arc::new(icecore::backend::Memory::new()), 74, 3);
    let store = past.repo.backend.clone();
    let snapshots = store.list(ObjectKind::Snapshot).unwrap();
    let kept: Vec<_> = snapshots
        .iter()
        .map(|it| (it.handle.clone(), store.get(&it.handle, None).unwrap()))
        .collect();
    kept.iter().for_each(|(handle, _)| store.delete(handle).unwrap());
    let registered = store.list(ObjectKind::Writer).unwrap();
    registered.iter().for_each(|it| store.delete(&it.handle).unwrap());
    let before = stored(&past);
    for dry_run in [true, false] {
        let options = PruneOptions { dry_run, ..thorough() };
        let error = prune(&past.repo.reopen().unwrap(), &options, &Silent).unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged, "{error}");
        assert!(error.to_string().contains("ever was a snapshot"), "{error}");
    }
    assert!(stored(&past) == before);
    for (handle, bytes) in &kept {
        store.put_new(handle, bytes).unwrap();
    }
    past.prune();
    past.is_whole();
}

/// The newest one leaves no gap; who has seen it misses it all the same.
#[test]
fn a_head_that_was_seen_stops_a_prune() {
    let past = past(72);
    let seen = missing(&past.repo.repository).unwrap().chains.heads();
    let handle = Handle::snapshot(past.trees[3].0.id);
    past.repo.backend.delete(&handle).unwrap();
    let before = stored(&past);
    let options = PruneOptions { seen, ..thorough() };
    let error = prune(&past.repo.reopen().unwrap(), &options, &Silent).unwrap_err();
    assert_eq!(error.kind(), Kind::Damaged, "{error}");
    assert!(error.hint_text().unwrap().contains("--accept-head") && stored(&past) == before);
    pruned(&past.repo.reopen().unwrap()).unwrap();
}

/// So does the program: of a gap on any host, of a head on the host that has seen it, by `forget --prune`, too, until
/// somebody says that it is right so.
#[test]
fn the_program_misses_snapshots() {
    let cli = Cli::new();
    let ids = super::program::three(&cli);
    let at = |id: &str| cli.path("repo/snapshots").join(id);
    for (gone, cure) in [(1, &["forget", "--gaps"][..]), (2, &["check", "--accept-head"])] {
        fs::remove_file(at(&ids[gone])).unwrap();
        let packs = fs::read_dir(cli.path("repo/packs")).unwrap().count();
        for words in
            [&["prune"][..], &["prune", "--dry-run"], &["forget", "--keep-last", "9", "--prune"]]
        {
            let said = stderr(&cli.run(words).code(1));
            assert!(said.contains("a snapshot is missing") && said.contains(cure[1]), "{said}");
        }
        assert_eq!(fs::read_dir(cli.path("repo/packs")).unwrap().count(), packs);
        cli.run(cure).success();
        // It waits for the writer, whose registration stands where no outcome does.
        cli.run(&["prune"]).code(3);
    }
    cli.run(&["check", "--read-data"]).success();
}
