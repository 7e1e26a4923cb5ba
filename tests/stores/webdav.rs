//! Folders on servers of WebDAV: the promises of all stores, the program from its first snapshot to
//! its last, what is refused and how it is said, and a server that goes.

use super::{Far, carries_much, in_a_process_with_credentials, keeps_the_contract, place};
use crate::common::chance::Chance;
use crate::common::cli::{lines, stderr, stdout};
use crate::common::rclone::{PASSWORD, Rclone, STRAYS, USED, server};
use icecore::backend::{Backend, Handle, Put, probe};
use icecore::env::Env;
use icecore::error::Kind;
use std::fs;
use std::thread::{scope, sleep};
use std::time::Duration;

/// The URL of a folder that is not there yet.
fn nowhere(server: &Rclone) -> (String, String) {
    let name = server.place();
    (format!("webdav://127.0.0.1:{}/{}", server.port, name.replace(' ', "%20")), name)
}

/// A folder keeps the contract; a store says that several creators may come, since one alone of them wins.
#[test]
fn webdav_keeps_the_contract() {
    in_a_process_with_credentials("stores::webdav::the_contract", &nowhere(server()).0);
}

/// The same, where there are credentials.
#[test]
#[ignore = "the test above runs it"]
fn the_contract() {
    keeps_the_contract("with%20space");
}

/// A server is found to create exclusively; a pack of the largest size goes and comes whole; many
/// objects are listed and deleted; the folder is that of a local store, and nothing is left over but
/// what is young.
#[test]
fn webdav_is_measured_and_carries_much() {
    let (folder, port) = (server().path(STRAYS), server().port);
    let url = format!("webdav://127.0.0.1:{port}/strays");
    in_a_process_with_credentials("stores::webdav::much", &url);
    let left = fs::read_dir(folder.join("tmp")).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(left.collect::<Vec<_>>(), ["young"]);
}

/// The same, where there are credentials.
#[test]
#[ignore = "the test above runs it"]
fn much() {
    let Some(place) = place("much") else { return };
    let store = place.create().unwrap();
    // The first one sweeps.
    assert_eq!(store.put_new(&Handle::config(0), b"x").unwrap(), Put::Created);
    let found = probe(&*store, &Env::real()).unwrap();
    assert!(found.exclusive_create && found.list_after_write);
    assert_eq!(found.connections, 5);
    carries_much(&*store);
}

/// An object is missing only while the folder of the repository is there.
#[test]
fn a_missing_folder_is_no_missing_object() {
    in_a_process_with_credentials("stores::webdav::missing", &nowhere(server()).0);
}

/// The same, where there are credentials.
#[test]
#[ignore = "the test above runs it"]
fn missing() {
    let Some(place) = place("missing") else { return };
    let kinds = |store: &dyn Backend| {
        [
            store.get(&Handle::config(0), None).unwrap_err().kind(),
            store.size(&Handle::config(0)).unwrap_err().kind(),
        ]
    };
    assert_eq!(kinds(&*place.open().unwrap()), [Kind::NoRepository; 2]);
    let listed = place.open().unwrap().list(Handle::config(0).kind());
    assert_eq!(listed.unwrap_err().kind(), Kind::NoRepository);
    let store = place.create().unwrap();
    assert_eq!(kinds(&*store), [Kind::NotFound; 2]);
    assert_eq!(store.put_new(&Handle::config(0), b"x").unwrap(), Put::Created);
    place.clear().unwrap();
    assert_eq!(kinds(&*store), [Kind::NoRepository; 2]);
}

/// Files and a database are backed up, listed, checked, restored and given up over WebDAV; `doctor` finds the
/// store fit, and leaves nothing; the server's owner may use the folder in place.
#[test]
fn a_folder_of_webdav_is_a_repository() {
    let (url, name) = nowhere(server());
    let far = Far::at(url);
    far.init();
    let database = rusqlite::Connection::open(far.cli.path("src/app.db")).unwrap();
    database.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1), (2), (3)").unwrap();
    far.run(&["backup", "src"]).success();
    database.execute_batch("INSERT INTO t VALUES (4)").unwrap();
    far.run(&["backup", "src"]).success();
    let listed = lines(&stdout(&far.run(&["--json", "snapshots"]).success()));
    assert_eq!(listed.iter().filter(|line| line["message_type"] == "snapshot").count(), 2);
    far.run(&["check", "--read-data"]).success();
    far.run(&["restore", "latest", "--target", "restored"]).success();
    let restored = far.cli.path(&format!("restored/{}", far.cli.path("src").display()));
    let copy = rusqlite::Connection::open(restored.join("app.db")).unwrap();
    let sum: i64 = copy.query_row("SELECT sum(x) FROM t", [], |row| row.get(0)).unwrap();
    assert_eq!(sum, 10);
    far.run(&["forget", "--keep-last", "1", "--prune"]).success();
    let found = lines(&stdout(&far.run(&["--json", "doctor"]).success()));
    for what in ["fit", "exclusive_create", "list_after_write"] {
        assert_eq!(found.last().unwrap()[what], true, "{found:?}");
    }
    let folder = server().path(&name);
    let names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.into_iter().all(|name| !name.to_string_lossy().starts_with("doctor-")));
    let folder = folder.to_str().unwrap();
    far.run(&["--repo", folder, "check", "--read-data"]).success();
}

/// Wrong passwords, places without a repository or without WebDAV, folders in use and passwords in the place
/// are each said in words, with what helps, and end the program at once.
#[test]
fn refusals_are_explained() {
    let url = format!("webdav://127.0.0.1:{}/{USED}", server().port);
    let with_password = url.replace("webdav://", "webdav://user:hunter2@");
    let far = Far::at(url);
    let below = format!("{}/else/x", far.url);
    let cases: [(&str, &str, &str, [&str; 2], i32); 6] = [
        (&far.url, "ICECORE_WEBDAV_PASSWORD=hunter2", "snapshots", ["status 401", "(set)"], 1),
        (&far.url, "ICECORE_WEBDAV_USER=", "snapshots", ["status 401", "(not set)"], 1),
        (&far.url, "", "snapshots", ["there is no repository", "icecore init"], 10),
        (&far.url, "", "init", ["it holds something else: else", "choose an empty"], 1),
        (&below, "", "snapshots", ["no", ""], 10),
        (&with_password, "", "init", ["a password is not part", "ICECORE_WEBDAV_PASSWORD"], 1),
    ];
    for (place, variable, verb, words, code) in cases {
        let mut command = far.command();
        command.env("ICECORE_REPOSITORY", place).envs(variable.split_once('='));
        let run = command.env("ICECORE_PASSWORD", "x").arg(verb).assert().code(code);
        let said = format!("{}{}", stdout(&run), stderr(&run));
        assert!(words.iter().all(|word| said.contains(word)), "{place} {variable}: {said}");
        assert!(!said.contains("hunter2") && !said.contains(PASSWORD), "{said}");
    }
}

/// A backup waits for a server that is killed in the middle of a pack and started again, and is whole; what
/// was cut is no object.
#[test]
fn a_backup_outlives_its_server() {
    let mut server = Rclone::start(|_| {});
    let far = Far::at(nowhere(&server).0);
    far.init();
    fs::write(far.cli.path("src/noise"), Chance::new(1).noise(24 << 20)).unwrap();
    scope(|scope| {
        // Three seconds of upload.
        let backup = scope.spawn(|| far.run(&["--limit-upload", "8192", "backup", "src"]));
        sleep(Duration::from_millis(1500));
        server.kept.down();
        sleep(Duration::from_secs(1));
        assert!(!backup.is_finished(), "the backup was over before the server was");
        server.kept.up();
        backup.join().unwrap().success();
    });
    far.run(&["check", "--read-data"]).success();
}
