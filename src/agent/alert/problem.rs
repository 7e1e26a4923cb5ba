//! The kinds of problems, and their wording.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What is wrong at a moment.
pub type Problems = BTreeMap<Subject, Problem>;

/// What is known of problems at a moment.
#[derive(Clone, Debug)]
pub enum Observation {
    /// All that is wrong.
    All(Problems),
    /// Something that is; of all else nothing is known.
    Some(Problems),
}

/// What something may be wrong with. It is reported once when it begins, and once when it is over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subject {
    /// The job; of [`Aspect::Channel`] the channel, of [`Aspect::File`] the file.
    pub name: String,
    /// The repository, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// In which respect.
    pub aspect: Aspect,
}

/// A respect in which something may be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// The job's last backup.
    Backup,
    /// Its last copy.
    Copy,
    /// Its last prune.
    Prune,
    /// Its last check.
    Check,
    /// The age of its newest snapshot.
    Age,
    /// What is stored.
    Data,
    /// What is stopped for a capture.
    Services,
    /// What this host remembers of its runs.
    History,
    /// The file of jobs.
    File,
    /// A way to tell people.
    Channel,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The state; every change of it is reported.
    pub state: State,
    /// Why; another reason alone is no news.
    pub reason: String,
    /// How long it has to last before it is reported.
    #[serde(default, skip_serializing_if = "Duration::is_zero")]
    pub min_duration: Duration,
}

/// A state in which something may be that is not well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It was done, and something is missing.
    Incomplete,
    /// It failed.
    Failed,
    /// The newest snapshot is older than it may be.
    Late,
    /// It was due, and has not begun.
    Overdue,
    /// Damage was found.
    Damaged,
    /// Services were not started again in time.
    Stopped,
    /// The outcome of a run is not remembered.
    Forgotten,
    /// It cannot be read, or makes no sense.
    Unusable,
    /// Messages do not arrive.
    Silent,
}

/// The longest reason in an alert, in characters.
const REASON_MAX: usize = 400;

impl Problem {
    /// Of this reason, as one short line.
    pub fn new(state: State, reason: &str) -> Self {
        let line: String = reason.split_whitespace().collect::<Vec<_>>().join(" ");
        let line: String = line.chars().filter(|it| !it.is_control()).collect();
        let mut short: String = line.chars().take(REASON_MAX).collect();
        if short.len() < line.len() {
            short.push_str("...");
        }
        Problem { state, reason: short, min_duration: Duration::ZERO }
    }

    /// The same, reported once it has lasted for so long.
    pub fn after(self, min_duration: Duration) -> Self {
        Problem { min_duration, ..self }
    }
}

impl Subject {
    /// What the job's runs do.
    pub fn job(name: &str, aspect: Aspect) -> Self {
        Subject { name: name.to_owned(), repository: None, aspect }
    }

    /// What it has in a repository.
    pub fn in_repository(name: &str, repository: &str, aspect: Aspect) -> Self {
        Subject { repository: Some(repository.to_owned()), ..Subject::job(name, aspect) }
    }

    /// That it is in this state, without a reason.
    pub fn describe(&self, state: State) -> String {
        let word = match state {
            State::Incomplete => "is incomplete",
            State::Failed => "failed",
            State::Late => "is late",
            State::Overdue => "is overdue",
            State::Damaged => "is damaged",
            State::Stopped => "were not started again",
            State::Forgotten => "are not remembered",
            State::Unusable => "cannot be used",
            State::Silent => "do not arrive",
        };
        format!("{self} {word}")
    }

    /// That it is well.
    pub fn describe_well(&self) -> String {
        let word = match self.aspect {
            Aspect::Backup | Aspect::Copy | Aspect::Prune | Aspect::Check => "is well again",
            Aspect::Age => "is on time again",
            Aspect::Data => "was found whole by a check",
            Aspect::Services => "run again",
            Aspect::History => "are remembered again",
            Aspect::File => "can be used again",
            Aspect::Channel => "arrive again",
        };
        format!("{self} {word}")
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let aspect = match self.aspect {
            Aspect::Channel => return write!(f, "alerts by {}", self.name),
            Aspect::File => return write!(f, "the file of jobs {}", self.name),
            Aspect::Backup => ": backup",
            Aspect::Copy => ": copy",
            Aspect::Prune => ": prune",
            Aspect::Check => ": check",
            Aspect::Services => ": services",
            Aspect::History => ": runs",
            Aspect::Age | Aspect::Data => "",
        };
        write!(f, "{}", self.name)?;
        if let Some(repository) = &self.repository {
            write!(f, " in {repository}")?;
        }
        f.write_str(aspect)
    }
}
