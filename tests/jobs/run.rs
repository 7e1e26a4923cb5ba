//! Runs of jobs: what is captured and copied, hooks, reports, and what fails.

use super::file::Jobs;
use crate::common::cli::{lines, stderr, stdout};
use crate::common::seaweed::{KEY, SECRET, server};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;

/// A job into two repositories.
const TWO: &str = r#"
[defaults]
environment = "testing"
host = "web1"

[repository.one]
url = "DIR/one"
key_file = "DIR/one.key"
keep = { last = 2 }

[repository.two]
url = "DIR/two"
key_file = "DIR/two.key"
keep = { last = 1 }

[job.app]
source = ["DIR/src", { command = "echo dumped", name = "app.sql", hooks = { before = "echo source >>DIR/hooks" } }]
exclude = ["link"]
tags = ["production"]
labels.version = { command = "echo v1; echo more" }
must_contain = ["sub/b", "app.sql"]
to = ["one", "two"]
check = { read_data = "all" }

[job.app.hooks]
before = "echo before $ICECORE_JOB >>DIR/hooks"
after = "echo after $ICECORE_OUTCOME $ICECORE_INTO ${#ICECORE_SNAPSHOT} >>DIR/hooks"
failed = "echo failed: $ICECORE_ERROR >>DIR/hooks"
finally = ["echo finally >>DIR/hooks", "echo said; echo $ICECORE_KEY_FILE"]
"#;

fn two() -> Jobs {
    let jobs = Jobs::new();
    jobs.init(&["one", "two"]);
    jobs.write(TWO);
    jobs
}

fn hooks(jobs: &Jobs) -> Vec<String> {
    fs::read_to_string(jobs.path("hooks")).unwrap().lines().map(str::to_owned).collect()
}

fn steps(report: &Value) -> Vec<&str> {
    report["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect()
}

/// What icecore itself keeps below a source is not captured: repositories of the file, also of other jobs,
/// the cache, and what this host remembers.
#[test]
fn what_is_icecores_own_is_left_out() {
    let jobs = Jobs::new();
    jobs.init(&["src/one", "src/two"]);
    let text = "[repository.one]\nurl = \"DIR/src/one\"\nkey_file = \"DIR/src/one.key\"\n\
                [repository.two]\nurl = \"DIR/src/two\"\nkey_file = \"DIR/src/two.key\"\n\
                [job.app]\nsource = \"DIR/src\"\nto = [\"one\"]\n";
    jobs.write(text);
    for _ in 0..2 {
        let mut run = jobs.command(&["run", "app"]);
        run.env("ICECORE_CACHE_DIR", jobs.path("src/cache"));
        run.env("ICECORE_STATE_DIR", jobs.path("src/state")).assert().success();
    }
    let mut all: Vec<String> = jobs
        .of("src/one", &["ls", "latest", &jobs.cli.text("src")])
        .iter()
        .filter_map(|entry| entry["path"].as_str()?.rsplit('/').next().map(str::to_owned))
        .collect();
    all.sort();
    assert_eq!(all, ["a", "link", "one.key", "sub", "two.key"]);
}

/// A run captures into the first repository and copies into the second; hooks find its facts; the report
/// has every step, and stays on this host. Pruning and checking are done when they are asked for.
#[test]
fn jobs_are_run() {
    let jobs = two();
    let said = stdout(&jobs.command(&["--json", "run", "app"]).assert().success());
    let told = lines(&said).pop().unwrap();
    let report = jobs.report();
    assert_eq!(told["snapshot_id"], report["snapshot_id"]);
    assert_eq!((&report["outcome"], &report["repository"]), (&"done".into(), &"one".into()));
    assert_eq!((&report["report"], &report["environment"]), (&1.into(), &"testing".into()));
    assert_eq!(
        steps(&report),
        [
            "before", "label", "open", "before", "capture", "contents", "after", "finally",
            "finally", "copy"
        ]
    );
    assert_eq!(hooks(&jobs), ["before app", "source", "after done one 32", "finally"]);
    let documented = include_str!("../../src/agent/reports.md");
    let objects = report["steps"].as_array().unwrap().iter().chain([&report]);
    for key in objects.flat_map(|object| object.as_object().unwrap().keys()) {
        assert!(documented.contains(&format!("`{key}`")), "{key} is not explained");
    }
    // What opens the repository is nobody's business.
    assert_eq!(report["steps"][8]["output"], "said\n\n");
    for repository in ["one", "two"] {
        let snapshot = &jobs.of(repository, &["snapshots"])[0];
        let snapshot = snapshot.as_array().map_or(snapshot, |list| &list[0]);
        assert_eq!(snapshot["hostname"], "web1", "{snapshot}");
        assert_eq!(snapshot["labels"]["version"], "v1");
        assert_eq!(snapshot["labels"]["job"], "app");
        assert_eq!(snapshot["tags"][0], "production");
    }
    let listed = jobs.of("one", &["ls", "latest"]);
    let has = |name: &str| listed.iter().any(|line| line["name"] == name);
    assert!(has("b") && !has("link"), "{listed:?}");

    // Of another job's snapshots, and of those by hand, none is forgotten.
    jobs.of("one", &["backup", "src"]);
    for _ in 0..2 {
        jobs.command(&["run", "app"]).assert().success();
    }
    assert_eq!(count(&jobs, "one"), 4);
    jobs.command(&["run", "app", "--only", "prune,check"]).assert().success();
    assert_eq!((count(&jobs, "one"), count(&jobs, "two")), (3, 1));
    let report = jobs.report();
    assert_eq!(
        steps(&report),
        ["open", "forget", "prune", "open", "forget", "prune", "check", "check"]
    );
    assert_eq!(report["steps"][1]["forgotten"], 1);
    assert!(report["steps"][6]["packs_read"].as_u64().unwrap() > 0);
}

fn count(jobs: &Jobs, repository: &str) -> usize {
    match jobs.of(repository, &["snapshots"]).as_slice() {
        [Value::Array(list)] => list.len(),
        lines => lines.len(),
    }
}

/// What must be there and is not fails the run, and is named.
#[test]
fn an_absent_artifact_fails_the_run() {
    let jobs = two();
    jobs.write(&TWO.replace("\"sub/b\"", "\"sub/b\", \"production.sqlite3\""));
    let said = jobs.complains(&["run", "app"]);
    assert!(said.contains("production.sqlite3") && !said.contains("sub/b"), "{said}");
    let report = jobs.report();
    assert_eq!(report["outcome"], "failed");
    assert!(report["snapshot_id"].is_string());
    assert!(hooks(&jobs)[2].starts_with("failed: cannot find in the snapshot production.sqlite3"));
    // A folder is one if its name says so, and holds a file.
    fs::create_dir(jobs.path("src/none")).unwrap();
    for (name, hint) in [
        ("DIR/src/sub", None),
        ("sub/", None),
        ("sub", Some("did you mean `sub/`")),
        ("src/none", Some("")),
    ] {
        jobs.write(&TWO.replace("\"sub/b\"", &format!("\"{name}\"")));
        match hint {
            None => drop(jobs.command(&["run", "app"]).assert().success()),
            Some(hint) => {
                let said = jobs.complains(&["run", "app"]);
                assert!(
                    said.contains("`must_contain` requires it") && said.contains(hint),
                    "{name}: {said}"
                );
            }
        }
    }
}

/// A `before` that fails stops the run, of the job or of a source; what comes last comes all the same.
#[test]
fn a_failing_hook_stops_the_run() {
    for (from, to) in [("echo before $ICECORE_JOB", "exit 7;"), ("echo source", "exit 7;")] {
        let jobs = two();
        jobs.write(&TWO.replace(from, to));
        let said = jobs.complains(&["run", "app"]);
        assert!(said.contains("hook `before`") && said.contains('7'), "{said}");
        assert!(hooks(&jobs).last().unwrap() == "finally");
        assert!(hooks(&jobs).iter().any(|line| line.starts_with("failed: ")));
        assert_eq!(count(&jobs, "one"), 0);
    }
    // One that takes too long fails, too.
    let jobs = two();
    jobs.write(&TWO.replace(
        "before = \"echo before $ICECORE_JOB",
        "timeout = \"1s\"\nbefore = \"sleep 100; echo",
    ));
    let said = jobs.complains(&["run", "app"]);
    assert!(said.contains("longer than 1 s"), "{said}");
}

/// While one run of a job is at work, another is skipped, with an exit code of its own.
#[test]
fn no_job_runs_twice_at_once() {
    let jobs = two();
    jobs.write(&TWO.replace(
        "echo before",
        "touch DIR/begun; while ! [ -e DIR/go ]; do sleep 0.1; done; echo",
    ));
    let mut first = jobs.spawn(&["run", "app"]);
    jobs.wait_for("begun");
    let second = jobs.command(&["run", "app"]).assert().code(4);
    assert!(stdout(&second).contains("skipped"));
    // Something else of the same job may be done meanwhile.
    jobs.command(&["run", "app", "--only", "check"]).assert().success();
    fs::write(jobs.path("go"), "").unwrap();
    assert!(first.wait().unwrap().success());
    assert_eq!(count(&jobs, "one"), 1);
}

/// The hooks for failures hear of those after the capture, too: here of a check.
#[test]
fn failed_checks_are_told() {
    let jobs = two();
    jobs.command(&["run", "app"]).assert().success();
    away_both(&jobs);
    jobs.complains(&["run", "app", "--only", "check"]);
    let last = hooks(&jobs).pop().unwrap();
    assert!(last.starts_with("failed: ") && last.contains("one"), "{last}");
}

/// What icecore itself keeps on this host is no part of a snapshot: repositories, and the states of runs.
#[test]
fn what_icecore_keeps_is_not_captured() {
    let jobs = two();
    jobs.write(&TWO.replace("\"DIR/src\",", "\"DIR\","));
    jobs.command(&["run", "app"]).assert().success();
    let entries = jobs.of("one", &["ls", "latest"]);
    let paths: Vec<&str> = entries.iter().filter_map(|entry| entry["path"].as_str()).collect();
    assert!(paths.iter().any(|path| path.ends_with("src/sub/b")), "{paths:?}");
    for kept in ["/one/", "/two/", "/state/"] {
        assert!(!paths.iter().any(|path| path.contains(kept)), "{kept}: {paths:?}");
    }
}

/// Where the first repository does not answer, the next one is captured into; the run is incomplete. Where a
/// copy fails, too. Where none answers, it fails.
#[test]
fn a_repository_that_is_away_makes_the_run_incomplete() {
    let jobs = two();
    let away = |name: &str| fs::rename(jobs.path(name), jobs.path("away")).unwrap();
    let back = |name: &str| fs::rename(jobs.path("away"), jobs.path(name)).unwrap();
    away("one");
    let run = jobs.command(&["run", "app"]).assert().code(3);
    assert!(stdout(&run).contains("incomplete"), "{}", stdout(&run));
    assert_eq!(jobs.report()["repository"], "two");
    back("one");
    jobs.command(&["run", "app"]).assert().success();
    away("two");
    let run = jobs.command(&["run", "app"]).assert().code(3);
    assert!(stderr(&run).contains("two"), "{}", stderr(&run));
    away_both(&jobs);
    jobs.command(&["run", "app"]).assert().code(10);
    assert_eq!(jobs.report()["outcome"], "failed");
}

fn away_both(jobs: &Jobs) {
    fs::rename(jobs.path("one"), jobs.path("one-away")).unwrap();
}

/// Every job of a file runs, whatever becomes of the others.
#[test]
fn all_jobs_are_run() {
    let jobs = two();
    let stack = "[containers]\nsocket = \"DIR/none.sock\"\n[job.stack]\nsource = \"compose:shop\"\nto = [\"one\"]\n";
    jobs.write(&format!("{TWO}\n{stack}"));
    let said = jobs.complains(&["run", "--all"]);
    assert!(said.contains("stack") && said.contains("none.sock"), "{said}");
    assert_eq!(count(&jobs, "one"), 1);
    let said = jobs.complains(&["run", "apq"]);
    assert!(said.contains("did you mean `app`?"), "{said}");
}

/// Two buckets of one job are opened by variables in files of their own, whatever the environment has; hooks
/// see none of them.
#[test]
fn buckets_have_their_variables_in_files() {
    let jobs = two();
    let good = format!("# S3\nexport AWS_ACCESS_KEY_ID={KEY}\nAWS_SECRET_ACCESS_KEY='{SECRET}'\n");
    fs::write(jobs.path("one.env"), &good).unwrap();
    fs::write(jobs.path("two.env"), &good).unwrap();
    let mut text = TWO.replace("DIR/one\"", "ONE\"").replace("DIR/two\"", "TWO\"");
    text = text.replace("echo said;", "env | grep AWS_;");
    for (name, place) in [("one", "ONE"), ("two", "TWO")] {
        let url = format!("s3:http://127.0.0.1:{}/{}", server().port, server().bucket());
        text = text
            .replace(&format!("\"{place}\""), &format!("\"{url}\"\nenv_file = \"DIR/{name}.env\""));
        let mut init = jobs.cli.command();
        init.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET);
        init.args(["-r", &url, "init", "--new-key-file"])
            .arg(jobs.path(&format!("{name}-far.key")));
        init.assert().success();
        text = text.replace(&format!("{name}.key"), &format!("{name}-far.key"));
    }
    jobs.write(&text);
    let run = || {
        let mut command = jobs.command(&["run", "app"]);
        command.env("HOME", jobs.path(".")).env_remove("AWS_PROFILE");
        command.env("AWS_ACCESS_KEY_ID", "nobody").env("AWS_SECRET_ACCESS_KEY", "wrong");
        command.assert()
    };
    run().success();
    let said = jobs.report()["steps"].to_string();
    assert!(said.contains("AWS_ACCESS_KEY_ID=nobody") && !said.contains(SECRET), "{said}");
    fs::write(jobs.path("two.env"), good.replace(SECRET, "x")).unwrap();
    let run = run().code(3);
    assert!(stderr(&run).contains("other users can read") && !stderr(&run).contains(SECRET));
}

/// A run waits for another of its job if it is told to, for so long or until it is asked to end; of several that would
/// do the same, one does.
#[test]
fn runs_wait_for_each_other() {
    let jobs = Jobs::new();
    jobs.init(&["one"]);
    jobs.write(
        "[repository.one]\nurl = \"DIR/one\"\nkey_file = \"DIR/one.key\"\n[job.app]\nto = [\"one\"]\n\
         source = { command = \"touch DIR/begun; while [ -e DIR/hold ]; do sleep 0.1; done; echo x\", name = \"x\" }\n",
    );
    fs::write(jobs.path("hold"), "").unwrap();
    let mut first = jobs.spawn(&["run", "app"]);
    jobs.wait_for("begun");
    // A copy gives on what a backup makes.
    let copy = ["run", "app", "--only", "copy"];
    jobs.command(&copy).assert().code(4);
    jobs.command(&[&copy[..], &["--wait", "1s"]].concat()).assert().code(4);

    let waiting = |args: &[&str]| {
        let child = jobs.spawn(args);
        jobs.wait_until("it to wait", || jobs.said().contains("waiting for another run"));
        child
    };
    let backup = ["run", "app", "--only", "backup", "--wait", "1h"];
    let mut second = waiting(&backup);
    jobs.command(&backup).assert().code(4);
    let mut ended = waiting(&[&copy[..], &["--wait", "1h"]].concat());
    kill_process(Pid::from_child(&ended), Signal::TERM).unwrap();
    assert_eq!(ended.wait().unwrap().code(), Some(130));

    fs::remove_file(jobs.path("hold")).unwrap();
    assert!(first.wait().unwrap().success() && second.wait().unwrap().success());
    assert_eq!(count(&jobs, "one"), 2);
}

/// A source that became empty fails the run, and says which key allows it; with that it is captured as it is.
#[test]
fn a_source_may_be_allowed_to_become_empty() {
    let jobs = two();
    jobs.command(&["run", "app"]).assert().success();
    fs::remove_dir_all(jobs.path("src")).unwrap();
    fs::create_dir(jobs.path("src")).unwrap();
    let text = TWO.replace("\"sub/b\", ", "");
    jobs.write(&text);
    let said = jobs.complains(&["run", "app"]);
    assert!(said.contains("allow_empty = true"), "{said}");
    let allowed = "{ source = \"DIR/src\", allow_empty = true },";
    let text = text
        .replace("\"DIR/src\",", allowed)
        .replace("echo dumped\"", "true\", allow_empty = true");
    jobs.write(&text);
    jobs.command(&["run", "app"]).assert().success();
    assert_eq!(count(&jobs, "one"), 2);
}
