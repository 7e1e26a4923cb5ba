//! Chosen snapshots in a repository with other keys: the same content, as small, however often and
//! wherever it stops.

use super::store;
use crate::common::chance::Chance;
use crate::common::meanwhile::Meanwhile;
use crate::common::memory::Tree;
use crate::common::repo::{TempRepo, content};
use crate::common::stores::copy as copy_of;
use crate::prune::{Past, bytes_of, open, pruned};
use icecore::backend::testing::{Fault, Faulty};
use icecore::backend::{Backend, Handle};
use icecore::crypto::Secret;
use icecore::env::{Env, Time};
use icecore::error::{Error, Kind, Result};
use icecore::format::ObjectKind;
use icecore::format::directory::Node;
use icecore::format::snapshot::Snapshot;
use icecore::forward;
use icecore::monitor::Silent;
use icecore::ops::check::{CheckOptions, ReadData, check};
use icecore::ops::copy::{CopyOptions, CopyReport, copy};
use icecore::repo::{InitOptions, Reader, Repository};
use icecore::stream::DirectoryEntries;
use std::sync::Arc;
use zeroize::Zeroizing;

struct Shared(Arc<dyn Backend>);

impl Backend for Shared {
    forward!([0] describe capabilities put_shared get size list_pages delete_all);
}

fn other_secret() -> Secret {
    Secret::KeyFile(Zeroizing::new([77; 32]))
}

fn env(seed: u64) -> Env {
    Env::seeded(seed, Time(1_900_000_000 * Time::SECOND)).0
}

/// An empty repository with keys of its own.
fn target() -> Arc<dyn Backend> {
    target_of(50)
}

/// The same, each of another seed another one.
fn target_of(seed: u64) -> Arc<dyn Backend> {
    let store = store();
    let options = InitOptions { capabilities: store.capabilities(), ..Default::default() };
    Repository::init(store.clone(), env(seed), &other_secret(), &options).unwrap();
    store
}

fn open_target(store: &Arc<dyn Backend>, seed: u64) -> Result<Repository> {
    Repository::open(store.clone(), env(seed), &other_secret())
}

fn options() -> CopyOptions {
    CopyOptions { host: "copier".into(), tool: "test".into(), dry_run: false }
}

/// Copies all.
fn copied(source: &Repository, target: &Repository) -> Result<CopyReport> {
    let chosen = source.snapshots(|error| panic!("{error}"))?;
    copy(source, target, &chosen, &options(), &Silent)
}

/// Copies all from store to store, and all goes well.
fn well_copied(past: &Past, store: &Arc<dyn Backend>) -> CopyReport {
    let source = past.repo.reopen().unwrap();
    let report = copied(&source, &open_target(store, 60).unwrap()).unwrap();
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    report
}

/// The copies in a store are some of these, and whole byte for byte; how many there are.
fn shows_whole_copies(store: &Arc<dyn Backend>, trees: &[(Snapshot, Tree)], what: &str) -> usize {
    let repository = open_target(store, 61).unwrap();
    let snapshots = repository.snapshots(|error| panic!("{what}: {error}")).unwrap();
    let index = repository.load_index().unwrap();
    let reader = Reader::new(&repository, &index);
    for stored in snapshots.iter() {
        let snapshot = &stored.unwrap().snapshot;
        let origin = snapshot.origin.as_ref().unwrap();
        let (original, tree) = trees.iter().find(|(it, _)| it.id == origin.snapshot).unwrap();
        assert_eq!((&snapshot.host, snapshot.started), (&original.host, original.started));
        for path in tree.files.keys() {
            let read = content(&reader, snapshot, &format!("/data/{path}"));
            assert!(read.unwrap() == tree.bytes(path), "{what}: {path}");
        }
    }
    let report = check(&repository, CheckOptions { read_data: ReadData::All }, &Silent).unwrap();
    assert!(report.findings.is_empty(), "{what}: {:?}", report.findings);
    snapshots.len()
}

fn stored(store: &Arc<dyn Backend>) -> u64 {
    bytes_of(&**store, ObjectKind::Pack)
}

/// All snapshots arrive whole, in the order of their series, as small as they were. What is new later is
/// copied alone, by reading little; and a run that has nothing to do writes nothing.
#[test]
fn snapshots_are_copied_as_small_as_they_were() {
    let mut past = Past::over(store(), 31, 24);
    let there = target();
    let report = well_copied(&past, &there);
    assert_eq!((report.copied.len(), report.skipped), (24, 0));
    let order: Vec<_> = report.copied.iter().map(|it| it.original).collect();
    assert_eq!(order, past.trees.iter().map(|(it, _)| it.id).collect::<Vec<_>>());
    assert_eq!(shows_whole_copies(&there, &past.trees, "at first"), 24);
    let (here, size) = (past.packs(), stored(&there));
    assert!(size * 100 <= here * 115, "{size} bytes there, {here} here");
    let repository = open_target(&there, 62).unwrap();
    let copies = repository.snapshots(|error| panic!("{error}")).unwrap().all().unwrap();
    let numbers: Vec<_> = copies.iter().rev().map(|it| it.snapshot.sequence).collect();
    assert_eq!(numbers, (1..=24).collect::<Vec<_>>());

    let objects = |store: &Arc<dyn Backend>| -> usize {
        ObjectKind::ALL.iter().map(|kind| store.list(*kind).unwrap().len()).sum()
    };
    let before = objects(&there);
    assert_eq!(well_copied(&past, &there).skipped, 24);
    assert_eq!(objects(&there), before, "nothing to do");

    past.change();
    past.back_up();
    let report = well_copied(&past, &there);
    assert_eq!((report.copied.len(), report.skipped), (1, 24));
    let (read, whole) = (report.copied[0].bytes_read, past.trees[24].0.summary.bytes);
    assert!(read * 4 < whole * 3, "{read} of {whole} bytes were read");
    assert_eq!(shows_whole_copies(&there, &past.trees, "later"), 25);
}

/// Everything that a snapshot says of itself and of its files is said of the copy; ids alone are others.
#[test]
fn what_is_said_of_a_snapshot_is_said_of_its_copy() {
    let past = Past::over(store(), 32, 2);
    let source = past.repo.reopen().unwrap();
    let tagged = [String::from("kept"), String::from("seen")].into();
    source.change_tags(&past.trees[1].0, &tagged).unwrap();
    let there = target();
    well_copied(&past, &there);
    let repository = open_target(&there, 63).unwrap();
    let copies = repository.snapshots(|error| panic!("{error}")).unwrap().all().unwrap();
    let originals = source.snapshots(|error| panic!("{error}")).unwrap().all().unwrap();
    let (index, theirs) = (repository.load_index().unwrap(), source.load_index().unwrap());
    let (ours, theirs) = (Reader::new(&repository, &index), Reader::new(&source, &theirs));
    assert_eq!(copies[0].snapshot.tags, tagged);
    for (copy, original) in copies.iter().zip(&originals) {
        let origin = copy.snapshot.origin.clone().unwrap();
        assert_eq!((origin.snapshot, origin.hash), (original.snapshot.id, original.hash));
        assert_eq!(origin.repository, source.config().repository);
        let same = Snapshot {
            id: copy.snapshot.id,
            series: copy.snapshot.series,
            previous: copy.snapshot.previous,
            generation: copy.snapshot.generation,
            origin: Some(origin),
            parts: copy.snapshot.parts.clone(),
            summary: copy.snapshot.summary.clone(),
            ..original.snapshot.clone()
        };
        assert_eq!(copy.snapshot, same);
        for (copy, original) in copy.snapshot.parts.iter().zip(&original.snapshot.parts) {
            assert_eq!(described(&ours, &copy.root), described(&theirs, &original.root));
        }
    }
}

/// A tree, without ids.
fn described(reader: &Reader<'_>, node: &Node) -> Vec<String> {
    let Node { name, kind: _, meta, stamp, taint } = node;
    let length = node.content().map(|content| content.length);
    let mut all = vec![format!("{name:?} {meta:?} {stamp:?} {taint:?} {length:?}")];
    if let Some(entries) = node.entries() {
        let mut entries = DirectoryEntries::new(reader, entries);
        while let Some(node) = entries.next_entry().unwrap() {
            all.extend(described(reader, &node));
        }
    }
    all
}

/// Whichever call of either store fails, once or from then on, and whatever of it was done: what the
/// target shows is whole, and the next run copies the rest, and nothing twice.
#[test]
fn a_copy_that_stops_anywhere_is_finished_by_the_next() {
    let past = Past::over(store(), 33, 3);
    let begun = target();
    for at_target in [false, true] {
        for number in (0..).step_by(5) {
            let there: Arc<dyn Backend> = copy_of(&*begun);
            let failing = if at_target { &there } else { &past.repo.backend };
            let fault = if number % 2 == 0 { Fault::Fails } else { Fault::DoneButFails };
            let faulty = Faulty::new(Shared(failing.clone()), number);
            let faulty = Arc::new(match number % 3 {
                0 => faulty.once(number, fault),
                _ => faulty.from(number, fault),
            });
            let stopped: Arc<dyn Backend> = faulty.clone();
            let opened = match at_target {
                true => past.repo.reopen().and_then(|source| {
                    Ok((source, Repository::open(stopped, env(number + 70), &other_secret())?))
                }),
                false => {
                    let source = Repository::open(stopped, past.repo.env.clone(), &secret());
                    source.and_then(|source| Ok((source, open_target(&there, number + 70)?)))
                }
            };
            let done = opened.and_then(|(source, target)| copied(&source, &target));
            if done.is_ok_and(|report| report.failed.is_empty()) && faulty.calls() < number {
                assert!(number > 30, "{number} calls");
                break;
            }
            let what = format!("at call {number}");
            shows_whole_copies(&there, &past.trees, &what);
            well_copied(&past, &there);
            assert_eq!(shows_whole_copies(&there, &past.trees, &what), 3, "{what}");
        }
    }
}

fn secret() -> Secret {
    crate::common::repo::secret()
}

/// Snapshots that are given up and pruned in the source, before whichever call of a copy to it, are copied
/// whole or not at all, and are named; all others are there.
#[test]
fn what_is_pruned_meanwhile_is_whole_or_not_there() {
    let past = Past::over(store(), 34, 4);
    let begun = past.repo.backend.clone();
    let empty = target();
    let (mut lost, mut met) = (0, 0);
    for at in (0..).step_by(3) {
        let source: Arc<dyn Backend> = copy_of(&*begun);
        let (acting, ids) = (source.clone(), [past.trees[1].0.id, past.trees[2].0.id]);
        let other = env(at + 500);
        let racing = Meanwhile::new(&source, at, move || {
            let repository = open(&acting, &other);
            let snapshots = repository.snapshots(|error| panic!("{error}")).unwrap();
            for key in snapshots.keys().filter(|key| ids.contains(&key.id)) {
                repository.forget(key).unwrap();
            }
            pruned(&repository).unwrap();
        });
        let watched: Arc<dyn Backend> = racing.clone();
        let there: Arc<dyn Backend> = copy_of(&*empty);
        let reading = Repository::open(watched, past.repo.env.clone(), &secret()).unwrap();
        let report = copied(&reading, &open_target(&there, at + 600).unwrap()).unwrap();
        if !racing.has_happened() {
            break;
        }
        met += 1;
        lost += report.failed.len();
        assert!(report.failed.iter().all(|(id, _)| ids.contains(id)), "{:?}", report.failed);
        let shown = shows_whole_copies(&there, &past.trees, &format!("before call {at}"));
        assert!(shown >= 2 && shown == report.copied.len(), "{shown}: {report:?}");
    }
    assert!(met > 10 && lost > 0, "{met} times, {lost} lost");
}

/// A snapshot of which something is lost is not committed and is named; the others are copied.
#[test]
fn a_damaged_snapshot_costs_itself() {
    let mut past = Past::over(store(), 35, 2);
    let (there, before) = (target(), past.repo.backend.list(ObjectKind::Pack).unwrap());
    past.tree.put("files/last", Chance::new(4).noise(60_000));
    past.back_up();
    past.repo.damaged = true;
    let new = past.repo.backend.list(ObjectKind::Pack).unwrap();
    let gone: Vec<Handle> =
        new.into_iter().filter(|it| !before.contains(it)).map(|it| it.handle).collect();
    past.repo.backend.delete_all(&gone).unwrap();
    let source = past.repo.reopen().unwrap();
    let report = copied(&source, &open_target(&there, 64).unwrap()).unwrap();
    assert_eq!((report.copied.len(), report.failed.len()), (2, 1));
    assert_eq!(report.failed[0].0, past.trees[2].0.id);
    assert_eq!(shows_whole_copies(&there, &past.trees, "without the damaged one"), 2);
}

/// Older snapshots that come after newer ones do not become the newest: each is a series of its own, in
/// the order of its time, and the copy is found by its origin as others are.
#[test]
fn late_copies_are_not_the_newest() {
    let past = Past::over(store(), 36, 4);
    let (source, there) = (past.repo.reopen().unwrap(), target());
    let target = open_target(&there, 65).unwrap();
    for choice in [2, 0, 3] {
        let mut chosen = source.snapshots(|error| panic!("{error}")).unwrap();
        chosen.retain(|key| key.id == past.trees[choice].0.id);
        let report = copy(&source, &target, &chosen, &options(), &Silent).unwrap();
        assert_eq!((report.copied.len(), report.copied[0].late), (1, choice == 0));
    }
    assert_eq!(well_copied(&past, &there).skipped, 3);
    let copies = target.snapshots(|error| panic!("{error}")).unwrap().all().unwrap();
    let origins = copies.iter().map(|it| it.snapshot.origin.as_ref().unwrap().snapshot);
    let expected: Vec<_> = past.trees.iter().rev().map(|(it, _)| it.id).collect();
    assert_eq!(origins.collect::<Vec<_>>(), expected, "by time");
    assert_eq!(shows_whole_copies(&there, &past.trees, "late ones"), 4);
}

/// What was copied here and there, and back, is known as the same; and the source itself, or a mirror of
/// it, is no target.
#[test]
fn copies_of_copies_are_known() {
    let past = Past::over(store(), 37, 2);
    let (there, third) = (target_of(51), target_of(52));
    well_copied(&past, &there);
    let source = open_target(&there, 66).unwrap();
    assert_eq!(copied(&source, &open_target(&third, 67).unwrap()).unwrap().copied.len(), 2);
    assert_eq!(shows_whole_copies(&third, &past.trees, "a copy of a copy"), 2);
    assert_eq!(well_copied(&past, &third).skipped, 2);
    let back = past.repo.reopen().unwrap();
    assert_eq!(copied(&source, &back).unwrap().skipped, 2, "at home");
    let error: Error = copied(&back, &past.repo.reopen().unwrap()).unwrap_err();
    assert_eq!(error.kind(), Kind::Refused);
    assert!(error.hint_text().unwrap().contains("mirror"), "{error}");
}

/// A backup into the target goes on from a copy: it stores what changed, as deltas against the copy's
/// chunks, although it cuts in other places.
#[test]
fn a_backup_goes_on_from_a_copy() {
    let mut past = Past::over(store(), 38, 2);
    let there = target();
    well_copied(&past, &there);
    past.change();
    let repo = Arc::new(open_target(&there, 68).unwrap());
    let sources = vec![past.tree.source("/data")];
    let backup = icecore::ops::backup::backup;
    let report = backup(&repo, sources, &crate::common::repo::options(), &Silent).unwrap();
    assert_eq!((report.snapshot.sequence, report.snapshot.summary.databases), (3, 0));
    let cost = &report.snapshot.summary;
    assert!(cost.delta.blobs > 0 && cost.whole.stored < 40_000, "{cost:?}");
    let read = TempRepo::read_from(&repo, &report.snapshot, "/data/db").unwrap();
    assert!(read == past.tree.bytes("db"));
}
