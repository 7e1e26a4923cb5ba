//! How the agent keeps the schedules.

use super::values::{Span, Written};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU16;
use std::time::Duration;

/// Runs at once, where the file has no number.
const DEFAULT_MAX_RUNS: usize = 2;

/// How late a run may begin, where the file does not say it.
const JITTER: Duration = Duration::from_secs(30);

/// How `icecore agent` keeps the schedules.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Agent {
    /// How many runs may be at work at once; others wait. Two that do the same for a job never are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 4, extend("default" = 2))]
    pub max_runs: Option<NonZeroU16>,
    /// Runs begin up to so much later than their schedule says, so that many hosts do not ask one store at the
    /// same moment; always the same for a job on a host.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"10min", extend("default" = "30s"))]
    pub jitter: Option<Written<Span>>,
}

impl Agent {
    /// Runs at once.
    pub fn max_runs(&self) -> usize {
        self.max_runs.map_or(DEFAULT_MAX_RUNS, |jobs| jobs.get().into())
    }

    /// How late a run may begin.
    pub fn jitter(&self) -> Duration {
        self.jitter.as_ref().map_or(JITTER, |jitter| jitter.value.0)
    }
}
