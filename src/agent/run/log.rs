//! A run as it goes on: its steps, one after the other.

use super::Run;
use super::step_monitor::StepMonitor;
use crate::agent::config::{without_passwords, without_secrets};
use crate::agent::history::History;
use crate::agent::report::{Fault, Outcome, Report, Step, StepKind};
use crate::agent::shell::CommandOutcome;
use crate::agent::stop::{LeftBehind, Started};
use crate::env::{Env, Time};
use crate::error::{Error, Kind, Result};
use crate::monitor::Monitor;
use crate::text::utc;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A run as it goes on.
pub struct Log<'a> {
    env: &'a Env,
    monitor: &'a dyn Monitor,
    state: PathBuf,
    begun: Time,
    report: Report,
}

/// What a step has to say besides that it was done.
#[derive(Default)]
pub struct StepNotes {
    /// Whether something is missing.
    pub is_incomplete: bool,
    /// What sort of reason that has, if not the usual one.
    pub fault: Option<Fault>,
    /// The end of what a command printed.
    pub output: Option<String>,
    /// Figures.
    pub figures: BTreeMap<String, Value>,
}

impl StepNotes {
    /// One more figure.
    pub fn figure(&mut self, name: &'static str, value: impl Into<Value>) {
        self.figures.insert(name.to_owned(), value.into());
    }
}

impl<'a> Log<'a> {
    /// Of a run that begins.
    pub fn new(run: &Run<'a>, state: &Path) -> Self {
        let (env, monitor) = (run.context.env(), run.context.monitor());
        let begun = env.now();
        let environment = run.config.defaults.environment.clone();
        let mut report = Report::new(run.name, run.tasks, environment, run.host(), begun);
        report.not_done_yet = run.job.not_done_yet();
        Log { env, monitor, state: state.to_owned(), begun, report }
    }

    /// Where this host remembers things.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// What is known so far.
    pub fn report(&mut self) -> &mut Report {
        &mut self.report
    }

    /// Does a step.
    pub fn step<T>(
        &mut self,
        step: StepKind,
        what: &str,
        work: impl FnOnce(&dyn Monitor, &mut StepNotes) -> Result<T>,
    ) -> Result<T> {
        self.step_until(step, what, &|| false, work)
    }

    /// Does a step, which is to stop when `is_over`.
    pub fn step_until<T>(
        &mut self,
        step: StepKind,
        what: &str,
        is_over: &(dyn Fn() -> bool + Sync),
        work: impl FnOnce(&dyn Monitor, &mut StepNotes) -> Result<T>,
    ) -> Result<T> {
        let begun = self.env.now();
        let monitor = StepMonitor::new(self.monitor, is_over);
        let mut notes = StepNotes::default();
        let result = work(&monitor, &mut notes);
        let outcome = match &result {
            Err(_) => Outcome::Failed,
            Ok(_) if notes.is_incomplete => Outcome::Incomplete,
            Ok(_) => Outcome::Done,
        };
        let warnings = monitor.into_warnings();
        let warnings: Vec<String> = warnings.iter().map(|it| without_passwords(it)).collect();
        if outcome == Outcome::Incomplete {
            self.mark_incomplete(
                &incomplete(step.name(), what, &warnings),
                notes.fault.unwrap_or(Fault::Other),
            );
        }
        self.report.steps.push(Step {
            step,
            what: without_secrets(what),
            started: utc(begun),
            seconds: self.env.now().seconds_since(begun),
            outcome,
            error: result.as_ref().err().map(|error| without_passwords(&error.to_string())),
            hint: result.as_ref().err().and_then(Error::hint_text).map(without_passwords),
            warnings,
            output: notes.output.as_deref().map(without_secrets),
            figures: notes.figures,
        });
        result
    }

    /// A step that failed without the run failing.
    pub fn incomplete_because(&mut self, error: &Error) {
        self.monitor.trouble(error);
        self.mark_incomplete(&error.to_string(), Fault::of(error));
    }

    /// Something is missing.
    fn mark_incomplete(&mut self, what: &str, fault: Fault) {
        self.report.fault = self.report.fault.max(Some(fault));
        self.report.outcome = self.report.outcome.max(Outcome::Incomplete);
        self.report.reason.get_or_insert_with(|| without_passwords(what));
    }

    /// Services that an earlier run had left stopped.
    pub fn left_behind(&mut self, left: &LeftBehind) {
        let what = format!("services of {} that an earlier run had left stopped", left.job);
        self.monitor.warn(&format!("starting {what}"));
        let started = self.step(StepKind::LeftBehind, &what, |_, notes| {
            notes.output = Some(left.ran.output.clone());
            left.ran.well("start services by", &left.start)
        });
        if let Err(error) = started {
            self.incomplete_because(&error);
        }
    }

    /// Services were started, by the guard.
    pub fn started(&mut self, line: &str, started: &Started) -> Result<()> {
        let CommandOutcome { seconds, .. } = started.ran;
        // Services are stopped once more where a second repository is captured into.
        if let Some(more) = started.downtime {
            *self.report.downtime.get_or_insert_default() += more;
        }
        let because = serde_json::to_value(started.because).unwrap_or_default();
        let done = self.step(StepKind::Start, line, |_, notes| {
            notes.output = Some(started.ran.output.clone());
            notes.figure("because", because);
            started.ran.well("start services by", line)
        });
        if let Some(step) = self.report.steps.last_mut() {
            step.seconds = seconds;
        }
        if !started.ran_meanwhile.is_empty() {
            let names = started.ran_meanwhile.join(", ");
            self.incomplete_because(
                &Error::new(
                    Kind::SourceChanged,
                    "capture all sources while the services were stopped",
                    names,
                )
                .because("it was started by something else, or by the engine, and ran meanwhile"),
            );
        }
        if done.is_ok() && !started.unhealthy.is_empty() {
            return Err(Error::new(Kind::Failed, "start", started.unhealthy.join(", "))
                .because("it was started again, and is not healthy or keeps ending")
                .hint("its log says why; raise `timeout` if it takes longer to get healthy"));
        }
        done
    }

    /// Another run was at work.
    pub fn skip(&mut self, reason: &str) {
        self.report.outcome = Outcome::Skipped;
        self.report.reason = Some(reason.to_owned());
    }

    /// All is done, or the run failed.
    pub fn end(&mut self, done: Result<()>) {
        if let Err(error) = done {
            self.report.outcome = Outcome::Failed;
            self.report.reason = Some(without_passwords(&error.to_string()));
            self.report.fault = self.report.fault.max(Some(Fault::of(&error)));
            self.report.failure = Some(error);
        }
    }

    /// The report, which was left on this host, too.
    pub fn finish(mut self) -> Report {
        self.report.seconds = self.env.now().seconds_since(self.begun);
        // A run that was skipped has no news.
        if self.report.outcome != Outcome::Skipped {
            let saved =
                self.report.save(&self.state).map_err(|error| error.within("leave", "a report"));
            saved.as_ref().err().into_iter().for_each(|error| self.incomplete_because(error));
            self.remember(saved.ok().as_deref());
        }
        self.report
    }

    /// Remembers the run. A history that is not to be had makes no run fail.
    fn remember(&self, file: Option<&str>) {
        let recorded = History::open(&self.state).and_then(|history| {
            history.warnings().for_each(|warning| self.monitor.warn(warning));
            history.record(&self.report, file)
        });
        if let Err(error) = recorded {
            self.monitor.warn(&format!("the history of runs lacks this one: {error}"));
        }
    }

    /// Ends the run once the user wants to stop.
    pub fn check_interrupt(&self) -> Result<()> {
        match self.monitor.stop_requested() {
            false => Ok(()),
            true => {
                Err(Error::new(Kind::Interrupted, "run", &self.report.job).because("interrupted"))
            }
        }
    }
}

/// What a step lacks: what was wrong first, and how much more.
fn incomplete(step: &str, what: &str, warnings: &[String]) -> String {
    match warnings {
        [] => format!("{step} {what}"),
        [one] => format!("{step} {what}: {one}"),
        [first, rest @ ..] => format!("{step} {what}: {first}; and {} more", rest.len()),
    }
}
