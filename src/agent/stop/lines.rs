//! Lines for the shell that stop and start something, and one that says whether it runs.

use crate::agent::config::without_secrets;
use crate::agent::shell::{self, CommandOutcome};
use crate::error::Result;
use serde::{Deserialize, Serialize};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often it is asked whether something runs that was stopped or started.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// How long the line that says whether it runs may take before it is started.
const LAST_QUESTION: Duration = Duration::from_secs(5);

/// Lines for the shell.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Lines {
    /// That which stops.
    pub stop: String,
    /// That which starts.
    pub start: String,
    /// That which succeeds while it runs, if there is one.
    #[serde(default)]
    pub running: Option<String>,
    /// Whether it did not run when it was looked up: then nothing is stopped or started.
    #[serde(default)]
    pub is_idle: bool,
}

impl Lines {
    /// Looks up whether it runs now.
    ///
    /// # Errors
    /// Where that cannot be known.
    pub fn look_up(&mut self, timeout: Duration) -> Result<()> {
        self.is_idle = self.is_running(timeout)? == Some(false);
        Ok(())
    }

    /// Stops it, and waits until it has stopped; the line is ended once it `is_over`.
    pub fn stop(&self, timeout: Duration, is_over: &dyn Fn() -> bool) -> CommandOutcome {
        if self.is_idle {
            return CommandOutcome::done("it does not run: nothing is stopped");
        }
        let begun = Instant::now();
        let mut ran = shell::run(&self.stop, timeout, &[], is_over);
        if ran.failure.is_none() {
            ran.failure = match self.becomes(false, begun + timeout, is_over) {
                Ok(true) => None,
                Ok(false) => Some("it still runs after that, by `running`".to_owned()),
                Err(error) => Some(error.to_string()),
            };
        }
        ran.seconds = begun.elapsed().as_secs_f64();
        ran
    }

    /// Starts it, and waits until it runs; the outcome, and the line if it does not run after that.
    pub fn start(&self, timeout: Duration) -> (CommandOutcome, Vec<String>) {
        if self.is_idle {
            return (CommandOutcome::done("it did not run before: it is not started"), Vec::new());
        }
        let begun = Instant::now();
        let mut ran = shell::run(&self.start, timeout, &[], &|| false);
        let runs = ran.failure.is_some()
            || self.becomes(true, begun + timeout, &|| false).unwrap_or_default();
        ran.seconds = begun.elapsed().as_secs_f64();
        let line = || format!("`{}`", without_secrets(&self.start));
        (ran, if runs { Vec::new() } else { vec![line()] })
    }

    /// What runs although it was to be stopped, or did not run before. A line that cannot say keeps nothing from being
    /// started for long.
    pub fn ran_meanwhile(&self) -> Vec<String> {
        let runs = self.is_running(LAST_QUESTION).unwrap_or_default() == Some(true);
        let ran = self.running.iter().filter(|_| runs);
        ran.map(|line| format!("what `{}` asks for", without_secrets(line))).collect()
    }

    /// Whether it runs, or not, by this moment, as is asked for; true where nothing can tell.
    fn becomes(&self, runs: bool, until: Instant, is_over: &dyn Fn() -> bool) -> Result<bool> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.is_running(left.max(POLL_INTERVAL))? {
                Some(found) if found != runs => {}
                _ => return Ok(true),
            }
            if left.is_zero() || is_over() {
                return Ok(false);
            }
            sleep(POLL_INTERVAL);
        }
    }

    /// Whether it runs; none if there is no line that says so.
    fn is_running(&self, timeout: Duration) -> Result<Option<bool>> {
        self.running.as_ref().map(|line| shell::succeeds(line, timeout)).transpose()
    }
}
