//! Which parts of a status are troubles to send alerts about.

use super::trouble::{Matter, State, Subject, Trouble, Troubles};
use crate::agent::report::{Fault, Outcome, Task};
use crate::agent::status::{JobStatus, RepositoryStatus, Status, TaskStatus, older};
use crate::env::Time;
use crate::text::age;
use std::collections::BTreeSet;
use std::time::Duration;

/// Runs in a row that may fail for a store that is away, where no `rpo` says how long that may last.
const OUTAGES: u32 = 1;

/// How long after the first look the agent may need to begin what was missed.
const MADE_UP: Duration = Duration::from_mins(5);

/// All that is wrong, and the services that should run again, by their jobs, and since when they stand still.
pub fn troubles(status: &Status, standing_still: &[(String, Time)]) -> Troubles {
    status.jobs.iter().flat_map(of_job).chain(of_services(standing_still)).collect()
}

/// Services that should run again, by their jobs, and since when they stand still.
pub fn of_services(standing_still: &[(String, Time)]) -> Troubles {
    let services = standing_still.iter().map(|(job, since)| {
        let reason = format!("stopped since {since}");
        (Subject::job(job, Matter::Services), Trouble::new(State::Stopped, &reason))
    });
    services.collect()
}

fn of_job(job: &JobStatus) -> Troubles {
    let mut troubles = Troubles::new();
    // A run that did several things failed once.
    let mut runs = BTreeSet::new();
    for task in &job.tasks {
        let subject = Subject::job(&job.job, matter(task.task));
        if let Some(trouble) = overdue(task) {
            troubles.insert(subject, trouble);
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
            troubles.insert(subject, Trouble::new(state, reason));
        }
    }
    for place in &job.repositories {
        let about = |matter| Subject::in_repository(&job.job, &place.repository, matter);
        troubles.extend(late(place).map(|trouble| (about(Matter::Age), trouble)));
        troubles.extend(damaged(place).map(|trouble| (about(Matter::Data), trouble)));
    }
    troubles
}

fn matter(task: Task) -> Matter {
    match task {
        Task::Backup => Matter::Backup,
        Task::Copy => Matter::Copy,
        Task::Prune => Matter::Prune,
        Task::Check => Matter::Check,
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
fn overdue(task: &TaskStatus) -> Option<Trouble> {
    let due = task.due_since.filter(|_| task.is_overdue)?;
    let reason = format!(
        "it was due at {due}, and has not begun; does the agent run, or whatever else keeps the schedule?"
    );
    Some(Trouble::new(State::Overdue, &reason).after(MADE_UP))
}

fn late(place: &RepositoryStatus) -> Option<Trouble> {
    let rpo = place.rpo.filter(|_| place.is_late)?;
    Some(match place.age {
        Some(old) => {
            let rpo = age(rpo);
            let old = older(old, &rpo);
            let reason = format!("the newest good snapshot is {old} old; {rpo} is allowed");
            Trouble::new(State::Late, &reason)
        }
        // A job that is new has as much time for its first snapshot as for any other.
        None => Trouble::new(State::Late, "there is no good snapshot that this host knows of")
            .after(Duration::try_from_secs_f64(rpo).unwrap_or(Duration::ZERO)),
    })
}

fn damaged(place: &RepositoryStatus) -> Option<Trouble> {
    (place.damage > 0).then(|| {
        let reason = format!("a check found errors: {}; `icecore check` names them", place.damage);
        Trouble::new(State::Damaged, &reason)
    })
}
