//! Several repositories of one job: one that is full or away costs no snapshot, and gets later what it has missed.

use super::file::Jobs;
use crate::common::cli::stdout;
use crate::common::proxy::{self, Fate};
use crate::common::seaweed::{KEY, SECRET, server};
use crate::common::stores::copy_folder;
use assert_cmd::assert::Assert;
use serde_json::Value;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const FILE: &str = r#"
[repository.one]
url = "DIR/one"
key_file = "DIR/one.key"
keep = { last = 9 }

[repository.two]
url = "DIR/two"
key_file = "DIR/two.key"

[job.app]
source = "DIR/src"
to = ["one", "two"]
schedule = { backup = "hourly", copy = "daily 03:00" }
"#;

fn count(jobs: &Jobs, repository: &str) -> usize {
    match jobs.of(repository, &["snapshots"]).as_slice() {
        [Value::Array(list)] => list.len(),
        lines => lines.len(),
    }
}

/// What was captured into the second repository while the first was away reaches the first with the next copy, whether
/// that follows a backup or not. Nothing is copied twice.
#[test]
fn what_was_missed_comes_later() {
    for later in [&["run", "app", "--only", "copy"][..], &["run", "app"]] {
        let jobs = Jobs::new();
        jobs.init(&["one", "two"]);
        jobs.write(FILE);
        jobs.command(&["run", "app"]).assert().success();
        fs::rename(jobs.path("one"), jobs.path("away")).unwrap();
        jobs.command(&["run", "app", "--only", "backup"]).assert().code(3);
        fs::rename(jobs.path("away"), jobs.path("one")).unwrap();
        assert_eq!((count(&jobs, "one"), count(&jobs, "two")), (1, 2));
        for _ in 0..2 {
            jobs.command(later).assert().success();
            assert_eq!(count(&jobs, "one"), count(&jobs, "two"), "{}", jobs.report());
        }
        let made = if later.len() == 2 { 2 } else { 0 };
        assert_eq!(count(&jobs, "one"), 2 + made);
        let copied = jobs.report()["steps"].as_array().unwrap().last().unwrap().clone();
        assert_eq!((&copied["what"], &copied["copied"]), (&"two to one".into(), &0.into()));
    }
}

/// Where a repository that answers takes nothing, the next one is captured into, and the run is incomplete.
#[test]
fn a_full_repository_costs_no_snapshot() {
    let jobs = Jobs::new();
    jobs.init(&["two"]);
    let is_full = Arc::new(AtomicBool::new(false));
    let full = is_full.clone();
    let port = proxy::start(server().port, move |head| {
        match full.load(Ordering::Relaxed) && ["PUT", "POST"].contains(&head.method.as_str()) {
            true => Fate::Refuse(507, ""),
            false => Fate::Pass,
        }
    });
    let url = format!("s3:http://127.0.0.1:{port}/{}", server().bucket());
    jobs.write(&FILE.replace("DIR/one\"", &format!("{url}\"")));
    let with_keys = |mut command: assert_cmd::Command| -> Assert {
        command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET).assert()
    };
    let mut init = jobs.cli.command();
    init.args(["-r", &url, "init", "--new-key-file"]).arg(jobs.path("one.key"));
    with_keys(init).success();
    is_full.store(true, Ordering::Relaxed);
    with_keys(jobs.command(&["run", "app", "--only", "backup"])).code(3);
    let report = jobs.report();
    assert_eq!((&report["outcome"], &report["repository"]), (&"incomplete".into(), &"two".into()));
    assert_eq!(count(&jobs, "two"), 1);
    let steps = report["steps"].as_array().unwrap().iter();
    let steps: Vec<_> = steps.map(|step| format!("{} {}", step["step"], step["outcome"])).collect();
    assert_eq!(
        steps,
        [r#""open" "done""#, r#""capture" "failed""#, r#""open" "done""#, r#""capture" "done""#]
    );
}

/// A repository that was set back to an older state has lost snapshots: the run that meets it says so, and `status` is not
/// well, though a new snapshot was made, until a check has accepted it.
#[test]
fn a_repository_set_back_needs_help() {
    let jobs = Jobs::new();
    jobs.init(&["one", "two"]);
    jobs.write(FILE);
    jobs.command(&["run", "app"]).assert().success();
    copy_folder(&jobs.path("one"), &jobs.path("old"));
    fs::write(jobs.path("src").join("more"), "more").unwrap();
    jobs.command(&["run", "app"]).assert().success();
    jobs.command(&["status"]).assert().success();
    fs::remove_dir_all(jobs.path("one")).unwrap();
    fs::rename(jobs.path("old"), jobs.path("one")).unwrap();
    jobs.command(&["run", "app"]).assert().code(3);
    assert_eq!(jobs.report()["fault"], "damaged", "{}", jobs.report());
    let told = jobs.command(&["status"]).assert().code(3);
    assert!(stdout(&told).contains("was INCOMPLETE"), "{}", stdout(&told));
    jobs.of("one", &["check", "--accept-head"]);
    jobs.command(&["run", "app"]).assert().success();
    jobs.command(&["status"]).assert().success();
}
