//! `forget`: gives snapshots up. Choosing is apart from doing, so that it can be shown first.

use super::select::{Filter, choose};
use crate::error::{Error, Kind, Result};
use crate::monitor::{Counter, Monitor, go_on};
use crate::repo::{Repository, StoredSnapshot};
use std::collections::HashSet;

/// What goes, and what stays of all snapshots; both newest first.
#[derive(Clone, Debug, Default)]
pub struct ForgetPlan {
    /// To be given up.
    pub forget: Vec<StoredSnapshot>,
    /// All others.
    pub keep: Vec<StoredSnapshot>,
}

/// What became of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ForgetReport {
    /// Snapshots given up.
    pub forgotten: u64,
    /// Those of them whose objects the store did not let go; they count as gone all the same.
    pub retained: u64,
}

/// The plan that gives up the snapshots that `names` mean among those that pass the filter.
///
/// # Errors
/// `Refused` without `force` if a series would lose its last snapshot; `NotFound` and
/// `InvalidInput` for names that mean no snapshot or several; `Damaged` if there are snapshots
/// that cannot be read, since a name may mean one of them.
pub fn plan(
    repository: &Repository,
    names: &[String],
    filter: &Filter,
    force: bool,
) -> Result<ForgetPlan> {
    let mut unreadable = None;
    let all = repository.snapshots(|error| unreadable = Some(error))?;
    if let Some(error) = unreadable {
        return Err(error.within("plan what to forget in", repository.backend().describe()));
    }
    let passing: Vec<StoredSnapshot> =
        all.iter().filter(|stored| filter.passes(&stored.snapshot)).cloned().collect();
    let mut chosen = HashSet::new();
    for name in names {
        chosen.insert(choose(&passing, name)?.snapshot.id);
    }
    let (forget, keep) = all.into_iter().partition(|stored| chosen.contains(&stored.snapshot.id));
    let plan = ForgetPlan { forget, keep };
    if !force {
        plan.refuse_to_end_a_series()?;
    }
    Ok(plan)
}

impl ForgetPlan {
    /// Nothing of a series would be left (fault 45).
    fn refuse_to_end_a_series(&self) -> Result<()> {
        let kept: HashSet<_> = self.keep.iter().map(|stored| stored.snapshot.series).collect();
        match self.forget.iter().find(|stored| !kept.contains(&stored.snapshot.series)) {
            None => Ok(()),
            Some(last) => Err(Error::new(Kind::Refused, "forget", last.snapshot.id.short())
                .because("it is the last snapshot of its sources")
                .hint("`--force` gives it up all the same")),
        }
    }
}

/// Gives up what the plan says. Each is final by itself; an error leaves the later ones alone.
pub fn forget(
    repository: &Repository,
    plan: &ForgetPlan,
    monitor: &dyn Monitor,
) -> Result<ForgetReport> {
    let mut report = ForgetReport::default();
    monitor.begin("forget", Some((Counter::Items, plan.forget.len() as u64)));
    for stored in &plan.forget {
        go_on(monitor, "forget")?;
        report.forgotten += 1;
        if !repository.forget(stored)? {
            report.retained += 1;
        }
        monitor.count(Counter::Items, 1);
    }
    monitor.end();
    Ok(report)
}
