//! A run of a job: a list of steps with one report.

mod backup;
mod elsewhere;
mod facts;
mod heard;
mod hooks;
mod lock;
mod log;
mod program;
mod report;
mod whole;

pub use program::Program;
pub use report::{Outcome, Report};

use super::config::{Config, JOB_LABEL, Job};
use super::stop;
use crate::error::{Attempt, Error, Kind, Result};
use crate::ops::select::Filter;
use log::Log;
use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

/// What a run is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Captures the sources into the first repository that answers.
    Backup,
    /// Copies from there into the others.
    Copy,
    /// Forgets what no repository's policy keeps, and gives back its room.
    Prune,
    /// Checks the repositories.
    Check,
}

/// A run of a job.
pub struct Run<'a> {
    /// The file.
    pub config: &'a Config,
    /// The job's name.
    pub name: &'a str,
    /// The job.
    pub job: &'a Job,
    /// What the run takes from the program around it.
    pub program: &'a dyn Program,
    /// What is done.
    pub tasks: &'a [Task],
}

impl Run<'_> {
    /// Does it. What fails is in the report, which is left on this host, too.
    ///
    /// # Errors
    /// If nothing could be done at all, not even a report.
    pub fn run(&self) -> Result<Report> {
        let state = self.state()?;
        let mut log = Log::new(self, &state);
        match lock::take(&state, self.name)? {
            None => log.skip("another run of this job is at work on this host"),
            Some(_lock) => {
                let done = self.tasks(&mut log);
                log.end(done);
            }
        }
        Ok(log.finish())
    }

    fn tasks(&self, log: &mut Log<'_>) -> Result<()> {
        if let Some(reason) = self.job.cannot_run() {
            return Err(Error::new(Kind::Unsupported, "run the job", self.name)
                .because(format!("{reason}, which this version does not do yet"))
                .hint("`icecore config check` says what else it does not do"));
        }
        for left in stop::start_left_behind(log.state()) {
            match left {
                Ok(left) => log.left_behind(&left),
                Err(error) => log.missed(&error),
            }
        }
        let wants = |task| self.tasks.contains(&task);
        let captured = match wants(Task::Backup) {
            true => Some(backup::run(self, log)?),
            false => None,
        };
        if wants(Task::Copy) {
            elsewhere::copy(self, log, captured.as_deref())?;
        }
        if wants(Task::Prune) {
            elsewhere::prune(self, log)?;
        }
        if wants(Task::Check) {
            elsewhere::check(self, log)?;
        }
        Ok(())
    }

    /// Where this host remembers things, for its owner alone.
    fn state(&self) -> Result<PathBuf> {
        let state = self.program.state().ok_or_else(|| {
            Error::new(Kind::InvalidInput, "find", "a folder for locks and reports")
                .hint("use --state-dir, or set ICECORE_STATE_DIR")
        })?;
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&state)
            .attempt("make", state.display())?;
        Ok(state)
    }

    /// The snapshots of this job and this host.
    fn filter(&self) -> Filter {
        let labels = BTreeMap::from([(JOB_LABEL.to_owned(), self.name.to_owned())]);
        Filter { hosts: vec![self.host()], labels, ..Filter::default() }
    }

    /// The name of this machine in snapshots.
    fn host(&self) -> String {
        self.config.defaults.host.clone().unwrap_or_else(|| self.program.host())
    }
}
