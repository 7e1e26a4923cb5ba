//! The capture of a job, with what is around it.

use super::facts::Facts;
use super::hooks::{Around, one};
use super::log::{Log, Said};
use super::report::Outcome;
use super::{Run, whole};
use crate::agent::config::{JOB_LABEL, TextOrTable};
use crate::agent::stop::{Because, Order, Standstill, journal_of};
use crate::error::{Error, Kind, Result};
use crate::format::snapshot::Snapshot;
use crate::monitor::Monitor;
use crate::ops::backup::{BackupOptions, BackupReport, backup};
use crate::ops::heads::Heads;
use crate::repo::{Repository, SnapshotKey};
use crate::source::Source;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a label's command may take.
const LABEL_TIMEOUT: Duration = Duration::from_secs(60);

/// Longest label that a command tells.
const LABEL_MOST: usize = 256;

/// Captures, with the hooks around; the name of the repository that it went into.
pub fn run(run: &Run<'_>, log: &mut Log<'_>) -> Result<String> {
    let hooks = run.job.hooks.clone().unwrap_or_default();
    let around = Around { hooks: &hooks, source: None };
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
    let labels = labels(run, log);
    // Nothing waits for the network while services stand still.
    let (into, repository) = first_that_answers(run, log)?;
    let sources = || run.program.sources(run.job, &targets(run));
    sources()?;
    let standstill = stop(run, log)?;
    let captured = around_sources(run, log, facts, |log| {
        let is_over = || standstill.as_ref().is_some_and(Standstill::is_over);
        log.step_until("capture", &into, &is_over, |monitor, said| {
            let capture = || capture(run, &repository, &sources, labels, monitor, said);
            match &standstill {
                Some(standstill) => standstill.during(run.program.monitor(), capture),
                None => capture(),
            }
        })
    });
    let started = match (standstill, &run.job.stop) {
        (Some(standstill), Some(stop)) => start(standstill, stop.start.as_deref(), log),
        _ => Ok(()),
    };
    // That services came back late, or did not, explains what else went wrong.
    if let Ok(snapshot) = &captured {
        log.report().snapshot_id = Some(snapshot.id.to_string());
        log.report().repository = Some(into.clone());
        facts.snapshot = Some(snapshot.id.to_string());
        facts.into = Some(into.clone());
    }
    log.go_on()?;
    started?;
    let id = captured?.id;
    if !run.job.must_contain.is_empty() {
        let artifacts = &run.job.must_contain;
        log.step("contents", &artifacts.join(", "), |_, _| {
            whole::complete(&repository, id, artifacts)
        })?;
    }
    Ok(into)
}

/// Facts of the job, fixed ones and those that commands tell. One that cannot be told is missing.
fn labels(run: &Run<'_>, log: &mut Log<'_>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([(JOB_LABEL.to_owned(), run.name.to_owned())]);
    for (name, label) in &run.job.labels {
        let value = match label {
            TextOrTable::Text(text) => Ok(text.clone()),
            TextOrTable::Table(asked) => {
                one(log, "label", &asked.command, LABEL_TIMEOUT, &[], true, "tell the label by")
            }
        };
        match value {
            Ok(value) => {
                let line = value.lines().next().unwrap_or_default().trim();
                labels.insert(name.clone(), line.chars().take(LABEL_MOST).collect());
            }
            Err(error) => log.missed(&error),
        }
    }
    labels
}

/// All repositories of the job.
fn targets<'r>(run: &Run<'r>) -> Vec<&'r crate::agent::config::Repository> {
    run.config.repositories_of(run.job).into_iter().map(|(_, repository)| repository).collect()
}

/// The first repository that can be opened, and its name. Those before it are missed.
pub fn first_that_answers(run: &Run<'_>, log: &mut Log<'_>) -> Result<(String, Repository)> {
    let mut first = None;
    for (name, repository) in run.config.repositories_of(run.job) {
        log.go_on()?;
        match log.step("open", name, |_, _| run.program.open(repository)) {
            Ok(opened) => {
                first.iter().for_each(|error| log.missed(error));
                return Ok((name.to_owned(), opened));
            }
            Err(error) => drop(first.get_or_insert(error)),
        }
    }
    let none = || Error::new(Kind::InvalidInput, "find", "a repository of the job");
    Err(first.unwrap_or_else(none))
}

/// Stops the services of a job that has some.
fn stop(run: &Run<'_>, log: &mut Log<'_>) -> Result<Option<Standstill>> {
    let Some(stop) = &run.job.stop else { return Ok(None) };
    let (Some(line), Some(start)) = (&stop.stop, &stop.start) else { return Ok(None) };
    log.go_on()?;
    let order = Order {
        job: run.name.to_owned(),
        journal: journal_of(log.state(), run.name),
        stop: line.clone(),
        start: start.clone(),
        timeout: stop.timeout(),
        max_downtime: stop.max_downtime(),
    };
    log.step("stop", line, |monitor, said| {
        let (standstill, ran) = Standstill::begin(order, monitor)?;
        said.output = Some(ran.output);
        Ok(Some(standstill))
    })
}

fn start(standstill: Standstill, line: Option<&str>, log: &mut Log<'_>) -> Result<()> {
    let started = standstill.end()?;
    log.started(line.unwrap_or_default(), &started)?;
    let reason = match started.because {
        Because::Asked | Because::RunEnded | Because::NotStopped | Because::NotBegun => {
            return Ok(());
        }
        Because::Overdue => {
            "they had stood still for as long as `max_downtime` allows, and were started"
        }
        Because::NoGuard => "what guards them was gone, and they were started",
    };
    Err(Error::new(Kind::Failed, "capture everything while services stand still", "")
        .because(reason)
        .hint("capture without stopping first, so that most of it is stored already, or raise `max_downtime`"))
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
    let around = |(title, hooks)| Around { hooks, source: Some(title) };
    let around: Vec<Around<'_>> =
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

fn capture(
    run: &Run<'_>,
    repository: &Repository,
    sources: &dyn Fn() -> Result<Vec<Box<dyn Source>>>,
    labels: BTreeMap<String, String>,
    monitor: &dyn Monitor,
    said: &mut Said,
) -> Result<Snapshot> {
    let options = BackupOptions {
        host: run.host(),
        user: run.program.user(),
        tags: run.job.tags.iter().cloned().collect(),
        labels,
        ..BackupOptions::default()
    };
    let heads = run.program.state().and_then(|state| {
        let heads = Heads::load(&state, repository.config().repository);
        heads.map_err(|error| monitor.trouble(&error)).ok()
    });
    let mut report = match backup(repository, sources()?, &options, monitor) {
        Err(error) if error.kind() == Kind::Fenced => {
            monitor.note("a collector gave this backup up; it starts again");
            backup(repository, sources()?, &options, monitor)?
        }
        report => report?,
    };
    report.snapshot.warnings.iter().for_each(|warning| monitor.warn(warning));
    let lost = heads.as_ref().map(|heads| heads.lost(&report.chains)).unwrap_or_default();
    lost.iter().for_each(|head| monitor.trouble(&head.lost()));
    if let Ok((_, hash)) = repository.outcome_just_put(report.snapshot.id) {
        report.chains.add(SnapshotKey::new(&report.snapshot, hash, 0));
    }
    if let Some(Err(error)) = heads.map(|heads| heads.remember(&report.chains, false)) {
        monitor.trouble(&error);
    }
    said.is_incomplete = report.incomplete || report.snapshot.tainted() > 0 || !lost.is_empty();
    figures(&report, said);
    Ok(report.snapshot)
}

fn figures(report: &BackupReport, said: &mut Said) {
    let (snapshot, cost) = (&report.snapshot, &report.snapshot.summary);
    said.figure("snapshot_id", snapshot.id.to_string());
    said.figure("files", cost.files_new + cost.files_changed + cost.files_unchanged);
    said.figure("databases", cost.databases);
    said.figure("failed", cost.failed);
    said.figure("tainted", snapshot.tainted());
    said.figure("bytes", cost.bytes);
    said.figure("bytes_read", cost.bytes_read);
    said.figure("bytes_written", cost.written);
}
