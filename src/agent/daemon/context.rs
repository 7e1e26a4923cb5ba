//! What the agent needs from the program around it, and its log lines.

use super::job_task::JobTask;
use crate::agent::config::Config;
use crate::agent::report::Task;
use crate::agent::status::Status;
use crate::env::Env;
use crate::error::{Error, Result};
use serde::Serialize;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// What the agent takes from the program around it.
pub trait AgentContext: Send + Sync {
    /// Clock and randomness.
    fn env(&self) -> &Env;

    /// The name of this machine.
    fn host(&self) -> String;

    /// Where this host remembers things.
    fn state(&self) -> &Path;

    /// Where the file lies.
    fn file(&self) -> &Path;

    /// This program, with the same file and folders, and nothing that opens a repository.
    ///
    /// # Errors
    /// If it is not known which program this is.
    fn program(&self) -> Result<Command>;

    /// Tells the administrator of this host.
    fn say(&self, line: &LogLine);

    /// Hears how the jobs do, or why that is not known: once a minute, and after each run.
    fn watch(&self, config: &Config, status: Result<&Status, &Error>);

    /// Serves people what the file says at each moment, if it says anything of that, until it is over.
    ///
    /// # Errors
    /// If that cannot be begun; it is tried again.
    fn serve(&self, file: &dyn Fn() -> Arc<Config>, is_over: &dyn Fn() -> bool) -> Result<()>;
}

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something failed.
    Error,
    /// Something to know.
    Warning,
    /// What happens.
    Info,
}

/// Something that the agent says.
#[derive(Clone, Debug, Serialize)]
pub struct LogLine {
    /// How much it matters.
    pub level: Severity,
    /// What it is, for programs that read it.
    pub event: &'static str,
    /// The job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// What it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
    /// A sentence.
    pub message: String,
    /// What can be tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl LogLine {
    /// Of the agent itself.
    pub fn own(level: Severity, event: &'static str, message: impl Into<String>) -> Self {
        LogLine { level, event, job: None, task: None, message: message.into(), hint: None }
    }

    /// Of something that a job does.
    pub fn of(
        level: Severity,
        event: &'static str,
        job_task: &JobTask,
        message: impl Into<String>,
    ) -> Self {
        let JobTask { job, task } = job_task.clone();
        LogLine { job: Some(job), task: Some(task), ..LogLine::own(level, event, message) }
    }

    /// Of something that failed.
    pub fn failed(error: &Error) -> Self {
        let hint = error.hint_text().map(str::to_owned);
        LogLine { hint, ..LogLine::own(Severity::Error, "error", error.to_string()) }
    }
}
