//! What is damaged, how, and what comes next: each cell with its outcome.

mod beside;
mod collected;
mod findings;
mod fixture;
mod known;
mod lens;
mod noted;

use crate::common::chance::Chance;
use crate::common::forge::Forger;
use crate::common::repo::{TempRepo, secret};
use fixture::{CLASSES, Class, Fixture, HOWS, How, damage, replace};
use icecore::backend::{Backend, Handle, Memory};
use icecore::env::{Env, Time};
use icecore::error::{Kind, Result};
use icecore::format::gc::Reason;
use icecore::format::{BlobKind, ObjectKind};
use icecore::ops::check::{CheckReport, Where};
use icecore::repo::Repository;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A repository that a test has damaged.
fn temp(store: Arc<Memory>) -> Result<TempRepo> {
    let (env, clock) = Env::seeded(601, Time(2_000_000_000 * Time::SECOND));
    let repository = Repository::open(store.clone(), env.clone(), &secret())?;
    Ok(TempRepo { backend: store, env, clock, repository, damaged: true })
}

/// One bit flipped, anywhere in any object of any class, is found by a check that reads all data,
/// or refuses the opening as damage, never as a wrong password.
#[test]
fn every_flipped_bit_is_found() {
    let fixture = Fixture::new(21);
    let mut chance = Chance::new(22);
    for handle in fixture.objects() {
        let length = fixture.store.get(&handle, None).unwrap().len();
        let heads = [0, 4, 5, 6, 7, 8, 12, 40, length / 2, length - 9, length - 1];
        let places: BTreeSet<usize> = heads.into_iter().filter(|at| *at < length).collect();
        for at in places.into_iter().chain([chance.below(length), chance.below(length)]) {
            let bit = chance.below(8);
            let what = format!("bit {bit} of byte {at} of {handle}");
            let store = fixture.copied();
            let mut bytes = store.get(&handle, None).unwrap();
            bytes[at] ^= 1 << bit;
            replace(&store, &handle, &bytes);
            match temp(store) {
                Ok(repo) => assert!(!repo.check().is_healthy(), "{what}"),
                Err(error) => {
                    let honest = matches!(error.kind(), Kind::Damaged | Kind::Unsupported);
                    assert!(honest, "{what}: {error}");
                }
            }
        }
    }
}

enum Expected {
    Refused(Kind),
    Opens { found: bool },
}

fn expected(class: Class, how: How) -> Expected {
    match (class, how) {
        (Class::Config | Class::Key, _) => Expected::Refused(Kind::Damaged),
        // Nothing refers to these.
        (Class::Writer | Class::Heartbeat | Class::NewestSnapshot, How::Removed) => {
            Expected::Opens { found: false }
        }
        _ => Expected::Opens { found: true },
    }
}

/// Every class damaged in every way: it is found; just what it touches is named, and nothing
/// else is lost; wrong bytes never come out; the next backup needs no hand, and what it stores
/// restores, once a collection has condemned the pack that was hit.
#[test]
fn damage_is_found_named_contained_and_healed() {
    let (fixture, foreign) = (Fixture::new(23), Fixture::new(24));
    for class in CLASSES {
        let handle = fixture.object(class);
        for how in HOWS {
            let what = format!("{class:?} {how:?}: {handle}");
            let store = fixture.copied();
            if damage(&store, &handle, how, &foreign) {
                cell(&fixture, store, &handle, expected(class, how), &what);
            }
        }
    }
}

fn cell(fixture: &Fixture, store: Arc<Memory>, handle: &Handle, expected: Expected, what: &str) {
    let (repo, found) = match (temp(store), expected) {
        (Err(error), Expected::Refused(kind)) => return assert_eq!(error.kind(), kind, "{what}"),
        (Ok(repo), Expected::Opens { found }) => (repo, found),
        (Ok(_), Expected::Refused(_)) => panic!("{what}: it opens"),
        (Err(error), _) => panic!("{what}: {error}"),
    };
    let report = repo.check();
    assert_eq!(!report.is_healthy(), found, "{what}: {:#?}", report.findings);
    touched_is_exact(fixture, &repo, &report, what);
    let mut tree = fixture.tree.clone();
    let mut bytes = tree.bytes("db");
    bytes[5_000..5_020].fill(b'n');
    tree.put("db", bytes);
    let sources = || vec![tree.source("/data")];
    let next = repo.backup(sources()).unwrap_or_else(|error| panic!("{what}: {error}"));
    for path in tree.files.keys() {
        match repo.read(&next.snapshot, &format!("/data/{path}")) {
            Ok(bytes) => assert!(bytes == tree.bytes(path), "{what}: {path}"),
            Err(error) => assert_eq!(handle.kind(), ObjectKind::Pack, "{what}: {path}: {error}"),
        }
    }
    let Some(pack) = handle.pack_id() else { return };
    let mut packs = vec![pack];
    // The one that it was swapped with.
    packs.extend(report.findings.iter().filter_map(|finding| match &finding.at {
        Where::Object(handle) => handle.pack_id(),
        _ => None,
    }));
    Forger::new(&repo).condemn(1, &packs, Reason::Damaged);
    let healed = repo.backup(sources()).unwrap_or_else(|error| panic!("{what}: {error}")).snapshot;
    for path in tree.files.keys() {
        let bytes = repo.read(&healed, &format!("/data/{path}"));
        let bytes = bytes.unwrap_or_else(|error| panic!("{what}, healed: {error}"));
        assert!(bytes == tree.bytes(path), "{what}, healed: {path}");
    }
    let report = repo.check();
    let stale = report.touched.iter().find(|touched| touched.snapshot == healed.id);
    assert_eq!(stale, None, "{what}, healed: {:#?}", report.findings);
}

/// A file of a readable snapshot is restored byte by byte, or it is named as touched, or a
/// directory above it is: one of the two, always.
fn touched_is_exact(fixture: &Fixture, repo: &TempRepo, report: &CheckReport, what: &str) {
    let readable = repo.repository.snapshots(|_| {}).unwrap().all().unwrap();
    for (snapshot, tree) in &fixture.kept {
        if !readable.iter().any(|stored| stored.snapshot.id == snapshot.id) {
            continue;
        }
        for path in tree.files.keys() {
            let path = format!("/data/{path}");
            let named = report.touched.iter().any(|touched| {
                let at = touched.path.as_slice();
                touched.snapshot == snapshot.id && path.as_bytes().starts_with(at)
            });
            let what = format!("{what}: number {} {path}", snapshot.sequence);
            match repo.read(snapshot, &path) {
                Ok(bytes) => {
                    assert!(bytes == tree.bytes(path.strip_prefix("/data/").unwrap()), "{what}");
                    assert!(!named, "{what}: it is named and restores");
                }
                Err(error) => assert!(named, "{what}: it is not named: {error}"),
            }
        }
    }
}

/// When the base of a delta is hit, exactly the files that need it are named, in every snapshot;
/// a backup of the same source stores the lost chunks whole again, and all that still has the
/// same content restores, the older snapshots too.
#[test]
fn a_lost_base_is_named_and_heals() {
    let fixture = Fixture::new(25);
    let store = fixture.copied();
    let repo = temp(store.clone()).unwrap();
    let index = repo.repository.load_index().unwrap();
    let delta = index.places().find(|place| place.kind == BlobKind::Data && place.depth > 0);
    let delta = delta.unwrap();
    let base = index.find_base(delta.kind, &delta.bases[0]).unwrap();
    let handle = Handle::pack(base.pack);
    let mut bytes = store.get(&handle, None).unwrap();
    bytes[usize::try_from(base.offset).unwrap() + 30] ^= 1;
    replace(&store, &handle, &bytes);
    let report = repo.check();
    touched_is_exact(&fixture, &repo, &report, "a base");
    let touched: BTreeSet<&[u8]> =
        report.touched.iter().map(|touched| touched.path.as_slice()).collect();
    assert_eq!(touched, BTreeSet::from([&b"/data/db"[..]]));
    assert_eq!(report.touched.len(), 3, "{:#?}", report.touched);

    // Without the verdict that the pack is bad: what changes no longer leans on it.
    let mut tree = fixture.tree.clone();
    let mut db = tree.bytes("db");
    db.iter_mut().skip(100).step_by(9_000).for_each(|byte| *byte ^= 2);
    tree.put("db", db);
    let next = repo.backup(vec![tree.source("/data")]).unwrap().snapshot;
    assert!(repo.read(&next, "/data/db").unwrap() == tree.bytes("db"));

    // With it: the state of the last snapshot is stored again, and that snapshot is whole again.
    Forger::new(&repo).condemn(1, &[base.pack], Reason::Damaged);
    let again = repo.backup(vec![fixture.tree.source("/data")]).unwrap().snapshot;
    assert!(repo.read(&again, "/data/db").unwrap() == fixture.tree.bytes("db"));
    let (last, tree) = fixture.kept.last().unwrap();
    for path in tree.files.keys() {
        assert!(repo.read(last, &format!("/data/{path}")).unwrap() == tree.bytes(path), "{path}");
    }
}
