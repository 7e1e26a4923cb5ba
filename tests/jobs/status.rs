//! `status`: what is late, what failed, and what comes next, at a moment that the tests choose.

use super::file::Jobs;
use super::history::{at, backup, report};
use crate::common::cli::{lines, stdout};
use icecore::agent::config::Config;
use icecore::agent::history::History;
use icecore::agent::run::{Outcome, Report, Task};
use icecore::agent::status::{JobStatus, Status, problems};
use icecore::env::Time;
use jiff::tz::TimeZone;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const HOUR: i64 = 60;

/// A job into two repositories, the second of which may be older.
const FILE: &str = r#"
[repository.one]
url = "/one"
key_file = "/key"
[repository.two]
url = "/two"
key_file = "/key"
[job.app]
source = "/src"
to = ["one", "two"]
schedule = { backup = "hourly", copy = "daily 03:00", check = "weekly" }
rpo = { one = "2h", two = "26h" }
"#;

/// A history of these reports.
pub struct Past {
    history: History,
    _state: tempfile::TempDir,
}

impl Past {
    pub fn of(reports: &[Report]) -> Self {
        let state = tempfile::tempdir().unwrap();
        let history = History::open(state.path()).unwrap();
        reports.iter().for_each(|report| history.record(report, None).unwrap());
        Past { history, _state: state }
    }

    pub fn at(&self, file: &str, now: Time) -> Status {
        let config = Config::parse(file, Path::new("config.toml")).unwrap();
        Status::of(&config, &self.history, now, &TimeZone::UTC).unwrap()
    }

    /// The one job at a moment, and whether all is well.
    fn job(&self, now: Time) -> JobStatus {
        let status = self.at(FILE, now);
        let [job] = <[JobStatus; 1]>::try_from(status.jobs).unwrap();
        assert_eq!(status.is_well, job.is_well);
        job
    }
}

/// A copy into `two` that left the snapshot of a moment there.
fn copy(moment: Time, newest: &str) -> Report {
    let figures = [
        ("copied", 1.into()),
        ("bytes_written", 7.into()),
        ("newest", newest.into()),
        ("newest_id", "b2".into()),
    ];
    let step = ("copy one to two", Outcome::Done, figures.as_slice());
    report(&[Task::Copy], moment, Outcome::Done, &[step])
}

fn late(job: &JobStatus) -> Vec<&str> {
    let late = job.repositories.iter().filter(|place| place.is_late);
    late.map(|place| place.repository.as_str()).collect()
}

/// The file without what a key says.
fn without(key: &str) -> String {
    FILE.lines().filter(|line| !line.starts_with(key)).collect::<Vec<_>>().join("\n")
}

/// A repository is late when its newest good snapshot is older than `rpo` says of it; a copy is as old as what
/// it is a copy of.
#[test]
fn repositories_are_late_by_themselves() {
    let past = Past::of(&[backup(at(0)), copy(at(HOUR), &backup(at(0)).started)]);
    for (now, expected) in [
        (at(2 * HOUR), &[][..]),
        (at(2 * HOUR + 1), &["one"]),
        (at(26 * HOUR), &["one"]),
        (at(26 * HOUR + 1), &["one", "two"]),
    ] {
        let status = past.at(&without("schedule"), now);
        assert_eq!(late(&status.jobs[0]), expected, "{now}");
        assert_eq!(status.is_well, expected.is_empty());
    }
    let job = past.job(at(2 * HOUR));
    let ids = job.repositories.iter().map(|it| it.last_good.as_ref().unwrap().snapshot_id.clone());
    assert_eq!(ids.collect::<Vec<_>>(), [Some("a1".into()), Some("b2".into())]);
    assert_eq!(job.repositories[1].age, Some(7200.0));
    assert_eq!(job.bytes, Some(1000));
    let said = problems(&past.at(&without("schedule"), at(3 * HOUR)).jobs[0]);
    assert_eq!(said, ["app: LATE: in one, the newest good snapshot is 3 h old; 2 h is allowed"]);
}

/// A history that ended weeks ago is an old one, whatever was good in it.
#[test]
fn an_old_history_is_late() {
    let past = Past::of(&[backup(at(0))]);
    let job = past.job(at(60 * 24 * HOUR));
    assert_eq!(late(&job), ["one", "two"]);
    assert!(job.repositories[0].growth.is_empty());
    assert!(job.tasks[0].due_since.is_some());
}

/// A job that never ran is late where the file says how old a snapshot may be, and nowhere else.
#[test]
fn what_never_ran_is_late_by_rpo_alone() {
    let past = Past::of(&[]);
    let job = past.job(at(0));
    assert_eq!(late(&job), ["one", "two"]);
    assert!(problems(&job)[0].contains("in one, there is no good snapshot"));
    assert!(job.tasks.iter().all(|task| task.due_since.is_none() && task.next.is_some()));
    assert!(past.at(&without("rpo"), at(0)).is_well);
}

/// What failed last stays so until it goes well, whatever else goes well meanwhile.
#[test]
fn a_failure_lasts_until_the_same_goes_well() {
    let check = |minute, outcome| {
        report(&[Task::Check], at(minute), outcome, &[("check one", outcome, &[])])
    };
    let mut reports =
        vec![copy(at(0), &backup(at(0)).started), check(1, Outcome::Failed), backup(at(2))];
    let job = Past::of(&reports).job(at(3));
    assert!(late(&job).is_empty() && !job.is_well);
    assert!(problems(&job)[0].contains("the last check FAILED"), "{:?}", problems(&job));
    assert!(job.repositories[0].last_check.is_none());
    reports.push(check(4, Outcome::Done));
    let job = Past::of(&reports).job(at(5));
    assert!(job.is_well);
    assert_eq!(job.repositories[0].last_check.as_ref().unwrap().started, at(4));
}

/// A job with one repository has no copies, whatever its runs were asked for; copies that have no time of their own
/// come after every backup.
#[test]
fn copies_are_told_where_there_are_any() {
    let both = [Task::Backup, Task::Copy];
    let past = Past::of(&[report(&both, at(0), Outcome::Failed, &[])]);
    let one = FILE.replace("[\"one\", \"two\"]", "[\"one\"]").replace(", two = \"26h\"", "");
    for (file, copies) in [(one, 0), (FILE.replace("copy = \"daily 03:00\", ", ""), 1)] {
        let job = &past.at(&file, at(1)).jobs[0];
        let found = job.tasks.iter().filter(|task| task.task == Task::Copy);
        assert_eq!(found.clone().count(), copies);
        assert!(found.clone().all(|task| task.follows_backup));
        let said = problems(job).into_iter().filter(|it| it.contains("copy FAILED"));
        assert_eq!(said.count(), copies);
    }
}

/// Each repository in which a check found damage is named with its own errors.
#[test]
fn all_damage_is_told() {
    let damaged = [1, 2].map(|errors| [("damaged", errors.into())]);
    let steps = [
        ("check one", Outcome::Failed, damaged[0].as_slice()),
        ("check two", Outcome::Failed, damaged[1].as_slice()),
    ];
    let past = Past::of(&[report(&[Task::Check], at(0), Outcome::Failed, &steps)]);
    let said = problems(&past.job(at(1)));
    let jobs = Jobs::new();
    jobs.write(FILE);
    let checked = report(&[Task::Check], at(0), Outcome::Failed, &steps);
    History::open(&jobs.path("state")).unwrap().record(&checked, None).unwrap();
    let table = stdout(&jobs.command(&["status"]).assert().code(3));
    for row in ["DAMAGED, 1 error ", "DAMAGED, 2 errors"] {
        assert!(table.contains(row), "{table}");
    }
    for sentence in
        ["in one, the last check found 1 error;", "in two, the last check found 2 errors;"]
    {
        assert!(said.iter().any(|it| it.contains(sentence)), "{said:?}");
    }
}

/// No capture is good that lacks something, that lacks what must be there, or whose services ran meanwhile; one
/// that went well in a run that failed for something else is.
#[test]
fn only_whole_captures_are_good() {
    let capture = |outcome| ("capture one", outcome, &[][..]);
    let because = |because: &str| [("because", Value::from(because))];
    let (overdue, asked) = (because("overdue"), because("asked"));
    for (steps, is_good) in [
        (vec![capture(Outcome::Done)], true),
        (vec![capture(Outcome::Incomplete)], false),
        (vec![capture(Outcome::Failed)], false),
        (vec![capture(Outcome::Done), ("contents a.db", Outcome::Failed, &[])], false),
        (vec![capture(Outcome::Done), ("start up", Outcome::Done, &overdue)], false),
        (vec![capture(Outcome::Done), ("start up", Outcome::Failed, &asked)], true),
        (vec![capture(Outcome::Done), ("copy one to two", Outcome::Failed, &[])], true),
        (vec![("open one", Outcome::Failed, &[])], false),
    ] {
        let past = Past::of(&[report(&[Task::Backup], at(0), Outcome::Failed, &steps)]);
        let job = past.job(at(1));
        assert_eq!(late(&job).contains(&"one"), !is_good, "{steps:?}");
        assert!(!job.is_well);
    }
}

/// A repository that was missed is late by itself: the run went into the other one.
#[test]
fn a_missed_repository_is_late() {
    let figures = [("snapshot_id", "c3".into())];
    let steps = [("open one", Outcome::Failed, &[][..]), ("capture two", Outcome::Done, &figures)];
    let past = Past::of(&[report(&[Task::Backup], at(0), Outcome::Incomplete, &steps)]);
    let job = past.job(at(1));
    assert_eq!(late(&job), ["one"]);
    assert!(problems(&job)[1].contains("warning: the last backup was incomplete"));
}

/// What a clock that was far ahead has dated is not taken for new for years; the last that was dated well is.
#[test]
fn a_clock_that_was_ahead_makes_nothing_new() {
    let past = Past::of(&[backup(at(0)), backup(at(365 * 24 * HOUR))]);
    let job = past.job(at(HOUR));
    assert_eq!(job.repositories[0].age, Some(3600.0));
    assert_eq!(late(&past.job(at(3 * HOUR))), ["one", "two"]);
}

/// What is due next is told, and what should have been done by now.
#[test]
fn what_comes_next_is_told() {
    let past = Past::of(&[backup(at(1))]);
    let job = past.job(at(30));
    let next = |job: &JobStatus| {
        job.tasks.iter().map(|task| (task.next, task.due_since)).collect::<Vec<_>>()
    };
    assert_eq!(next(&job)[0], (Some(at(60)), None));
    assert_eq!(next(&job)[1], (Some(at(15 * HOUR)), None));
    let job = past.job(at(3 * HOUR + 5));
    assert_eq!(next(&job)[0], (Some(at(4 * HOUR)), Some(at(HOUR))));
}

/// Growth is told by days of the time zone.
#[test]
fn growth_is_told_by_day() {
    let reports: Vec<Report> = (0..40).map(|hour| backup(at(hour * HOUR))).collect();
    let job = Past::of(&reports).job(at(40 * HOUR));
    let growth = &job.repositories[0].growth;
    let days: Vec<u64> = growth.iter().map(|day| day.bytes_written).collect();
    assert_eq!(days, [120, 240, 40]);
}

/// The real thing: runs leave what `status` reads, its exit code tells whether all is well, and every key is
/// documented.
#[test]
fn status_is_told() {
    let jobs = Jobs::new();
    jobs.init(&["one", "two"]);
    let file = FILE.replace("\"/key\"\n[repository.two]", "\"DIR/one.key\"\n[repository.two]");
    let file = file.replace("\"/key\"", "\"DIR/two.key\"").replace("\"/", "\"DIR/");
    jobs.write(&format!("[defaults]\nenvironment = \"testing\"\n{file}"));
    let run = jobs.command(&["status"]).assert().code(3);
    assert!(stdout(&run).contains("in two, there is no good snapshot"), "{}", stdout(&run));

    jobs.command(&["run", "app", "--only", "backup,copy,prune,check"]).assert().success();
    let said = stdout(&jobs.command(&["status"]).assert().success());
    assert!(said.contains("next: backup ") && !said.contains("LATE"), "{said}");
    let status = &lines(&stdout(&jobs.command(&["--json", "status"]).assert().success()))[0];
    let job = &status["jobs"][0];
    let two = jobs.of("two", &["snapshots"]);
    let two = two[0].as_array().map_or(&two[0], |list| &list[0]);
    assert_eq!(job["repositories"][1]["last_good"]["snapshot_id"], two["id"], "{job}");
    let captured = |place: usize| &job["repositories"][place]["last_good"]["captured"];
    assert_eq!(captured(0), captured(1));
    assert!(job["repositories"][0]["last_check"]["bytes_stored"].as_u64().unwrap() > 0);
    assert!(job["repositories"][0]["growth"][0]["bytes_written"].as_u64().unwrap() > 0);
    assert_eq!(job["tasks"].as_array().unwrap().len(), 4);

    // Nothing was new: the copy that is there stays good.
    jobs.command(&["run", "app", "--only", "copy"]).assert().success();
    let again = &lines(&stdout(&jobs.command(&["--json", "status"]).assert().success()))[0];
    let good = |status: &Value| status["jobs"][0]["repositories"][1]["last_good"].clone();
    assert_eq!(good(again), good(status));

    fs::rename(jobs.path("two"), jobs.path("away")).unwrap();
    jobs.command(&["run", "app", "--only", "check"]).assert().failure();
    let run = jobs.command(&["--json", "status"]).assert().code(3);
    let failed = &lines(&stdout(&run))[0];
    let run = &failed["jobs"][0]["tasks"][3]["last_run"];
    assert_eq!((&run["outcome"], &failed["is_well"]), (&"failed".into(), &false.into()));
    assert!(jobs.path("state/runs/app").join(run["file"].as_str().unwrap()).exists());

    let documented = include_str!("../../src/agent/status.md");
    let documented = documented.split("## `history.sqlite`").next().unwrap();
    let mut keys = BTreeSet::new();
    collect(status, &mut keys);
    collect(failed, &mut keys);
    assert!(keys.len() > 25, "{keys:?}");
    for key in keys {
        assert!(documented.contains(&format!("`{key}`")), "{key} is not explained");
    }
}

/// All keys of an object and what is in it.
fn collect(value: &Value, keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                keys.insert(key.clone());
                collect(value, keys);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, keys)),
        _ => {}
    }
}
