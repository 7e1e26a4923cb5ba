//! The status of jobs: the newest good snapshots and their ages, what is late, what failed, and what comes
//! next. Computed from the file, the history and a given moment: nothing here reads the clock or a repository.

mod context;
mod repository;
mod sentences;
mod task;

pub use repository::RepositoryStatus;
pub use sentences::NO_JOB;
#[cfg(feature = "testing")]
pub use sentences::problems;
pub use task::TaskStatus;

use super::config::{Config, Job};
use super::history::History;
use super::report::{Fault, Outcome, Task};
use super::stop;
use crate::env::Time;
use crate::error::Result;
use crate::text::utc;
use context::Context;
use jiff::tz::TimeZone;
use serde::{Serialize, Serializer};

/// How well the jobs of a file do.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// The moment that it holds for.
    #[serde(serialize_with = "moment")]
    pub now: Time,
    /// What the host is there for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Whether nothing is late or overdue, no last run failed, and no services were left stopped.
    pub is_well: bool,
    /// Whether a last run was incomplete.
    pub has_warnings: bool,
    /// Services that should run again by now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stopped: Vec<Stopped>,
    /// Each job of the file.
    pub jobs: Vec<JobStatus>,
    /// By whose clocks people are told moments.
    #[serde(skip)]
    pub zone: TimeZone,
}

/// Services that were stopped for a capture and should run again by now.
#[derive(Clone, Debug, Serialize)]
pub struct Stopped {
    /// Whose services they are; the file need not have it any more.
    pub job: String,
    /// Since when they are stopped.
    #[serde(serialize_with = "moment")]
    pub since: Time,
}

/// How well a job does.
#[derive(Clone, Debug, Serialize)]
pub struct JobStatus {
    /// Its name.
    pub job: String,
    /// Whether nothing of it is late or overdue, no last run failed, and its services were not left stopped.
    pub is_well: bool,
    /// Whether a last run was incomplete.
    pub has_warnings: bool,
    /// Bytes of what was captured last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// What it does, and when: whatever has a schedule or was ever done.
    pub tasks: Vec<TaskStatus>,
    /// Where its snapshots are.
    pub repositories: Vec<RepositoryStatus>,
    /// By whose clocks people are told moments.
    #[serde(skip)]
    pub zone: TimeZone,
}

impl Status {
    /// At a moment.
    ///
    /// # Errors
    /// Those of reading the history.
    pub fn of(config: &Config, history: &History, now: Time, zone: &TimeZone) -> Result<Self> {
        let context = Context::new(config, history, now, zone);
        let jobs = config.job.iter().map(|(name, job)| JobStatus::of(&context, name, job));
        let mut jobs = jobs.collect::<Result<Vec<_>>>()?;
        let stopped = stop::not_started(history.folder(), now).into_iter();
        let stopped: Vec<_> = stopped.map(|(job, since)| Stopped { job, since }).collect();
        for job in &mut jobs {
            job.is_well &= stopped.iter().all(|stopped| stopped.job != job.job);
        }
        let environment = config.defaults.environment.clone();
        // A file that lost its jobs is no reason to be calm.
        let is_well = !jobs.is_empty() && stopped.is_empty() && jobs.iter().all(|job| job.is_well);
        let has_warnings = jobs.iter().any(|job| job.has_warnings);
        Ok(Status { now, environment, is_well, has_warnings, stopped, jobs, zone: zone.clone() })
    }

    /// What is wrong, each in a sentence.
    pub fn problems(&self) -> Vec<String> {
        let stopped = self.stopped.iter().map(|stopped| sentences::stopped(stopped, &self.zone));
        let no_job = self.jobs.is_empty().then(|| sentences::NO_JOB.to_owned());
        no_job
            .into_iter()
            .chain(stopped)
            .chain(self.jobs.iter().flat_map(sentences::problems))
            .collect()
    }

    /// How it is on the whole, in a few words.
    pub fn in_short(&self) -> &'static str {
        match (self.is_well, self.has_warnings) {
            (true, false) => {
                "All is well: nothing is late or overdue, and every last run succeeded"
            }
            (true, true) => "Well, with warnings",
            (false, _) => "Needs attention",
        }
    }
}

impl JobStatus {
    fn of(context: &Context<'_>, name: &str, job: &Job) -> Result<Self> {
        let mut tasks = Vec::new();
        for &task in Task::ALL {
            tasks.extend(TaskStatus::of(context, name, job, task)?);
        }
        let places = job.repositories();
        let places = places.map(|place| RepositoryStatus::of(context, name, job, place));
        let repositories = places.collect::<Result<Vec<_>>>()?;
        let captured = repositories.iter().filter_map(|place| place.last_capture);
        let bytes = captured.max_by_key(|(at, _)| *at).map(|(_, bytes)| bytes);
        let last_runs = || tasks.iter().filter_map(|task: &TaskStatus| task.last_run.as_ref());
        let became = |outcome| last_runs().any(|run| run.outcome == outcome);
        let is_late = repositories.iter().any(|place| place.is_late);
        let is_overdue = tasks.iter().any(|task| task.is_overdue);
        // That there is a snapshot all the same helps only for a while.
        let needs_help = last_runs().any(|run| run.fault >= Some(Fault::Unusable));
        let is_well = !needs_help && !is_late && !is_overdue && !became(Outcome::Failed);
        let has_warnings = became(Outcome::Incomplete);
        let (job, zone) = (name.to_owned(), context.zone.clone());
        Ok(JobStatus { job, is_well, has_warnings, bytes, tasks, repositories, zone })
    }
}

/// A moment, in UTC.
fn moment<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&utc(*time))
}

fn moment_if_any<S: Serializer>(time: &Option<Time>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => moment(time, serializer),
        None => serializer.serialize_none(),
    }
}
