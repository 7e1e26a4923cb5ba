//! Sentences that say what is wrong.

use super::{JobStatus, RepositoryStatus, Stopped, TaskStatus};
use crate::agent::report::{Fault, Outcome};
use crate::text::{age, count};
use jiff::tz::TimeZone;

/// That there is no job.
pub const NO_JOB: &str = "the file has no job: nothing is backed up";

/// The age of something that is older than allowed, to the second where it is nearly as allowed.
fn older(seconds: f64, allowed: &str) -> String {
    let old = age(seconds);
    let rest = (seconds % 60.0).floor();
    match old == allowed {
        true if seconds < 60.0 => format!("{rest:.0} s"),
        true => format!("{old} {rest:.0} s"),
        false => old,
    }
}

/// What is wrong with a job, each in a sentence: what is late, damaged or overdue, and what did not go well the last time.
pub fn problems(job: &JobStatus) -> Vec<String> {
    let late = job.repositories.iter().filter_map(|place| late(&job.job, place));
    let overdue = job.tasks.iter().filter_map(|task| overdue(job, task));
    let damaged = job.repositories.iter().filter_map(|place| damaged(&job.job, place));
    late.chain(damaged)
        .chain(overdue)
        .chain(job.tasks.iter().filter_map(|task| not_well(job, task)))
        .collect()
}

/// That services are stopped that should not be.
pub fn stopped(stopped: &Stopped, zone: &TimeZone) -> String {
    let (job, since) = (&stopped.job, stopped.since.stated_in(zone));
    format!(
        "{job}: STOPPED: its services have been stopped since {since}, and were not started again: run \
         `icecore schedule --start-stopped`"
    )
}

impl RepositoryStatus {
    /// In which way it is late.
    pub fn late(&self) -> Option<String> {
        let rpo = self.rpo.filter(|_| self.is_late).map(age)?;
        Some(match self.age {
            Some(old) => {
                let old = older(old, &rpo);
                format!("the newest good snapshot is {old} old; {rpo} is allowed")
            }
            None => "there is no good snapshot that this host knows of".to_owned(),
        })
    }

    /// In which way it is damaged.
    pub fn damaged(&self) -> Option<String> {
        let errors = (self.damage > 0).then(|| count(self.damage, "error"))?;
        Some(format!("the last check found {errors}; `icecore check` names them"))
    }
}

impl TaskStatus {
    /// In which way it is overdue.
    pub fn overdue(&self, zone: &TimeZone) -> Option<String> {
        let due = self.due_since.filter(|_| self.is_overdue)?.stated_in(zone);
        let what = self.task.name();
        Some(format!(
            "the {what} was due at {due}, and no run has started; is the agent or the timer running?"
        ))
    }
}

fn late(job: &str, place: &RepositoryStatus) -> Option<String> {
    Some(format!("{job}: LATE: in {}, {}", place.repository, place.late()?))
}

fn damaged(job: &str, place: &RepositoryStatus) -> Option<String> {
    Some(format!("{job}: DAMAGED: in {}, {}", place.repository, place.damaged()?))
}

fn overdue(job: &JobStatus, task: &TaskStatus) -> Option<String> {
    let reason = task.overdue(&job.zone)?;
    Some(format!("{}: OVERDUE: {reason}", job.job))
}

fn not_well(job: &JobStatus, task: &TaskStatus) -> Option<String> {
    let run = task.last_run.as_ref()?;
    let (mark, became) = match run.outcome {
        Outcome::Failed => ("", "FAILED"),
        Outcome::Incomplete if run.fault >= Some(Fault::Unusable) => ("", "was INCOMPLETE"),
        Outcome::Incomplete => ("warning: ", "was incomplete"),
        Outcome::Done | Outcome::Skipped => return None,
    };
    let (job, what, when) = (&job.job, task.task.name(), run.started.stated_in(&job.zone));
    let reason = run.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    Some(format!("{job}: {mark}the last {what} {became} ({when}){reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is late by seconds is told to be so.
    #[test]
    fn what_is_late_is_older_than_allowed() {
        assert_eq!(older(303.9, "5 min"), "5 min 3 s");
        assert_eq!(older(3.0, "0 min"), "3 s");
        assert_eq!(older(363.0, "5 min"), "6 min");
    }
}
