//! A source with options of its own.

use super::stop::Hooks;
use super::values::{Size, Written};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A source, and how it is captured. Exactly one of `source` and `command` is there.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SourceTable {
    /// What is captured, as in a text alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/srv/app")]
    pub source: Option<String>,
    /// A command line for the shell whose output is captured as the file `name`. It has no time limit: `timeout 2h ..`
    /// in it is one. A pipe ends as its last program does, so what comes before it may fail unnoticed: leave compression to icecore.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"mysqldump --single-transaction app")]
    pub command: Option<String>,
    /// The name of a command's output in the snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"app.sql")]
    pub name: Option<String>,
    /// What is left out of it, beside what the job leaves out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = ["cache/"])]
    pub exclude: Vec<String>,
    /// Whether folders with a CACHEDIR.TAG are left out.
    #[serde(skip_serializing_if = "is_false")]
    #[schemars(example = true)]
    pub exclude_caches: bool,
    /// Files larger than this are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"5GiB")]
    pub exclude_larger_than: Option<Written<Size>>,
    /// Whether other file systems below it are left out.
    #[serde(skip_serializing_if = "is_false")]
    #[schemars(example = true)]
    pub one_file_system: bool,
    /// Whether the number of rows of each table is recorded.
    #[serde(skip_serializing_if = "is_false")]
    #[schemars(example = true)]
    pub row_counts: bool,
    /// How much SQLite checks each database while it is read.
    #[serde(skip_serializing_if = "is_off")]
    #[schemars(example = &"quick")]
    pub verify_source: VerifySource,
    /// Of a PostgreSQL server: the databases of these names or patterns only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = ["shop_*"])]
    pub databases: Vec<String>,
    /// Of a PostgreSQL server: no database of these names or patterns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = ["*_test"])]
    pub exclude_databases: Vec<String>,
    /// The folder of `pg_dump` and its like.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/usr/lib/postgresql/16/bin")]
    pub pg_bin: Option<PathBuf>,
    /// A command by which `pg_dump` and its like are run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"docker exec -i db")]
    pub pg_command: Option<String>,
    /// Whether a folder in which a database server keeps its data is captured as it is. Without it, such a
    /// folder fails the run, unless something is stopped meanwhile.
    #[serde(skip_serializing_if = "is_false")]
    #[schemars(example = true)]
    pub raw: bool,
    /// Whether it may have become empty. Without it, a source that has become empty fails the run, as does a command that
    /// prints nothing: it may not be mounted.
    #[serde(skip_serializing_if = "is_false")]
    #[schemars(example = true)]
    pub allow_empty: bool,
    /// Commands around the capture of all sources, for this one's sake.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{ "before": "mount /mnt/photos", "finally": "umount /mnt/photos" }]))]
    pub hooks: Option<Hooks>,
}

/// How much a database is checked while it is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VerifySource {
    /// Not at all.
    #[default]
    Off,
    /// `PRAGMA quick_check`.
    Quick,
    /// `PRAGMA integrity_check`.
    Full,
}

/// What the name of a source begins with that lies in containers.
const OF_CONTAINERS: [&str; 3] = ["compose:", "container:", "volume:"];

impl SourceTable {
    /// One with nothing but a name.
    pub fn named(name: &str) -> Self {
        SourceTable { source: Some(name.to_owned()), ..SourceTable::default() }
    }

    /// What it is called in sentences.
    pub fn title(&self) -> String {
        match (&self.source, &self.command, &self.name) {
            (Some(source), ..) => source.clone(),
            (_, Some(command), Some(name)) => format!("{name} from `{command}`"),
            _ => "a source without a name".to_owned(),
        }
    }

    /// Whether it lies in a container.
    pub fn is_of_containers(&self) -> bool {
        let source = self.source.as_deref().unwrap_or_default();
        OF_CONTAINERS.iter().any(|scheme| source.starts_with(scheme))
    }

    /// The folder, file or database that it is on this machine, if it is one.
    pub fn path(&self) -> Option<&str> {
        let source = self.source.as_deref()?;
        let is_path = !self.is_of_containers() && !source.starts_with("postgres-dump:");
        is_path.then(|| source.strip_prefix("sqlite:").unwrap_or(source))
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_off(value: &VerifySource) -> bool {
    *value == VerifySource::Off
}
