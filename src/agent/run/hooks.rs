//! Commands around a capture.

use super::Run;
use super::facts::Facts;
use super::log::Log;
use crate::agent::config::{Hooks, OneOrMany};
use crate::agent::report::{Outcome, StepKind};
use crate::agent::shell;
use crate::error::{Error, Result};
use std::time::Duration;

/// Those of a job or a source, and what they find in their environment.
pub struct HookSet<'h> {
    /// The commands.
    pub hooks: &'h Hooks,
    /// The source whose they are.
    pub source: Option<String>,
}

impl HookSet<'_> {
    /// Before the capture: the first that fails is the run's failure.
    pub fn before(&self, log: &mut Log<'_>, facts: &Facts) -> Result<()> {
        self.run(StepKind::Before, &self.hooks.before, log, facts)
    }

    /// After it, and last of all. What fails of these makes the run incomplete.
    pub fn after(&self, log: &mut Log<'_>, facts: &Facts) {
        let then = match facts.error {
            None => (StepKind::After, &self.hooks.after),
            Some(_) => (StepKind::Failed, &self.hooks.failed),
        };
        for (step, lines) in [then, (StepKind::Finally, &self.hooks.finally)] {
            if let Err(error) = self.run(step, lines, log, facts) {
                log.incomplete_because(&error);
            }
        }
    }

    fn run(
        &self,
        step: StepKind,
        lines: &OneOrMany<String>,
        log: &mut Log<'_>,
        facts: &Facts,
    ) -> Result<()> {
        let facts = Facts { source: self.source.clone(), ..facts.clone() };
        let timeout = self.hooks.timeout();
        let is_before = step == StepKind::Before;
        lines.all().iter().try_for_each(|line| {
            let variables = facts.variables(step.name());
            let attempted = format!("run the hook `{}`,", step.name());
            run_command_step(log, step, line, timeout, &variables, is_before, &attempted).map(drop)
        })
    }
}

/// Tells that what came after the capture failed, or was all there was to do.
pub fn run_failed_hooks(run: &Run<'_>, log: &mut Log<'_>, error: &Error) {
    let Some(hooks) = &run.job.hooks else { return };
    let facts = Facts {
        job: run.name.to_owned(),
        outcome: Some(Outcome::Failed),
        error: Some(error.to_string()),
        snapshot: log.report().snapshot_id.clone(),
        into: log.report().repository.clone(),
        ..Facts::default()
    };
    let set = HookSet { hooks, source: None };
    if let Err(error) = set.run(StepKind::Failed, &hooks.failed, log, &facts) {
        log.incomplete_because(&error);
    }
}

/// One line as a step of the run, and what it printed; where it `may_stop`, the wish to stop ends it.
pub fn run_command_step(
    log: &mut Log<'_>,
    step: StepKind,
    line: &str,
    timeout: Duration,
    variables: &[(&str, String)],
    may_stop: bool,
    attempted: &str,
) -> Result<String> {
    log.step(step, line, |monitor, notes| {
        let ran = shell::run(line, timeout, variables, &|| may_stop && monitor.stop_requested());
        notes.output = Some(ran.output.clone());
        ran.well(attempted, line)?;
        Ok(ran.output)
    })
}
