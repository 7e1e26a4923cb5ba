//! Snapshots that a prune forgets where they were captured, before another repository of the job, which was away, has
//! got them. No later copy can bring them.

use super::Run;
use crate::agent::config::Keep;
use crate::agent::history::{History, Work};
use crate::agent::report::Task;
use crate::env::Time;
use crate::error::Result;
use crate::format::snapshot::Snapshot;
use crate::id::SnapshotId;
use crate::ops::forget::{ForgetPlan, plan_by_policy};
use crate::ops::select::named_sources;
use crate::repo::Repository;
use crate::text::count;
use std::collections::HashSet;
use std::time::Duration;

/// Reports have moments to the millisecond.
const RESOLUTION: Duration = Duration::from_millis(1);

/// What a plan for one repository takes from each of the others, in a sentence. `works` are those of this run so far.
///
/// # Errors
/// Those of reading the history and the snapshots.
pub fn uncopied(
    run: &Run<'_>,
    works: &[Work],
    (name, repository): (&str, &Repository),
    plan: &ForgetPlan<'_>,
) -> Result<Vec<String>> {
    let mut sentences = Vec::new();
    let others =
        run.config.repositories_of(run.job).into_iter().filter(|(other, _)| *other != name);
    let others: Vec<_> = others.collect();
    if others.is_empty() {
        return Ok(sentences);
    }
    let forgotten = plan.forget.filtered(is_copied)?;
    let history = History::open(&run.context.state()?)?;
    for (other, place) in others {
        // Where this host has made no copy, others may have.
        let Some(newest) = newest_in(run, works, &history, other)? else { continue };
        let later = forgotten.keys().filter(|key| key.started >= newest + RESOLUTION);
        let mut later: Vec<SnapshotId> = later.map(|key| key.id).collect();
        if let Some(keep) = place.keep.as_ref().filter(|_| !later.is_empty()) {
            let wanted = wanted(run, repository, keep)?;
            later.retain(|id| wanted.contains(id));
        }
        if !later.is_empty() {
            let lost = count(u64::try_from(later.len()).unwrap_or(u64::MAX), "snapshot");
            let newest = newest.stated_in(&run.config.zone());
            sentences.push(format!(
                "{lost} forgotten in {name} before being copied to {other}, which has none after {newest}; a longer \
                 `keep` of {name} covers the time until {other} can be reached"
            ));
        }
    }
    Ok(sentences)
}

/// When the newest snapshot that a repository has was captured, as far as this host knows.
fn newest_in(
    run: &Run<'_>,
    works: &[Work],
    history: &History,
    repository: &str,
) -> Result<Option<Time>> {
    let now = run.context.env().now();
    let last = |task| history.last_good(run.name, repository, task, now);
    let before = [last(Task::Backup)?, last(Task::Copy)?].into_iter().flatten();
    let gets = |work: &&Work| {
        work.repository == repository && matches!(work.task, Task::Backup | Task::Copy)
    };
    let now = works.iter().filter(gets).filter_map(|work| work.good);
    Ok(before.filter_map(|work| work.good).chain(now).max())
}

/// The snapshots that a repository would get by its policy.
fn wanted(run: &Run<'_>, from: &Repository, keep: &Keep) -> Result<HashSet<SnapshotId>> {
    let (policy, zone) = (keep.policy()?, run.config.zone());
    let judged = plan_by_policy(from, &policy, &zone, &run.filter(), named_sources, true)?;
    Ok(judged.stays().keys().map(|key| key.id).collect())
}

/// Whether it is copied from where it is, and lacks nothing, as those that the history counts as good.
fn is_copied(snapshot: &Snapshot) -> bool {
    snapshot.origin.is_none() && !snapshot.is_incomplete() && snapshot.tainted() == 0
}
