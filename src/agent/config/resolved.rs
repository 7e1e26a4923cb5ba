//! The configuration of one job as a file of its own, with all defaults filled in. It is stored in the job's
//! snapshots, for a recovery on a new host.

use super::redact::{without_passwords, without_secrets};
use super::{Config, Containers, Defaults, Job, Repository};
use crate::error::{Error, Kind, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use toml::{Table, Value};

/// What stands above it.
const HEAD: &str = "# What `icecore run` did: the job, and the repositories that it goes to. Who is told of it, the page and the\n\
                    # agent are not of the job. Secrets were never in it, or are left out: `***` stands for them.\n\n";

/// The tables of the file that concern a job.
#[derive(Serialize)]
struct OfJob<'c> {
    defaults: Defaults,
    #[serde(skip_serializing_if = "Option::is_none")]
    containers: Option<&'c Containers>,
    repository: BTreeMap<&'c str, &'c Repository>,
    job: BTreeMap<&'c str, &'c Job>,
}

impl Config {
    /// A job, what the defaults say of it, and its repositories, without secrets: the file that would make this host,
    /// of this name, do the same.
    ///
    /// # Errors
    /// If it cannot be written down.
    pub fn of_job(&self, name: &str, job: &Job, host: &str) -> Result<String> {
        let of_job = OfJob {
            // The job has the others already.
            defaults: Defaults {
                host: Some(host.to_owned()),
                to: None,
                schedule: None,
                check: None,
                ..self.defaults.clone()
            },
            containers: self.containers.as_ref(),
            repository: self.repositories_of(job).into_iter().collect(),
            job: BTreeMap::from([(name, job)]),
        };
        let wrong = |cause: toml::ser::Error| {
            Error::new(Kind::Failed, "write down the job", name).caused_by(cause)
        };
        let mut table = Table::try_from(of_job).map_err(wrong)?;
        for (name, value) in &mut table {
            // Nearly all that is written in a job are lines for the shell.
            let rule = if name == "job" { without_secrets } else { without_passwords };
            rewrite(value, rule, rule);
        }
        Ok(HEAD.to_owned() + &toml::to_string(&table).map_err(wrong)?)
    }
}

type Rule = fn(&str) -> String;

/// Rewrites every text in a value by this rule, and those in tables by that one, unless their keys say what they are.
fn rewrite(value: &mut Value, rule: Rule, within: Rule) {
    match value {
        Value::String(text) => *text = rule(text),
        Value::Array(values) => {
            values.iter_mut().for_each(|value| rewrite(value, rule, within));
        }
        Value::Table(table) => table.iter_mut().for_each(|(key, value)| {
            let rule = match key.as_str() {
                "source" => without_passwords,
                "password_command" => without_secrets,
                _ => within,
            };
            rewrite(value, rule, within);
        }),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
    }
}
