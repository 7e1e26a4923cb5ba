//! Whole repositories that were written once and must stay readable: those of
//! `format-spec/vectors/repositories`. Until the first release a change of format replaces them.

pub mod makers;

use crate::common::repo::TempRepo;
use crate::reader;
use icecore::backend::{Backend, Local};
use icecore::crypto::Secret;
use icecore::env::Env;
use icecore::error::Kind;
use icecore::monitor::Silent;
use icecore::ops::check::{CheckOptions, ReadData, check};
use icecore::repo::Repository;
use makers::{MAKERS, Maker};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("format-spec/vectors/repositories/3")
}

/// What stands beside a repository: its secrets, and what it holds.
fn described(name: &str) -> Json {
    let text = std::fs::read_to_string(folder().join(format!("{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let relative = path.strip_prefix(root).unwrap().to_owned();
                found.insert(relative, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// With `ICECORE_WRITE_VECTORS=1`, and the same chance and clock each time, the program writes what
/// is stored, and what stands beside it; else it must write the same again, to the byte.
#[test]
fn the_stored_repositories_are_what_is_written() {
    let write = std::env::var_os("ICECORE_WRITE_VECTORS").is_some_and(|set| set == "1");
    for Maker { name, make } in MAKERS {
        let fresh = tempfile::tempdir().unwrap();
        let path = if write { folder().join(name) } else { fresh.path().join(name) };
        drop(std::fs::remove_dir_all(&path));
        let text = serde_json::to_string_pretty(&make(&path)).unwrap() + "\n";
        // No part of the repository.
        std::fs::remove_dir_all(path.join("tmp")).unwrap();
        if write {
            std::fs::write(folder().join(format!("{name}.json")), &text).unwrap();
        }
        assert_eq!(serde_json::from_str::<Json>(&text).unwrap(), described(name), "{name}");
        let (stored, again) = (files(&folder().join(name)), files(&path));
        assert_eq!(stored.keys().collect::<Vec<_>>(), again.keys().collect::<Vec<_>>(), "{name}");
        for (file, bytes) in &stored {
            assert!(again[file] == *bytes, "{name}: {} differs", file.display());
        }
    }
}

fn secrets(described: &Json, kind: &str) -> Vec<Secret> {
    let of = |secret: &Json| match (secret["key-file"].as_str(), secret["passphrase"].as_str()) {
        (Some(hex), _) => Secret::KeyFile(Zeroizing::new(icecore::id::unhex(hex).unwrap())),
        (_, phrase) => Secret::Passphrase(Zeroizing::new(phrase.unwrap().to_owned())),
    };
    described[kind].as_array().unwrap().iter().map(of).collect()
}

/// The stored repositories open by each of their secrets and by no other, are sound in every byte
/// unless it is said what is not, and give back all that is said to be in them.
#[test]
fn the_stored_repositories_read() {
    for Maker { name, .. } in MAKERS {
        let described = described(name);
        let copy = tempfile::tempdir().unwrap();
        copy_to(name, copy.path());
        let backend: Arc<dyn Backend> = Arc::new(Local::open(copy.path()).unwrap());
        let open = |secret: &Secret| Repository::open(backend.clone(), Env::real(), secret);
        for secret in secrets(&described, "refused") {
            let error = open(&secret).map(drop).unwrap_err();
            assert_eq!(error.kind(), Kind::WrongKey, "{name}: {error}");
        }
        for secret in secrets(&described, "secrets") {
            let repository = open(&secret).unwrap();
            let options = CheckOptions { read_data: ReadData::All };
            let report = check(&repository, options, &Silent).unwrap();
            assert!(report.is_healthy(), "{name}: {:#?}", report.findings);
            let snapshots = repository.snapshots(|error| panic!("{name}: {error}")).unwrap();
            let snapshots = snapshots.all().unwrap();
            let expected = described["snapshots"].as_array().unwrap();
            assert_eq!(snapshots.len(), expected.len(), "{name}");
            for stored in &snapshots {
                let id = stored.snapshot.id.to_string();
                let said = expected.iter().find(|said| said["id"] == id).unwrap();
                assert_eq!(said["tags"], serde_json::json!(stored.snapshot.tags), "{name} {id}");
                for (path, hash) in said["files"].as_object().unwrap() {
                    let bytes = TempRepo::read_from(&repository, &stored.snapshot, path).unwrap();
                    assert_eq!(*hash, *blake3::hash(&bytes).to_string(), "{name}: {path}");
                    if let Some(rows) = said["rows"].get(path) {
                        assert_eq!(*rows, rows_of(&bytes), "{name} {id}: {path}");
                    }
                }
            }
        }
    }
}

/// What SQLite finds in a database that was brought back: it is sound, in WAL mode, and has these rows.
fn rows_of(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("restored.db");
    std::fs::write(&path, bytes).unwrap();
    let database = rusqlite::Connection::open(&path).unwrap();
    let pragma = |name: &str| -> String {
        database.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0)).unwrap()
    };
    assert_eq!((&*pragma("integrity_check"), &*pragma("journal_mode")), ("ok", "wal"));
    makers::digest_of_rows(&database)
}

fn copy_to(name: &str, target: &Path) {
    for (file, bytes) in files(&folder().join(name)) {
        let to = target.join(file);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::write(to, bytes).unwrap();
    }
}

/// The reader that was written from the text gives back all that is said to be in the stored
/// repositories, and nothing more.
#[test]
fn the_reader_reads_the_stored_repositories() {
    for Maker { name, .. } in MAKERS {
        let described = described(name);
        let cli = tempfile::tempdir().unwrap();
        let (key, repository) = (cli.path().join("key"), folder().join(name));
        for said in described["secrets"].as_array().unwrap() {
            let secret = match said["key-file"].as_str() {
                Some(hex) => {
                    std::fs::write(&key, icecore::id::unhex::<32>(hex).unwrap()).unwrap();
                    reader::Secret::KeyFile(&key)
                }
                None => reader::Secret::Password(said["passphrase"].as_str().unwrap()),
            };
            let run = |args: &[&str]| {
                let output = reader::reader(&repository, secret, args);
                let heard = String::from_utf8(output.stderr).unwrap();
                assert!(output.status.success() && heard.is_empty(), "{name} {args:?}: {heard}");
                String::from_utf8(output.stdout).unwrap()
            };
            let expected = described["snapshots"].as_array().unwrap();
            let listed = run(&["list"]);
            assert_eq!(listed.lines().count(), expected.len(), "{name}: {listed}");
            for snapshot in expected {
                let id = snapshot["id"].as_str().unwrap();
                let line = listed.lines().find(|line| line.starts_with(id)).unwrap();
                let tags: Vec<&str> = line.split(" #").skip(1).collect();
                assert_eq!(snapshot["tags"], serde_json::json!(tags), "{name} {id}");
                let target = cli.path().join(id);
                drop(std::fs::remove_dir_all(&target));
                run(&["extract", id, target.to_str().unwrap()]);
                let found: BTreeMap<String, String> = files(&target)
                    .iter()
                    .map(|(path, bytes)| {
                        (format!("/{}", path.display()), blake3::hash(bytes).to_string())
                    })
                    .collect();
                assert_eq!(snapshot["files"], serde_json::json!(found), "{name} {id}");
            }
        }
    }
}
