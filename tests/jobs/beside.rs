//! Runs beside others, and runs that wait for somebody who says nothing.

use super::file::Jobs;
use super::service::{children, is_alive, kill_with_children};
use crate::common::cli::{lines, stdout};
use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::process::Child;

/// A job whose capture takes until the file `go` is there.
const FILE: &str = r#"
[job.app]
source = { command = "touch DIR/begun; while ! [ -e DIR/go ]; do sleep 0.05; done; echo x", name = "x" }
to = ["one"]
"#;

fn jobs(more: &str) -> Jobs {
    Jobs::with_one(&format!("{FILE}{more}"))
}

fn go(jobs: &Jobs) {
    fs::write(jobs.path("go"), "").unwrap();
}

fn waiting(jobs: &Jobs, args: &[&str]) -> Child {
    let child = jobs.spawn(args);
    jobs.wait_until("it to wait", || jobs.said().contains("waiting for another run"));
    child
}

/// Two jobs capture into one repository at once: what the quicker one has saved meanwhile is nothing that the
/// repository has lost.
#[test]
fn two_jobs_share_a_repository() {
    let jobs = jobs("[job.quick]\nsource = \"DIR/src\"\nto = [\"one\"]\n");
    fs::write(jobs.path("src/file"), "x").unwrap();
    let mut run = jobs.spawn(&["run", "app"]);
    jobs.wait_for("begun");
    jobs.command(&["run", "quick"]).assert().success();
    go(&jobs);
    assert!(run.wait().unwrap().success(), "{}", jobs.said());
    assert_eq!((&jobs.report()["outcome"], jobs.said().as_str()), (&"done".into(), ""));
}

/// One that waited for a run that dies leaves the report of that one, too.
#[test]
fn a_run_that_waited_reports_the_one_that_died() {
    let jobs = jobs("");
    let mut first = jobs.spawn(&["run", "app"]);
    jobs.wait_for("begun");
    let mut second = waiting(&jobs, &["run", "app", "--wait", "1h"]);
    go(&jobs);
    kill_with_children(&mut first);
    assert!(second.wait().unwrap().success(), "{}", jobs.said());
    let reports = fs::read_dir(jobs.path("state/runs/app")).unwrap();
    let reports: Vec<_> =
        reports.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    let died = reports.iter().filter(|report| report.contains("it died")).count();
    assert_eq!((reports.len(), died), (2, 1), "{reports:?}");
}

/// A lock that cannot be read keeps no other run that died from being reported.
#[test]
fn an_unreadable_lock_hides_no_other() {
    let jobs = jobs("[job.quick]\nsource = \"DIR/src\"\nto = [\"one\"]\n");
    for other in ["a", "z"] {
        fs::create_dir_all(jobs.path("state/locks").join(other).join("backup")).unwrap();
    }
    let mut run = jobs.spawn(&["run", "app"]);
    jobs.wait_for("begun");
    go(&jobs);
    kill_with_children(&mut run);
    jobs.command(&["run", "quick"]).assert().success();
    let reports = fs::read_dir(jobs.path("state/runs/app")).unwrap();
    assert_eq!(reports.count(), 1);
    assert!(stdout(&jobs.command(&["status"]).assert()).contains("it died"));
}

/// A run that is killed after it has left its report, and before it has ended, has no second one.
#[test]
fn a_run_has_one_report() {
    let jobs = jobs("[job.quick]\nsource = \"DIR/src\"\nto = [\"one\"]\n");
    let mut run = jobs.spawn(&["run", "app"]);
    jobs.wait_for("begun");
    let lock = jobs.path("state/locks/app/backup");
    let note = fs::read(&lock).unwrap();
    assert!(!note.is_empty());
    go(&jobs);
    assert!(run.wait().unwrap().success());
    fs::write(&lock, note).unwrap();
    jobs.command(&["run", "quick"]).assert().success();
    assert_eq!(fs::read(&lock).unwrap(), b"");
    assert_eq!(fs::read_dir(jobs.path("state/runs/app")).unwrap().count(), 1);
    let history = Connection::open(jobs.path("state/history.sqlite")).unwrap();
    let query = "SELECT group_concat(outcome) FROM runs WHERE job = 'app'";
    let outcomes: String = history.query_row(query, [], |row| row.get(0)).unwrap();
    assert_eq!(outcomes, "done");
}

/// Another repository in the place of one, as on a disk that is not mounted, is told once.
#[test]
fn another_repository_in_its_place_is_told() {
    let jobs = jobs("");
    go(&jobs);
    jobs.command(&["run", "app"]).assert().success();
    fs::remove_dir_all(jobs.path("one")).unwrap();
    fs::remove_file(jobs.path("one.key")).unwrap();
    // Nothing that could be used is there: somebody has to look.
    jobs.command(&["run", "app"]).assert().code(10);
    jobs.init(&["one"]);
    jobs.command(&["run", "app"]).assert().code(3);
    let reason = jobs.report()["reason"].to_string();
    assert!(reason.contains("another repository is there"), "{reason}");
    jobs.command(&["run", "app"]).assert().success();
}

/// A run that is asked to end does so while a command prints nothing, which ends with it; all that is said is JSON where
/// that was asked for.
#[test]
fn a_silent_command_holds_up_nobody() {
    let jobs = jobs("");
    let mut run = jobs.spawn(&["--json", "run", "app"]);
    jobs.wait_for("begun");
    let command = children(&run);
    assert_eq!(command.len(), 1);
    kill_process(Pid::from_child(&run), Signal::TERM).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(130));
    assert!(!is_alive(command[0]));
    let said = lines(&jobs.said());
    assert!(said.iter().any(|line| line["message_type"] == "note"), "{said:?}");
    assert_eq!(said.last().unwrap()["kind"], "interrupted");
}

/// The same of standard input, to which nobody writes.
#[test]
fn a_silent_input_holds_up_nobody() {
    let jobs = jobs("");
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = crate::common::program::program();
    command
        .env("ICECORE_REPOSITORY", jobs.path("one"))
        .env("ICECORE_STATE_DIR", jobs.path("state"));
    command.arg("--key-file").arg(jobs.path("one.key")).args(["backup", "--stdin"]);
    let mut run = command.stdin(reader).spawn().unwrap();
    let writers = jobs.path("one/writers");
    jobs.wait_until("it to begin", || fs::read_dir(&writers).is_ok_and(|it| it.count() > 0));
    kill_process(Pid::from_child(&run), Signal::TERM).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(130));
    drop(writer);
}
