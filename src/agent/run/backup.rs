//! The capture of a job, with its hooks.

use super::capture::{Target, capture};
use super::configuration::Configuration;
use super::facts::Facts;
use super::hooks::{HookSet, run_command_step};
use super::identity::recognize;
use super::log::Log;
use super::{Run, must_contain};
use crate::agent::config::{JOB_LABEL, TextOrTable};
use crate::agent::report::{Outcome, StepKind};
use crate::backend::{Backend, Spool};
use crate::error::{Error, Kind, Result};
use crate::ops::backup::BackupOptions;
use crate::repo::Repository;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long a label's command may take.
const LABEL_TIMEOUT: Duration = Duration::from_secs(60);

/// Longest label that a command tells.
const LABEL_MOST: usize = 256;

/// Captures, with the hooks around; the name of the repository that it went into.
pub fn run(run: &Run<'_>, log: &mut Log<'_>) -> Result<String> {
    let hooks = run.job.hooks.clone().unwrap_or_default();
    let around = HookSet { hooks: &hooks, source: None };
    let mut facts = Facts { job: run.name.to_owned(), ..Facts::default() };
    let done = around.before(log, &facts).and_then(|()| captured(run, log, &mut facts));
    let report = log.report();
    facts.downtime = report.downtime;
    facts.outcome = Some(if done.is_ok() { report.outcome } else { Outcome::Failed });
    facts.error = done.as_ref().err().map(ToString::to_string);
    around.after(log, &facts);
    done
}

fn captured(run: &Run<'_>, log: &mut Log<'_>, facts: &mut Facts) -> Result<String> {
    let options = BackupOptions {
        host: run.host(),
        user: run.context.user(),
        tags: run.job.tags.iter().cloned().collect(),
        labels: labels(run, log),
        ..BackupOptions::default()
    };
    let mut all = run.config.repositories_of(run.job).into_iter();
    let mut into = Opened::of(next_that_answers(run, log, &mut all)?, log.state());
    let sources = || run.context.sources(run.job, &run.config.repositories());
    let configuration = Configuration::of(run, &sources()?)?;
    let sources = || configuration.beside(sources()?);
    let mut snapshot = None;
    let done = around_sources(run, log, facts, |log| {
        loop {
            let Opened { name, repository, spool } = &into;
            let options = options.clone();
            let target = Target { name, repository, spool, sources: &sources, options };
            let error = match capture(run, log, &target, &mut snapshot) {
                Err(error) if snapshot.is_none() && is_for_another(&error) => error,
                done => return done,
            };
            // If no other answers, this one's failure is the run's.
            let Ok(next) = next_that_answers(run, log, &mut all) else { return Err(error) };
            log.incomplete_because(&error);
            into = Opened::of(next, log.state());
        }
    });
    if let Some(id) = snapshot {
        log.report().snapshot_id = Some(id.to_string());
        log.report().repository = Some(into.name.clone());
        facts.snapshot = Some(id.to_string());
        facts.into = Some(into.name.clone());
    }
    log.check_interrupt().and(done)?;
    if let Some(id) = snapshot.filter(|_| !run.job.must_contain.is_empty()) {
        let artifacts = &run.job.must_contain;
        log.step(StepKind::Contents, &artifacts.join(", "), |monitor, _| {
            let (repository, projects) = (&into.repository, run.job.projects());
            let found = must_contain::require_artifacts(repository, id, artifacts, &projects);
            if found.as_ref().is_err_and(|error| error.kind() == Kind::Failed) {
                let marked = must_contain::mark_lacking(repository, id);
                marked.unwrap_or_else(|error| monitor.trouble(&error));
            }
            found
        })?;
    }
    Ok(into.name)
}

/// Facts of the job, fixed ones and those that commands tell. One that cannot be told is missing.
fn labels(run: &Run<'_>, log: &mut Log<'_>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([(JOB_LABEL.to_owned(), run.name.to_owned())]);
    for (name, label) in &run.job.labels {
        let value = match label {
            TextOrTable::Text(text) => Ok(text.clone()),
            TextOrTable::Table(asked) => run_command_step(
                log,
                StepKind::Label,
                &asked.command,
                LABEL_TIMEOUT,
                &[],
                true,
                "tell the label by",
            ),
        };
        match value {
            Ok(value) => {
                let line = value.lines().next().unwrap_or_default().trim();
                labels.insert(name.clone(), line.chars().take(LABEL_MOST).collect());
            }
            Err(error) => log.incomplete_because(&error),
        }
    }
    labels
}

/// A repository that is captured into.
struct Opened {
    name: String,
    repository: Repository,
    spool: Arc<Spool<Arc<dyn Backend>>>,
}

impl Opened {
    fn of((name, repository): (String, Repository), state: &Path) -> Self {
        let (repository, spool) = repository.spooling(state);
        Opened { name, repository: repository.keeping_packs(), spool }
    }
}

/// Whether a capture that failed may succeed into another repository: the store is full, or went away.
fn is_for_another(error: &Error) -> bool {
    matches!(error.kind(), Kind::NoSpace | Kind::Unavailable)
}

/// The first repository that can be opened, and its name. Those before it are missed.
pub fn first_that_answers(run: &Run<'_>, log: &mut Log<'_>) -> Result<(String, Repository)> {
    next_that_answers(run, log, &mut run.config.repositories_of(run.job).into_iter())
}

/// The same of those that were not tried yet.
fn next_that_answers<'r>(
    run: &Run<'_>,
    log: &mut Log<'_>,
    repositories: &mut impl Iterator<Item = (&'r str, &'r crate::agent::config::Repository)>,
) -> Result<(String, Repository)> {
    let mut first = None;
    for (name, repository) in repositories {
        log.check_interrupt()?;
        match log.step(StepKind::Open, name, |_, _| run.context.open(repository)) {
            Ok(opened) => {
                first.iter().for_each(|error| log.incomplete_because(error));
                recognize(run, log, name, &opened);
                return Ok((name.to_owned(), opened));
            }
            Err(error) => drop(first.get_or_insert(error)),
        }
    }
    let none = || Error::new(Kind::InvalidInput, "find", "a repository of the job");
    Err(first.unwrap_or_else(none))
}

/// Does it with the hooks of each source around.
fn around_sources<T>(
    run: &Run<'_>,
    log: &mut Log<'_>,
    facts: &Facts,
    work: impl FnOnce(&mut Log<'_>) -> Result<T>,
) -> Result<T> {
    let sources: Vec<_> =
        run.job.sources().filter_map(|source| Some((source.title(), source.hooks?))).collect();
    let around = |(title, hooks)| HookSet { hooks, source: Some(title) };
    let around: Vec<HookSet<'_>> =
        sources.iter().map(|(title, hooks)| around((title.clone(), hooks))).collect();
    let mut begun = 0;
    let mut before = Ok(());
    for source in &around {
        begun += 1;
        before = source.before(log, facts);
        if before.is_err() {
            break;
        }
    }
    let done = before.and_then(|()| work(log));
    let outcome = if done.is_ok() { Outcome::Done } else { Outcome::Failed };
    let error = done.as_ref().err().map(ToString::to_string);
    let facts = Facts { outcome: Some(outcome), error, ..facts.clone() };
    around.iter().take(begun).rev().for_each(|source| source.after(log, &facts));
    done
}
