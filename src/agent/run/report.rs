//! What a run leaves behind: its steps, and what became of each, without secrets.

use crate::env::Time;
use crate::error::{Attempt, Error, Kind, Result};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The shape of reports; it grows when a key changes its meaning.
const SHAPE: u32 = 1;

/// Reports that are kept of a job, the newest.
const KEPT: usize = 500;

/// What became of a run or a step: each is worse than those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// All of it was done.
    Done,
    /// Another run was at work.
    Skipped,
    /// It was done, and something is missing.
    Incomplete,
    /// It failed.
    Failed,
}

/// What became of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The shape of this report.
    pub report: u32,
    /// The job.
    pub job: String,
    /// What the host is there for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The machine.
    pub host: String,
    /// When it began.
    pub started: String,
    /// How long it took.
    pub seconds: f64,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it failed, or what is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The snapshot that it made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_id: Option<String>,
    /// The repository that this went into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Seconds for which services stood still.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downtime: Option<f64>,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// What the file asks for and this version does not do, each in a sentence.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_done_yet: Vec<String>,
    /// What failed, for whoever asked for the run.
    #[serde(skip)]
    pub failure: Option<Error>,
}

/// A step of a run.
#[derive(Debug, Serialize)]
pub struct Step {
    /// What it is: `before`, `label`, `open`, `stop`, `capture`, `start`, `contents`, `after`, `failed`, `finally`,
    /// `copy`, `forget`, `prune`, `check`, `left_behind`.
    pub step: &'static str,
    /// What it was done with: a command, a repository, a source.
    pub what: String,
    /// When it began.
    pub started: String,
    /// How long it took.
    pub seconds: f64,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What can be tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What was wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The end of what a command printed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// Figures of the step.
    #[serde(flatten)]
    pub figures: BTreeMap<&'static str, Value>,
}

impl Report {
    /// Of a run that begins.
    pub fn new(job: &str, environment: Option<String>, host: String, now: Time) -> Self {
        Report {
            report: SHAPE,
            job: job.to_owned(),
            environment,
            host,
            started: rfc3339(now),
            seconds: 0.0,
            outcome: Outcome::Done,
            reason: None,
            snapshot_id: None,
            repository: None,
            downtime: None,
            steps: Vec::new(),
            not_done_yet: Vec::new(),
            failure: None,
        }
    }

    /// Leaves it on this host; where.
    pub fn save(&self, state: &Path) -> Result<PathBuf> {
        let folder = state.join("runs").join(&self.job);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .attempt("make", folder.display())?;
        // What is allowed in the name of a file everywhere; the process tells two of one moment apart.
        let moment = self.started.replace(':', "");
        let path = folder.join(format!("{moment}-{}.json", std::process::id()));
        let text = serde_json::to_vec_pretty(self)
            .map_err(|cause| Error::new(Kind::Failed, "write", path.display()).caused_by(cause))?;
        let unfinished = path.with_extension("unfinished");
        let written = fs::write(&unfinished, text).and_then(|()| fs::rename(&unfinished, &path));
        written.attempt("write", path.display())?;
        remove_old(&folder);
        Ok(path)
    }
}

/// Those that are too many; one that stays does no harm.
fn remove_old(folder: &Path) {
    let names = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut names: Vec<PathBuf> = names.collect();
    names.sort();
    let more = names.len().saturating_sub(KEPT);
    names.iter().take(more).for_each(|path| drop(fs::remove_file(path)));
}

/// A moment, in UTC.
pub fn rfc3339(time: Time) -> String {
    let moment = Timestamp::from_nanosecond(i128::from(time.0)).unwrap_or(Timestamp::MIN);
    moment.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
