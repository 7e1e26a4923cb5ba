//! The report of a run: its steps and their outcomes, without secrets.

use crate::env::{Time, state};
use crate::error::{Error, Kind, Result};
use crate::text::utc;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use strum::{EnumString, IntoStaticStr, VariantArray};

/// The version of the format of reports; it grows when a key changes its meaning.
const FORMAT_VERSION: u32 = 1;

/// Reports that are kept of a job, the newest.
const KEPT: usize = 500;

/// What a run is asked to do.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Task {
    /// Captures the sources into the first repository that answers.
    Backup,
    /// Copies from there into the others.
    Copy,
    /// Forgets what no repository's policy keeps, and gives back its room.
    Prune,
    /// Checks the repositories.
    Check,
}

impl Task {
    /// All that there are.
    pub const ALL: &[Task] = Task::VARIANTS;

    /// What it is called, as `run --only` has it.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The outcome of a run or a step: each is worse than those before.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    EnumString,
    IntoStaticStr,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
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

impl Outcome {
    /// What it is called.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// What a run did not go well for: each weighs more than those before.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    EnumString,
    IntoStaticStr,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Fault {
    /// Stores that did not answer, and nothing else.
    Away,
    /// Anything else.
    Other,
    /// A repository that cannot be used before a person does something: there is none, the password is wrong, the disk
    /// is full.
    Unusable,
    /// Damage of what is stored.
    Damaged,
}

impl Fault {
    /// That of an error.
    pub fn of(error: &Error) -> Self {
        match error.kind() {
            Kind::Unavailable => Fault::Away,
            Kind::NoRepository | Kind::WrongKey | Kind::NoSpace => Fault::Unusable,
            Kind::Damaged => Fault::Damaged,
            _ => Fault::Other,
        }
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// What a step of a run is; `reports.md` says more of each.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum StepKind {
    /// Services that an earlier run left stopped are started.
    LeftBehind,
    /// A hook before the capture.
    Before,
    /// A command tells a label.
    Label,
    /// A repository is opened.
    Open,
    /// Nearly everything is stored before services are stopped.
    WarmUp,
    /// Services are stopped.
    Stop,
    /// Sources are read while they are stopped.
    Read,
    /// Databases are read whose state was pinned then.
    ReadPinned,
    /// Services are started.
    Start,
    /// The snapshot is made.
    Capture,
    /// What `must_contain` requires is looked for.
    Contents,
    /// A hook after a capture that went well.
    After,
    /// A hook after a failure.
    Failed,
    /// A hook at the end.
    Finally,
    /// Snapshots are copied into another repository.
    Copy,
    /// Snapshots are forgotten.
    Forget,
    /// A repository is pruned.
    Prune,
    /// A repository is checked.
    Check,
    /// What a newer version did.
    #[serde(other)]
    Unknown,
}

impl StepKind {
    /// What it is called.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The outcome of a run.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// The version of its format.
    pub report: u32,
    /// The job.
    pub job: String,
    /// What it was asked to do.
    #[serde(default)]
    pub tasks: Vec<Task>,
    /// What the host is there for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The machine.
    pub host: String,
    /// When it began.
    pub started: String,
    /// How long it took.
    pub seconds: f64,
    /// Its outcome.
    pub outcome: Outcome,
    /// Why it failed, or what is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What sort of reasons there were, the worst of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// The snapshot that it made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_id: Option<String>,
    /// The repository that this went into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Seconds for which services were stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downtime: Option<f64>,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// What the file asks for and this version does not do, each in a sentence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_done_yet: Vec<String>,
    /// What failed, for the caller.
    #[serde(skip)]
    pub failure: Option<Error>,
}

/// A step of a run.
#[derive(Debug, Serialize, Deserialize)]
pub struct Step {
    /// What it is.
    pub step: StepKind,
    /// What it was done with: a command, a repository, a source.
    pub what: String,
    /// When it began.
    pub started: String,
    /// How long it took.
    pub seconds: f64,
    /// Its outcome.
    pub outcome: Outcome,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What can be tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What was wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The end of what a command printed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// Figures of the step.
    #[serde(flatten)]
    pub figures: BTreeMap<String, Value>,
}

impl Report {
    /// Of a run that begins.
    pub fn new(
        job: &str,
        tasks: &[Task],
        environment: Option<String>,
        host: String,
        now: Time,
    ) -> Self {
        Report {
            report: FORMAT_VERSION,
            job: job.to_owned(),
            tasks: tasks.to_vec(),
            environment,
            host,
            started: utc(now),
            seconds: 0.0,
            outcome: Outcome::Done,
            reason: None,
            fault: None,
            snapshot_id: None,
            repository: None,
            downtime: None,
            steps: Vec::new(),
            not_done_yet: Vec::new(),
            failure: None,
        }
    }

    /// Leaves it on this host; the name of its file in the folder of the job.
    pub fn save(&self, states: &Path) -> Result<String> {
        let folder = folder(states).join(&self.job);
        state::private_folder(&folder)?;
        // The process tells two of one moment apart.
        let name = format!("{}-{}.json", self.moment_in_names(), std::process::id());
        let path = folder.join(&name);
        let text = serde_json::to_vec_pretty(self)
            .map_err(|cause| Error::new(Kind::Failed, "write", path.display()).caused_by(cause))?;
        state::replace(&path, &text, 0o600)?;
        remove_old(&folder);
        Ok(name)
    }

    /// The report that this run has left on this host already, and the name of its file.
    pub fn saved(&self, states: &Path) -> Option<(Report, String)> {
        let moment = self.moment_in_names();
        state::entries(&folder(states).join(&self.job)).into_iter().find_map(|path| {
            let name = path.file_name()?.to_str().filter(|name| name.starts_with(&moment))?;
            let report: Report = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
            (report.tasks == self.tasks).then(|| (report, name.to_owned()))
        })
    }

    /// When it began, in characters that names of files may have everywhere.
    fn moment_in_names(&self) -> String {
        self.started.replace(':', "")
    }
}

/// Where the reports of all jobs are.
pub fn folder(state: &Path) -> PathBuf {
    state.join("runs")
}

/// Those that are too many; one that stays does no harm.
fn remove_old(folder: &Path) {
    let paths = state::entries(folder);
    let more = paths.len().saturating_sub(KEPT);
    paths.iter().take(more).for_each(|path| drop(fs::remove_file(path)));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every step is explained.
    #[test]
    fn steps_are_explained() {
        for step in StepKind::VARIANTS {
            let name = format!("`{}`", step.name());
            assert!(include_str!("reports.md").contains(&name), "{name}");
            assert_eq!(serde_json::to_value(step).unwrap(), step.name());
        }
    }
}
