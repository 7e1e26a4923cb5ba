//! The kinds of trouble, and their wording.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What is wrong at a moment.
pub type Troubles = BTreeMap<Subject, Trouble>;

/// What a look has seen.
#[derive(Clone, Debug)]
pub enum Seen {
    /// All that is wrong.
    All(Troubles),
    /// Something that is; of all else nothing is known.
    Some(Troubles),
}

/// What something may be wrong with. People are told once that it went wrong, and once that it is over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subject {
    /// The job; of [`Matter::Channel`] the channel, of [`Matter::File`] the file.
    pub name: String,
    /// The repository, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// In which respect.
    pub matter: Matter,
}

/// A respect in which something may be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Matter {
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
pub struct Trouble {
    /// The state, of which every change is told.
    pub state: State,
    /// Why; another reason alone is no news.
    pub reason: String,
    /// How long it has to last before it is told.
    #[serde(default, skip_serializing_if = "Duration::is_zero")]
    pub patience: Duration,
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

/// Most characters of a reason that are told.
const REASON_MAX: usize = 400;

impl Trouble {
    /// Of this reason, as one short line.
    pub fn new(state: State, reason: &str) -> Self {
        let line: String = reason.split_whitespace().collect::<Vec<_>>().join(" ");
        let line: String = line.chars().filter(|it| !it.is_control()).collect();
        let mut short: String = line.chars().take(REASON_MAX).collect();
        if short.len() < line.len() {
            short.push_str("...");
        }
        Trouble { state, reason: short, patience: Duration::ZERO }
    }

    /// The same, which is told once it has lasted for so long.
    pub fn after(self, patience: Duration) -> Self {
        Trouble { patience, ..self }
    }
}

impl Subject {
    /// What the job's runs do.
    pub fn job(name: &str, matter: Matter) -> Self {
        Subject { name: name.to_owned(), repository: None, matter }
    }

    /// What it has in a repository.
    pub fn in_repository(name: &str, repository: &str, matter: Matter) -> Self {
        Subject { repository: Some(repository.to_owned()), ..Subject::job(name, matter) }
    }

    /// That it is in this state, without a reason.
    pub fn is(&self, state: State) -> String {
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
    pub fn is_well(&self) -> String {
        let word = match self.matter {
            Matter::Backup | Matter::Copy | Matter::Prune | Matter::Check => "is well again",
            Matter::Age => "is on time again",
            Matter::Data => "was found whole by a check",
            Matter::Services => "run again",
            Matter::History => "are remembered again",
            Matter::File => "can be used again",
            Matter::Channel => "arrive again",
        };
        format!("{self} {word}")
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let matter = match self.matter {
            Matter::Channel => return write!(f, "alerts by {}", self.name),
            Matter::File => return write!(f, "the file of jobs {}", self.name),
            Matter::Backup => ": backup",
            Matter::Copy => ": copy",
            Matter::Prune => ": prune",
            Matter::Check => ": check",
            Matter::Services => ": services",
            Matter::History => ": runs",
            Matter::Age | Matter::Data => "",
        };
        write!(f, "{}", self.name)?;
        if let Some(repository) = &self.repository {
            write!(f, " in {repository}")?;
        }
        f.write_str(matter)
    }
}
