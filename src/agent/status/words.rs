//! Sentences that say what is wrong.

use super::{JobStatus, RepositoryStatus, Stopped, TaskStatus};
use crate::agent::report::{Fault, Outcome};
use crate::env::Time;
use crate::text::{age, count};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The age of something that is older than allowed, to the second where it is nearly as allowed.
pub fn older(seconds: f64, allowed: &str) -> String {
    let old = age(seconds);
    let rest = (seconds % 60.0).floor();
    match old == allowed {
        true if seconds < 60.0 => format!("{rest:.0} s"),
        true => format!("{old} {rest:.0} s"),
        false => old,
    }
}

/// What is wrong with a job, each in a sentence: what is late, damaged or overdue, and what did not go well the last time.
pub fn trouble(job: &JobStatus) -> Vec<String> {
    let late = job.repositories.iter().filter_map(|place| late(&job.job, place));
    let overdue = job.tasks.iter().filter_map(|task| overdue(job, task));
    let damaged = job.repositories.iter().filter_map(|place| damaged(&job.job, place));
    late.chain(damaged)
        .chain(overdue)
        .chain(job.tasks.iter().filter_map(|task| not_well(job, task)))
        .collect()
}

/// That services stand still that should not.
pub fn stopped(stopped: &Stopped, zone: &TimeZone) -> String {
    let (job, since) = (&stopped.job, moment(stopped.since, zone));
    format!(
        "{job}: STOPPED: its services have stood still since {since}, and were not started again; \
         `icecore schedule --start-stopped` starts what a run has left behind that died"
    )
}

fn late(job: &str, place: &RepositoryStatus) -> Option<String> {
    let rpo = place.rpo.filter(|_| place.is_late).map(age)?;
    let name = &place.repository;
    Some(match place.age {
        Some(old) => {
            let old = older(old, &rpo);
            format!(
                "{job}: LATE: the newest good snapshot in {name} is {old} old; {rpo} is allowed"
            )
        }
        None => format!("{job}: LATE: there is no good snapshot in {name} that this host knows of"),
    })
}

/// A moment by the clocks of a zone, which is stated.
fn moment(time: Time, zone: &TimeZone) -> String {
    match Timestamp::from_nanosecond(i128::from(time.0)) {
        Ok(moment) => moment.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string(),
        Err(_) => time.to_string(),
    }
}

fn damaged(job: &str, place: &RepositoryStatus) -> Option<String> {
    let (name, errors) =
        (&place.repository, (place.damage > 0).then(|| count(place.damage, "error"))?);
    Some(format!(
        "{job}: DAMAGED: the last check found {errors} in {name}; `icecore check` names them"
    ))
}

fn overdue(job: &JobStatus, task: &TaskStatus) -> Option<String> {
    let due = task.due_since.filter(|_| task.is_overdue)?;
    let (job, what, due) = (&job.job, task.task.name(), moment(due, &job.zone));
    Some(format!(
        "{job}: OVERDUE: the {what} was due at {due}, and has not begun; does the agent run, or whatever else keeps the \
         schedule?"
    ))
}

fn not_well(job: &JobStatus, task: &TaskStatus) -> Option<String> {
    let run = task.last_run.as_ref()?;
    let (mark, became) = match run.outcome {
        Outcome::Failed => ("", "FAILED"),
        Outcome::Incomplete if run.fault >= Some(Fault::Unusable) => ("", "was INCOMPLETE"),
        Outcome::Incomplete => ("warning: ", "was incomplete"),
        Outcome::Done | Outcome::Skipped => return None,
    };
    let (job, what, when) = (&job.job, task.task.name(), moment(run.started, &job.zone));
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
