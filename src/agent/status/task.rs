//! What a job does, when it was done last, and when it is done next.

use super::context::Context;
use super::{moment, moment_if_any};
use crate::agent::config::Job;
use crate::agent::daemon::tasks_of;
use crate::agent::history::{PastRun, RunFilter};
use crate::agent::report::{Fault, Outcome, Task};
use crate::env::Time;
use crate::error::Result;
use serde::Serialize;
use std::time::Duration;

/// Runs that are looked at for how many in a row did not go well.
const ROW: u32 = 10;

/// One of the things that a job does.
#[derive(Clone, Debug, Serialize)]
pub struct TaskStatus {
    /// Which.
    pub task: Task,
    /// When it is to be done, as the file has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// Whether it has no time of its own, and is done after every backup.
    pub follows_backup: bool,
    /// When it is due next.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "moment_if_any")]
    pub next: Option<Time>,
    /// Since when it is due and was not begun, as far as this host can know.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "moment_if_any")]
    pub due_since: Option<Time>,
    /// Whether that is so long ago that nobody seems to keep the schedule.
    pub is_overdue: bool,
    /// The last run that did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_run: Option<LastRun>,
    /// How many of the last runs in a row did not go well, ten at most.
    pub not_well_in_a_row: u32,
}

/// A run that is over.
#[derive(Clone, Debug, Serialize)]
pub struct LastRun {
    /// When it began.
    #[serde(serialize_with = "moment")]
    pub started: Time,
    /// How long it took.
    pub seconds: f64,
    /// Its outcome.
    pub outcome: Outcome,
    /// Why it failed, or what is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What sort of reasons there were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// Seconds for which services were stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downtime: Option<f64>,
    /// The name of its report, in the folder of the job's reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

impl TaskStatus {
    /// At a moment; none if it is never done by itself and never was, or has nothing to do.
    pub fn of(context: &Context<'_>, name: &str, job: &Job, task: Task) -> Result<Option<Self>> {
        let Context { history, now, zone, .. } = *context;
        // Where there is one repository, a run has nothing to copy, whatever it was asked for.
        if task == Task::Copy && job.repositories().nth(1).is_none() {
            return Ok(None);
        }
        let schedule = job.schedule_of(task);
        let follows_backup = task == Task::Copy && tasks_of(job, Task::Backup).contains(&task);
        let last_run = history.last_run(name, task)?;
        let not_well_in_a_row = match &last_run {
            Some(run) if is_not_well(run) => {
                let filter = RunFilter { job: Some(name.to_owned()), task: Some(task), most: ROW };
                history.runs(&filter)?.iter().take_while(|run| is_not_well(run)).map(|_| 1).sum()
            }
            _ => 0,
        };
        let last_run = last_run.map(LastRun::from);
        if schedule.is_none() && last_run.is_none() && !follows_backup {
            return Ok(None);
        }
        let next = |after: Time| schedule.as_ref()?.value.next(after, zone);
        let text = schedule.as_ref().map(ToString::to_string);
        let served = text.as_ref().and_then(|text| context.nothing_missed_before(name, task, text));
        // What was due while it ran is not made up by everybody who keeps schedules.
        let due = last_run.as_ref().map(LastRun::ended).max(served).and_then(next);
        let due_since = due.filter(|due| *due <= now);
        Ok(Some(TaskStatus {
            task,
            follows_backup,
            next: next(now),
            due_since,
            is_overdue: due_since.is_some_and(|due| context.is_overdue(name, task, due)),
            schedule: text,
            last_run,
            not_well_in_a_row,
        }))
    }
}

fn is_not_well(run: &PastRun) -> bool {
    run.outcome > Outcome::Skipped
}

impl LastRun {
    fn ended(&self) -> Time {
        self.started + Duration::try_from_secs_f64(self.seconds).unwrap_or_default()
    }
}

impl From<PastRun> for LastRun {
    fn from(run: PastRun) -> Self {
        let PastRun { started, seconds, outcome, reason, fault, downtime, file, .. } = run;
        LastRun { started, seconds, outcome, reason, fault, downtime, file }
    }
}
