//! `run`: does what the file says of a job.

use super::config::FileArgs;
use super::run_context::CliRunContext;
use crate::agent::config::Config;
use crate::agent::run::{Outcome, Report, Run, Task, WouldForget};
use crate::error::{Error, Kind, Result};
use crate::monitor::{Monitor, go_on};
use crate::ops::amount::duration;
use crate::text;
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::out::Out;
use clap::{Args, ValueEnum};
use std::time::Duration;

/// What `run` takes.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The jobs, by their names in the file
    #[arg(value_name = "JOB", required_unless_present = "all")]
    pub jobs: Vec<String>,

    /// All jobs of the file, one after the other
    #[arg(long, conflicts_with = "jobs")]
    pub all: bool,

    /// Do only these tasks, separated by commas
    #[arg(long, value_name = "WHAT[,WHAT...]", value_enum, value_delimiter = ',')]
    #[arg(default_values_t = [Only::Backup, Only::Copy])]
    pub only: Vec<Only>,

    /// Wait for so long for another run of the job that does the same, instead of skipping it at once (exit code 4)
    ///
    /// Of several that would wait to do the same, one does.
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "0s")]
    #[arg(hide_default_value = true)]
    pub wait: Duration,

    /// With --only prune: list what would be forgotten, and forget nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// Standard input has the text of the file, as the agent that begins this run has accepted it
    #[arg(long, hide = true)]
    pub accepted: bool,

    #[command(flatten)]
    pub file: FileArgs,
}

/// What a run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Only {
    /// Capture the sources into the first repository that answers
    Backup,
    /// Copy from there into the others
    Copy,
    /// Forget what the `keep` of each repository does not keep, and give back its room
    Prune,
    /// Check the repositories
    Check,
}

/// Runs jobs.
pub fn run(app: &App, args: &RunArgs) -> Result<Done> {
    let config = match args.accepted {
        true => args.file.accepted()?,
        false => args.file.load()?.0,
    };
    let names: Vec<&str> = match args.all {
        true => config.job.keys().map(String::as_str).collect(),
        false => args.jobs.iter().map(String::as_str).collect(),
    };
    if names.is_empty() {
        return Err(Error::new(Kind::NotFound, "find", "a job to run").because("the file has none"));
    }
    // A name that is wrong is told before anything is done.
    names.iter().try_for_each(|name| config.job(name).map(drop))?;
    let tasks: Vec<Task> = args.only.iter().copied().map(Task::from).collect();
    let progress = app.progress()?;
    let context = CliRunContext { app, progress: &progress };
    if args.dry_run {
        return would_forget(app, &config, &names, &context, &tasks);
    }
    let (mut worst, mut failures, mut printed) = (Outcome::Done, Vec::new(), Ok(()));
    for name in &names {
        go_on(&progress, "run the jobs")?;
        let job = config.job(name)?;
        let (context, tasks) = (&context, &tasks);
        let run = Run { config: &config, name, job, context, tasks, wait: args.wait };
        let report = run.run()?;
        if !report.not_done_yet.is_empty() {
            progress.note(&format!("{name}: not done yet: {}", keys(&report.not_done_yet)));
        }
        // People hear of it also where nobody reads what this prints.
        run.tell(&report, Some(name) != names.last() && !progress.stop_requested());
        printed = printed.and(tell(app, &report));
        worst = worst.max(report.outcome);
        failures.extend(report.failure.map(|error| error.within("run the job", name)));
    }
    let failed = failures.len();
    if failures.is_empty() {
        printed?;
    }
    match (failures.pop(), failed) {
        (None, _) => Ok(match worst {
            Outcome::Skipped => Done::Skipped,
            worst => Done::incomplete_if(worst != Outcome::Done),
        }),
        (Some(error), 1) => Err(error),
        (Some(last), failed) => {
            failures.iter().chain([&last]).for_each(|error| progress.trouble(error));
            Err(Error::new(Kind::Failed, "run all of the jobs", "")
                .because(format!("{failed} of {} failed", names.len())))
        }
    }
}

/// Lists what a prune would forget.
fn would_forget(
    app: &App,
    config: &Config,
    names: &[&str],
    context: &CliRunContext<'_>,
    tasks: &[Task],
) -> Result<Done> {
    if tasks != [Task::Prune] {
        return Err(Error::new(Kind::InvalidInput, "preview", "the run")
            .because("only a prune can be previewed")
            .hint("--dry-run goes with `--only prune`"));
    }
    let mut out = Out::new();
    let mut failed = false;
    for name in names {
        let (job, wait) = (config.job(name)?, Duration::ZERO);
        let run = Run { config, name, job, context, tasks, wait };
        for plan in run.would_forget() {
            failed |= plan.error.is_some();
            match app.global.json {
                true => out.json("would_forget", &plan)?,
                false => tell_plan(name, &plan, &mut out)?,
            }
        }
    }
    out.finish()?;
    Ok(Done::incomplete_if(failed))
}

fn tell_plan(name: &str, plan: &WouldForget, out: &mut Out) -> Result<()> {
    let WouldForget { repository, error, has_policy, forget, kept } = plan;
    out.prose(&match (error, has_policy) {
        (Some(error), _) => format!("{name} in {repository}: nothing would be forgotten: {error}"),
        (None, false) => {
            format!("{name} in {repository}: no rule says what is kept: everything is")
        }
        (None, true) => {
            let goes = text::count(forget.len() as u64, "snapshot");
            format!("{name} in {repository}: would forget {goes} and keep {kept}")
        }
    })?;
    forget.iter().try_for_each(|goes| out.line(&format!("  {} {}", goes.time, goes.id)))
}

impl From<Only> for Task {
    fn from(only: Only) -> Self {
        match only {
            Only::Backup => Task::Backup,
            Only::Copy => Task::Copy,
            Only::Prune => Task::Prune,
            Only::Check => Task::Check,
        }
    }
}

/// The keys that begin each sentence.
fn keys(sentences: &[String]) -> String {
    let key = |sentence: &String| sentence.split(": ").next().unwrap_or_default().to_owned();
    sentences.iter().map(key).collect::<Vec<_>>().join(", ")
}

/// One line for a run, or all of its report.
fn tell(app: &App, report: &Report) -> Result<()> {
    let mut out = Out::new();
    match app.global.json {
        true => out.json("run", report)?,
        false if app.talks() => out.prose(&line(report))?,
        false => {}
    }
    out.finish()
}

fn line(report: &Report) -> String {
    let took = text::duration(report.seconds);
    let mut line = match report.outcome {
        Outcome::Done => format!("{}: done in {took}", report.job),
        Outcome::Incomplete => format!("{}: done in {took}, but incomplete", report.job),
        Outcome::Skipped => format!("{}: skipped", report.job),
        Outcome::Failed => format!("{}: failed after {took}", report.job),
    };
    if let Some(id) = &report.snapshot_id {
        let into = report.repository.as_deref().unwrap_or_default();
        line.push_str(&format!("; snapshot {} in {into}", id.get(..8).unwrap_or(id)));
    }
    if let Some(downtime) = report.downtime {
        line.push_str(&format!("; services were stopped for {}", text::duration(downtime)));
    }
    if let Some(reason) = report.reason.as_ref().filter(|_| report.failure.is_none()) {
        line.push_str(&format!("; {reason}"));
    }
    line
}
