//! Whether the schedules are kept by an agent or by timers, and what is at work.

use crate::agent::config::Config;
use crate::agent::daemon::{JobTask, Marks, load_marks};
use crate::agent::history::History;
use crate::agent::report::Task;
use crate::agent::run::is_at_work;
use crate::env::Time;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// How much later than its moment a run may begin, beyond what the file allows.
const GRACE: Duration = Duration::from_secs(5 * 60);

/// What is known of the keeping of schedules.
pub struct OverdueRules<'r> {
    config: &'r Config,
    state: &'r Path,
    marks: Marks,
    /// Since when the file is as it is; nothing if it is gone.
    config_changed: Option<Time>,
}

impl<'r> OverdueRules<'r> {
    /// For the jobs of a file, by what this host remembers.
    pub fn of(config: &'r Config, history: &'r History) -> Self {
        let state = history.folder();
        OverdueRules {
            config,
            state,
            marks: load_marks(state).unwrap_or_default(),
            config_changed: config_changed(&config.file),
        }
    }

    /// Up to when nothing of this schedule is missed: an agent has served it so far, or nobody can have known it.
    pub fn nothing_missed_before(
        &self,
        job: &str,
        task: Task,
        schedule: &str,
        now: Time,
    ) -> Option<Time> {
        let mark = self.marks.get(&JobTask { job: job.to_owned(), task });
        let served = mark.filter(|mark| mark.schedule == schedule).map(|mark| mark.served);
        served.or(self.config_changed).filter(|served| *served <= now)
    }

    /// Whether what has been due since then should have begun, and waits for no other run.
    pub fn is_overdue(&self, job: &str, task: Task, due: Time, now: Time) -> bool {
        now.since(due) > GRACE + self.config.agent.jitter()
            && !is_at_work(self.state, job, task)
            && !self.is_full()
    }

    /// Whether as many runs are at work as may be.
    fn is_full(&self) -> bool {
        let at_work = self.config.job.keys().flat_map(|job| {
            // A copy excludes a backup: both are one.
            [Task::Backup, Task::Prune, Task::Check].map(|task| is_at_work(self.state, job, task))
        });
        at_work.filter(|it| *it).count() >= self.config.agent.max_runs()
    }
}

fn config_changed(file: &Path) -> Option<Time> {
    let found = fs::metadata(file).ok()?;
    Some(Time(found.ctime().checked_mul(Time::SECOND)?.checked_add(found.ctime_nsec())?))
}
