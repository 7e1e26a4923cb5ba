//! The program as a black box: every verb, its JSON, its exit codes.

use crate::common::desk::{Desk, lines, stderr, stdout};
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;

/// What is backed up is listed, found, dumped, restored and checked, and differs where it was
/// changed.
#[test]
fn a_day_with_icecore() {
    let desk = Desk::new();
    let first = desk.backup();
    let said = desk.says(&["snapshots"]);
    assert!(said.contains(&first[..8]) && said.contains("1 snapshot"), "{said}");
    fs::write(desk.path("src/new"), b"new\n").unwrap();
    fs::remove_file(desk.path("src/sub/b")).unwrap();
    let said = desk.says(&["backup", "src", "--tag", "x,y", "--label", "app=7", "--host", "h"]);
    assert!(said.contains(" saved"), "{said}");

    let src = desk.text("src");
    let listed = desk.says(&["ls", "latest", &src]);
    assert_eq!(listed, format!("{src}/a\n{src}/link\n{src}/new\n{src}/sub\n"));
    let long = desk.says(&["ls", "-l", &format!("latest:{src}/new")]);
    assert!(long.starts_with("-rw") && long.trim().ends_with(&format!("{src}/new")), "{long}");
    assert_eq!(desk.says(&["dump", &first, &format!("{src}/sub/b")]), "deep\n");
    assert_eq!(desk.says(&["dump", &format!("latest:{src}/new")]), "new\n");
    let found = desk.says(&["find", "b", "--type", "file"]);
    assert!(found.contains(&format!("{src}/sub/b")) && !found.contains("/new"), "{found}");
    let differs = desk.says(&["diff", "latest~1", "latest"]);
    assert!(differs.contains(&format!("+    {src}/new\n")), "{differs}");
    assert!(differs.contains(&format!("-    {src}/sub/b\n")), "{differs}");
    let restored = desk.says(&["restore", &format!("{first}:{src}"), "-t", "out", "--verify"]);
    assert!(restored.contains("restored"), "{restored}");
    assert_eq!(fs::read(desk.path("out/a")).unwrap(), b"hello\n".repeat(50_000));
    assert_eq!(fs::read(desk.path("out/sub/b")).unwrap(), b"deep\n");
    assert_eq!(fs::read_link(desk.path("out/link")).unwrap(), PathBuf::from("a"));
    assert!(desk.says(&["check", "--read-data"]).contains("no errors"));
    assert!(desk.says(&["stats"]).contains("2 snapshots"));
}

/// Every command with JSON prints lines that parse and say what they are.
#[test]
fn json_lines_say_what_they_are() {
    let desk = Desk::bare();
    let said = desk.command().args(["--json", "init", "--new-key-file", "key"]).assert().success();
    assert_eq!(lines(&stdout(&said))[0]["message_type"], "initialized");
    let first = desk.backup();
    fs::write(desk.path("src/new"), b"new\n").unwrap();
    let summary = desk.json(&["backup", "src", "--tag", "t"]).pop().unwrap();
    assert_eq!(summary["message_type"], "summary");
    assert_eq!((&summary["files_new"], &summary["incomplete"]), (&1.into(), &false.into()));
    let listed = desk.json(&["snapshots"]);
    assert_eq!(listed.len(), 2);
    assert_eq!(
        (&listed[0]["id"], &listed[1]["parts"][0]["parents"][0]),
        (&first.as_str().into(), &first.as_str().into())
    );
    assert_eq!(listed[1]["tags"][0], "t");
    assert_eq!(desk.json(&["snapshots", "--tag", "t"]).len(), 1);
    assert_eq!(desk.json(&["snapshots", "--host", "nobody"]).len(), 0);
    assert_eq!(desk.json(&["snapshots", "--path", "src/sub"]).len(), 2);
    assert_eq!(desk.json(&["snapshots", "latest"])[0]["sequence"], 2);
    let src = desk.text("src");
    for (args, types) in [
        (vec!["ls", "latest", &src], vec!["snapshot", "node"]),
        (vec!["find", "new"], vec!["match"]),
        (vec!["diff", "latest~1", "latest"], vec!["change", "statistics"]),
        (vec!["stats"], vec!["snapshot", "summary"]),
        (vec!["check"], vec!["status", "summary"]),
        (vec!["restore", "latest", "-t", "out"], vec!["status", "summary"]),
        (vec!["key", "list"], vec!["key"]),
        (vec!["forget", &first], vec!["status", "forget", "summary"]),
    ] {
        let said = desk.json(&args);
        assert!(!said.is_empty(), "{args:?}");
        for line in said {
            assert!(types.contains(&line["message_type"].as_str().unwrap()), "{args:?}: {line}");
        }
    }
    let failed = desk.run(&["--json", "ls", "0000"]).code(1);
    let last = lines(&stderr(&failed)).pop().unwrap();
    assert_eq!((&last["message_type"], &last["code"]), (&"exit_error".into(), &1.into()));
}

/// Databases and streams are captured, alone and in a folder, and come back as they were.
#[test]
fn databases_and_streams() {
    let desk = Desk::new();
    let path = desk.path("src/app.db");
    let database = rusqlite::Connection::open(&path).unwrap();
    database
        .execute_batch("PRAGMA journal_mode = wal; CREATE TABLE t(x); INSERT INTO t VALUES (42)")
        .unwrap();
    let args = ["backup", "src", "--verify-source", "full", "--row-counts"];
    assert_eq!(desk.json(&args).last().unwrap()["databases"], 1);
    let nodes = desk.json(&["ls", "latest", &desk.text("src/app.db")]);
    assert_eq!(nodes.last().unwrap()["sqlite"]["row_counts"]["t"], 1);
    let alone = format!("sqlite:{}", path.display());
    desk.run(&["backup", &alone]).success();
    desk.run(&["restore", "latest", "-t", "out"]).success();
    let restored = desk.path("out").join(path.strip_prefix("/").unwrap());
    let restored = rusqlite::Connection::open(restored).unwrap();
    let x: i64 = restored.query_row("SELECT x FROM t", [], |row| row.get(0)).unwrap();
    assert_eq!(x, 42);

    let mut command = desk.command();
    command.args(["--key-file", "key", "backup", "--stdin", "--stdin-filename", "dump.sql"]);
    command.write_stdin("from a pipe").assert().success();
    assert_eq!(desk.says(&["dump", "latest"]), "from a pipe");
    let mut command = desk.command();
    command.args(["--key-file", "key", "backup", &alone, "--stdin"]);
    command.write_stdin("more").assert().success();
    assert_eq!(desk.says(&["dump", "latest:/stdin"]), "more");
    desk.run(&["dump", &format!("latest:{}", path.display())]).success();
    desk.run(&["backup", "--stdin-from-command", "--", "printf", "%s-%s", "a", "b"]).success();
    assert_eq!(desk.says(&["dump", "latest:/stdin"]), "a-b");
    desk.run(&["backup", "--stdin-from-command", "--", "false"]).code(1);
    assert_eq!(desk.json(&["snapshots"]).len(), 5);
}

/// Each failure has its exit code, its reason, and where it can be helped, a hint.
#[test]
fn failures_have_their_codes() {
    let desk = Desk::new();
    desk.backup();
    let nowhere = desk.command().args(["-r", "nowhere", "--key-file", "key", "ls", "x"]).assert();
    let said = stderr(&nowhere.code(10));
    assert!(said.contains("icecore: cannot open") && said.contains("hint: "), "{said}");
    fs::create_dir(desk.path("empty")).unwrap();
    desk.run(&["-r", "empty", "snapshots"]).code(10);
    fs::write(desk.path("other"), [7; 32]).unwrap();
    desk.command().args(["--key-file", "other", "snapshots"]).assert().code(12);
    desk.command().env("ICECORE_PASSWORD", "wrong").arg("snapshots").assert().code(12);
    desk.command().env("ICECORE_PASSWORD", "").arg("snapshots").assert().code(1);
    desk.command().arg("snapshots").assert().code(1);
    desk.run(&["restore", "latest", "-t", "src"]).code(1);
    desk.run(&["restore", "latest", "-t", "src/a"]).code(1);
    desk.run(&["restore", "latest:/nothing", "-t", "out"]).code(1);
    desk.run(&["dump", "latest:/nothing"]).code(1);
    desk.run(&["init", "--new-key-file", "second"]).code(1);
    assert!(!desk.path("second").exists(), "a key file for a repository that was not made");
    for args in [&["backup"][..], &["backup", "missing"], &["backup", "src", "--compression=99"]] {
        desk.run(args).code(1);
    }
}

/// What cannot be captured makes the snapshot incomplete, and the exit code says so.
#[test]
fn an_unreadable_source_is_incomplete() {
    let desk = Desk::new();
    let database = rusqlite::Connection::open(desk.path("src/broken.db")).unwrap();
    database.execute_batch("PRAGMA journal_mode = wal; CREATE TABLE t (a)").unwrap();
    drop(database);
    // Where its log should be.
    fs::create_dir(desk.path("src/broken.db-wal")).unwrap();
    let said = desk.run(&["--json", "backup", "src"]).code(3);
    assert!(stderr(&said).contains("broken.db"));
    let summary = lines(&stdout(&said)).pop().unwrap();
    assert_eq!((&summary["incomplete"], &summary["failed"]), (&true.into(), &1.into()));
    desk.run(&["backup", "src", "--exclude", "*.db"]).success();
}

/// A damaged key slot is told from a wrong secret.
#[test]
fn a_damaged_slot_is_no_wrong_password() {
    let desk = Desk::new();
    let slot = fs::read_dir(desk.path("repo/keys")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&slot).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::set_permissions(&slot, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&slot, bytes).unwrap();
    desk.run(&["snapshots"]).code(1);
}

/// The beginning of an id has to mean one snapshot.
#[test]
fn an_ambiguous_prefix_is_refused() {
    let desk = Desk::new();
    // Of seventeen ids two begin with the same digit.
    let ids: Vec<String> = (0..17).map(|_| desk.backup()).collect();
    let shared = |id: &&String| ids.iter().filter(|other| other[..1] == id[..1]).count() > 1;
    let prefix = &ids.iter().find(shared).unwrap()[..1];
    let said = stderr(&desk.run(&["ls", prefix]).code(1));
    assert!(said.contains("several ids") && said.contains("hint: "), "{said}");
    desk.run(&["ls", &ids[3]]).success();
}

/// Ctrl-C ends a backup in the midst of a stream that has no end, and leaves no snapshot.
#[test]
fn an_interrupt_ends_a_backup() {
    let desk = Desk::new();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_icecore"))
        .args(["--json", "--key-file", "key", "-r", "repo", "backup"])
        .args(["--stdin-from-command", "--", "cat", "/dev/zero"])
        .current_dir(desk.folder())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut status = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut status).unwrap();
    assert_eq!(lines(&status)[0]["message_type"], "status");
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(desk.json(&["snapshots"]).len(), 0);
    desk.run(&["check"]).success();
}

/// Nothing is written by a dry run, of a backup, a restore or a forget.
#[test]
fn dry_runs_change_nothing() {
    let desk = Desk::new();
    let id = desk.backup();
    let said = desk.says(&["backup", "src", "--dry-run", "--force"]);
    assert!(said.contains("nothing was written"), "{said}");
    assert_eq!(desk.json(&["snapshots"]).len(), 1);
    desk.run(&["restore", "latest", "-t", "out", "--dry-run"]).success();
    assert!(!desk.path("out").exists());
    desk.run(&["forget", &id, "--force", "--dry-run"]).success();
    assert_eq!(desk.json(&["snapshots"]).len(), 1);
}

/// The last snapshot of its sources goes only by force.
#[test]
fn forgetting_everything_takes_force() {
    let desk = Desk::new();
    let (first, second) = (desk.backup(), desk.backup());
    desk.run(&["forget", &first, &second]).code(1);
    assert_eq!(desk.json(&["snapshots"]).len(), 2);
    desk.run(&["forget", &first]).success();
    desk.run(&["forget", "latest"]).code(1);
    desk.run(&["forget", "latest", "--force"]).success();
    assert_eq!(desk.json(&["snapshots"]).len(), 0);
}

/// Passwords and key files are added, listed, changed and removed, and never the one in use.
#[test]
fn keys_come_and_go() {
    let desk = Desk::new();
    let mode = fs::metadata(desk.path("key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let only = desk.json(&["key", "list"])[0]["id"].as_str().unwrap().to_owned();
    desk.run(&["key", "remove", &only]).code(1);
    fs::write(desk.path("password"), "correct horse\n").unwrap();
    desk.run(&["key", "add", "--new-password-file", "password", "--label", "me"]).success();
    let listed = desk.json(&["key", "list"]);
    assert_eq!(listed.len(), 2);
    assert_eq!((&listed[1]["kind"], &listed[1]["label"]), (&"password".into(), &"me".into()));
    desk.command().args(["--password-file", "password", "snapshots"]).assert().success();
    desk.command().args(["--password-command", "cat password", "snapshots"]).assert().success();
    desk.command().env("ICECORE_PASSWORD", "correct horse").arg("ls").arg("x").assert().code(1);
    desk.run(&["key", "remove", &only]).code(1);
    desk.run(&["key", "passwd", "--new-key-file", "key2"]).success();
    desk.run(&["snapshots"]).code(12);
    desk.command().args(["--key-file", "key2", "snapshots"]).assert().success();
    desk.command()
        .args(["--key-file", "key2", "key", "add", "--new-key-file", "key2"])
        .assert()
        .code(1);
    fs::write(desk.path("empty"), "\n").unwrap();
    desk.command()
        .args(["--key-file", "key2", "key", "add", "--new-password-file", "empty"])
        .assert()
        .code(1);
}

/// Every object can be shown, and no secret is among it.
#[test]
fn cat_shows_objects() {
    let desk = Desk::new();
    let id = desk.backup();
    assert!(desk.says(&["cat", "config"]).contains("\"repository\""));
    assert!(desk.says(&["cat", "snapshot", &id]).contains("\"series\""));
    assert!(desk.says(&["cat", "writer", &id]).contains("\"backup\""));
    let segments = desk.says(&["cat", "index"]);
    let entries = desk.says(&["cat", "index", segments.trim()]);
    let entry: Value = serde_json::from_str(entries.lines().next().unwrap()).unwrap();
    let pack = desk.says(&["cat", "pack", entry["pack"].as_str().unwrap()]);
    assert!(pack.contains(entry["id"].as_str().unwrap()));
    let slot = desk.json(&["key", "list"])[0]["id"].as_str().unwrap().to_owned();
    let slot = desk.says(&["cat", "key", &slot]);
    assert!(slot.contains("key-file") && !slot.contains("wrapped"), "{slot}");
    desk.run(&["cat", "snapshot", "0000"]).code(1);
    desk.run(&["forget", &id, "--force"]).success();
    assert!(desk.says(&["cat", "forgotten", &id]).contains("\"series\""));
}

/// Secrets are no arguments, and help and completions come without a repository.
#[test]
fn secrets_are_no_arguments() {
    let desk = Desk::bare();
    let mut help = stdout(&desk.command().env("ICECORE_PASSWORD", "S3cret").arg("--help").assert());
    for verb in ["init", "backup", "restore", "key add", "key passwd", "check", "forget"] {
        let mut command = desk.command();
        command.env("ICECORE_PASSWORD", "S3cret").args(verb.split(' ')).arg("--help");
        help.push_str(&stdout(&command.assert().success()));
    }
    assert!(!help.contains("S3cret"));
    assert!(!help.contains("--password <") && !help.contains("--new-password <"));
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(&desk.command().args(["completions", shell]).assert().success());
        assert!(script.contains("icecore") && script.contains("backup"));
    }
}

/// What is damaged is named, and everything else is said to be restorable.
#[test]
fn check_names_what_is_damaged() {
    let desk = Desk::new();
    desk.backup();
    let index = desk.says(&["cat", "index"]);
    let entries = lines(&desk.says(&["cat", "index", index.trim()]));
    let largest = entries.iter().max_by_key(|entry| entry["plain"].as_u64()).unwrap();
    let pack = largest["pack"].as_str().unwrap();
    let path = desk.path(&format!("repo/packs/{}/{pack}", &pack[..2]));
    let mut bytes = fs::read(&path).unwrap();
    bytes[usize::try_from(largest["offset"].as_u64().unwrap()).unwrap() + 30] ^= 1;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, bytes).unwrap();
    let said = desk.run(&["check", "--read-data"]).code(1);
    assert!(stdout(&said).contains("/src/a"), "{}", stdout(&said));
    let said = desk.run(&["restore", "latest", "-t", "out"]).code(3);
    assert!(stderr(&said).contains("/src/a"), "{}", stderr(&said));
    let deep = desk.path("out").join(desk.path("src/sub/b").strip_prefix("/").unwrap());
    assert_eq!(fs::read(deep).unwrap(), b"deep\n");
}

/// Nothing is restored over a repository or into it, whatever is to be overwritten.
#[test]
fn a_repository_is_no_target() {
    let desk = Desk::new();
    desk.backup();
    for target in ["repo", "repo/new", "src/../repo/packs"] {
        for more in [&["--overwrite", "always"][..], &["--dry-run"]] {
            let said = desk.run(&[&["restore", "latest", "-t", target], more].concat()).code(1);
            assert!(stderr(&said).contains("the repository itself"), "{target}: {}", stderr(&said));
        }
    }
    desk.run(&["check", "--read-data"]).success();
}

/// A snapshot that `latest` passes over is none that an unchanged source was saved in.
#[test]
fn a_way_back_is_not_the_last_snapshot() {
    let desk = Desk::new();
    desk.backup();
    fs::write(desk.path("src/new"), b"new\n").unwrap();
    desk.run(&["backup", "src", "--tag", "before-restore"]).success();
    desk.run(&["backup", "src", "--skip-if-unchanged"]).success();
    assert!(desk.says(&["ls", "latest"]).contains("/src/new"));
}
