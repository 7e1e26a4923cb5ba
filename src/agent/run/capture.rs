//! The capture of a job: live, or while services are stopped. In the latter case nearly everything is stored
//! before, while they run, and nothing waits for the network while they are stopped. SQLite databases in WAL
//! mode are only pinned then, and read while the services start again; neither waits for the other.

use super::Run;
use super::log::{Log, StepNotes};
use crate::agent::config::Stop;
use crate::agent::report::{Fault, StepKind};
use crate::agent::stop::{Order, StartReason, StoppedServices, What, journal_of};
use crate::backend::{Backend, Spool};
use crate::error::{Error, Kind, Result};
use crate::id::SnapshotId;
use crate::monitor::{Monitor, Silent};
use crate::ops::backup::{Backup, BackupOptions, BackupReport, Wanted, backup};
use crate::ops::heads::Heads;
use crate::repo::{Repository, SnapshotKey};
use crate::source::Source;
use crate::text::utc;
use std::sync::Arc;

/// What is captured, and into what.
pub struct Target<'i> {
    /// The name of the repository.
    pub name: &'i str,
    /// The repository, over the spool.
    pub repository: &'i Repository,
    /// What holds back packs.
    pub spool: &'i Spool<Arc<dyn Backend>>,
    /// The sources, none of them read yet.
    pub sources: &'i dyn Fn() -> Result<Vec<Box<dyn Source>>>,
    /// How it is captured.
    pub options: BackupOptions,
}

impl Target<'_> {
    fn wanted(&self) -> Result<Wanted> {
        Wanted::of((self.sources)()?, self.options.keep_going)
    }
}

/// Captures; the snapshot stands from when it is told, whatever fails after that.
pub fn capture(
    run: &Run<'_>,
    log: &mut Log<'_>,
    into: &Target<'_>,
    snapshot: &mut Option<SnapshotId>,
) -> Result<()> {
    // Before anything is listed: all that is remembered now was there then.
    let heads = run.heads(into.repository, run.context.monitor());
    let live =
        |monitor: &dyn Monitor| backup(into.repository, (into.sources)()?, &into.options, monitor);
    match run.job.stop.as_ref().and_then(|stop| order(run, log, stop)) {
        Some(mut order) => {
            order.what.look_up(order.timeout)?;
            still(run, log, into, order, heads, snapshot)
        }
        None => log.step(StepKind::Capture, into.name, |monitor, notes| {
            let report = once_more_if_fenced(monitor, || live(monitor))?;
            *snapshot = Some(tell(into, heads, report, monitor, notes));
            Ok(())
        }),
    }
}

/// Stores nearly everything, stops the services, reads what has changed since, starts them, reads what was pinned,
/// and stores all that.
fn still(
    run: &Run<'_>,
    log: &mut Log<'_>,
    into: &Target<'_>,
    order: Order,
    heads: Option<Heads>,
    snapshot: &mut Option<SnapshotId>,
) -> Result<()> {
    let warmed = log.step(StepKind::WarmUp, into.name, |monitor, _| {
        once_more_if_fenced(monitor, || {
            let wanted = into.wanted()?;
            let backup = Backup::begin(into.repository, &wanted, &into.options)?;
            backup.warm_up(wanted, monitor)
        })
    })?;
    let ready = into.wanted().and_then(|wanted| Ok((wanted, stop(log, order)?)));
    let (wanted, services) = match ready {
        Ok(ready) => ready,
        Err(error) => {
            // The error is what matters; an outcome only spares the collector a wait.
            drop(warmed.abandon());
            return Err(error);
        }
    };
    into.spool.hold();
    let pinned =
        log.step_until(StepKind::Read, into.name, &|| services.is_over(), |monitor, notes| {
            let pin = || warmed.pin(wanted, monitor);
            let pinned = services.during(run.context.monitor(), pin);
            notes.figure("pinned", pinned.count());
            Ok(pinned)
        })?;
    services.ask();
    into.spool.release();
    let captured = match pinned.count() {
        0 => pinned.read(&Silent),
        _ => log.step(StepKind::ReadPinned, into.name, |monitor, _| Ok(pinned.read(monitor)))?,
    };
    let (started, because) = match start(services, log) {
        Ok(started) => started,
        Err(error) => {
            drop(captured.abandon());
            return Err(error);
        }
    };
    if because == StartReason::Overdue {
        // Some of it may have been read while they ran already.
        drop(captured.abandon());
        return started;
    }
    let stored = log.step(StepKind::Capture, into.name, |monitor, notes| {
        let report = captured.commit(monitor)?;
        *snapshot = Some(tell(into, heads, report, monitor, notes));
        Ok(())
    });
    // That services came back late, or did not, explains what else went wrong.
    log.check_interrupt().and(started).and(stored)
}

fn once_more_if_fenced<T>(monitor: &dyn Monitor, work: impl Fn() -> Result<T>) -> Result<T> {
    match work() {
        Err(error) if error.kind() == Kind::Fenced => {
            monitor.note("a collector gave this backup up; it starts again");
            work()
        }
        done => done,
    }
}

/// What is stopped and started, if anything is.
fn order(run: &Run<'_>, log: &Log<'_>, stop: &Stop) -> Option<Order> {
    Some(Order {
        job: run.name.to_owned(),
        journal: journal_of(log.state(), run.name),
        what: What::of(run.job, stop)?,
        timeout: stop.timeout(),
        max_downtime: stop.max_downtime(),
    })
}

fn stop(log: &mut Log<'_>, order: Order) -> Result<StoppedServices> {
    log.check_interrupt()?;
    log.step(StepKind::Stop, &order.what.stopping(), |monitor, notes| {
        let (services, ran) = StoppedServices::begin(order, monitor)?;
        notes.output = Some(ran.output);
        Ok(services)
    })
}

/// Starts the services; whether they are back, and were stopped for as long as was asked for, and why they were started.
fn start(services: StoppedServices, log: &mut Log<'_>) -> Result<(Result<()>, StartReason)> {
    let line = services.starting();
    let started = services.end()?;
    let reason = match started.because {
        StartReason::Asked
        | StartReason::RunEnded
        | StartReason::NotStopped
        | StartReason::NotBegun => None,
        StartReason::Overdue => {
            Some("they had been stopped for as long as `max_downtime` allows, and were started")
        }
        StartReason::NoGuard => {
            Some("the process that guards the stopped services died; they were started again")
        }
    };
    let stood_still = reason.map_or(Ok(()), |reason| {
        Err(Error::new(Kind::Failed, "capture all sources while the services were stopped", "")
            .because(reason)
            .hint("raise `max_downtime`, or run the job at a time when less changes"))
    });
    Ok((log.started(&line, &started).and(stood_still), started.because))
}

/// The outcome of it; heads of series are remembered.
fn tell(
    into: &Target<'_>,
    heads: Option<Heads>,
    mut report: BackupReport,
    monitor: &dyn Monitor,
    notes: &mut StepNotes,
) -> SnapshotId {
    report.snapshot.warnings.iter().for_each(|warning| monitor.warn(warning));
    let lost = heads.as_ref().map(|heads| heads.lost(&report.chains)).unwrap_or_default();
    lost.iter().for_each(|head| monitor.trouble(&head.lost()));
    if let Ok((_, hash)) = into.repository.outcome_just_put(report.snapshot.id) {
        report.chains.add(SnapshotKey::new(&report.snapshot, hash, 0));
    }
    if let Some(Err(error)) = heads.map(|heads| heads.remember(&report.chains, false)) {
        monitor.trouble(&error);
    }
    notes.is_incomplete = report.incomplete || report.snapshot.tainted() > 0 || !lost.is_empty();
    // Snapshots that are gone do not come back by themselves.
    notes.fault = lost.first().map(|head| Fault::of(&head.lost()));
    figures(&report, notes);
    report.snapshot.id
}

fn figures(report: &BackupReport, notes: &mut StepNotes) {
    let (snapshot, cost) = (&report.snapshot, &report.snapshot.summary);
    notes.figure("snapshot_id", snapshot.id.to_string());
    notes.figure("captured", utc(snapshot.started));
    notes.figure("files", cost.files_new + cost.files_changed + cost.files_unchanged);
    notes.figure("databases", cost.databases);
    notes.figure("failed", cost.failed);
    notes.figure("tainted", snapshot.tainted());
    notes.figure("bytes", cost.bytes);
    notes.figure("bytes_read", cost.bytes_read);
    notes.figure("bytes_written", cost.written);
}
