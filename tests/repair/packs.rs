//! `repair packs`.

use super::{
    checked, copy, entries, flip, objects, of_kind, open, options, past, read, readable, replace,
    whichever_call_fails,
};
use crate::common::repo::TempRepo;
use crate::prune::Past;
use icecore::backend::testing::{Fault, Faulty};
use icecore::backend::{Backend, DryRun, Handle, Memory};
use icecore::error::{Error, Kind};
use icecore::format::ObjectKind;
use icecore::forward;
use icecore::monitor::Silent;
use icecore::ops::check::{CheckOptions, check};
use icecore::ops::repair::{DamagedPacks, PacksRepair, RepairOptions, repair_index, repair_packs};
use icecore::repo::Repository;
use std::ops::Range;
use std::sync::Arc;

/// How a pack is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Flipped,
    /// Its first blob is wrong.
    Head,
    Cut,
    Halved,
    Grown,
    Emptied,
    Gone,
}

const HOWS: [How; 7] =
    [How::Flipped, How::Head, How::Cut, How::Halved, How::Grown, How::Emptied, How::Gone];

fn damage(store: &dyn Backend, pack: &Handle, how: How) {
    let mut bytes = store.get(pack, None).unwrap();
    let length = bytes.len();
    match how {
        How::Flipped => bytes[length / 2] ^= 1,
        How::Head => bytes[80] ^= 1,
        How::Cut => bytes.truncate(length - 3),
        How::Halved => bytes.truncate(length / 2),
        How::Grown => bytes.extend([7; 30]),
        How::Emptied => bytes.clear(),
        How::Gone => return store.delete(pack).unwrap(),
    }
    replace(store, pack, &bytes);
}

fn repaired(repository: &Repository) -> PacksRepair {
    repair_packs(repository, &DamagedPacks::default(), &options(), &Silent).unwrap()
}

/// Whatever is done to any pack: what could be read before can be read after, a check is calm about
/// what has a place elsewhere and names just what is lost, the damaged bytes are in quarantine; the
/// next backup brings back what its source has, and a prune clears the entries away.
#[test]
fn what_is_whole_is_saved_and_the_rest_named() {
    let begun = past(Arc::new(Memory::new()), 81);
    for pack in of_kind(&*begun.repo.backend, ObjectKind::Pack) {
        for how in HOWS {
            cell(&begun, &pack, how);
        }
    }
}

fn cell(begun: &Past, pack: &Handle, how: How) {
    let what = format!("{how:?} {pack}");
    let store: Arc<dyn Backend> = copy(&*begun.repo.backend);
    damage(&*store, pack, how);
    let found = store.get(pack, None).ok();
    checked(&open(&store, 1, begun));
    let could = readable(&open(&store, 2, begun), begun);
    let report = repaired(&open(&store, 3, begun));
    assert_eq!(report.packs, 1, "{what}: {report:?}");
    let can = readable(&open(&store, 4, begun), begun);
    assert!(can.is_superset(&could), "{what}");
    let quarantine = of_kind(&*store, ObjectKind::Quarantine);
    assert_eq!(quarantine.len(), usize::from(how != How::Gone), "{what}: {report:?}");
    for kept in quarantine {
        assert!(store.get(&kept, None).ok() == found && store.size(pack).is_err(), "{what}");
    }
    let all: usize = begun.trees.iter().map(|(_, tree)| tree.files.len()).sum();
    let after = checked(&open(&store, 5, begun));
    assert_eq!(after.touched.is_empty(), can.len() == all, "{what}: {:?}", after.touched);
    assert_eq!(after.is_healthy(), can.len() == all, "{what}: {:#?}", after.findings);
    let again = repaired(&open(&store, 6, begun));
    assert_eq!((again.written, again.left.quarantined.len()), (0, 0), "{what}: {again:?}");
    // The newest state is still at the source.
    let mut later = Past { repo: temp(&store, begun), ..past_of(begun) };
    later.back_up();
    let (newest, tree) = later.trees.last().unwrap();
    for path in tree.files.keys() {
        let bytes = read(&open(&store, 7, begun), newest, path);
        assert!(bytes.unwrap() == tree.bytes(path), "{what}, healed: {path}");
    }
    let healed = readable(&open(&store, 8, begun), begun);
    assert!(healed.is_superset(&can), "{what}");
    if checked(&open(&store, 9, begun)).is_healthy() {
        later.repo.clock.advance(3600);
        crate::prune::pruned(&open(&store, 10, begun)).unwrap();
        later.is_whole();
        let named: Vec<_> = entries(&open(&store, 11, begun)).into_iter().collect();
        assert!(named.iter().all(|place| Handle::pack(place.pack) != *pack), "{what}");
    }
}

fn temp(store: &Arc<dyn Backend>, begun: &Past) -> TempRepo {
    let (env, clock) = icecore::env::Env::seeded(50, begun.repo.env.now());
    let repository = crate::prune::open(store, &env);
    TempRepo { backend: store.clone(), env, clock, repository, damaged: true }
}

fn past_of(begun: &Past) -> Past {
    Past {
        repo: temp(&begun.repo.backend, begun),
        trees: begun.trees.clone(),
        tree: begun.tree.clone(),
        chance: crate::common::chance::Chance::new(3),
    }
}

/// A healthy repository is not changed by a single byte, whether packs are named or not; neither is a
/// damaged one that is only tried out, which says what would be done.
#[test]
fn what_is_sound_is_left_alone() {
    let past = past(Arc::new(Memory::new()), 82);
    let store = past.repo.backend.clone();
    let before = objects(&*store);
    let packs = of_kind(&*store, ObjectKind::Pack);
    assert_eq!(repaired(&open(&store, 1, &past)).packs, 0);
    let named = packs.iter().filter_map(Handle::pack_id).collect();
    let which = DamagedPacks { packs: named, ..DamagedPacks::default() };
    let report = repair_packs(&open(&store, 2, &past), &which, &options(), &Silent).unwrap();
    assert_eq!(report.sound.len(), packs.len());
    assert!(objects(&*store) == before);
    flip(&*store, &packs[0]);
    let before = objects(&*store);
    let dry: Arc<dyn Backend> = Arc::new(DryRun::new(copy(&*store)));
    let trial = RepairOptions { dry_run: true, ..options() };
    let which = DamagedPacks { read_data: true, ..DamagedPacks::default() };
    let report = repair_packs(&open(&dry, 3, &past), &which, &trial, &Silent).unwrap();
    // What rests on a damaged chunk is looked at, too.
    assert_eq!((report.packs > 0, report.left.quarantined.len()), (true, 1), "{report:?}");
    assert!(objects(&*store) == before);
}

/// Notes of damage that no longer hold are withdrawn: of a pack that somebody mended, and of one that
/// nothing names any more.
#[test]
fn notes_are_withdrawn_with_their_reason() {
    let past = past(Arc::new(Memory::new()), 83);
    let store = past.repo.backend.clone();
    let pack = of_kind(&*store, ObjectKind::Pack)[0].clone();
    let good = store.get(&pack, None).unwrap();
    flip(&*store, &pack);
    checked(&open(&store, 1, &past));
    assert!(!open(&store, 2, &past).noted_damage().unwrap().all().is_empty());
    replace(&*store, &pack, &good);
    assert_eq!(repaired(&open(&store, 3, &past)).sound, [pack.pack_id().unwrap()]);
    assert!(open(&store, 4, &past).noted_damage().unwrap().all().is_empty());
    past.is_whole();
}

/// What is lost comes from a copy: everything is whole again, although the index of the copy is lost
/// and so is another of its packs.
#[test]
fn a_copy_brings_back_what_is_lost() {
    for how in HOWS {
        let past = past(Arc::new(Memory::new()), 84);
        let store = past.repo.backend.clone();
        let other: Arc<dyn Backend> = copy(&*store);
        let packs = of_kind(&*store, ObjectKind::Pack);
        damage(&*store, &packs[0], how);
        flip(&*store, &packs[1]);
        flip(&*other, &packs[2]);
        let mirror = open(&other, 1, &past);
        let which = DamagedPacks { read_data: true, copy: Some(&mirror), ..Default::default() };
        let report = repair_packs(&open(&store, 2, &past), &which, &options(), &Silent).unwrap();
        assert!(report.lost.is_empty() && report.touched.is_empty(), "{how:?}: {report:?}");
        past.is_whole();
        let after = checked(&open(&store, 3, &past));
        assert!(after.is_healthy(), "{how:?}: {:#?}", after.findings);
    }
}

/// Where a copy has another pack with the lost chunk, and not the pack of that name, the chunk comes
/// from there.
#[test]
fn a_copy_brings_back_single_chunks() {
    let past = past(Arc::new(Memory::new()), 85);
    let store = past.repo.backend.clone();
    let other: Arc<dyn Backend> = copy(&*store);
    let packs = of_kind(&*store, ObjectKind::Pack);
    // The copy was repaired before: what is lost lies in a pack of another name there.
    damage(&*other, &packs[0], How::Cut);
    assert!(repaired(&open(&other, 1, &past)).lost.is_empty() && other.size(&packs[0]).is_err());
    damage(&*store, &packs[0], How::Emptied);
    let mirror = open(&other, 2, &past);
    let which = DamagedPacks { read_data: true, copy: Some(&mirror), ..Default::default() };
    let report = repair_packs(&open(&store, 3, &past), &which, &options(), &Silent).unwrap();
    assert!(report.fetched > 0, "{report:?}");
    past.is_whole();
    assert!(checked(&open(&store, 4, &past)).is_healthy());
}

/// A disk that does not give all of a pack: every blob that it gives is saved, and the pack stays where it
/// is, since nobody can copy it.
#[test]
fn a_disk_that_fails_in_places_gives_the_rest() {
    let past = past(Arc::new(Memory::new()), 91);
    let store = past.repo.backend.clone();
    let pack = of_kind(&*store, ObjectKind::Pack)[0].clone();
    let sector: Arc<dyn Backend> = Arc::new(BadSector(store.clone(), pack.clone()));
    let could = readable(&open(&sector, 1, &past), &past);
    let which = DamagedPacks { packs: vec![pack.pack_id().unwrap()], ..Default::default() };
    let report = repair_packs(&open(&sector, 2, &past), &which, &options(), &Silent).unwrap();
    assert_eq!(report.left.kept.len(), 1, "{report:?}");
    assert!(report.moved.0 > 0 && store.size(&pack).is_ok(), "{report:?}");
    assert!(readable(&open(&sector, 3, &past), &past).is_superset(&could));
    // All that it gave is elsewhere by now.
    store.delete(&pack).unwrap();
    assert!(readable(&open(&store, 4, &past), &past).is_superset(&could));
}

/// Fails to read one byte of one object.
struct BadSector(Arc<dyn Backend>, Handle);

impl Backend for BadSector {
    forward!([0] describe capabilities put_shared size list_pages delete_all);

    fn get(&self, handle: &Handle, range: Option<Range<u64>>) -> icecore::error::Result<Vec<u8>> {
        let bad = self.0.size(handle)? / 2;
        match *handle == self.1 && range.as_ref().is_none_or(|range| range.contains(&bad)) {
            true => Err(Error::new(Kind::Failed, "read", handle).because("input/output error")),
            false => self.0.get(handle, range),
        }
    }
}

/// A repository of its own cannot serve as a copy, and nothing is begun with it.
#[test]
fn another_repository_is_no_copy() {
    let mut past = past(Arc::new(Memory::new()), 86);
    let other = TempRepo::new(87);
    let before = objects(&*past.repo.backend);
    let which = DamagedPacks { copy: Some(&other.repository), ..Default::default() };
    let error = repair_packs(&past.repo.repository, &which, &options(), &Silent).unwrap_err();
    assert_eq!(error.kind(), Kind::Refused);
    assert!(objects(&*past.repo.backend) == before);
    past.repo.damaged = false;
}

/// A store that lets nothing go keeps the damaged pack, which is said; what was whole in it is safe.
#[test]
fn a_store_that_denies_deletes_is_told_of() {
    let past = past(Arc::new(Memory::new()), 88);
    let store = past.repo.backend.clone();
    let pack = of_kind(&*store, ObjectKind::Pack)[0].clone();
    flip(&*store, &pack);
    checked(&open(&store, 1, &past));
    let could = readable(&open(&store, 2, &past), &past);
    let locked = Faulty::new(store.clone(), 1).from(0, Fault::Denies);
    let locked: Arc<dyn Backend> = Arc::new(locked);
    let report = repaired(&open(&locked, 3, &past));
    assert_eq!(report.left.retained, std::slice::from_ref(&pack));
    assert!(store.size(&pack).is_ok());
    assert!(readable(&open(&store, 4, &past), &past).is_superset(&could));
    assert_eq!(repaired(&open(&store, 5, &past)).left.quarantined, [pack]);
}

/// A pack of which nobody knows what it holds goes out of the way when it is named, and then unreadable
/// segments may go, too.
#[test]
fn an_unknown_pack_goes_when_it_is_named() {
    let past = past(Arc::new(Memory::new()), 89);
    let store = past.repo.backend.clone();
    for segment in of_kind(&*store, ObjectKind::Index) {
        flip(&*store, &segment);
    }
    let pack = of_kind(&*store, ObjectKind::Pack)[0].clone();
    damage(&*store, &pack, How::Cut);
    let unknown = repair_index(&open(&store, 1, &past), &options(), &Silent).unwrap().unknown;
    let which = DamagedPacks { packs: unknown, ..DamagedPacks::default() };
    let report = repair_packs(&open(&store, 2, &past), &which, &options(), &Silent).unwrap();
    assert_eq!(report.left.quarantined, [pack]);
    let report = repair_index(&open(&store, 3, &past), &options(), &Silent).unwrap();
    assert_eq!(report.left.quarantined.len(), 3, "{report:?}");
    assert!(of_kind(&*store, ObjectKind::Index).len() == 1);
}

/// Whichever call of the store fails, once or from then on: nothing that could be read is lost, and
/// when it is run again everything is saved that can be.
#[test]
fn one_that_stops_anywhere_is_run_again() {
    let past = past(Arc::new(Memory::new()), 90);
    let begun = past.repo.backend.clone();
    let pack = of_kind(&*begun, ObjectKind::Pack)[1].clone();
    flip(&*begun, &pack);
    checked(&open(&begun, 1, &past));
    let could = readable(&open(&begun, 2, &past), &past);
    let repair = |repository: &Repository| {
        drop(repair_packs(repository, &DamagedPacks::default(), &options(), &Silent));
    };
    let calls = whichever_call_fails(&past, &*begun, repair, |store, what| {
        assert!(readable(&open(store, 7, &past), &past).is_superset(&could), "{what}");
        repaired(&open(store, 8, &past));
        assert!(readable(&open(store, 9, &past), &past).is_superset(&could), "{what}");
        assert!(store.size(&pack).is_err(), "{what}");
        assert_eq!(of_kind(&**store, ObjectKind::Quarantine).len(), 1, "{what}");
        check(&open(store, 10, &past), CheckOptions::default(), &Silent).unwrap();
    });
    assert!(calls > 30, "only {calls} calls");
}
