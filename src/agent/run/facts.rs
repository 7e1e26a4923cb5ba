//! The environment variables by which commands learn about the run.

use crate::agent::report::Outcome;

/// What is known of a run.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The job.
    pub job: String,
    /// The source that a command belongs to.
    pub source: Option<String>,
    /// The outcome of the capture.
    pub outcome: Option<Outcome>,
    /// The snapshot.
    pub snapshot: Option<String>,
    /// The repository that it went into.
    pub into: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// Seconds for which services were stopped.
    pub downtime: Option<f64>,
}

impl Facts {
    /// The same as variables.
    pub fn variables(&self, hook: &str) -> Vec<(&'static str, String)> {
        let known = [
            ("ICECORE_JOB", Some(self.job.clone())),
            ("ICECORE_HOOK", Some(hook.to_owned())),
            ("ICECORE_SOURCE", self.source.clone()),
            ("ICECORE_OUTCOME", self.outcome.map(|outcome| outcome.name().to_owned())),
            ("ICECORE_SNAPSHOT", self.snapshot.clone()),
            ("ICECORE_INTO", self.into.clone()),
            ("ICECORE_ERROR", self.error.clone()),
            ("ICECORE_DOWNTIME", self.downtime.map(|seconds| format!("{seconds:.3}"))),
        ];
        known.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}
