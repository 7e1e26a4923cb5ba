//! The program as a black box: every verb, its JSON, its exit codes.

use crate::common::aloud::not_run;
use crate::common::cli::{Cli, lines, stderr, stdout};
use crate::common::program::{PROGRAM, program};
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
    let cli = Cli::new();
    let first = cli.backup();
    let said = cli.says(&["snapshots"]);
    assert!(said.contains(&first[..8]) && said.contains("1 snapshot"), "{said}");
    fs::write(cli.path("src/new"), b"new\n").unwrap();
    fs::remove_file(cli.path("src/sub/b")).unwrap();
    let said = cli.says(&["backup", "src", "--tag", "x,y", "--label", "app=7", "--host", "h"]);
    assert!(said.contains(" saved"), "{said}");

    let src = cli.text("src");
    let listed = cli.says(&["ls", "latest", &src]);
    assert_eq!(listed, format!("{src}/a\n{src}/link\n{src}/new\n{src}/sub\n"));
    let long = cli.says(&["ls", "-l", &format!("latest:{src}/new")]);
    assert!(long.starts_with("-rw") && long.trim().ends_with(&format!("{src}/new")), "{long}");
    assert_eq!(cli.says(&["dump", &first, &format!("{src}/sub/b")]), "deep\n");
    assert_eq!(cli.says(&["dump", &format!("latest:{src}/new")]), "new\n");
    let found = cli.says(&["find", "b", "--type", "file"]);
    assert!(found.contains(&format!("{src}/sub/b")) && !found.contains("/new"), "{found}");
    let differs = cli.says(&["diff", "latest~1", "latest"]);
    assert!(differs.contains(&format!("+    {src}/new\n")), "{differs}");
    assert!(differs.contains(&format!("-    {src}/sub/b\n")), "{differs}");
    let restored = cli.says(&["restore", &format!("{first}:{src}"), "-t", "out", "--verify"]);
    assert!(restored.contains("restored"), "{restored}");
    assert_eq!(fs::read(cli.path("out/a")).unwrap(), b"hello\n".repeat(50_000));
    assert_eq!(fs::read(cli.path("out/sub/b")).unwrap(), b"deep\n");
    assert_eq!(fs::read_link(cli.path("out/link")).unwrap(), PathBuf::from("a"));
    assert!(cli.says(&["check", "--read-data"]).contains("no errors"));
    assert!(cli.says(&["stats"]).contains("2 snapshots"));
}

/// Every command with JSON prints lines that parse and say what they are.
#[test]
fn json_lines_say_what_they_are() {
    let cli = Cli::bare();
    let said = cli.command().args(["--json", "init", "--new-key-file", "key"]).assert().success();
    assert_eq!(lines(&stdout(&said))[0]["message_type"], "initialized");
    let first = cli.backup();
    fs::write(cli.path("src/new"), b"new\n").unwrap();
    let summary = cli.json(&["backup", "src", "--tag", "t"]).pop().unwrap();
    assert_eq!(summary["message_type"], "summary");
    assert_eq!((&summary["files_new"], &summary["incomplete"]), (&1.into(), &false.into()));
    let listed = cli.json(&["snapshots"]);
    assert_eq!(listed.len(), 2);
    assert_eq!(
        (&listed[0]["id"], &listed[1]["parts"][0]["parents"][0]),
        (&first.as_str().into(), &first.as_str().into())
    );
    assert_eq!(listed[1]["tags"][0], "t");
    assert_eq!(cli.json(&["snapshots", "--tag", "t"]).len(), 1);
    assert_eq!(cli.json(&["snapshots", "--host", "nobody"]).len(), 0);
    assert_eq!(cli.json(&["snapshots", "--path", "src/sub"]).len(), 2);
    assert_eq!(cli.json(&["snapshots", "latest"])[0]["sequence"], 2);
    let src = cli.text("src");
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
        let said = cli.json(&args);
        assert!(!said.is_empty(), "{args:?}");
        for line in said {
            assert!(types.contains(&line["message_type"].as_str().unwrap()), "{args:?}: {line}");
        }
    }
    let failed = cli.run(&["--json", "ls", "0000"]).code(1);
    let last = lines(&stderr(&failed)).pop().unwrap();
    assert_eq!((&last["message_type"], &last["code"]), (&"exit_error".into(), &1.into()));
}

/// Databases and streams are captured, alone and in a folder, and come back as they were.
#[test]
fn databases_and_streams() {
    let cli = Cli::new();
    let path = cli.path("src/app.db");
    let database = rusqlite::Connection::open(&path).unwrap();
    database
        .execute_batch("PRAGMA journal_mode = wal; CREATE TABLE t(x); INSERT INTO t VALUES (42)")
        .unwrap();
    let args = ["backup", "src", "--verify-source", "full", "--row-counts"];
    assert_eq!(cli.json(&args).last().unwrap()["databases"], 1);
    let nodes = cli.json(&["ls", "latest", &cli.text("src/app.db")]);
    assert_eq!(nodes.last().unwrap()["sqlite"]["row_counts"]["t"], 1);
    let alone = format!("sqlite:{}", path.display());
    cli.run(&["backup", &alone]).success();
    cli.run(&["restore", "latest", "-t", "out"]).success();
    let restored = cli.path("out").join(path.strip_prefix("/").unwrap());
    let restored = rusqlite::Connection::open(restored).unwrap();
    let x: i64 = restored.query_row("SELECT x FROM t", [], |row| row.get(0)).unwrap();
    assert_eq!(x, 42);

    let mut command = cli.command();
    command.args(["--key-file", "key", "backup", "--stdin", "--stdin-filename", "dump.sql"]);
    command.write_stdin("from a pipe").assert().success();
    assert_eq!(cli.says(&["dump", "latest"]), "from a pipe");
    let mut command = cli.command();
    command.args(["--key-file", "key", "backup", &alone, "--stdin"]);
    command.write_stdin("more").assert().success();
    assert_eq!(cli.says(&["dump", "latest:/stdin"]), "more");
    cli.run(&["dump", &format!("latest:{}", path.display())]).success();
    cli.run(&["backup", "--stdin-from-command", "--", "printf", "%s-%s", "a", "b"]).success();
    assert_eq!(cli.says(&["dump", "latest:/stdin"]), "a-b");
    cli.run(&["backup", "--stdin-from-command", "--", "false"]).code(1);
    assert_eq!(cli.json(&["snapshots"]).len(), 5);
}

/// Each failure has its exit code, its reason, and where it can be helped, a hint.
#[test]
fn failures_have_their_codes() {
    let cli = Cli::new();
    cli.backup();
    let nowhere = cli.command().args(["-r", "nowhere", "--key-file", "key", "ls", "x"]).assert();
    let said = stderr(&nowhere.code(10));
    assert!(said.contains("icecore: cannot open") && said.contains("hint: "), "{said}");
    fs::create_dir(cli.path("empty")).unwrap();
    cli.run(&["-r", "empty", "snapshots"]).code(10);
    fs::write(cli.path("other"), [7; 32]).unwrap();
    cli.command().args(["--key-file", "other", "snapshots"]).assert().code(12);
    cli.command().env("ICECORE_PASSWORD", "wrong").arg("snapshots").assert().code(12);
    cli.command().env("ICECORE_PASSWORD", "").arg("snapshots").assert().code(1);
    cli.command().arg("snapshots").assert().code(1);
    cli.run(&["restore", "latest", "-t", "src"]).code(1);
    cli.run(&["restore", "latest", "-t", "src/a"]).code(1);
    cli.run(&["restore", "latest:/nothing", "-t", "out"]).code(1);
    cli.run(&["dump", "latest:/nothing"]).code(1);
    cli.run(&["init", "--new-key-file", "second"]).code(1);
    assert!(!cli.path("second").exists(), "a key file for a repository that was not made");
    for args in [&["backup"][..], &["backup", "missing"], &["backup", "src", "--compression=99"]] {
        cli.run(args).code(1);
    }
}

/// What cannot be captured makes the snapshot incomplete, and the exit code says so.
#[test]
fn an_unreadable_source_is_incomplete() {
    let cli = Cli::new();
    let database = rusqlite::Connection::open(cli.path("src/broken.db")).unwrap();
    database.execute_batch("PRAGMA journal_mode = wal; CREATE TABLE t (a)").unwrap();
    drop(database);
    // Where its log should be.
    fs::create_dir(cli.path("src/broken.db-wal")).unwrap();
    let said = cli.run(&["--json", "backup", "src"]).code(3);
    assert!(stderr(&said).contains("broken.db"));
    let summary = lines(&stdout(&said)).pop().unwrap();
    assert_eq!((&summary["incomplete"], &summary["failed"]), (&true.into(), &1.into()));
    cli.run(&["backup", "src", "--exclude", "*.db"]).success();
}

/// A damaged key slot is told from a wrong secret.
#[test]
fn a_damaged_slot_is_no_wrong_password() {
    let cli = Cli::new();
    let slot = fs::read_dir(cli.path("repo/keys")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&slot).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::set_permissions(&slot, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&slot, bytes).unwrap();
    cli.run(&["snapshots"]).code(1);
}

/// The beginning of an id has to mean one snapshot.
#[test]
fn an_ambiguous_prefix_is_refused() {
    let cli = Cli::new();
    // Of seventeen ids two begin with the same digit.
    let ids: Vec<String> = (0..17).map(|_| cli.backup()).collect();
    let shared = |id: &&String| ids.iter().filter(|other| other[..1] == id[..1]).count() > 1;
    let prefix = &ids.iter().find(shared).unwrap()[..1];
    let said = stderr(&cli.run(&["ls", prefix]).code(1));
    assert!(said.contains("several ids") && said.contains("hint: "), "{said}");
    cli.run(&["ls", &ids[3]]).success();
}

/// Ctrl-C ends a backup in the midst of a stream that has no end, and leaves no snapshot.
#[test]
fn an_interrupt_ends_a_backup() {
    let cli = Cli::new();
    let mut child = program()
        .args(["--json", "--key-file", "key", "-r", "repo", "backup"])
        .args(["--stdin-from-command", "--", "cat", "/dev/zero"])
        .current_dir(cli.folder())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut status = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut status).unwrap();
    assert_eq!(lines(&status)[0]["message_type"], "status");
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(cli.json(&["snapshots"]).len(), 0);
    cli.run(&["check"]).success();
}

/// Nothing is written by a dry run, of a backup, a restore or a forget.
#[test]
fn dry_runs_change_nothing() {
    let cli = Cli::new();
    let id = cli.backup();
    let said = cli.says(&["backup", "src", "--dry-run", "--force"]);
    assert!(said.contains("nothing was written"), "{said}");
    assert_eq!(cli.json(&["snapshots"]).len(), 1);
    cli.run(&["restore", "latest", "-t", "out", "--dry-run"]).success();
    assert!(!cli.path("out").exists());
    cli.run(&["forget", &id, "--force", "--dry-run"]).success();
    assert_eq!(cli.json(&["snapshots"]).len(), 1);
}

/// The last snapshot of its sources goes only by force.
#[test]
fn forgetting_everything_takes_force() {
    let cli = Cli::new();
    let (first, second) = (cli.backup(), cli.backup());
    cli.run(&["forget", &first, &second]).code(1);
    assert_eq!(cli.json(&["snapshots"]).len(), 2);
    cli.run(&["forget", &first]).success();
    cli.run(&["forget", "latest"]).code(1);
    cli.run(&["forget", "latest", "--force"]).success();
    assert_eq!(cli.json(&["snapshots"]).len(), 0);
}

/// Passwords and key files are added, listed, changed and removed, and never the one in use.
#[test]
fn keys_come_and_go() {
    let cli = Cli::new();
    let mode = fs::metadata(cli.path("key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let only = cli.json(&["key", "list"])[0]["id"].as_str().unwrap().to_owned();
    cli.run(&["key", "remove", &only]).code(1);
    fs::write(cli.path("password"), "correct horse\n").unwrap();
    cli.run(&["key", "add", "--new-password-file", "password", "--label", "me"]).success();
    // A second slot for it would go on opening the repository once the first is removed.
    let add = ["key", "add", "--new-password-file", "password"];
    assert!(stderr(&cli.run(&add).code(1)).contains("already"));
    let listed = cli.json(&["key", "list"]);
    assert_eq!(listed.len(), 2);
    assert_eq!((&listed[1]["kind"], &listed[1]["label"]), (&"password".into(), &"me".into()));
    cli.command().args(["--password-file", "password", "snapshots"]).assert().success();
    cli.command().args(["--password-command", "cat password", "snapshots"]).assert().success();
    cli.command().env("ICECORE_PASSWORD", "correct horse").arg("ls").arg("x").assert().code(1);
    cli.run(&["key", "remove", &only]).code(1);
    cli.run(&["key", "passwd", "--new-key-file", "key2"]).success();
    cli.run(&["snapshots"]).code(12);
    cli.command().args(["--key-file", "key2", "snapshots"]).assert().success();
    cli.command()
        .args(["--key-file", "key2", "key", "add", "--new-key-file", "key2"])
        .assert()
        .code(1);
    fs::write(cli.path("empty"), "\n").unwrap();
    cli.command()
        .args(["--key-file", "key2", "key", "add", "--new-password-file", "empty"])
        .assert()
        .code(1);
}

/// Every object can be shown, and no secret is among it.
#[test]
fn cat_shows_objects() {
    let cli = Cli::new();
    let id = cli.backup();
    assert!(cli.says(&["cat", "config"]).contains("\"repository\""));
    assert!(cli.says(&["cat", "snapshot", &id]).contains("\"series\""));
    assert!(cli.says(&["cat", "writer", &id]).contains("\"backup\""));
    let segments = cli.says(&["cat", "index"]);
    let entries = cli.says(&["cat", "index", segments.trim()]);
    let entry: Value = serde_json::from_str(entries.lines().next().unwrap()).unwrap();
    let pack = cli.says(&["cat", "pack", entry["pack"].as_str().unwrap()]);
    assert!(pack.contains(entry["id"].as_str().unwrap()));
    let slot = cli.json(&["key", "list"])[0]["id"].as_str().unwrap().to_owned();
    let slot = cli.says(&["cat", "key", &slot]);
    assert!(slot.contains("key-file") && !slot.contains("wrapped"), "{slot}");
    cli.run(&["cat", "snapshot", "0000"]).code(1);
    cli.run(&["forget", &id, "--force"]).success();
    assert!(cli.says(&["cat", "forgotten", &id]).contains("\"series\""));
}

/// Secrets are no arguments, and help and completions come without a repository.
#[test]
fn secrets_are_no_arguments() {
    let cli = Cli::bare();
    let mut help = stdout(&cli.command().env("ICECORE_PASSWORD", "S3cret").arg("--help").assert());
    for verb in ["init", "backup", "restore", "key add", "key passwd", "check", "forget"] {
        let mut command = cli.command();
        command.env("ICECORE_PASSWORD", "S3cret").args(verb.split(' ')).arg("--help");
        help.push_str(&stdout(&command.assert().success()));
    }
    assert!(!help.contains("S3cret"));
    assert!(!help.contains("--password <") && !help.contains("--new-password <"));
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(&cli.command().args(["completions", shell]).assert().success());
        assert!(script.contains("icecore") && script.contains("backup"));
    }
}

/// What is damaged is named, and everything else is said to be restorable.
#[test]
fn check_names_what_is_damaged() {
    let cli = Cli::new();
    cli.backup();
    let index = cli.says(&["cat", "index"]);
    let entries = lines(&cli.says(&["cat", "index", index.trim()]));
    let largest = entries.iter().max_by_key(|entry| entry["plain"].as_u64()).unwrap();
    let pack = largest["pack"].as_str().unwrap();
    let path = cli.path(&format!("repo/packs/{}/{pack}", &pack[..2]));
    let mut bytes = fs::read(&path).unwrap();
    bytes[usize::try_from(largest["offset"].as_u64().unwrap()).unwrap() + 30] ^= 1;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, bytes).unwrap();
    let said = cli.run(&["check", "--read-data"]).code(1);
    assert!(stdout(&said).contains("/src/a"), "{}", stdout(&said));
    let said = cli.run(&["restore", "latest", "-t", "out"]).code(3);
    assert!(stderr(&said).contains("/src/a"), "{}", stderr(&said));
    let deep = cli.path("out").join(cli.path("src/sub/b").strip_prefix("/").unwrap());
    assert_eq!(fs::read(deep).unwrap(), b"deep\n");
}

/// Nothing is restored over a repository or into it, whatever is to be overwritten.
#[test]
fn a_repository_is_no_target() {
    let cli = Cli::new();
    cli.backup();
    for target in ["repo", "repo/new", "src/../repo/packs"] {
        for more in [&["--overwrite", "always"][..], &["--dry-run"]] {
            let said = cli.run(&[&["restore", "latest", "-t", target], more].concat()).code(1);
            assert!(stderr(&said).contains("the repository itself"), "{target}: {}", stderr(&said));
        }
    }
    fs::create_dir(cli.path("mounted")).unwrap();
    let mount = "mount --bind repo mounted && exec \"$@\"";
    let mounted = |command: &[&str]| {
        let mut all = std::process::Command::new("unshare");
        all.args(["--mount", "sh", "-c", mount, "sh"]).args(command).current_dir(cli.folder());
        all.output().unwrap()
    };
    let may_mount = mounted(&["true"]).status.success();
    if !may_mount {
        not_run("a repository that is mounted elsewhere, too: mounting is not allowed");
    }
    for target in ["mounted", "mounted/new"].into_iter().filter(|_| may_mount) {
        let restore =
            [PROGRAM, "-r", "repo", "--key-file", "key", "--no-cache", "restore", "latest"];
        let said = mounted(&[&restore[..], &["-t", target, "--overwrite", "always"]].concat());
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(said.contains("the repository itself"), "{target}: {said}");
    }
    cli.run(&["check", "--read-data"]).success();
}

/// A snapshot that `latest` passes over is none that an unchanged source was saved in.
#[test]
fn a_way_back_is_not_the_last_snapshot() {
    let cli = Cli::new();
    cli.backup();
    fs::write(cli.path("src/new"), b"new\n").unwrap();
    cli.run(&["backup", "src", "--tag", "before-restore"]).success();
    cli.run(&["backup", "src", "--skip-if-unchanged"]).success();
    assert!(cli.says(&["ls", "latest"]).contains("/src/new"));
}
