//! A job: what is captured, how often, and where it goes.

use super::one_or_many::{OneOrMany, TextOrTable};
use super::recovery::{Drill, Recover, Verification};
use super::source::SourceTable;
use super::stop::{Hooks, Stop};
use super::values::{ReadBack, Span, Written};
use crate::agent::report::Task;
use crate::agent::schedule::Schedule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What is backed up together, as one snapshot.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// What is captured, in the words of `backup`: folders, files, `sqlite:PATH`, `postgres-dump:URL`,
    /// `volume:NAME`, `container:NAME`, `compose:PROJECT`; or a table where a source has more to say.
    #[schemars(extend("examples" = [["/srv/app", "postgres-dump:service=app"]]))]
    pub source: OneOrMany<TextOrTable<String, SourceTable>>,
    /// What is left out, in the patterns of `backup --exclude`, or `volume:NAME`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = ["*.log"])]
    pub exclude: Vec<String>,
    /// Tags of each snapshot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = ["production"])]
    pub tags: Vec<String>,
    /// Facts that are recorded with each snapshot: a text, or `{ command = ".." }`, whose first line of output it
    /// is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("examples" = [{ "version": { "command": "git -C /srv/app describe --tags" } }]))]
    pub labels: BTreeMap<String, Label>,
    /// What must be in every snapshot, else the run fails: an absolute path, the last names of a path, the
    /// name of a dumped database, or `volume:NAME`. A folder has a `/` in its name, such as `images/`, and holds a
    /// file. A file that is named as a SQLite database (`.db`, `.sqlite`) and is
    /// empty does not count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = ["production.sqlite3"])]
    pub must_contain: Vec<String>,
    /// The repositories: captured into the first one that answers, copied to the others. Without it, that of
    /// `defaults`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [["local", "nas"]]))]
    pub to: Option<OneOrMany<String>>,
    /// When each task is done. A text alone is the schedule of `backup`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{ "backup": "hourly", "prune": "daily 02:10", "check": "weekly" }]))]
    pub schedule: Option<TextOrTable<Written<Schedule>, Schedules>>,
    /// How old the newest good snapshot may become, in all repositories or by repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["2h", { "local": "2h", "nas": "26h" }]))]
    pub rpo: Option<PerRepository<Written<Span>>>,
    /// How long a restore may take, from all repositories or by repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["30min", { "local": "30min", "nas": "6h" }]))]
    pub rto: Option<PerRepository<Written<Span>>>,
    /// How `check` is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{ "read_data": "5%" }]))]
    pub check: Option<Check>,
    /// `"elsewhere"` where another host forgets and prunes, in all repositories or by repository: for credentials that
    /// may only add.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["elsewhere", { "nas": "elsewhere" }]))]
    pub prune: Option<PerRepository<Elsewhere>>,
    /// Commands around the capture.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{ "before": "/srv/app/maintenance on", "finally": "/srv/app/maintenance off" }]))]
    pub hooks: Option<Hooks>,
    /// What is stopped during the capture.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{ "stop": "systemctl stop web", "start": "systemctl start web" }]))]
    pub stop: Option<Stop>,
    /// How the system is brought back. For a later version.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{ "allow_restore": true }]))]
    pub recover: Option<Recover>,
    /// The restore drill. For a later version.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{ "room": "20GiB", "timeout": "1h" }]))]
    pub drill: Option<Drill>,
    /// What is verified after a drill or a recovery. For a later version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("examples" = [[{ "integrity": "all" }]]))]
    pub verify: Vec<Verification>,
    /// Where the container engine listens, as `containers.socket` says.
    #[serde(skip)]
    pub socket: Option<PathBuf>,
}

/// The same for every repository, or by name.
pub type PerRepository<T> = TextOrTable<T, BTreeMap<String, T>>;

impl<T> PerRepository<T> {
    /// What holds for a repository.
    pub fn of(&self, repository: &str) -> Option<&T> {
        match self {
            TextOrTable::Text(all) => Some(all),
            TextOrTable::Table(each) => each.get(repository),
        }
    }
}

/// A label: a text, or the output of a command.
pub type Label = TextOrTable<String, LabelCommand>;

/// A label that a command prints.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelCommand {
    /// A line for the shell; it has a minute.
    #[schemars(example = &"git -C /srv/app describe --tags")]
    pub command: String,
}

/// When what is done: `hourly`, `hourly :15`, `daily`, `daily 02:10`, `weekly`, `weekly sunday 03:00`, `monthly`,
/// `monthly 15 03:00`, or a cron expression of five fields.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Schedules {
    /// When the sources are captured.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"hourly")]
    pub backup: Option<Written<Schedule>>,
    /// When snapshots are copied to the other repositories.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"daily 03:00")]
    pub copy: Option<Written<Schedule>>,
    /// When old snapshots are forgotten and their room is given back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"daily 02:10")]
    pub prune: Option<Written<Schedule>>,
    /// When the repositories are checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"weekly")]
    pub check: Option<Written<Schedule>>,
    /// When restores are drilled. For a later version.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"monthly")]
    pub drill: Option<Written<Schedule>>,
}

/// How the repositories are checked.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Check {
    /// How much data is read back. Without it, only the heads and trailers of packs are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"5%", extend("default" = "none"))]
    pub read_data: Option<Written<ReadBack>>,
}

/// Another host does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Elsewhere {
    /// Another host does it.
    Elsewhere,
}

impl Job {
    /// When each thing is done, in the order in which it is done.
    pub fn schedules(&self) -> Schedules {
        match &self.schedule {
            None => Schedules::default(),
            Some(TextOrTable::Text(backup)) => {
                Schedules { backup: Some(backup.clone()), ..Schedules::default() }
            }
            Some(TextOrTable::Table(schedules)) => schedules.clone(),
        }
    }

    /// When a task is done.
    pub fn schedule_of(&self, task: Task) -> Option<Written<Schedule>> {
        let schedules = self.schedules();
        match task {
            Task::Backup => schedules.backup,
            // One repository alone is given on to nobody.
            Task::Copy => self.repositories().nth(1).and(schedules.copy),
            Task::Prune => schedules.prune,
            Task::Check => schedules.check,
        }
    }

    /// The names of its repositories.
    pub fn repositories(&self) -> impl Iterator<Item = &str> {
        self.to.iter().flat_map(|to| to.all()).map(String::as_str)
    }

    /// Its sources, each as a table.
    pub fn sources(&self) -> impl Iterator<Item = SourceTable> {
        self.source.all().iter().map(|source| match source {
            TextOrTable::Text(text) => SourceTable::named(text),
            TextOrTable::Table(table) => table.clone(),
        })
    }

    /// The Compose projects among its sources.
    pub fn projects(&self) -> Vec<String> {
        let project =
            |source: SourceTable| source.source?.strip_prefix("compose:").map(str::to_owned);
        self.sources().filter_map(project).collect()
    }

    /// Whether another host forgets and prunes in a repository.
    pub fn is_pruned_elsewhere(&self, repository: &str) -> bool {
        self.prune.as_ref().is_some_and(|prune| prune.of(repository).is_some())
    }
}
