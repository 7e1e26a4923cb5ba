//! What the agent does when its time has come.

use crate::agent::report::Task;
use crate::agent::run::lock_of;

/// What a job does at times of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JobTask {
    /// The job.
    pub job: String,
    /// What it does.
    pub task: Task,
}

impl JobTask {
    /// Whether runs of both exclude each other.
    pub fn excludes(&self, other: &JobTask) -> bool {
        self.job == other.job && lock_of(self.task) == lock_of(other.task)
    }
}
