//! `copy` as people use it: days here, weeks there.

use crate::common::chance::Chance;
use crate::common::cli::{Cli, lines, stderr, stdout};
use assert_cmd::assert::Assert;
use serde_json::Value;
use std::fs;

/// A repository and another one with a password of its own.
fn two() -> Cli {
    let cli = Cli::new();
    for (file, password) in [("there.password", "another"), ("wrong.password", "wrong")] {
        fs::write(cli.path(file), password).unwrap();
    }
    cli.run_there(&["init"]).success();
    cli
}

trait There {
    fn run_there(&self, args: &[&str]) -> Assert;
    fn snapshots(&self, there: bool) -> Vec<Value>;
    fn copy(&self, args: &[&str]) -> Assert;
}

impl There for Cli {
    fn run_there(&self, args: &[&str]) -> Assert {
        let mut command = self.command();
        command.args(["--repo", "there", "--password-file", "there.password"]);
        command.args(args).assert()
    }

    /// The newest last.
    fn snapshots(&self, there: bool) -> Vec<Value> {
        let args = ["--json", "snapshots"];
        let ran = if there { self.run_there(&args) } else { self.run(&args) };
        let said = stdout(&ran.success());
        match serde_json::from_str(&said) {
            Ok(Value::Array(all)) => all,
            _ => lines(&said),
        }
    }

    fn copy(&self, args: &[&str]) -> Assert {
        let target = ["copy", "there", "--to-password-file", "there.password"];
        self.run(&[&target, args].concat())
    }
}

/// All snapshots are copied once; each file of the copy comes back as it was, and `--dry-run` only says
/// what would be copied.
#[test]
fn snapshots_are_copied_and_come_back() {
    let cli = two();
    let mut chance = Chance::new(5);
    for _ in 0..2 {
        fs::write(cli.path("src/a"), chance.rows(300_000)).unwrap();
        cli.backup();
    }
    let shown = stdout(&cli.copy(&["--dry-run"]).success());
    assert!(shown.contains("would copy 2 snapshots, skipped 0"), "{shown}");
    assert_eq!(cli.snapshots(true).len(), 0);
    let said = stdout(&cli.copy(&["latest~1"]).success());
    assert!(said.contains("copied 1 snapshot, skipped 0"), "{said}");
    let said = lines(&stdout(&cli.copy(&["--json"]).success()));
    let summary = said.last().unwrap();
    assert_eq!((&summary["copied"], &summary["skipped"]), (&1.into(), &1.into()), "{summary}");
    let again = stdout(&cli.copy(&[]).success());
    assert!(again.contains("copied 0 snapshots, skipped 2 that the target has"), "{again}");
    let (here, there) = (cli.snapshots(false), cli.snapshots(true));
    for (here, there) in here.iter().zip(&there) {
        assert_eq!((&here["time"], &here["hostname"]), (&there["time"], &there["hostname"]));
        assert_eq!(here["id"], there["origin"]["snapshot"]);
    }
    cli.run_there(&["restore", "latest", "--target", "back"]).success();
    let back = format!("back{}", cli.text("src"));
    for name in ["a", "sub/b"] {
        let restored = cli.path(back.trim_start_matches('/')).join(name);
        assert_eq!(fs::read(restored).unwrap(), fs::read(cli.path("src").join(name)).unwrap());
    }
    cli.run_there(&["--state-dir", "elsewhere", "check", "--read-data"]).success();
}

/// A live SQLite database comes back from a copy byte for byte and sound, and what is known of it is
/// known of the copy. A new state costs the copy about what it cost here.
#[test]
fn databases_are_copied() {
    let cli = two();
    let database = rusqlite::Connection::open(cli.path("src/app.db")).unwrap();
    database.execute_batch("pragma journal_mode=wal; create table t (id integer, x text)").unwrap();
    let mut chance = Chance::new(6);
    let mut add = |rows: u32| {
        for _ in 0..rows {
            let text = String::from_utf8_lossy(&chance.rows(200)).into_owned();
            database.execute("insert into t values (?1, ?2)", (rows, text)).unwrap();
        }
    };
    add(3000);
    let back_up = || {
        let said = cli.json(&["backup", "src"]);
        said.last().unwrap()["snapshot_id"].as_str().unwrap().to_owned()
    };
    back_up();
    cli.copy(&[]).success();
    add(20);
    let id = back_up();
    let said = lines(&stdout(&cli.copy(&["--json"]).success()));
    let written = cli.snapshots(false).pop().unwrap()["summary"]["written"].as_u64().unwrap();
    let stored = said[0]["bytes_stored"].as_u64().unwrap();
    assert!(stored <= written * 2, "{stored} there, {written} here");
    let listed = |ran: Assert| -> Vec<Value> { lines(&stdout(&ran.success())).split_off(1) };
    let here = listed(cli.run(&["ls", "--json", &id]));
    assert_eq!(listed(cli.run_there(&["ls", "--json", "latest"])), here);
    assert!(here.iter().any(|node| node["sqlite"]["journal_mode"] == "wal"), "{here:?}");
    cli.run(&["restore", &id, "--target", "one"]).success();
    cli.run_there(&["restore", "latest", "--target", "other"]).success();
    let path = cli.text("src/app.db");
    let restored = |place: &str| cli.path(place).join(path.trim_start_matches('/'));
    assert!(fs::read(restored("one")).unwrap() == fs::read(restored("other")).unwrap());
    let other = rusqlite::Connection::open(restored("other")).unwrap();
    let sound: String = other.query_row("pragma integrity_check", [], |row| row.get(0)).unwrap();
    let rows: u32 = other.query_row("select count(*) from t", [], |row| row.get(0)).unwrap();
    assert_eq!((sound.as_str(), rows), ("ok", 3020));
}

/// Days are kept here and weeks there, each by its own `forget`, and the rules say which
/// snapshots go there, and what was copied stays there when it goes here.
#[test]
fn days_here_and_weeks_there() {
    let cli = two();
    for number in 0..6 {
        fs::write(cli.path("src/a"), format!("{number}").repeat(50_000)).unwrap();
        let tag = if number % 3 == 2 { "weekly" } else { "daily" };
        cli.json(&["backup", "src", "--tag", tag]);
        cli.copy(&["--keep-tag", "weekly"]).success();
        cli.says(&["forget", "--keep-last", "2", "--prune"]);
        cli.run_there(&["forget", "--keep-last", "9"]).success();
    }
    assert_eq!(cli.snapshots(false).len(), 2);
    let there = cli.snapshots(true);
    assert_eq!(there.len(), 2, "{there:?}");
    assert!(there.iter().all(|it| it["tags"][0] == "weekly"), "{there:?}");
    cli.run_there(&["restore", "latest~1", "--target", "old"]).success();
    let old = cli.path("old").join(cli.text("src").trim_start_matches('/')).join("a");
    assert_eq!(fs::read_to_string(old).unwrap(), "2".repeat(50_000));
    let both = cli.copy(&["latest", "--keep-last", "1"]).code(1);
    assert!(stderr(&both).contains("rules say which"), "{both}");
}

/// A wrong password of the target is that, with its exit code; none at all is asked for by the names of
/// its flags; the environment may name it; the repository itself, or its mirror, is refused with what to
/// use instead; and a target that is not there is to be made first.
#[test]
fn wrong_targets_are_named() {
    let cli = two();
    cli.backup();
    let wrong = cli.run(&["copy", "there", "--to-password-file", "wrong.password"]).code(12);
    assert!(stderr(&wrong).contains("password"), "{wrong}");
    let none = cli.run(&["copy", "there"]).code(1);
    assert!(stderr(&none).contains("--to-password-file"), "{none}");
    cli.command().args(["mirror", "mirrored"]).assert().success();
    for same in ["repo", "mirrored"] {
        let refused = cli.run(&["copy", same]).code(1);
        assert!(stderr(&refused).contains("icecore mirror"), "{refused}");
    }
    let missing = cli.run(&["copy", "nowhere"]).code(10);
    assert!(stderr(&missing).contains("init"), "{missing}");
    assert_eq!(cli.snapshots(true).len(), 0);
    for (name, value) in [("PASSWORD", "another"), ("PASSWORD_FILE", "there.password")] {
        let mut command = cli.command();
        command.env(format!("ICECORE_TO_{name}"), value).arg("--key-file").arg(cli.path("key"));
        command.args(["copy", "there"]).assert().success();
    }
    assert_eq!(cli.snapshots(true).len(), 1);
}
