//! A run of a job: a list of steps with one report.

mod backup;
mod capture;
mod configuration;
mod context;
mod copy;
mod dead_runs;
mod facts;
mod hooks;
mod identity;
mod lock;
mod log;
mod maintenance;
mod must_contain;
mod notify;
mod per_repository;
mod preview;
mod step_monitor;
mod uncopied;
mod uncounted;

#[cfg(feature = "testing")]
pub use super::report::Fault;
pub use super::report::{Outcome, Report, Step, Task};
pub use context::RunContext;
pub use dead_runs::{remember, report_died_of, settle};
pub use lock::{is_at_work, lock_of};
pub use preview::WouldForget;

use super::alert::{Ping, Pinging};
use super::config::{Config, JOB_LABEL, Job};
use super::history::History;
use super::stop;
use crate::env::state;
use crate::error::Result;
use crate::monitor::Monitor;
use crate::ops::heads::Heads;
use crate::ops::select::Filter;
use crate::repo::Repository;
use lock::Locks;
use log::Log;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A run of a job.
pub struct Run<'a> {
    /// The file.
    pub config: &'a Config,
    /// The job's name.
    pub name: &'a str,
    /// The job.
    pub job: &'a Job,
    /// What the run takes from the program around it.
    pub context: &'a dyn RunContext,
    /// What is done.
    pub tasks: &'a [Task],
    /// How long it waits for another run of the job that does the same.
    pub wait: Duration,
}

impl Run<'_> {
    /// Does it. What fails is in the report, which is left on this host, too.
    ///
    /// # Errors
    /// If nothing could be done at all, not even a report.
    pub fn run(&self) -> Result<Report> {
        let state = self.state()?;
        let monitor = self.context.monitor();
        let locks = lock::take(self, &state)?;
        if let Err(error) = settle_before(&state, locks.as_ref()) {
            monitor.trouble(&error);
        }
        let mut log = Log::new(self, &state);
        match &locks {
            None => log.skip("another run of this job does the same already"),
            Some(locks) => {
                if let Err(error) = locks.note(log.report()) {
                    monitor.trouble(&error);
                }
                let alert = self.config.alert.as_ref();
                let pinging = Pinging::begin(Ping::Start, alert, self.name);
                let done = self.tasks(&mut log);
                log.end(done);
                if let Err(error) = pinging.end() {
                    monitor.trouble(&error);
                }
            }
        }
        let report = log.finish();
        locks.iter().for_each(Locks::clear);
        Ok(report)
    }

    fn tasks(&self, log: &mut Log<'_>) -> Result<()> {
        for left in stop::start_left_behind(log.state()) {
            match left {
                Ok(left) => log.left_behind(&left),
                Err(error) => log.incomplete_because(&error),
            }
        }
        let captured = match self.tasks.contains(&Task::Backup) {
            true => Some(backup::run(self, log)?),
            false => None,
        };
        let done = self.upkeep(log, captured.as_deref());
        if let Err(error) = &done {
            hooks::run_failed_hooks(self, log, error);
        }
        done
    }

    /// What is done with snapshots that there are.
    fn upkeep(&self, log: &mut Log<'_>, captured: Option<&str>) -> Result<()> {
        let wants = |task| self.tasks.contains(&task);
        if wants(Task::Copy) {
            copy::copy(self, log, captured)?;
        }
        if wants(Task::Prune) {
            maintenance::prune(self, log)?;
        }
        if wants(Task::Check) {
            maintenance::check(self, log)?;
        }
        Ok(())
    }

    /// Where this host remembers things, for its owner alone.
    fn state(&self) -> Result<PathBuf> {
        let folder = self.context.state()?;
        state::private_folder(&folder)?;
        Ok(folder)
    }

    /// What this host remembers of a repository; none if there is no place for that, or it cannot be read, which
    /// is told.
    fn heads(&self, repository: &Repository, monitor: &dyn Monitor) -> Option<Heads> {
        let heads = Heads::load(&self.context.state().ok()?, repository.config().repository);
        heads.map_err(|error| monitor.trouble(&error)).ok()
    }

    /// The snapshots of this job and this host.
    fn filter(&self) -> Filter {
        let labels = BTreeMap::from([(JOB_LABEL.to_owned(), self.name.to_owned())]);
        Filter { hosts: vec![self.host()], labels, ..Filter::default() }
    }

    /// The name of this machine in snapshots.
    fn host(&self) -> String {
        self.config.defaults.host.clone().unwrap_or_else(|| self.context.host())
    }
}

/// Leaves the reports of runs that have died, also of one that this run has waited for. The history, which takes a
/// while to open, is asked only if there are any.
fn settle_before(state: &Path, locks: Option<&Locks>) -> Result<()> {
    // First what this run is to overwrite.
    let mut died =
        locks.map_or(Ok(Vec::new()), |locks| dead_runs::report_died_with(state, locks))?;
    let others = dead_runs::report_died(state).map(|others| died.extend(others));
    if !died.is_empty() {
        dead_runs::remember(&History::open(state)?, &died)?;
    }
    others
}
