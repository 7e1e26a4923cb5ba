//! Copies of a job's snapshots: each repository gets what the others have and its own policy would keep.

use super::Run;
use super::backup::first_that_answers;
use super::identity::recognize;
use super::log::{Log, StepNotes};
use super::must_contain::absent;
use super::per_repository::Each;
use crate::agent::config::Keep;
use crate::agent::report::StepKind;
use crate::env::TOOL;
use crate::error::Result;
use crate::format::snapshot::Snapshot;
use crate::monitor::Monitor;
use crate::ops::copy::{CopyOptions, copy as copy_snapshots, refuse_same};
use crate::ops::forget::plan_by_policy;
use crate::ops::select::{find_all, named_sources};
use crate::repo::{Repository, Snapshots};
use crate::text::utc;
use std::collections::BTreeSet;

/// A repository of the job, open.
struct OpenRepository<'r> {
    name: &'r str,
    keep: Option<&'r Keep>,
    repository: Repository,
}

/// What is copied.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    /// All that the target's policy would keep.
    All,
    /// Of these what was captured here, and is no copy itself: the others come from where they were captured.
    CapturedHere,
}

/// Copies from the repository that was captured into, or else the first that answers, into the others; then from these
/// what was captured into them while that was away.
pub fn copy(run: &Run<'_>, log: &mut Log<'_>, captured: Option<&str>) -> Result<()> {
    let repositories = run.config.repositories_of(run.job);
    if repositories.len() < 2 {
        return Ok(());
    }
    let (from, source) = match repositories.iter().find(|(name, _)| Some(*name) == captured) {
        Some((name, repository)) => ((*name).to_owned(), run.context.open(repository)?),
        None => first_that_answers(run, log)?,
    };
    let captured_id = log.report().snapshot_id.clone();
    let keep = repositories.iter().find(|(name, _)| *name == from);
    let keep = keep.and_then(|(_, repository)| repository.keep.as_ref());
    let mut places = vec![OpenRepository { name: &from, keep, repository: source }];
    let mut each = Each::new();
    for (name, repository) in repositories.iter().filter(|(name, _)| *name != from) {
        let copied = log.step(StepKind::Copy, &format!("{from} to {name}"), |monitor, notes| {
            let target = run.context.open(repository)?;
            places.push(OpenRepository {
                name,
                keep: repository.keep.as_ref(),
                repository: target,
            });
            match places.as_slice() {
                [source, .., target] => copy_into(
                    run,
                    [source, target],
                    Which::All,
                    captured_id.as_deref(),
                    monitor,
                    notes,
                ),
                _ => Ok(()),
            }
        });
        if let Some(target) = places.last().filter(|place| place.name == *name) {
            recognize(run, log, name, &target.repository);
        }
        each.add(log, copied)?;
    }
    for source in places.iter().skip(1) {
        match has_captures(run, source) {
            Ok(false) => continue,
            Ok(true) => {}
            Err(error) => {
                each.add(log, Err(error))?;
                continue;
            }
        }
        for target in places.iter().filter(|target| target.name != source.name) {
            let what = format!("{} to {}", source.name, target.name);
            let copied = log.step(StepKind::Copy, &what, |monitor, notes| {
                copy_into(run, [source, target], Which::CapturedHere, None, monitor, notes)
            });
            each.add(log, copied)?;
        }
    }
    // There is a good snapshot; a repository that was missed has an old one.
    let may_miss = captured.is_some() || each.done > 0;
    each.end(log, may_miss)
}

fn is_captured(snapshot: &Snapshot) -> bool {
    snapshot.origin.is_none()
}

/// Whether any snapshot of the job was captured into it.
fn has_captures(run: &Run<'_>, place: &OpenRepository<'_>) -> Result<bool> {
    let all = find_all(&place.repository, &[], &run.filter(), drop)?;
    Ok(!all.filtered(is_captured)?.is_empty())
}

fn copy_into(
    run: &Run<'_>,
    [source, target]: [&OpenRepository<'_>; 2],
    which: Which,
    captured: Option<&str>,
    monitor: &dyn Monitor,
    notes: &mut StepNotes,
) -> Result<()> {
    let (from, to) = (&source.repository, &target.repository);
    refuse_same(from, &**to.backend())?;
    let mut chosen = chosen(run, from, target.keep, monitor, notes)?;
    if which == Which::CapturedHere {
        chosen = chosen.filtered(is_captured)?;
    }
    let options = CopyOptions { host: run.host(), tool: TOOL.to_owned(), dry_run: false };
    let report = copy_snapshots(from, to, &chosen, &options, monitor)?;
    notes.is_incomplete |= !report.failed.is_empty();
    report.failed.iter().for_each(|(_, error)| monitor.trouble(error));
    notes.figure("copied", report.copied.len());
    notes.figure("skipped", report.skipped);
    notes.figure(
        "bytes_written",
        report.copied.iter().map(|copied| copied.bytes_stored).sum::<u64>(),
    );
    let ids = report.copied.iter().filter_map(|copied| copied.copy).map(|id| id.to_string());
    notes.figure("snapshot_ids", ids.collect::<Vec<_>>());
    if let Some(newest) = report.newest {
        // What this run has captured has everything, or it would have failed before.
        let artifacts = match captured == Some(newest.original.to_string().as_str()) {
            true => &[],
            false => run.job.must_contain.as_slice(),
        };
        if absent(from, newest.original, artifacts, &run.job.projects())?.is_empty() {
            notes.figure("newest", utc(newest.started));
            notes.figure("newest_id", newest.copy.to_string());
        }
    }
    Ok(())
}

/// What a policy would keep of the job's snapshots.
fn chosen<'r>(
    run: &Run<'_>,
    source: &'r Repository,
    keep: Option<&Keep>,
    monitor: &dyn Monitor,
    notes: &mut StepNotes,
) -> Result<Snapshots<'r>> {
    let filter = run.filter();
    if let Some(keep) = keep {
        let (policy, zone) = (keep.policy()?, run.config.zone());
        let judged = plan_by_policy(source, &policy, &zone, &filter, named_sources, true)?;
        judged.plan.troubles.iter().for_each(|error| monitor.trouble(error));
        notes.is_incomplete = !judged.plan.troubles.is_empty();
        return Ok(judged.stays());
    }
    let mut troubles = 0;
    let mut all = find_all(source, &[], &filter, |error| {
        troubles += 1;
        monitor.trouble(&error);
    })?;
    notes.is_incomplete = troubles > 0;
    let given_up: BTreeSet<_> =
        all.keys().map(|key| key.id).filter(|id| all.is_given_up(*id)).collect();
    all.retain(|key| !given_up.contains(&key.id));
    Ok(all)
}
