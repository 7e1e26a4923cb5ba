//! What follows a run: alerts, pings, and metrics for Prometheus. None of these changes the outcome of the run.

use super::{Run, settle};
use crate::agent::alert::{Alerter, Batching, Ping, Pinging};
use crate::agent::history::History;
use crate::agent::metrics;
use crate::agent::report::{Outcome, Report};
use crate::agent::status::{Status, TaskStatus};
use crate::error::Result;
use std::path::Path;

impl Run<'_> {
    /// Tells of it. What cannot be told is said here, and told later; so is what may wait for more, where another
    /// run comes now, or an agent looks all the time.
    pub fn tell(&self, report: &Report, another_comes: bool) {
        // One that was skipped has no news.
        if report.outcome == Outcome::Skipped {
            return;
        }
        let Ok(state) = self.context.state() else { return };
        let monitor = self.context.monitor();
        let alerter = Alerter::new(self.config, self.host(), &state, self.context.env());
        let patience = match another_comes || alerter.has_watcher() {
            true => Batching::Batch,
            false => Batching::Immediate,
        };
        let status = self.status(&state);
        let (is_wrong, lost) = match &status {
            Ok(status) if remembers(status, report) => (alerter.is_wrong(status, self.name), None),
            Ok(_) => (true, Some("the history of runs lacks the last one".to_owned())),
            Err(error) => (true, Some(error.to_string())),
        };
        let mut jobs = status.iter().flat_map(|status| &status.jobs);
        let ping = match is_wrong {
            true => Ping::Failure,
            false => Ping::of_end(report.outcome, jobs.find(|job| job.job == self.name)),
        };
        let pinging = Pinging::begin(ping, self.config.alert.as_ref(), self.name);
        let written = status.as_ref().map_or(Ok(()), |it| metrics::write(self.config, it));
        let failures = match (&status, lost) {
            (Ok(status), None) => alerter.look(Ok(status), patience),
            (_, lost) => {
                let reason = format!("{}; {}", lost.unwrap_or_default(), outcome_text(report));
                alerter.send_forgotten([self.name], &reason, patience)
            }
        };
        let failures = failures.into_iter().chain(written.err()).chain(pinging.end().err());
        failures.for_each(|error| monitor.trouble(&error));
    }

    fn status(&self, state: &Path) -> Result<Status> {
        let (history, now) = (History::open(state)?, self.context.env().now());
        if let Err(error) = settle(&history) {
            self.context.monitor().trouble(&error);
        }
        Status::of(self.config, &history, now, &self.config.zone())
    }
}

/// Whether the status knows of the run.
fn remembers(status: &Status, report: &Report) -> bool {
    let is_it =
        |task: &TaskStatus| task.last_run.as_ref().map(|run| run.started) == report.moment();
    let tasks = status.jobs.iter().filter(|job| job.job == report.job).flat_map(|job| &job.tasks);
    tasks.into_iter().any(is_it)
}

/// The outcome of a run that nobody remembers.
fn outcome_text(report: &Report) -> String {
    let reason = report.reason.as_ref().map(|reason| format!(": {reason}"));
    format!("what became of it: {}{}", report.outcome.name(), reason.unwrap_or_default())
}
