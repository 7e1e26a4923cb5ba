//! Prunes and checks of a job's repositories. One repository that fails does not stop the others.

use super::Run;
use super::log::Log;
use super::must_contain::require_artifacts;
use super::per_repository::Each;
use super::uncopied::uncopied;
use super::uncounted::uncounted;
use crate::agent::config::Keep;
use crate::agent::report::StepKind;
use crate::env::TOOL;
use crate::error::Result;
use crate::format::snapshot::SourceName;
use crate::ops::check::{CheckOptions, check as check_repository, coverage};
use crate::ops::forget::{PolicyPlan, forget, plan_by_policy};
use crate::ops::prune::{Patience, PlanLimits, PruneOptions, prune as prune_repository};
use crate::ops::select::{find_all, named_sources};
use crate::repo::Repository;
use std::collections::BTreeSet;

/// Forgets what no repository's policy keeps of this job, and gives back its room.
pub fn prune(run: &Run<'_>, log: &mut Log<'_>) -> Result<()> {
    let mut each = Each::new();
    for (name, repository) in run.config.repositories_of(run.job) {
        if run.job.is_pruned_elsewhere(name) {
            continue;
        }
        let done = prune_one(run, log, name, repository);
        each.add(log, done)?;
    }
    each.end(log, false)
}

fn prune_one(
    run: &Run<'_>,
    log: &mut Log<'_>,
    name: &str,
    repository: &crate::agent::config::Repository,
) -> Result<()> {
    let opened = log.step(StepKind::Open, name, |_, _| run.context.open(repository))?;
    if let Some(keep) = &repository.keep {
        let works = log.report().works();
        log.step(StepKind::Forget, name, |monitor, notes| {
            let judged = judge(run, &opened, keep)?;
            let plan = &judged.plan;
            plan.troubles.iter().chain(&plan.unread_notes).for_each(|error| monitor.trouble(error));
            match uncopied(run, &works, (name, &opened), plan) {
                Ok(lost) => lost.iter().for_each(|lost| monitor.warn(lost)),
                Err(error) => monitor.trouble(&error),
            }
            let report = forget(&opened, plan, monitor)?;
            notes.is_incomplete =
                !plan.troubles.is_empty() || !plan.unread_notes.is_empty() || report.held > 0;
            notes.figure("forgotten", report.forgotten);
            notes.figure("kept", judged.stays().len());
            let (forgotten, kept) = (report.forgotten, judged.stays().len());
            monitor.note(&format!("{name}: snapshots forgotten: {forgotten}, kept: {kept}"));
            match uncounted(run, name, &opened) {
                Ok(left) => left.iter().for_each(|left| monitor.warn(left)),
                Err(error) => monitor.trouble(&error),
            }
            Ok(())
        })?;
    }
    log.step(StepKind::Prune, name, |monitor, notes| {
        let heads = run.heads(&opened, monitor);
        let options = PruneOptions {
            limits: PlanLimits::default(),
            patience: Patience::default(),
            dry_run: false,
            given_up: BTreeSet::new(),
            seen: heads.map(|heads| heads.known()).unwrap_or_default(),
            exclusive: false,
            host: run.host(),
            tool: TOOL.to_owned(),
        };
        let report = prune_repository(&opened, &options, monitor)?;
        notes.is_incomplete = !report.troubles.is_empty();
        if report.waits.is_some() {
            // That is so wherever several back up at night, and no news.
            monitor.note("some is removed by the next prune only, since a writer is at work");
        }
        let swept = &report.swept;
        notes.figure("packs_deleted", swept.packs.count);
        notes.figure(
            "bytes_deleted",
            swept.packs.bytes + swept.segments.bytes + swept.records.bytes,
        );
        notes.figure("bytes_written", report.written);
        Ok(())
    })
}

/// What its policy says of a repository's snapshots of this job.
pub fn judge<'r>(
    run: &Run<'_>,
    repository: &'r Repository,
    keep: &Keep,
) -> Result<PolicyPlan<'r, BTreeSet<SourceName>>> {
    refuse_incomplete(run, repository)?;
    let (policy, zone, filter) = (keep.policy()?, run.config.zone(), run.filter());
    plan_by_policy(repository, &policy, &zone, &filter, named_sources, false)
}

/// Where the newest snapshot lacks something that must be there, nothing is forgotten: others like it would
/// push out all that have it.
fn refuse_incomplete(run: &Run<'_>, repository: &Repository) -> Result<()> {
    let all = find_all(repository, &[], &run.filter(), drop)?;
    let newest = all.keys().find(|key| !all.is_given_up(key.id)).map(|key| key.id);
    let has_all =
        |id| require_artifacts(repository, id, &run.job.must_contain, &run.job.projects());
    newest.map_or(Ok(()), has_all)
}

/// Checks every repository of the job.
pub fn check(run: &Run<'_>, log: &mut Log<'_>) -> Result<()> {
    let read_data = run.job.check.as_ref().map(|check| check.read_data()).unwrap_or_default();
    let mut each = Each::new();
    for (name, repository) in run.config.repositories_of(run.job) {
        let checked = log.step(StepKind::Check, name, |monitor, notes| {
            let opened = run.context.open(repository)?;
            // Before anything is listed: all that is remembered now was there then.
            let heads = run.heads(&opened, monitor);
            let mut report = check_repository(&opened, CheckOptions { read_data }, monitor)?;
            if let Some(heads) = heads {
                report.expect(heads.lost(&report.chains), monitor);
                heads.remember(&report.chains, false)?;
            }
            notes.figure("snapshots", report.snapshots);
            notes.figure("packs", report.packs);
            notes.figure("packs_read", report.packs_read);
            notes.figure("bytes_read", report.bytes_read);
            notes.figure("errors", report.errors);
            let damaged = report.errors.saturating_sub(report.unavailable);
            // Where not all of it could be looked at, nobody knows that nothing is damaged.
            if damaged > 0 || report.unavailable == 0 {
                notes.figure("damaged", damaged);
            }
            match coverage(&opened, None) {
                Ok(coverage) => {
                    notes.figure("bytes_stored", coverage.all.bytes);
                    notes.figure("bytes_verified", coverage.within_30_days().bytes);
                }
                Err(error) => monitor.trouble(&error),
            }
            let verdict = report.verdict(name);
            verdict.map_err(|error| error.hint("`icecore check` of that repository names them"))
        });
        each.add(log, checked)?;
    }
    each.end(log, false)
}
