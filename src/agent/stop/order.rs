//! The messages between a run and its guard.

use super::what::What;
use crate::agent::shell::CommandOutcome;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// What is to be stopped and started, and when at the latest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    /// The job.
    pub job: String,
    /// Where the journal goes.
    pub journal: PathBuf,
    /// What it is, and how.
    #[serde(flatten)]
    pub what: What,
    /// How long each may take.
    pub timeout: Duration,
    /// How long they may be stopped.
    pub max_downtime: Duration,
}

impl Order {
    /// Starts what was stopped, and notes the outcome.
    pub fn start(&self, started: &mut Started) {
        (started.ran, started.unhealthy) = self.what.start(self.timeout);
    }
}

/// What the guard says, a line each.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// The services were to be stopped.
    Stopped(CommandOutcome),
    /// They were started.
    Started(Started),
}

/// How services were started.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Started {
    /// Why then.
    pub because: StartReason,
    /// Its outcome.
    pub ran: CommandOutcome,
    /// Seconds from the beginning of stopping to the end of starting, where that is known.
    pub downtime: Option<f64>,
    /// What ran although it was to be stopped.
    #[serde(default)]
    pub ran_meanwhile: Vec<String>,
    /// What runs again, and is not well.
    #[serde(default)]
    pub unhealthy: Vec<String>,
}

impl Started {
    /// Nothing was done yet.
    pub fn nothing(because: StartReason) -> Self {
        let ran = CommandOutcome::default();
        Started { because, ran, downtime: None, ran_meanwhile: Vec::new(), unhealthy: Vec::new() }
    }
}

/// Why services were started when they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartReason {
    /// The run was done with them.
    Asked,
    /// The run has ended without a word, or was interrupted.
    RunEnded,
    /// They had been stopped for as long as they may.
    Overdue,
    /// They could not be stopped.
    NotStopped,
    /// The run has ended before they were to be stopped: nothing was done.
    NotBegun,
    /// The guard was gone, and the run started them.
    NoGuard,
}
