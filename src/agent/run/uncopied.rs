//! Snapshots that a prune forgets before another repository of the job, which was away, has got them. They are nowhere
//! then, and a later copy cannot bring them.

use super::Run;
use crate::agent::config::Keep;
use crate::agent::history::{History, Work};
use crate::agent::report::Task;
use crate::env::Time;
use crate::error::Result;
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
    if plan.forget.is_empty() {
        return Ok(sentences);
    }
    let history = History::open(&run.context.state()?)?;
    for (other, place) in run.config.repositories_of(run.job) {
        if other == name {
            continue;
        }
        let newest = newest_in(run, works, &history, other)?;
        let wanted = wanted(run, repository, place.keep.as_ref())?;
        let is_lost = |id, started: Time| {
            newest.is_none_or(|newest| started >= newest + RESOLUTION)
                && wanted.as_ref().is_none_or(|wanted| wanted.contains(&id))
        };
        let lost = plan.forget.keys().filter(|key| is_lost(key.id, key.started)).count();
        if lost > 0 {
            let lost = count(u64::try_from(lost).unwrap_or(u64::MAX), "snapshot");
            let has = newest.map_or("has none that this host knows of".to_owned(), |newest| {
                format!("has none since {newest}")
            });
            sentences.push(format!(
                "{lost} forgotten in {name} before being copied to {other}, which {has}; a longer `keep` of {name} \
                 covers the time until it can be reached"
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

/// The snapshots that a repository would get by its policy; without one, all of them.
fn wanted(
    run: &Run<'_>,
    from: &Repository,
    keep: Option<&Keep>,
) -> Result<Option<HashSet<SnapshotId>>> {
    let Some(keep) = keep else { return Ok(None) };
    let (policy, zone) = (keep.policy()?, run.config.zone());
    let judged = plan_by_policy(from, &policy, &zone, &run.filter(), named_sources, true)?;
    Ok(Some(judged.stays().keys().map(|key| key.id).collect()))
}
