//! What the program says: errors that name what was attempted once, files that are new or changed,
//! snapshots by name; and what it does without being asked twice.

use crate::common::cli::{Cli, lines, stderr, stdout};
use crate::common::program::program;
use icecore::backend::{Backend, Handle, Local, Put};
use icecore::crypto::{Secret, object, slot};
use icecore::env::{Env, Time};
use icecore::format::snapshot::{Outcome, Tombstone};
use icecore::format::{ObjectKind, record};
use icecore::id::SnapshotId;
use icecore::repo::Repository;
use rusqlite::Connection;
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// A database that is no database, one that is locked all the while and a source that is not there
/// are each told in one clause; the locked one has exit code 11.
#[test]
fn troubles_with_sources_are_told_once() {
    let cli = Cli::new();
    let path = cli.text("src/a");
    let said = stderr(&cli.run(&["backup", &format!("sqlite:{path}")]).code(1));
    let reason = "it is no SQLite database, or an encrypted one";
    assert!(said.starts_with(&format!("icecore: cannot capture {path}: {reason}\n")), "{said}");
    assert!(said.contains("hint: back up the folder"), "{said}");

    let path = cli.text("locked.db");
    let held = Connection::open(&path).unwrap();
    held.execute_batch("CREATE TABLE t (a); BEGIN EXCLUSIVE; INSERT INTO t VALUES (1)").unwrap();
    let said = stderr(&cli.run(&["backup", &format!("sqlite:{path}")]).code(11));
    let reason = "other processes kept it locked all the while: database is locked";
    assert!(said.starts_with(&format!("icecore: cannot capture {path}: {reason}\n")), "{said}");
    assert!(said.contains("hint: try again later"), "{said}");

    let said = stderr(&cli.run(&["backup", "missing"]).code(1));
    assert_eq!(said.matches("cannot").count(), 1, "{said}");
    let said = stderr(&cli.run(&["init", "--new-key-file", "second"]).code(1));
    assert!(said.contains("its folder `config` is not empty"), "{said}");
}

/// Damage under a restore and under a dump names the file, the chunk and its pack, and what to do
/// next; a damaged snapshot is told even where another one can be meant.
#[test]
fn damage_is_named_where_it_is_met() {
    let cli = Cli::new();
    cli.backup();
    let index = cli.says(&["cat", "index"]);
    let entries = lines(&cli.says(&["cat", "index", index.trim()]));
    let largest = entries.iter().max_by_key(|entry| entry["plain"].as_u64()).unwrap();
    let (pack, chunk) = (largest["pack"].as_str().unwrap(), largest["id"].as_str().unwrap());
    let at = usize::try_from(largest["offset"].as_u64().unwrap()).unwrap() + 30;
    flip(&cli.path(&format!("repo/packs/{}/{pack}", &pack[..2])), at);
    let path = cli.text("src/a");
    let restored = cli.run(&["restore", "latest", "-t", "out"]).code(3);
    let dumped = cli.run(&["dump", &format!("latest:{path}")]).code(1);
    for (said, verb) in [(stderr(&restored), "restore"), (stderr(&dumped), "dump")] {
        let opened = format!("cannot open chunk {chunk} in pack {pack}: these are not the bytes");
        assert!(said.contains(&format!("cannot {verb} {path}: {opened}")), "{said}");
    }
    assert!(stdout(&restored).contains("check --read-data"), "{}", stdout(&restored));

    let newer = cli.backup();
    flip(&cli.path(&format!("repo/snapshots/{newer}")), 100);
    // What this machine keeps of it is whole.
    cli.run(&["ls", &newer]).success();
    cli.run(&["cache", "--clear"]).success();
    let said = stderr(&cli.run(&["ls", "latest"]).success());
    assert!(said.contains(&newer), "the newest one is not the one that is listed: {said}");
    let said = stderr(&cli.run(&["ls", "ffffffffff"]).code(1));
    assert!(said.contains(&newer) && said.contains("matches none of 1"), "{said}");
}

fn flip(path: &std::path::Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(path, bytes).unwrap();
}

/// `-v` names the files that are new or changed, as text and as JSON, and no others.
#[test]
fn verbose_backups_name_files() {
    let cli = Cli::new();
    let (a, b, new) = (cli.text("src/a"), cli.text("src/sub/b"), cli.text("src/new"));
    let said = cli.says(&["backup", "src", "-v"]);
    assert!(said.contains(&format!("new      {a} (292.969 KiB)\n")), "{said}");
    assert!(said.contains(&format!("new      {b} (5 B)\n")), "{said}");
    fs::write(cli.path("src/sub/b"), b"deeper\n").unwrap();
    fs::write(cli.path("src/new"), b"").unwrap();
    let named: Vec<(String, String)> = cli
        .json(&["backup", "src", "-v"])
        .iter()
        .filter(|line| line["message_type"] == "verbose_status")
        .map(|line| {
            (line["action"].as_str().unwrap().into(), line["item"].as_str().unwrap().into())
        })
        .collect();
    assert_eq!(named, [("new".to_owned(), new), ("modified".to_owned(), b)]);
    assert!(!cli.says(&["backup", "src"]).contains("/src/"), "nobody asked");
}

/// Snapshots are chosen alike by `snapshots`, `find`, `stats` and `cat`: by `latest`, `latest~N`, the
/// beginning of an id, and filters.
#[test]
fn snapshots_are_chosen_alike() {
    let cli = Cli::new();
    let first = cli.backup();
    cli.says(&["backup", "src", "--host", "other"]);
    let last = cli.backup();
    let other = cli.json(&["snapshots"])[1]["id"].as_str().unwrap().to_owned();
    let ids = |args: &[&str], field: &str| -> Vec<String> {
        let lines = cli.json(args);
        let ids = lines.iter().filter_map(|line| line[field].as_str());
        let mut seen = HashSet::new();
        ids.filter(|id| seen.insert((*id).to_owned())).map(str::to_owned).collect()
    };
    for (name, id) in [("latest", &last), ("latest~2", &first), (&other[..10], &other)] {
        assert_eq!(ids(&["snapshots", name], "id"), vec![id.clone()]);
        assert_eq!(ids(&["find", "b", "-s", name], "snapshot"), vec![id.clone()]);
        assert_eq!(ids(&["stats", name], "id"), vec![id.clone()]);
        let shown = &lines(&cli.says(&["cat", "snapshot", name]))[0]["snapshot"];
        assert_eq!(shown["id"], id.as_str());
    }
    let of_other = ["--host", "other"];
    assert_eq!(ids(&[&["snapshots", "latest"], &of_other[..]].concat(), "id"), vec![other.clone()]);
    assert_eq!(ids(&[&["find", "b"], &of_other[..]].concat(), "snapshot"), vec![other.clone()]);
    assert_eq!(ids(&[&["stats"], &of_other[..]].concat(), "id"), vec![other]);
    for args in [&["snapshots", "nope"][..], &["stats", "nope"], &["find", "b", "-s", "nope"]] {
        let said = stderr(&cli.run(args).code(1));
        assert!(said.contains("it matches none of 3 snapshots"), "{said}");
    }
    cli.run(&["cat", "snapshot", "latest~3"]).code(1);
}

/// A backup that a collector gives up is made again by itself, once, and goes through.
#[test]
fn a_fenced_backup_starts_again() {
    let cli = Cli::new();
    // The source waits until its writer was fenced; the second time it need not.
    let wait = "touch begun; while [ ! -e fenced ]; do sleep 0.05; done; echo data";
    let child = program()
        .args(["--key-file", "key", "-r", "repo", "backup", "--stdin-from-command", "--"])
        .args(["sh", "-c", wait])
        .current_dir(cli.folder())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    while !cli.path("begun").exists() {
        assert!(Instant::now() < end, "the source was never read");
        std::thread::sleep(Duration::from_millis(20));
    }
    let fenced = fence(&cli);
    fs::write(cli.path("fenced"), "").unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("it starts again"), "{said}");
    let snapshots = cli.json(&["snapshots"]);
    assert_eq!(snapshots.len(), 1);
    assert_ne!(snapshots[0]["id"], fenced.to_string());
    assert_eq!(cli.says(&["dump", "latest"]), "data\n");
    cli.run(&["check", "--read-data"]).success();
}

/// Puts a tombstone where the only writer is about to commit.
fn fence(cli: &Cli) -> SnapshotId {
    let backend = Arc::new(Local::open(cli.path("repo")).unwrap());
    let key = fs::read(cli.path("key")).unwrap().try_into().unwrap();
    let secret = Secret::KeyFile(Zeroizing::new(key));
    let repository = Repository::open(backend.clone(), Env::real(), &secret).unwrap();
    let id = repository.slot();
    let bytes = backend.get(&Handle::key(id), None).unwrap();
    let keys = slot::unwrap(&bytes, id, &secret, repository.config().repository).unwrap();
    let writers = backend.list(ObjectKind::Writer).unwrap();
    let writer = writers.iter().find_map(|object| object.handle.snapshot_id()).unwrap();
    let handle = Handle::snapshot(writer);
    let tombstone = Outcome::Tombstone(Tombstone { id: writer, generation: 1, at: Time(0) });
    let payload = record::encode(&tombstone).unwrap();
    let salt = Env::real().random().unwrap();
    let repository = repository.config().repository;
    let sealed = object::seal_object(&keys, &handle, repository, &salt, 0, &payload).unwrap();
    assert_eq!(backend.put_new(&handle, &sealed).unwrap(), Put::Created);
    writer
}
