//! What a status is made of: the file, the history, a moment; and who keeps the schedules, and what is at work.

use crate::agent::config::Config;
use crate::agent::daemon::{JobTask, Marks, load_marks};
use crate::agent::history::History;
use crate::agent::report::Task;
use crate::agent::run::is_at_work;
use crate::env::Time;
use jiff::tz::TimeZone;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// How much later than its moment a run may begin, beyond what the file allows.
const GRACE: Duration = Duration::from_secs(5 * 60);

/// What a status is made of.
pub struct Context<'c> {
    /// The file.
    pub config: &'c Config,
    /// What runs have left.
    pub history: &'c History,
    /// The moment that it holds for.
    pub now: Time,
    /// By whose clocks days begin and people are told moments.
    pub zone: &'c TimeZone,
    marks: Marks,
    /// Since when the file is as it is; nothing if it is gone.
    config_changed: Option<Time>,
}

impl<'c> Context<'c> {
    /// Of the jobs of a file, by what this host remembers.
    pub fn new(config: &'c Config, history: &'c History, now: Time, zone: &'c TimeZone) -> Self {
        let marks = load_marks(history.folder()).unwrap_or_default();
        let config_changed = config_changed(&config.file);
        Context { config, history, now, zone, marks, config_changed }
    }

    /// Up to when nothing of this schedule is missed: an agent has served it so far, or nobody can have known it.
    pub fn nothing_missed_before(&self, job: &str, task: Task, schedule: &str) -> Option<Time> {
        let mark = self.marks.get(&JobTask { job: job.to_owned(), task });
        let served = mark.filter(|mark| mark.schedule == schedule).map(|mark| mark.served);
        served.or(self.config_changed).filter(|served| *served <= self.now)
    }

    /// Whether what has been due since then should have begun, and waits for no other run.
    pub fn is_overdue(&self, job: &str, task: Task, due: Time) -> bool {
        self.now.since(due) > GRACE + self.config.agent.jitter()
            && !self.is_at_work(job, task)
            && !self.is_full()
    }

    /// Whether as many runs are at work as may be.
    fn is_full(&self) -> bool {
        let at_work = self.config.job.keys().flat_map(|job| {
            // A copy excludes a backup: both are one.
            [Task::Backup, Task::Prune, Task::Check].map(|task| self.is_at_work(job, task))
        });
        at_work.filter(|it| *it).count() >= self.config.agent.max_runs()
    }

    fn is_at_work(&self, job: &str, task: Task) -> bool {
        is_at_work(self.history.folder(), job, task)
    }
}

fn config_changed(file: &Path) -> Option<Time> {
    let found = fs::metadata(file).ok()?;
    Some(Time(found.ctime().checked_mul(Time::SECOND)?.checked_add(found.ctime_nsec())?))
}
