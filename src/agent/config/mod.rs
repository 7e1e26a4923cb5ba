//! The file of jobs: repositories by name, and jobs. All of its keys are understood; those that this
//! version does not act on yet are reported.

mod agent;
mod alert;
mod draft;
mod find;
mod job;
mod keep;
mod last_good;
mod one_or_many;
mod panel;
mod place;
mod quoting;
mod recovery;
mod redact;
mod reference;
mod repository;
mod resolved;
mod source;
mod stop;
mod unsupported;
mod validate;
mod values;

pub use agent::Agent;
pub use alert::{Alert, Mail as MailTable, Metrics, Preset, Webhook as WebhookTable};
pub use draft::Draft;
pub use find::{find, to_be};
pub use job::{Check, Job, Schedules};
pub use keep::Keep;
pub use one_or_many::{OneOrMany, TextOrTable};
pub use panel::Panel;
pub use place::nearest;
pub use redact::{without_passwords, without_secrets};
pub use reference::{reference, schema};
pub use repository::Repository;
pub use source::{SourceTable, VerifySource};
pub use stop::{Hooks, Stop};
pub use values::{FileValue, Written};

use crate::error::{Error, Kind, Result};
use jiff::tz::TimeZone;
use place::Text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use values::{ReadBack, Zone};

/// The label of snapshots that says which job made them.
pub const JOB_LABEL: &str = "job";

/// What is backed up, where to, and when.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What holds for all jobs.
    #[serde(default)]
    #[schemars(extend("examples" = [{ "timezone": "Europe/Berlin" }]))]
    pub defaults: Defaults,
    /// How `icecore agent` keeps the schedules.
    #[serde(default)]
    #[schemars(extend("examples" = [{ "max_runs": 4 }]))]
    pub agent: Agent,
    /// The repositories, by names that jobs call them by.
    #[serde(default)]
    #[schemars(extend("examples" = [{ "local": { "url": "/backup/app", "password_file": "/etc/icecore/app.password" } }]))]
    pub repository: BTreeMap<String, Repository>,
    /// The jobs, by their names.
    #[serde(default)]
    #[schemars(extend("examples" = [{ "app": { "source": "/srv/app", "to": ["local"] } }]))]
    pub job: BTreeMap<String, Job>,
    /// Where containers are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{ "socket": "/run/podman/podman.sock" }]))]
    pub containers: Option<Containers>,
    /// Who is told when something is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{ "ping": "${HEALTHCHECK_URL}" }]))]
    pub alert: Option<Alert>,
    /// Figures for Prometheus.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{ "textfile": "/var/lib/prometheus/node-exporter/icecore.prom" }]))]
    pub metrics: Option<Metrics>,
    /// A page in the browser, which `agent` or `panel` serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{ "listen": "127.0.0.1:8440", "login": { "user": "ops", "hash_file": "/etc/icecore/panel.hash" } }]))]
    pub panel: Option<Panel>,
    /// Where the file lies.
    #[serde(skip)]
    pub file: PathBuf,
    /// What stood there.
    #[serde(skip)]
    pub text: String,
}

/// What holds for all jobs, unless a job says something else.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Defaults {
    /// The role of this host, such as `production`; reports and alerts show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"production")]
    pub environment: Option<String>,
    /// The time zone of schedules and of what is kept. Without it, that of the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"Europe/Berlin")]
    pub timezone: Option<Written<Zone>>,
    /// Whom to call; for a later version, which prints it in a recovery.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"Ops, +49 30 1234567, ops@example.com")]
    pub contacts: Option<String>,
    /// The name of this machine in snapshots. Without it, ICECORE_HOST or the machine's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"web1")]
    pub host: Option<String>,
    /// `to` of jobs that have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [["local", "nas"]]))]
    pub to: Option<OneOrMany<String>>,
    /// `schedule` of jobs that have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["hourly"]))]
    pub schedule: Option<TextOrTable<Written<crate::agent::schedule::Schedule>, Schedules>>,
    /// `check` of jobs that have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{ "read_data": "5%" }]))]
    pub check: Option<Check>,
}

/// Where containers are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Containers {
    /// The socket at which their engine, Docker or Podman, listens. Without it, that of DOCKER_HOST, or the
    /// first of the usual ones.
    #[schemars(example = &"/run/podman/podman.sock")]
    pub socket: PathBuf,
}

impl Config {
    /// The file that is named, or else the user's or the machine's; and where it lies.
    ///
    /// # Errors
    /// `NotFound`, `Refused` if others can write it, `InvalidInput` with the place of what is wrong.
    pub fn load(named: Option<&Path>) -> Result<(Self, PathBuf)> {
        let path = find(named)?;
        Ok((Config::parse(&find::read(&path)?, &path)?, path))
    }

    /// What stands in the file.
    ///
    /// # Errors
    /// `InvalidInput`, with line and column.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let text = Text { path, text };
        let mut config: Config =
            toml::from_str(text.text).map_err(|error| text.explained(&error))?;
        for job in config.job.values_mut() {
            let defaults = config.defaults.clone();
            job.to = job.to.take().or(defaults.to);
            job.schedule = job.schedule.take().or(defaults.schedule);
            job.check = job.check.take().or(defaults.check);
            job.socket = config.containers.as_ref().map(|containers| containers.socket.clone());
        }
        validate::all(&config, text)?;
        (config.file, config.text) = (path.to_owned(), text.text.to_owned());
        Ok(config)
    }

    /// The file as it is by now. One that had jobs and has none is more likely half written than meant so.
    ///
    /// # Errors
    /// Those of [`Config::load`], `Refused` if its jobs are gone.
    pub fn reload(&self) -> Result<Self> {
        let (config, path) = Config::load(Some(&self.file))?;
        match config.job.is_empty() && !self.job.is_empty() {
            true => Err(Error::new(Kind::Refused, "use", path.display())
                .because("all of its jobs are gone")
                .hint("where that is meant, end the agent, or the timers that call icecore")),
            false => Ok(config),
        }
    }

    /// The job of this name.
    ///
    /// # Errors
    /// `NotFound`, with the nearest one there is.
    pub fn job(&self, name: &str) -> Result<&Job> {
        self.job.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.job.keys().map(String::as_str).collect();
            Error::new(Kind::NotFound, "find the job", name).hint(nearest(name, &known))
        })
    }

    /// The repositories of a job, in its order.
    pub fn repositories_of<'c>(&'c self, job: &'c Job) -> Vec<(&'c str, &'c Repository)> {
        let known = |name| Some((name, self.repository.get(name)?));
        job.repositories().filter_map(known).collect()
    }

    /// All repositories.
    pub fn repositories(&self) -> Vec<&Repository> {
        self.repository.values().collect()
    }

    /// What the zone is called where days begin.
    pub fn zone_name(&self) -> String {
        let zone = self.zone();
        zone.iana_name().map_or_else(|| "this machine's time zone".to_owned(), str::to_owned)
    }

    /// Where days begin.
    pub fn zone(&self) -> TimeZone {
        let zone = self.defaults.timezone.as_ref();
        zone.map_or_else(TimeZone::system, |zone| zone.value.0.clone())
    }
}

impl Check {
    /// How much is read back.
    pub fn read_data(&self) -> crate::ops::check::ReadData {
        let read = |read: &Written<ReadBack>| read.value.0;
        self.read_data.as_ref().map(read).unwrap_or_default()
    }
}
