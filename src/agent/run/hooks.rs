//! Commands around a capture.

use super::facts::Facts;
use super::log::Log;
use crate::agent::config::{Hooks, OneOrMany};
use crate::agent::shell;
use crate::error::Result;
use std::time::Duration;

/// Those of a job or a source, and what they find in their environment.
pub struct Around<'h> {
    /// The commands.
    pub hooks: &'h Hooks,
    /// The source whose they are.
    pub source: Option<String>,
}

impl Around<'_> {
    /// Before the capture: the first that fails is the run's failure.
    pub fn before(&self, log: &mut Log<'_>, facts: &Facts) -> Result<()> {
        self.run("before", &self.hooks.before, log, facts)
    }

    /// After it, and last of all. What fails of these makes the run incomplete.
    pub fn after(&self, log: &mut Log<'_>, facts: &Facts) {
        let then = match facts.error {
            None => ("after", &self.hooks.after),
            Some(_) => ("failed", &self.hooks.failed),
        };
        for (step, lines) in [then, ("finally", &self.hooks.finally)] {
            if let Err(error) = self.run(step, lines, log, facts) {
                log.missed(&error);
            }
        }
    }

    fn run(
        &self,
        step: &'static str,
        lines: &OneOrMany<String>,
        log: &mut Log<'_>,
        facts: &Facts,
    ) -> Result<()> {
        let facts = Facts { source: self.source.clone(), ..facts.clone() };
        let timeout = self.hooks.timeout();
        let is_before = step == "before";
        lines.all().iter().try_for_each(|line| {
            let variables = facts.variables(step);
            let attempted = format!("run the hook `{step}`,");
            one(log, step, line, timeout, &variables, is_before, &attempted).map(drop)
        })
    }
}

/// One line as a step of the run, and what it printed; where it `may_stop`, the wish to stop ends it.
pub fn one(
    log: &mut Log<'_>,
    step: &'static str,
    line: &str,
    timeout: Duration,
    variables: &[(&str, String)],
    may_stop: bool,
    attempted: &str,
) -> Result<String> {
    log.step(step, line, |monitor, said| {
        let ran = shell::run(line, timeout, variables, &|| may_stop && monitor.stop_requested());
        said.output = Some(ran.output.clone());
        ran.well(attempted, line)?;
        Ok(ran.output)
    })
}
