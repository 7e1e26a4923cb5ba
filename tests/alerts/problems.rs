//! What of a status is trouble that people are told, and what Prometheus is told of it.

use crate::jobs::history::{at, backup, report};
use crate::jobs::status::Past;
use icecore::agent::alert::{Aspect, Ping, State, problems};
use icecore::agent::metrics;
use icecore::agent::run::{Fault, Outcome, Report, Task};
use icecore::agent::status::Status;
use icecore::env::Time;
use std::time::Duration;

/// A job into two repositories.
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
schedule = { backup = "hourly", check = "weekly" }
"#;

const RPO: &str = "rpo = { one = \"2h\", two = \"26h\" }\n";

fn status(file: &str, reports: &[Report], now: Time) -> Status {
    Past::of(reports).at(file, now)
}

/// What is wrong, and in which state.
fn wrong(file: &str, reports: &[Report], now: Time) -> Vec<(Aspect, Option<String>, State)> {
    let found = problems(&status(file, reports, now), &[]);
    found.into_iter().map(|(subject, it)| (subject.aspect, subject.repository, it.state)).collect()
}

/// A run that did not go well for such a reason.
fn bad(tasks: &[Task], minute: i64, outcome: Outcome, fault: Fault) -> Report {
    Report { fault: Some(fault), ..report(tasks, at(minute), outcome, &[]) }
}

/// A run that was to do several things is told once, under the first; a later one that goes well ends it.
#[test]
fn a_run_is_told_once() {
    let both = [Task::Backup, Task::Copy];
    let mut runs = vec![bad(&both, 0, Outcome::Failed, Fault::Other)];
    assert_eq!(wrong(FILE, &runs, at(1)), [(Aspect::Backup, None, State::Failed)]);
    runs.push(bad(&both, 2, Outcome::Incomplete, Fault::Other));
    assert_eq!(wrong(FILE, &runs, at(3)), [(Aspect::Backup, None, State::Incomplete)]);
    runs.push(bad(&[Task::Check], 4, Outcome::Failed, Fault::Other));
    runs.push(report(&both, at(5), Outcome::Done, &[]));
    assert_eq!(wrong(FILE, &runs, at(6)), [(Aspect::Check, None, State::Failed)]);
}

/// A store that is away is told when `rpo` breaks, or after the second run where no `rpo` says when that is; other
/// failures are told at once.
#[test]
fn outages_are_told_when_they_last() {
    let with_rpo = format!("{FILE}{RPO}");
    let away = |minute| bad(&[Task::Backup], minute, Outcome::Failed, Fault::Away);
    let check = |minute| bad(&[Task::Check], minute, Outcome::Failed, Fault::Away);
    let runs = [backup(at(0)), away(60), away(90), away(115)];
    let of = |list: Vec<(Aspect, Option<String>, State)>| -> Vec<Aspect> {
        let one = list.into_iter().filter(|(_, place, _)| place.as_deref() != Some("two"));
        one.map(|(aspect, _, _)| aspect).collect()
    };
    assert_eq!(of(wrong(&with_rpo, &runs, at(120))), []);
    assert_eq!(of(wrong(&with_rpo, &runs, at(121))), [Aspect::Age]);
    assert_eq!(of(wrong(FILE, &runs[..2], at(70))), []);
    assert_eq!(of(wrong(FILE, &runs[..3], at(100))), [Aspect::Backup]);
    assert_eq!(of(wrong(&with_rpo, &[backup(at(0)), check(1)], at(2))), []);
    assert_eq!(of(wrong(&with_rpo, &[backup(at(0)), check(1), check(2)], at(3))), [Aspect::Check]);
    let other = bad(&[Task::Backup], 1, Outcome::Failed, Fault::Other);
    assert_eq!(of(wrong(&with_rpo, &[backup(at(0)), other], at(3))), [Aspect::Backup]);
}

/// A run that failed for a store that is away ends for somebody outside as well: well while the job is within `rpo`, and
/// not where nothing says how long that may last.
#[test]
fn the_outside_hears_the_end_of_every_run() {
    let file = FILE.replace("[\"one\", \"two\"]", "[\"one\"]");
    let with_rpo = format!("{file}rpo = \"2h\"\n");
    for (file, minute, ping) in [
        (&with_rpo, 110, Ping::Success),
        (&with_rpo, 125, Ping::Failure),
        (&file, 110, Ping::Failure),
    ] {
        let away = bad(&[Task::Backup], 60, Outcome::Failed, Fault::Away);
        let status = status(file, &[backup(at(0)), away], at(minute));
        let job = status.jobs.first();
        assert_eq!(Ping::of_end(Outcome::Failed, job), ping, "{file} {minute}");
        assert_eq!(Ping::of_end(Outcome::Done, job), Ping::Success);
    }
    assert_eq!(Ping::of_end(Outcome::Failed, None), Ping::Failure);
}

/// Damage is told of the repository that has it, until a check finds none; a check that could not be done ends
/// nothing.
#[test]
fn damage_is_told_until_a_check_finds_none() {
    let check = |minute, damaged: u64| {
        let outcome = if damaged > 0 { Outcome::Failed } else { Outcome::Done };
        let figures = [("errors", damaged.into()), ("damaged", damaged.into())];
        let step = ("check two", outcome, figures.as_slice());
        let fault = (damaged > 0).then_some(Fault::Damaged);
        Report { fault, ..report(&[Task::Check], at(minute), outcome, &[step]) }
    };
    let damaged = (Aspect::Data, Some("two".to_owned()), State::Damaged);
    assert_eq!(wrong(FILE, &[check(0, 3)], at(1)), std::slice::from_ref(&damaged));
    let step = ("check two", Outcome::Failed, [].as_slice());
    let away = report(&[Task::Check], at(1), Outcome::Failed, &[step]);
    let away = Report { fault: Some(Fault::Away), ..away };
    assert!(wrong(FILE, &[check(0, 3), away], at(2)).contains(&damaged));
    assert_eq!(wrong(FILE, &[check(0, 3), check(2, 0)], at(3)), []);
}

/// What is older than it may be is told with both ages; a job that never ran has as long for its first snapshot.
#[test]
fn lateness_is_told() {
    let file = format!("{FILE}{RPO}");
    let found = problems(&status(&file, &[backup(at(0))], at(185)), &[]);
    let late = found.iter().filter(|(_, it)| it.state == State::Late);
    let late: Vec<_> = late.map(|(subject, it)| (subject.to_string(), it)).collect();
    assert_eq!(late[0].0, "app in one");
    assert_eq!(late[0].1.reason, "the newest good snapshot is 3 h 5 min old; 2 h is allowed");
    assert_eq!(
        (late[0].1.min_duration, late[1].1.min_duration),
        (Duration::ZERO, Duration::from_hours(26))
    );
}

/// What was due and has not begun is told of each task, whatever became of its last run, once nobody can be about to make
/// it up; without an agent, what is due counts from the last run.
#[test]
fn what_is_overdue_is_told() {
    let week = 7 * 24 * 60;
    for (minute, matters) in [
        (59, [].as_slice()),
        (70, &[Aspect::Backup]),
        (week + 70, &[Aspect::Backup, Aspect::Check]),
    ] {
        let runs = [
            report(&[Task::Check], at(0), Outcome::Done, &[]),
            bad(&[Task::Backup], 1, Outcome::Failed, Fault::Other),
        ];
        let found = problems(&status(FILE, &runs, at(minute)), &[]);
        let overdue: Vec<_> = found.iter().filter(|(_, it)| it.state == State::Overdue).collect();
        let of: Vec<_> = overdue.iter().map(|(subject, _)| subject.aspect).collect();
        assert_eq!(of, matters, "{minute}");
        for (subject, problem) in overdue {
            assert!(subject.describe(problem.state).ends_with(" is overdue"));
            assert!(
                problem.reason.contains(" was due at ") && problem.min_duration > Duration::ZERO
            );
        }
    }
}

/// Services that stand still for too long are told, with their job.
#[test]
fn services_that_stand_still_are_told() {
    let found = problems(&status(FILE, &[], at(0)), &[("app".to_owned(), at(-10))]);
    let (subject, problem) = found.first_key_value().unwrap();
    assert_eq!(subject.describe(problem.state), "app: services were not started again");
}

/// Every figure has a type and a help, names end with their units, and labels are those of jobs, repositories and
/// tasks; what is not known is left out.
#[test]
fn figures_are_told() {
    let failed = bad(&[Task::Backup], 60, Outcome::Failed, Fault::Other);
    let text = metrics::text(&status(&format!("{FILE}{RPO}"), &[backup(at(0)), failed], at(130)));
    let seconds = |time: Time| time.0 / Time::SECOND;
    for line in [
        format!("icecore_status_timestamp_seconds {}", seconds(at(130))),
        format!(
            "icecore_last_success_timestamp_seconds{{job=\"app\",repository=\"one\"}} {}",
            seconds(at(0))
        ),
        "icecore_late{job=\"app\",repository=\"one\"} 1".to_owned(),
        "icecore_rpo_seconds{job=\"app\",repository=\"two\"} 93600".to_owned(),
        format!(
            "icecore_last_run_timestamp_seconds{{job=\"app\",task=\"backup\"}} {}",
            seconds(at(60))
        ),
        "icecore_last_run_duration_seconds{job=\"app\",task=\"backup\"} 1".to_owned(),
        "icecore_last_run_outcome{job=\"app\",task=\"backup\",outcome=\"failed\"} 1".to_owned(),
        "icecore_last_run_outcome{job=\"app\",task=\"backup\",outcome=\"done\"} 0".to_owned(),
        "icecore_snapshot_bytes{job=\"app\"} 1000".to_owned(),
        "icecore_damage{job=\"app\",repository=\"two\"} 0".to_owned(),
    ] {
        assert!(text.lines().any(|found| found == line), "{line}:\n{text}");
    }
    assert!(
        !text.contains("icecore_last_success_timestamp_seconds{job=\"app\",repository=\"two\"}")
    );
    let mut family = "";
    for line in text.lines() {
        match line.strip_prefix("# TYPE ") {
            Some(told) => family = told.strip_suffix(" gauge").unwrap(),
            None => assert!(line.starts_with("# HELP ") || line.starts_with(family), "{line}"),
        }
    }
}
