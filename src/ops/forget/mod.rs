//! `forget`: gives snapshots up. Choosing is apart from doing, so that it can be shown first.

mod gaps;
mod held;
mod named;
mod policy;

pub use gaps::{forget_gaps, gaps};
pub use named::plan;
pub use policy::{JudgedGroup, PolicyPlan, plan_by_policy};

use super::past::refuse_last;
use crate::error::{Error, Kind, Result};
use crate::id::SnapshotId;
use crate::monitor::{Counter, Monitor, go_on};
use crate::repo::{Repository, SnapshotKey, Snapshots};
use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

/// How long one waits at first who finds others giving snapshots up; then twice as long.
const PAUSE: Duration = Duration::from_millis(50);
/// Who would wait this long is refused instead.
const LONGEST_PAUSE: Duration = Duration::from_millis(800);

/// What goes, and what stays of all snapshots; both newest first.
pub struct ForgetPlan<'r> {
    /// To be given up.
    pub forget: Snapshots<'r>,
    /// To be given up as well, although nobody knows what they hold.
    pub unreadable: BTreeSet<SnapshotId>,
    /// All others.
    pub keep: Snapshots<'r>,
    /// Why others cannot be read: a name may have meant one of them.
    pub troubles: Vec<Error>,
    /// Why notes cannot be read: each may hold what goes, which then stays.
    pub unread_notes: Vec<Error>,
    /// Whether it holds only while enough others stay.
    pub guarded: bool,
}

/// The outcome of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ForgetReport {
    /// Snapshots given up.
    pub forgotten: u64,
    /// Those of them whose objects the store did not let go; they count as gone all the same.
    pub retained: u64,
    /// Others that stay, since they were held at the same moment, or a note cannot be read that
    /// may be a hold. They go when that ends.
    pub held: u64,
}

impl<'r> ForgetPlan<'r> {
    /// Of all snapshots those that were chosen go.
    fn new(
        all: Snapshots<'r>,
        chosen: &HashSet<SnapshotId>,
        (troubles, unread_notes): (Vec<Error>, Vec<Error>),
        guarded: bool,
    ) -> Self {
        let (mut forget, mut keep) = (all.clone(), all);
        forget.retain(|key| chosen.contains(&key.id));
        keep.retain(|key| !chosen.contains(&key.id));
        ForgetPlan { forget, unreadable: BTreeSet::new(), keep, troubles, unread_notes, guarded }
    }

    /// What is gone once it is done: nothing while a note cannot be read, which may hold any of it.
    pub fn given_up(&self) -> BTreeSet<SnapshotId> {
        match self.unread_notes.is_empty() {
            true => self.forget.keys().map(|key| key.id).chain(self.unreadable.clone()).collect(),
            false => BTreeSet::new(),
        }
    }

    /// Whether enough stays now: others may have given some of it up.
    fn look_again(&self, repository: &Repository) -> Result<()> {
        let goes: HashSet<SnapshotId> = self.forget.keys().map(|key| key.id).collect();
        let mut stays = repository.snapshots(drop)?;
        stays.retain(|key| !goes.contains(&key.id));
        refuse_last(&self.forget, &stays)
    }
}

/// Gives up what the plan says. What is marked is given up; an error leaves the later ones alone.
///
/// # Errors
/// `Refused` if others gave up meanwhile what was to stay; `Locked` while they are at it.
pub fn forget(
    repository: &Repository,
    plan: &ForgetPlan<'_>,
    monitor: &dyn Monitor,
) -> Result<ForgetReport> {
    if !plan.guarded || plan.forget.is_empty() {
        return give_up(repository, plan, None, monitor);
    }
    let intent = intend(repository)?;
    let looked = plan.look_again(repository);
    let report = looked.and_then(|()| give_up(repository, plan, intent, monitor));
    let ended = intent.map_or(Ok(()), |id| repository.end_forgetting(id));
    let report = report?;
    ended.map(|()| report)
}

/// Says what is intended, so that no other process does the same at the same time. One that meets
/// another steps back for a while that no two agree on.
fn intend(repository: &Repository) -> Result<Option<SnapshotId>> {
    let mut pause = PAUSE;
    loop {
        match repository.begin_forgetting() {
            Ok(id) => return Ok(Some(id)),
            // To give snapshots up is what makes room; its marks have some kept aside.
            Err(error) if error.kind() == Kind::NoSpace => return Ok(None),
            Err(error) if error.kind() == Kind::Locked && pause < LONGEST_PAUSE => {
                let [chance] = repository.env().random()?;
                repository.env().sleep(pause * (256 + u32::from(chance)) / 512);
                pause *= 2;
            }
            Err(error) => return Err(error),
        }
    }
}

/// How many are marked at first before the objects of all of them are removed; then twice as many.
/// The marks have room kept aside, and removing makes more.
const MARKED_TOGETHER: usize = 8;

fn give_up(
    repository: &Repository,
    plan: &ForgetPlan<'_>,
    intent: Option<SnapshotId>,
    monitor: &dyn Monitor,
) -> Result<ForgetReport> {
    enum Goes<'k> {
        Known(&'k SnapshotKey),
        Unread(SnapshotId),
    }
    let known = plan.forget.keys().map(Goes::Known);
    let all: Vec<Goes<'_>> =
        known.chain(plan.unreadable.iter().copied().map(Goes::Unread)).collect();
    let mut report = ForgetReport::default();
    monitor.begin("forget", Some((Counter::Items, all.len() as u64)));
    let (mut rest, mut together) = (all.as_slice(), MARKED_TOGETHER);
    while !rest.is_empty() {
        let (now, later) = rest.split_at(together.min(rest.len()));
        let mut ids = Vec::new();
        // Others go by what is left once they have given this one up.
        intent.map_or(Ok(()), |id| repository.goes_on_forgetting(id))?;
        for goes in now {
            go_on(monitor, "forget")?;
            ids.push(match goes {
                Goes::Known(key) => repository.mark_forgotten(key).map(|()| key.id),
                Goes::Unread(id) => repository.mark_unread(*id).map(|()| *id),
            }?);
            monitor.count(Counter::Items, 1);
        }
        let removed = repository.remove_forgotten(&ids)?;
        report.held += removed.held;
        report.retained += removed.retained;
        report.forgotten += ids.len() as u64 - removed.held;
        (rest, together) = (later, together * 2);
    }
    monitor.end();
    Ok(report)
}
