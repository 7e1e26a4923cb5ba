//! Files of the cache that are not what was written.

use super::{add, assert_alike, cached, repository, tables};
use crate::common::chance::Chance;
use crate::common::forge::Forger;
use crate::common::repo::TempRepo;
use icecore::backend::Handle;
use icecore::error::Kind;
use icecore::format::BlobKind;
use icecore::id::ChunkId;
use icecore::monitor::Silent;
use icecore::ops::check::{CheckOptions, check};
use icecore::repo::{Index, Reader};
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A repository and a cache of several tables.
fn filled(seed: u64) -> (TempRepo, TempDir) {
    let repo = repository(seed);
    let (mut chance, forger) = (Chance::new(seed), Forger::new(&repo));
    let folder = tempfile::tempdir().unwrap();
    for entries in [1500, 300, 50] {
        add(&forger, &mut chance, 0, entries);
        cached(&repo, folder.path()).load_index().unwrap();
    }
    assert!(tables(folder.path()).len() > 1, "{:?}", tables(folder.path()));
    (repo, folder)
}

fn plain(repo: &TempRepo) -> Index {
    repo.reopen().unwrap().load_index().unwrap()
}

/// A byte of a table changed anywhere, a table cut anywhere, gone, put in the place of another, taken
/// from another repository, or something that is no file: the answers stay the same, and the next to
/// come finds it mended.
#[test]
fn a_false_table_costs_itself() {
    let (repo, folder) = filled(320);
    let (other, foreign) = filled(321);
    let expected = plain(&repo);
    let stranger = fs::read(&tables(foreign.path())[0]).unwrap();
    let sound: Vec<(PathBuf, Vec<u8>)> = tables(folder.path())
        .into_iter()
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    let spoiled = |spoil: &dyn Fn(&Path)| {
        tables(folder.path()).iter().for_each(|path| fs::remove_file(path).unwrap());
        sound.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
        spoil(folder.path());
        assert_alike(&cached(&repo, folder.path()).load_index().unwrap(), &expected);
        assert_alike(&cached(&repo, folder.path()).load_index().unwrap(), &expected);
    };
    for (path, bytes) in &sound {
        let step = bytes.len() / 9;
        for at in (0..bytes.len()).step_by(step) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 4;
            spoiled(&|_| fs::write(path, &flipped).unwrap());
            spoiled(&|_| fs::write(path, &bytes[..at]).unwrap());
        }
        spoiled(&|_| fs::write(path, &stranger).unwrap());
        spoiled(&|_| fs::remove_file(path).unwrap());
    }
    // The bytes of one under the names of all.
    spoiled(&|_| sound.iter().for_each(|(path, _)| fs::write(path, &sound[0].1).unwrap()));
    let link = sound[0].0.with_extension("other.table");
    spoiled(&|_| std::os::unix::fs::symlink("/dev/zero", &link).unwrap());
    assert!(!link.exists());
    drop(other);
}

/// Overwrites all rows of every table in place, while others have it open.
fn spoil(folder: &Path) {
    for table in tables(folder) {
        let file = fs::File::options().write(true).open(table).unwrap();
        file.write_all_at(&[7; 4096], 0).unwrap();
    }
}

/// A table that breaks while it is in use is read from the store again, for those who use
/// it: rows keep their places, and nothing is missing.
#[test]
fn a_table_that_breaks_in_use_is_mended() {
    let (repo, folder) = filled(322);
    let expected = plain(&repo);
    let index = cached(&repo, folder.path()).load_index().unwrap();
    spoil(folder.path());
    assert_alike(&index, &expected);
    assert_alike(&cached(&repo, folder.path()).load_index().unwrap(), &expected);
}

/// If the store has lost the segments meanwhile, nobody takes what cannot be read for what is not there,
/// and the next process begins without the broken tables.
#[test]
fn a_table_that_cannot_be_mended_is_told() {
    let (repo, folder) = filled(323);
    let expected = plain(&repo);
    let index = cached(&repo, folder.path()).load_index().unwrap();
    spoil(folder.path());
    for name in expected.names() {
        repo.backend.delete(&Handle::index(*name)).unwrap();
    }
    assert!(index.places().count() < expected.len());
    assert_eq!(index.failure().unwrap().kind(), Kind::Unavailable);
    assert!(tables(folder.path()).is_empty());
    let reader = Reader::new(&repo.repository, &index);
    let error = reader.read(BlobKind::Data, &ChunkId([1; 32])).unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
}

/// A segment that rots in the store is found by a check though the cache has it, and from then on
/// this machine counts on it no more than others do.
#[test]
fn a_check_trusts_no_cache() {
    let (repo, folder) = filled(324);
    let repository = cached(&repo, folder.path());
    let name = plain(&repo).names()[0];
    let mut bytes = repo.backend.get(&Handle::index(name), None).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    repo.backend.delete(&Handle::index(name)).unwrap();
    repo.backend.put_new(&Handle::index(name), &bytes).unwrap();
    assert!(repository.load_index().unwrap().take_troubles().is_empty(), "it was not cached");
    let report = check(&repository, CheckOptions::default(), &Silent).unwrap();
    assert!(report.findings.iter().any(|finding| finding.error.to_string().contains("index/")));
    let mut index = repository.load_index().unwrap();
    assert_eq!(index.take_troubles().len(), 1);
    assert_alike(&index, &plain(&repo));
}

/// A cache in a place that cannot be written to changes nothing.
#[test]
fn a_cache_that_cannot_be_written_costs_speed_alone() {
    let (repo, folder) = filled(325);
    let no_folder = folder.path().join("file");
    fs::write(&no_folder, "").unwrap();
    let repository = cached(&repo, &no_folder);
    assert_alike(&repository.load_index().unwrap(), &plain(&repo));
    assert!(repository.snapshots(|error| panic!("{error}")).unwrap().is_empty());
    let known = plain(&repo).places().find(|place| place.depth == 0).unwrap();
    assert!(repository.load_index().unwrap().knows(known.kind, &known.id));
    assert!(!repository.load_index().unwrap().knows(BlobKind::Data, &ChunkId([1; 32])));
}
