//! The history of runs: what is remembered, and what becomes of it when its file does not.

use super::file::Jobs;
use crate::common::cli::stderr;
use icecore::agent::history::{History, RunFilter};
use icecore::agent::run::{Outcome, Report, Step, Task};
use icecore::env::Time;
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Noon of a day in 2026, in seconds.
pub const NOON: i64 = 1_790_000_000 / 86_400 * 86_400 + 43_200;

/// So many minutes after noon.
pub fn at(minutes: i64) -> Time {
    Time((NOON + minutes * 60) * Time::SECOND)
}

/// `capture one`, what became of it, and figures.
pub type ReportedStep<'s> = (&'s str, Outcome, &'s [(&'s str, serde_json::Value)]);

/// A report of a run at a moment.
pub fn report(
    tasks: &[Task],
    moment: Time,
    outcome: Outcome,
    steps: &[ReportedStep<'_>],
) -> Report {
    let mut report = Report::new("app", tasks, None, "host".into(), moment);
    report.outcome = outcome;
    report.seconds = 1.0;
    for (step, outcome, figures) in steps {
        let (step, what) = step.split_once(' ').unwrap();
        let figures = figures.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        report.steps.push(Step {
            step: serde_json::from_value(step.into()).unwrap(),
            what: what.to_owned(),
            started: report.started.clone(),
            seconds: 1.0,
            outcome: *outcome,
            error: None,
            hint: None,
            warnings: Vec::new(),
            output: None,
            figures: figures.collect::<BTreeMap<_, _>>(),
        });
    }
    report
}

/// A good backup into `one`.
pub fn backup(moment: Time) -> Report {
    let figures =
        [("snapshot_id", "a1".into()), ("bytes", 1000.into()), ("bytes_written", 10.into())];
    report(&[Task::Backup], moment, Outcome::Done, &[("capture one", Outcome::Done, &figures)])
}

fn open(state: &Path) -> History {
    History::open(state).unwrap()
}

fn all(history: &History) -> usize {
    history.runs(&RunFilter { most: 1_000_000, ..RunFilter::default() }).unwrap().len()
}

/// Runs are remembered with what they did, and listed with the newest first, by job and by what was asked for.
#[test]
fn runs_are_remembered() {
    let state = tempfile::tempdir().unwrap();
    let history = open(state.path());
    history.record(&backup(at(0)), Some("0.json")).unwrap();
    let mut check =
        report(&[Task::Check], at(1), Outcome::Failed, &[("check one", Outcome::Failed, &[])]);
    check.reason = Some("rot".into());
    history.record(&check, None).unwrap();
    history.record(&backup(at(2)), Some("2.json")).unwrap();
    // The same report is remembered once.
    history.record(&backup(at(2)), Some("2.json")).unwrap();

    let runs = history.runs(&RunFilter::default()).unwrap();
    let begun: Vec<Time> = runs.iter().map(|run| run.started).collect();
    assert_eq!(begun, [at(2), at(1), at(0)]);
    assert_eq!(runs[1].reason.as_deref(), Some("rot"));
    assert_eq!(runs[2].file.as_deref(), Some("0.json"));
    let of = |job: Option<&str>, task| {
        let filter = RunFilter { job: job.map(str::to_owned), task, most: 9 };
        history.runs(&filter).unwrap().len()
    };
    assert_eq!(of(Some("app"), None), 3);
    assert_eq!(of(None, Some(Task::Backup)), 2);
    assert_eq!(of(Some("app"), Some(Task::Check)), 1);
    assert_eq!(of(Some("other"), Some(Task::Check)), 0);
    assert_eq!(history.last_run("app", Task::Backup).unwrap().unwrap().started, at(2));
    let good = |task| history.last_good("app", "one", task, at(9)).unwrap();
    assert_eq!(good(Task::Backup).unwrap().snapshot_id.as_deref(), Some("a1"));
    assert!(good(Task::Check).is_none());
    let works = history.works("app", "one", at(1)).unwrap();
    assert_eq!(works.len(), 2);
    assert_eq!(works[1].figure("bytes_written"), Some(10));
}

/// A history that is lost is made anew from the reports that are there, those of the time before there was one
/// among them, which do not say what was asked for.
#[test]
fn a_lost_history_comes_back() {
    let state = tempfile::tempdir().unwrap();
    for minute in 0..3 {
        backup(at(minute)).save(state.path()).unwrap();
    }
    let mut old = serde_json::to_value(backup(at(5))).unwrap();
    old.as_object_mut().unwrap().remove("tasks").unwrap();
    fs::write(state.path().join("runs/app/old.json"), old.to_string()).unwrap();
    fs::write(state.path().join("runs/app/none.json"), "{").unwrap();
    let history = open(state.path());
    assert_eq!(all(&history), 4);
    assert_eq!(history.last_run("app", Task::Backup).unwrap().unwrap().started, at(5));
    drop(history);
    // What is there is not taken in twice.
    assert_eq!(all(&open(state.path())), 4);
}

/// A broken file is put aside, told, and made anew, whatever is wrong with it.
#[test]
fn a_broken_history_is_put_aside() {
    for what in ["garbage", "cut", "tables", "page"] {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("history.sqlite");
        let name = backup(at(0)).save(state.path()).unwrap();
        let history = open(state.path());
        for minute in 1..200 {
            history.record(&backup(at(minute)), None).unwrap();
        }
        drop(history);
        let mut bytes = fs::read(&path).unwrap();
        match what {
            "garbage" => bytes.fill(7),
            "cut" => bytes.truncate(bytes.len() / 2),
            "page" => bytes[8192..].fill(0xff),
            _ => {
                let file = Connection::open(&path).unwrap();
                file.execute_batch("DROP TABLE works").unwrap();
                file.close().unwrap();
                bytes = fs::read(&path).unwrap();
            }
        }
        fs::write(&path, &bytes).unwrap();
        let history = open(state.path());
        let warnings: Vec<&str> = history.warnings().collect();
        assert_eq!(warnings.len(), 1, "{what}");
        assert!(warnings[0].contains("history.broken.sqlite"), "{what}: {warnings:?}");
        assert_eq!(fs::read(state.path().join("history.broken.sqlite")).unwrap(), bytes, "{what}");
        let runs = history.runs(&RunFilter::default()).unwrap();
        assert_eq!(runs.len(), 1, "{what}");
        assert_eq!(runs[0].file.as_ref(), Some(&name));
        drop(history);
        assert_eq!(open(state.path()).warnings().count(), 0);
    }
}

/// One that a newer icecore made, or that cannot be written, is left as it is; a run is done all the same, with a
/// warning.
#[test]
fn a_history_that_is_not_to_be_had_fails_no_run() {
    let jobs = Jobs::new();
    jobs.init(&["repo"]);
    jobs.write(
        "[repository.local]\nurl = \"DIR/repo\"\nkey_file = \"DIR/repo.key\"\n\
         [job.app]\nsource = \"DIR/src\"\nto = [\"local\"]\n",
    );
    jobs.command(&["run", "app"]).assert().success();
    let path = jobs.path("state/history.sqlite");
    let file = Connection::open(&path).unwrap();
    file.pragma_update(None, "user_version", 99).unwrap();
    file.close().unwrap();
    let before = fs::read(&path).unwrap();
    let run = jobs.command(&["run", "app"]).assert().success();
    assert!(stderr(&run).contains("newer icecore"), "{}", stderr(&run));
    assert_eq!(fs::read(&path).unwrap(), before);
    assert!(jobs.complains(&["status"]).contains("newer icecore"));

    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let run = jobs.command(&["run", "app"]).assert().success();
    assert!(stderr(&run).contains("lacks this one"), "{}", stderr(&run));
    fs::remove_dir(&path).unwrap();
    jobs.command(&["status"]).assert().success();
    assert_eq!(all(&open(&jobs.path("state"))), 3);
}

/// Several processes that make the file and write to it at once lose nothing.
#[test]
fn runs_that_end_at_once_are_all_remembered() {
    let state = tempfile::tempdir().unwrap();
    backup(at(-1)).save(state.path()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let state = state.path();
            scope.spawn(move || {
                for run in 0..5 {
                    let name = format!("{thread}-{run}");
                    open(state).record(&backup(at(run)), Some(&name)).unwrap();
                }
            });
        }
    });
    assert_eq!(all(&open(state.path())), 31);
}

/// Of very many runs the oldest are forgotten, but not the last one that was good.
#[test]
fn old_runs_are_forgotten() {
    let state = tempfile::tempdir().unwrap();
    let history = open(state.path());
    history.record(&backup(at(0)), None).unwrap();
    let file = Connection::open(state.path().join("history.sqlite")).unwrap();
    file.execute_batch(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20100) \
         INSERT INTO runs (job, tasks, started, seconds, outcome) \
         SELECT 'app', 'backup', i, 1.0, 'failed' FROM n",
    )
    .unwrap();
    let failed = report(&[Task::Backup], at(9), Outcome::Failed, &[]);
    history.record(&failed, None).unwrap();
    assert_eq!(all(&history), 20_001);
    let good = history.last_good("app", "one", Task::Backup, at(9)).unwrap();
    assert_eq!(good.unwrap().good, Some(at(0)));
}

/// Every table and column is explained.
#[test]
fn tables_are_documented() {
    let documented = include_str!("../../src/agent/status.md");
    let state = tempfile::tempdir().unwrap();
    drop(open(state.path()));
    let file = Connection::open(state.path().join("history.sqlite")).unwrap();
    let query = "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c \
                 WHERE t.type = 'table'";
    let mut statement = file.prepare(query).unwrap();
    let columns = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let columns: Vec<(String, String)> = columns.map(Result::unwrap).collect();
    assert!(columns.len() > 20);
    let tables = documented.split("## `history.sqlite`").nth(1).unwrap();
    for (table, column) in columns {
        let (_, rest) = tables.split_once(&format!("| `{table}` |")).expect(&table);
        let of_table = rest.split("\n| `").next().unwrap();
        assert!(of_table.contains(&format!("`{column}`")), "{table}.{column} is not explained");
    }
}
