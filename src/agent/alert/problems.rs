//! Which parts of a status are troubles to send alerts about.

use super::problem::{Aspect, Problem, Problems, State, Subject};
use crate::agent::report::{Fault, Outcome, Task};
use crate::agent::status::{JobStatus, RepositoryStatus, Status, TaskStatus};
use crate::env::Time;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;
use std::time::Duration;

/// Runs in a row that may fail for a store that is away, where no `rpo` says how long that may last.
const OUTAGES: u32 = 1;

/// How long after the first look the agent may need to begin what was missed.
const MADE_UP: Duration = Duration::from_mins(5);

/// All that is wrong, and the services that should run again, by their jobs, and since when they are stopped.
pub fn problems(status: &Status, stopped: &[(String, Time)]) -> Problems {
    status.jobs.iter().flat_map(of_job).chain(of_services(stopped)).collect()
}

/// Services that should run again, by their jobs, and since when they are stopped.
pub fn of_services(stopped: &[(String, Time)]) -> Problems {
    let services = stopped.iter().map(|(job, since)| {
        let reason = format!("stopped since {since}");
        (Subject::job(job, Aspect::Services), Problem::new(State::Stopped, &reason))
    });
    services.collect()
}

fn of_job(job: &JobStatus) -> Problems {
    let mut problems = Problems::new();
    // A run that did several things failed once.
    let mut runs = BTreeSet::new();
    for task in &job.tasks {
        let subject = Subject::job(&job.job, aspect(task.task));
        if let Some(problem) = overdue(task, &job.zone) {
            problems.insert(subject, problem);
            continue;
        }
        let Some(run) = &task.last_run else { continue };
        let is_first = runs.insert((run.started, run.file.clone()));
        let state = match run.outcome {
            Outcome::Failed => State::Failed,
            Outcome::Incomplete => State::Incomplete,
            Outcome::Done | Outcome::Skipped => continue,
        };
        if is_first && !is_outage_that_may_pass(job, task) && !is_told_as_damage(job, task) {
            let reason = run.reason.as_deref().unwrap_or_default();
            problems.insert(subject, Problem::new(state, reason));
        }
    }
    for place in &job.repositories {
        let about = |aspect| Subject::in_repository(&job.job, &place.repository, aspect);
        problems.extend(late(place).map(|problem| (about(Aspect::Age), problem)));
        problems.extend(damaged(place).map(|problem| (about(Aspect::Data), problem)));
    }
    problems
}

fn aspect(task: Task) -> Aspect {
    match task {
        Task::Backup => Aspect::Backup,
        Task::Copy => Aspect::Copy,
        Task::Prune => Aspect::Prune,
        Task::Check => Aspect::Check,
    }
}

/// A store that is away is no news before the snapshots there are too old; where nothing says how old they may
/// become, and for what makes no snapshots, one run may fail for it.
fn is_outage_that_may_pass(job: &JobStatus, task: &TaskStatus) -> bool {
    let is_outage = task.last_run.as_ref().is_some_and(|run| run.fault == Some(Fault::Away));
    let makes_snapshots = matches!(task.task, Task::Backup | Task::Copy);
    let has_rpo = job.repositories.iter().all(|place| place.rpo.is_some());
    is_outage && (makes_snapshots && has_rpo || task.not_well_in_a_row <= OUTAGES)
}

/// Which repository is damaged says more.
fn is_told_as_damage(job: &JobStatus, task: &TaskStatus) -> bool {
    let found_damage = task.last_run.as_ref().is_some_and(|run| run.fault == Some(Fault::Damaged));
    task.task == Task::Check && found_damage && job.repositories.iter().any(|it| it.damage > 0)
}

/// That nobody keeps its schedule matters more than the outcome of its last run. What was missed while the machine was off
/// is made up just now.
fn overdue(task: &TaskStatus, zone: &TimeZone) -> Option<Problem> {
    task.overdue(zone).map(|reason| Problem::new(State::Overdue, &reason).after(MADE_UP))
}

fn late(place: &RepositoryStatus) -> Option<Problem> {
    let problem = Problem::new(State::Late, &place.late()?);
    Some(match (place.age, place.rpo) {
        // A job that is new has as much time for its first snapshot as for any other.
        (None, Some(rpo)) => problem.after(Duration::try_from_secs_f64(rpo).unwrap_or_default()),
        _ => problem,
    })
}

fn damaged(place: &RepositoryStatus) -> Option<Problem> {
    place.damaged().map(|reason| Problem::new(State::Damaged, &reason))
}
