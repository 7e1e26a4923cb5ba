//! Containers of Azure Blob Storage: the promises of all stores, the program from its first snapshot
//! to its last, and what is refused and how it is said.

use super::{
    ENDPOINT, Far, PLACE, is_measured_and_carries_much, keeps_the_contract, with_credentials,
};
use crate::common::azurite::{ACCOUNT, KEY, server};
use crate::common::cli::{lines, stderr, stdout};
use assert_cmd::Command;
use std::fs;

/// Runs an ignored test in a process of its own, whose environment names an empty container.
fn in_a_container(test: &str) {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    let test = format!("stores::azure::{test}");
    command.args(["--exact", "--ignored", "--nocapture", &test]);
    command.env(PLACE, format!("azure://{}", server().container()));
    command.env(ENDPOINT, server().endpoint());
    let done = with_credentials(command, home.path()).assert().success();
    let said = String::from_utf8_lossy(&done.get_output().stdout).into_owned();
    assert!(said.contains("1 passed"), "{said}");
}

/// A container keeps the contract.
#[test]
fn azure_keeps_the_contract() {
    in_a_container("the_contract");
}

/// The same, where there are credentials.
#[test]
#[ignore = "the test above runs it"]
fn the_contract() {
    keeps_the_contract("with space");
}

/// A container is found to create exclusively; a pack of the largest size goes in one piece; what is
/// listed comes page by page, and what is deleted goes so.
#[test]
fn azure_is_measured_and_carries_much() {
    in_a_container("much");
}

/// The same, where there are credentials.
#[test]
#[ignore = "the test above runs it"]
fn much() {
    is_measured_and_carries_much();
}

/// A place in a new container, and the option that says where.
fn far() -> (Far, String) {
    let far = Far::at(format!("azure://{}/some/folder", server().container()));
    (far, format!("endpoint={}", server().endpoint()))
}

/// Files and a database are backed up, listed, checked, restored and given up in a container; `doctor` finds it
/// fit. It is found by restic's spelling, by a connection string and by a token, too.
#[test]
fn a_container_is_a_repository() {
    let (far, endpoint) = far();
    let run = |args: &[&str]| far.run(&[&["-o", &endpoint], args].concat()).success();
    let mut init = far.command();
    init.args(["-o", &endpoint, "init", "--new-key-file"]).arg(far.cli.path("key"));
    init.assert().success();
    let database = rusqlite::Connection::open(far.cli.path("src/app.db")).unwrap();
    database.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1), (2), (3)").unwrap();
    run(&["backup", "src"]);
    database.execute_batch("INSERT INTO t VALUES (4)").unwrap();
    run(&["backup", "src"]);
    let listed = lines(&stdout(&run(&["--json", "snapshots"])));
    assert_eq!(listed.iter().filter(|line| line["message_type"] == "snapshot").count(), 2);
    run(&["check", "--read-data"]);
    run(&["restore", "latest", "--target", "restored"]);
    let restored = far.cli.path(&format!("restored/{}", far.cli.path("src").display()));
    let copy = rusqlite::Connection::open(restored.join("app.db")).unwrap();
    let sum: i64 = copy.query_row("SELECT sum(x) FROM t", [], |row| row.get(0)).unwrap();
    assert_eq!(sum, 10);
    assert!(fs::exists(restored.join("sub/b")).unwrap());
    run(&["forget", "--keep-last", "1", "--prune"]);
    run(&["check", "--read-data"]);
    let found = lines(&stdout(&run(&["--json", "doctor"])));
    for what in ["fit", "exclusive_create", "list_after_write"] {
        assert_eq!(found.last().unwrap()[what], true, "{found:?}");
    }
    let mut command = far.command();
    command.env("ICECORE_REPOSITORY", far.url.replace("//", "").replacen('/', ":/", 1));
    command.env_remove("AZURE_STORAGE_ACCOUNT_NAME").env_remove("AZURE_STORAGE_ACCOUNT_KEY");
    let server = server().endpoint();
    let parts = format!("AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={server};");
    command.env("AZURE_STORAGE_CONNECTION_STRING", parts).arg("--key-file");
    let said = stdout(&command.arg(far.cli.path("key")).arg("snapshots").assert().success());
    assert!(said.contains("1 snapshot"), "{said}");
}

/// Wrong credentials, none, odd ones, a container that is missing, and a place without a repository are each
/// said in words, with what helps, and end the program at once; no secret is in them.
#[test]
fn refusals_are_explained() {
    let (far, endpoint) = far();
    let nowhere = "azure://no-such-container/x";
    let wrong = "AZURE_STORAGE_ACCOUNT_KEY=aHVudGVyMmh1bnRlcjI=";
    let odd = "AZURE_STORAGE_ACCOUNT_KEY=hunter2:hunter2";
    let string = "AZURE_STORAGE_CONNECTION_STRING=hunter2";
    let token = "AZURE_STORAGE_SAS_TOKEN=?sv=2022-11-02&sig=aHVudGVyMmh1bnRlcjI%3D";
    let cases: [(&str, &str, [&str; 2], i32); 8] = [
        (&far.url, wrong, ["AuthorizationFailure", "AZURE_STORAGE_ACCOUNT_KEY (set)"], 1),
        (&far.url, token, ["the store says", "AZURE_STORAGE_SAS_TOKEN (set)"], 1),
        (&far.url, "AZURE_STORAGE_ACCOUNT_KEY=", ["no credentials were found", "(not set)"], 1),
        (&far.url, odd, ["not base64", "AZURE_STORAGE_ACCOUNT_KEY (set)"], 1),
        (&far.url, string, ["AZURE_STORAGE_CONNECTION_STRING", "Name=value"], 1),
        (nowhere, "", ["there is no container named no-such-container", "make it there"], 10),
        (&far.url, "", ["there is no repository", "icecore init"], 10),
        ("azure://co", "", ["names no", "azure://bucket"], 1),
    ];
    for (place, variable, words, code) in cases {
        let mut command = far.command();
        command.env("ICECORE_REPOSITORY", place).envs(variable.split_once('='));
        command.env("ICECORE_PASSWORD", "x").args(["-o", &endpoint, "snapshots"]);
        let run = command.assert().code(code);
        let said = format!("{}{}", stdout(&run), stderr(&run));
        assert!(words.iter().all(|word| said.contains(word)), "{place} {variable}: {said}");
        assert!(!said.contains("hunter2") && !said.contains("aHVudGVy"), "{said}");
    }
}
