//! What is due, of all that the file has a schedule for. Nothing here reads the clock: every moment is given.
//!
//! A moment of a schedule is served by a run that begins after it. Moments that went by unserved, because the
//! machine slept or another run was at work, are served by one run together.

use super::job_task::JobTask;
use super::marks::{Mark, Marks};
use crate::agent::config::Config;
use crate::agent::report::Task;
use crate::agent::schedule::Schedule;
use crate::env::Time;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::time::Duration;

/// A clock that is set back by no more than this does nothing twice; beyond that it is believed, and moments
/// come again.
const SET_BACK: Duration = Duration::from_secs(3600);

/// How long something waits that could not be begun.
const RETRY: Duration = Duration::from_secs(60);

/// Something to be begun now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// What.
    pub job_task: JobTask,
    /// The first moment that it serves.
    pub since: Time,
}

/// When something is done.
struct Times {
    schedule: Schedule,
    /// As the file has it.
    text: String,
    /// So much later than the schedule says.
    delay: Duration,
}

/// What is due, and what is at work.
pub struct Agenda {
    times: BTreeMap<JobTask, Times>,
    zone: TimeZone,
    most: usize,
    marks: Marks,
    /// What is at work, and since when.
    running: BTreeMap<JobTask, Time>,
    /// What could not be begun, and when it is tried again.
    put_off: BTreeMap<JobTask, Time>,
}

impl Agenda {
    /// Of nothing yet, but with what was served before.
    pub fn new(marks: Marks) -> Self {
        Agenda {
            times: BTreeMap::new(),
            zone: TimeZone::UTC,
            most: 0,
            marks,
            running: BTreeMap::new(),
            put_off: BTreeMap::new(),
        }
    }

    /// Keeps the schedules of this file from now on. What is new, or has another schedule than before, counts
    /// from now.
    pub fn adopt(&mut self, config: &Config, host: &str, now: Time) {
        self.zone = config.zone();
        self.most = config.agent.max_runs();
        self.times.clear();
        for (job, table) in &config.job {
            for &task in Task::ALL {
                let Some(written) = table.schedule_of(task) else { continue };
                let times = Times {
                    text: written.to_string(),
                    schedule: written.value,
                    delay: delay(host, job, config.agent.jitter()),
                };
                self.times.insert(JobTask { job: job.clone(), task }, times);
            }
        }
        let times = &self.times;
        self.marks.retain(|job_task, mark| {
            times.get(job_task).is_some_and(|it| it.text == mark.schedule)
        });
        for (job_task, times) in times {
            let new = || Mark { schedule: times.text.clone(), served: now };
            self.marks.entry(job_task.clone()).or_insert_with(new);
        }
    }

    /// What was served, to be remembered.
    pub fn marks(&self) -> &Marks {
        &self.marks
    }

    /// What is to be begun now, the longest due first; it counts as being at work from now on. `done` knows when
    /// another process did something last.
    pub fn begin(&mut self, now: Time, done: &dyn Fn(&JobTask) -> Option<Time>) -> Option<Due> {
        self.reset_future_marks(now);
        loop {
            let due = self.longest_due(now)?;
            let is_known = |done: &Time| *done >= due.since && *done <= now;
            let Some(done) = done(&due.job_task).filter(is_known) else {
                self.running.insert(due.job_task.clone(), now);
                return Some(due);
            };
            self.mark(&due.job_task, done);
        }
    }

    /// Something that was begun is over. If that served nothing, since it was not done, it is due again after a
    /// minute.
    pub fn end(&mut self, job_task: &JobTask, has_served: bool, now: Time) {
        let Some(begun) = self.running.remove(job_task) else { return };
        match has_served {
            true => self.mark(job_task, begun),
            false => drop(self.put_off.insert(job_task.clone(), now + RETRY)),
        }
    }

    /// When there may be something to begin, if nothing that is at work ends before.
    pub fn next(&self) -> Option<Time> {
        let waiting = self.times.keys().filter(|job_task| !self.is_kept_waiting(job_task));
        waiting
            .filter_map(|job_task| self.due_at(job_task).max(self.put_off.get(job_task).copied()))
            .min()
    }

    /// Takes back what a clock that was ahead has left.
    fn reset_future_marks(&mut self, now: Time) {
        for mark in self.marks.values_mut() {
            if mark.served > now + SET_BACK {
                mark.served = now;
            }
        }
        self.put_off.retain(|_, until| *until > now && *until <= now + RETRY);
    }

    fn longest_due(&self, now: Time) -> Option<Due> {
        if self.running.len() >= self.most {
            return None;
        }
        let free = self.times.keys().filter(|job_task| {
            !self.is_kept_waiting(job_task) && !self.put_off.contains_key(job_task)
        });
        let due = free.filter_map(|job_task| {
            Some(Due { since: self.due_at(job_task)?, job_task: job_task.clone() })
        });
        due.filter(|due| due.since <= now).min_by_key(|due| (due.since, due.job_task.clone()))
    }

    /// Whether a run is at work beside which it cannot be.
    fn is_kept_waiting(&self, job_task: &JobTask) -> bool {
        self.running.keys().any(|other| other.excludes(job_task))
    }

    /// The first moment that was not served yet.
    fn due_at(&self, job_task: &JobTask) -> Option<Time> {
        let (times, mark) = (self.times.get(job_task)?, self.marks.get(job_task)?);
        let next = times.schedule.next(mark.served - times.delay, &self.zone)?;
        Some(next + times.delay)
    }

    fn mark(&mut self, job_task: &JobTask, served: Time) {
        if let Some(mark) = self.marks.get_mut(job_task) {
            mark.served = served;
        }
    }
}

/// Always the same for a job on a host, so that its runs are as far apart as its schedule says.
fn delay(host: &str, job: &str, most: Duration) -> Duration {
    let hash = blake3::hash(format!("{host}\n{job}").as_bytes());
    let share = hash.as_bytes().first().copied().unwrap_or_default();
    most * u32::from(share) / 256
}
