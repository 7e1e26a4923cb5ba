//! Where a repository lies, where what opens it comes from, and what it keeps.

use super::keep::Keep;
use crate::backend::{Location, Options, Rates};
use crate::error::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// A repository. One of `password_file`, `key_file` and `password_command` says what opens it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repository {
    /// Where it lies: an absolute path, `s3://bucket/prefix`, or `sftp://user@host/path`.
    #[schemars(example = &"/backup/app")]
    pub url: String,
    /// Options of the store, as `-o` has them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("examples" = [{ "region": "fra1" }]))]
    pub options: BTreeMap<String, OptionValue>,
    /// A file with variables that a bucket of S3 is opened by, a line `NAME=VALUE` each, such as
    /// `AWS_ACCESS_KEY_ID`. Other stores read the environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/icecore/s3.env")]
    pub env_file: Option<PathBuf>,
    /// A file with the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/icecore/app.password")]
    pub password_file: Option<PathBuf>,
    /// A key file.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/icecore/app.key")]
    pub key_file: Option<PathBuf>,
    /// A command that prints the password. It has a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"pass show backup/app")]
    pub password_command: Option<String>,
    /// Which snapshots of each job `prune` keeps there. Without it, all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{ "hourly": 48, "daily": 14, "min": 7 }]))]
    pub keep: Option<Keep>,
}

impl Repository {
    /// Where it lies.
    ///
    /// # Errors
    /// `InvalidInput` for a place or an option that no store knows.
    pub fn location(&self) -> Result<Location> {
        let options = self.options.iter().map(|(key, value)| format!("{key}={value}"));
        let options = Options::parse(&options.collect::<Vec<_>>(), Rates::default())?;
        Location::parse(&self.url, &options)
    }
}

/// A text, a number, or yes or no.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged, expecting = "a text, a number, or true or false")]
pub enum OptionValue {
    /// A text.
    Text(String),
    /// A number.
    Number(u64),
    /// Yes or no.
    Bool(bool),
}

impl fmt::Display for OptionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptionValue::Text(text) => f.write_str(text),
            OptionValue::Number(number) => write!(f, "{number}"),
            OptionValue::Bool(true) => f.write_str("yes"),
            OptionValue::Bool(false) => f.write_str("no"),
        }
    }
}
