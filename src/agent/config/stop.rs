//! What is done around a capture: hooks, and services that are stopped meanwhile.

use super::one_or_many::OneOrMany;
use super::values::{Span, Written};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long hooks may take that say nothing else.
const HOOK_TIMEOUT: Duration = Duration::from_secs(600);

/// How long stopping may take, and starting, where nothing else is said.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// How long services stand still where nothing else is said.
const MAX_DOWNTIME: Duration = Duration::from_secs(120);

/// Commands around a capture: lines for the shell, one or several, which find the run's facts in their
/// environment.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Hooks {
    /// Before anything else. One that fails stops the run.
    #[serde(skip_serializing_if = "is_empty")]
    #[schemars(example = &"/srv/app/maintenance on")]
    pub before: OneOrMany<String>,
    /// After a capture that did not fail.
    #[serde(skip_serializing_if = "is_empty")]
    #[schemars(example = &"logger backup done")]
    pub after: OneOrMany<String>,
    /// After a capture that failed, or a copy, prune or check that failed.
    #[serde(skip_serializing_if = "is_empty")]
    #[schemars(example = &"logger backup failed")]
    pub failed: OneOrMany<String>,
    /// After `after` or `failed` of a capture, whatever its outcome.
    #[serde(skip_serializing_if = "is_empty")]
    #[schemars(example = &"/srv/app/maintenance off")]
    pub finally: OneOrMany<String>,
    /// How long each command may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"5min", extend("default" = "10min"))]
    pub timeout: Option<Written<Span>>,
}

impl Hooks {
    /// How long each command may take.
    pub fn timeout(&self) -> Duration {
        self.timeout.as_ref().map_or(HOOK_TIMEOUT, |timeout| timeout.value.0)
    }
}

/// What is stopped while the sources are captured: `stop` and `start` as commands, or `services`. They are
/// started again whatever happens.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    default,
    expecting = "a table with `stop` and `start`, or with `services`"
)]
pub struct Stop {
    /// A line for the shell that stops it, and ends once it is stopped, unless `running` says whether it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"systemctl stop web")]
    pub stop: Option<String>,
    /// A line for the shell that starts it again; where it runs already, it does no harm. A process that it leaves in the
    /// background needs an output of its own, such as `>/dev/null 2>&1`: that of the line is read only until it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"systemctl start web")]
    pub start: Option<String>,
    /// A line for the shell that succeeds while it runs. Where it fails, nothing is stopped or started. It is asked again until
    /// it has stopped, and until it runs again. Without it, `stop` and `start` are called in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"systemctl is-active --quiet web")]
    pub running: Option<String>,
    /// Services of containers, instead of commands: of Compose, by their names, in the projects of the job's
    /// sources if there are any; or containers by their names, or by a label `NAME=VALUE`. Exactly those that
    /// run are stopped, dependents first, and started in reverse.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = ["worker", "web"])]
    pub services: Vec<String>,
    /// How long stopping may take, and starting; of services, each.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"1min", extend("default" = "30s"))]
    pub timeout: Option<Written<Span>>,
    /// How long they may be stopped. After that they are started, and the run fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"30s", extend("default" = "2min"))]
    pub max_downtime: Option<Written<Span>>,
}

impl Stop {
    /// How long stopping may take, and starting.
    pub fn timeout(&self) -> Duration {
        self.timeout.as_ref().map_or(STOP_TIMEOUT, |timeout| timeout.value.0)
    }

    /// How long they may stand still.
    pub fn max_downtime(&self) -> Duration {
        self.max_downtime.as_ref().map_or(MAX_DOWNTIME, |most| most.value.0)
    }
}

fn is_empty<T>(list: &OneOrMany<T>) -> bool {
    list.all().is_empty()
}
