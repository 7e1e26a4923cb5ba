//! What was lost where it was captured, or is counted nowhere any more, is told.

use super::file::Jobs;
use crate::common::cli::{stderr, stdout};
use rusqlite::Connection;
use serde_json::Value;
use std::fs;

const FILE: &str = r#"
[repository.one]
url = "DIR/one"
key_file = "DIR/one.key"
keep = { last = 9 }

[job.app]
source = "DIR/src"
to = ["one"]
"#;

/// Two databases with rows, saved once by a job.
fn saved(file: &str) -> Jobs {
    let jobs = Jobs::new();
    jobs.init(&["one"]);
    jobs.write(file);
    for name in ["app.db", "users.db"] {
        let database = Connection::open(jobs.path("src").join(name)).unwrap();
        database.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1), (2)").unwrap();
    }
    jobs.command(&["run", "app"]).assert().success();
    jobs
}

/// A file that was a database in the snapshot before, and was emptied or overwritten since, makes a run incomplete, also
/// where a warm-up has seen it first; and an empty one is not what `must_contain` requires.
#[test]
fn a_database_that_is_none_any_more_is_told() {
    let stop = "stop = { stop = \"true\", start = \"true\" }\n";
    for (more, content) in [("", &b""[..]), ("", b"no database"), (stop, b"")] {
        let jobs = saved(&format!("{FILE}{more}"));
        fs::write(jobs.path("src/app.db"), content).unwrap();
        let run = jobs.command(&["run", "app"]).assert().code(3);
        let told = stderr(&run);
        assert!(told.contains("app.db: it was a SQLite database in the snapshot before"), "{told}");
        assert!(!told.contains("users.db"), "{told}");
        assert_eq!(jobs.report()["outcome"], "incomplete");
        jobs.command(&["run", "app"]).assert().success();
        if content.is_empty() {
            jobs.write(&format!("{FILE}{more}must_contain = [\"app.db\"]\n"));
            assert!(jobs.complains(&["run", "app"]).contains("`must_contain` requires it"));
        }
    }
}

/// Where there were more databases in the snapshot before, a backup says so once.
#[test]
fn a_database_that_is_gone_is_told() {
    let jobs = saved(FILE);
    fs::remove_file(jobs.path("src/users.db")).unwrap();
    let told = stderr(&jobs.command(&["run", "app"]).assert().success());
    assert!(told.contains("databases: 1, and 2 in snapshot "), "{told}");
    let told = stderr(&jobs.command(&["run", "app"]).assert().success());
    assert!(!told.contains("in snapshot "), "{told}");
}

/// A file that lost its jobs does not pass for one in which all is well.
#[test]
fn a_file_without_jobs_is_not_well() {
    let jobs = saved(FILE);
    jobs.command(&["status"]).assert().success();
    jobs.write("");
    let told = stdout(&jobs.command(&["status"]).assert().code(3));
    assert!(told.contains("Needs attention") && told.contains("the file has no job"), "{told}");
    let told = stderr(&jobs.command(&["config", "check"]).assert().success());
    assert!(told.contains("the file has no job"), "{told}");
}

/// A snapshot that lacks what its job requires does not stand for whole ones: `latest` passes it over, and it pushes
/// none of them out.
#[test]
fn what_lacks_something_pushes_out_nothing() {
    let jobs =
        saved(&format!("{FILE}must_contain = [\"users.db\"]\n").replace("last = 9", "last = 1"));
    let whole = jobs.of("one", &["snapshots"])[0]["id"].clone();
    fs::rename(jobs.path("src/users.db"), jobs.path("users.db")).unwrap();
    for _ in 0..2 {
        jobs.command(&["run", "app"]).assert().code(1);
    }
    let tags = |snapshot: &Value| snapshot["tags"].to_string();
    let all = jobs.of("one", &["snapshots"]);
    assert_eq!(all.iter().filter(|it| tags(it).contains("lacks-required")).count(), 2, "{all:?}");
    assert_eq!(jobs.of("one", &["snapshots", "latest"])[0]["id"], whole);
    jobs.of("one", &["forget", "--keep-last", "1"]);
    let left = jobs.of("one", &["snapshots"]);
    assert!(left.len() == 2 && left.iter().any(|it| it["id"] == whole), "{left:?}");
    fs::rename(jobs.path("users.db"), jobs.path("src/users.db")).unwrap();
    jobs.command(&["run", "app"]).assert().success();
    jobs.command(&["run", "app", "--only", "prune"]).assert().success();
    let left = jobs.of("one", &["snapshots"]);
    assert_eq!(
        left.iter().filter(|it| !tags(it).contains("lacks-required")).count(),
        1,
        "{left:?}"
    );
}

/// A prune says what it takes from a repository that was away while it should have got it, and no more than that.
#[test]
fn what_a_repository_away_does_not_get_is_told() {
    let jobs = Jobs::new();
    jobs.init(&["one", "two"]);
    let file = "[repository.one]\nurl = \"DIR/one\"\nkey_file = \"DIR/one.key\"\nkeep = { last = 1 }\n\
                [repository.two]\nurl = \"DIR/two\"\nkey_file = \"DIR/two.key\"\nkeep = { last = 2 }\n\
                [job.app]\nsource = \"DIR/src\"\nto = [\"one\", \"two\"]\n";
    jobs.write(file);
    let run = |number: u32, code| {
        fs::write(jobs.path("src/file"), number.to_string()).unwrap();
        jobs.command(&["run", "app"]).assert().code(code);
    };
    let prune =
        |code| stderr(&jobs.command(&["run", "app", "--only", "prune"]).assert().code(code));
    (1..3).for_each(|number| run(number, 0));
    assert!(!prune(0).contains("before being copied"));
    fs::rename(jobs.path("two"), jobs.path("away")).unwrap();
    (3..6).for_each(|number| run(number, 3));
    let preview = ["run", "app", "--only", "prune", "--dry-run"];
    let told = stderr(&jobs.command(&preview).assert());
    assert!(told.contains("1 snapshot forgotten in one before being copied to two"), "{told}");
    // Of the two that go, one is among those that the other repository would keep.
    let told = prune(10);
    assert!(told.contains("1 snapshot forgotten in one before being copied to two"), "{told}");
    fs::rename(jobs.path("away"), jobs.path("two")).unwrap();
    run(6, 0);
    assert!(!prune(0).contains("before being copied"));
}
