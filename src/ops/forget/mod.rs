//! `forget`: gives snapshots up. Choosing is apart from doing, so that it can be shown first.

use super::past::{Past, PastId};
use super::select::{Filter, choose};
use super::series::{Flaw, Gap, flaws};
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::gc::Position;
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
    /// Whether it holds only while enough others stay.
    pub guarded: bool,
}

/// What became of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ForgetReport {
    /// Snapshots given up.
    pub forgotten: u64,
    /// Those of them whose objects the store did not let go; they count as gone all the same.
    pub retained: u64,
}

/// The plan that gives up the snapshots that `names` mean among those that pass the filter. One
/// that cannot be read is meant by its full id alone.
///
/// # Errors
/// `Refused` without `force` if a series would lose its last snapshot; `NotFound` and
/// `InvalidInput` for names that mean no snapshot or several.
pub fn plan<'r>(
    repository: &'r Repository,
    names: &[String],
    filter: &Filter,
    force: bool,
) -> Result<ForgetPlan<'r>> {
    let mut troubles = Vec::new();
    let all = repository.snapshots(|error| troubles.push(error))?;
    let passing = all.filtered(|snapshot| filter.passes(snapshot))?;
    let mut chosen = HashSet::new();
    let mut unreadable = BTreeSet::new();
    for name in names {
        match choose(&passing, name) {
            Ok(stored) => {
                let id = stored.snapshot.id;
                refuse_ambiguous(repository, name, id, &troubles)?;
                chosen.insert(id);
            }
            Err(error) => match unreadable_of(repository, name, filter, force)? {
                Some(id) => unreadable.extend([id]),
                None => return Err(with_advice(error, &troubles)),
            },
        }
    }
    // Those are no longer passed over.
    let meant =
        |error: &Error| unreadable.iter().any(|id| error.to_string().contains(&id.to_string()));
    troubles.retain(|error| !meant(error));
    let (mut forget, mut keep) = (all.clone(), all);
    forget.retain(|key| chosen.contains(&key.id));
    keep.retain(|key| !chosen.contains(&key.id));
    let plan = ForgetPlan { forget, unreadable, keep, troubles, guarded: !force };
    if plan.guarded {
        plan.refuse_to_end_a_series(&plan.keep)?;
    }
    Ok(plan)
}

/// The beginning of an id must not mean an unreadable snapshot as well as a readable one.
fn refuse_ambiguous(
    repository: &Repository,
    name: &str,
    chosen: SnapshotId,
    troubles: &[Error],
) -> Result<()> {
    if troubles.is_empty() || !chosen.to_string().starts_with(name) {
        return Ok(());
    }
    let listed = repository.backend().list(ObjectKind::Snapshot)?;
    let others = listed
        .iter()
        .filter(|object| object.handle.name().starts_with(name))
        .filter_map(|object| object.handle.snapshot_id())
        .filter(|id| *id != chosen);
    for id in others {
        if repository.outcome(id).is_err() {
            return Err(Error::new(Kind::InvalidInput, "find the snapshot", name)
                .because(format!("{id}, which cannot be read, begins like that too"))
                .hint("give more digits"));
        }
    }
    Ok(())
}

/// The snapshot of this full id, if it is there and cannot be read. What only cannot be read just
/// now may be sound: that takes `force`.
fn unreadable_of(
    repository: &Repository,
    name: &str,
    filter: &Filter,
    force: bool,
) -> Result<Option<SnapshotId>> {
    let Ok(id) = name.parse::<SnapshotId>() else { return Ok(None) };
    match repository.outcome(id) {
        Err(error) if error.kind() == Kind::NotFound => Ok(None),
        Ok(_) => Ok(None),
        // Nobody knows whether it passes.
        Err(error) if *filter != Filter::default() => Err(error.within("filter the snapshot", id)),
        Err(error) if error.kind() == Kind::Unsupported => Err(error.within("forget", id)),
        Err(error) if error.kind() == Kind::Damaged || force => {
            drop(error);
            Ok(Some(id))
        }
        Err(error) => Err(error
            .within("forget", id)
            .hint("it may be readable later; `--force` gives it up all the same")),
    }
}

fn with_advice(error: Error, troubles: &[Error]) -> Error {
    match troubles.first() {
        None => error,
        Some(trouble) => error.hint(format!(
            "there are snapshots that cannot be read, which only a full id means: {trouble}"
        )),
    }
}

impl ForgetPlan<'_> {
    /// The same again, of what stays now: others may have given some of it up.
    fn look_again(&self, repository: &Repository) -> Result<()> {
        let goes: HashSet<SnapshotId> = self.forget.keys().map(|key| key.id).collect();
        let mut stays = repository.snapshots(drop)?;
        stays.retain(|key| !goes.contains(&key.id));
        self.refuse_to_end_a_series(&stays)
    }

    /// Of each series, source and database something has to be left.
    fn refuse_to_end_a_series(&self, keep: &Snapshots<'_>) -> Result<()> {
        let mut kept: HashSet<PastId> = HashSet::new();
        for stored in keep.iter() {
            kept.extend(Past::of(&stored?.snapshot).iter().map(Past::id));
        }
        for stored in self.forget.iter() {
            let snapshot = &stored?.snapshot;
            if let Some(lost) = Past::of(snapshot).iter().find(|past| !past.is_among(&kept)) {
                return Err(Error::new(Kind::Refused, "forget", snapshot.id.short())
                    .because(format!("it is the last snapshot of {lost}"))
                    .hint("`--force` gives it up all the same"));
            }
        }
        Ok(())
    }
}

/// Gives up what the plan says. Each is final by itself; an error leaves the later ones alone.
///
/// # Errors
/// `Refused` if others gave up meanwhile what was to stay; `Locked` while they are at it.
pub fn forget(
    repository: &Repository,
    plan: &ForgetPlan<'_>,
    monitor: &dyn Monitor,
) -> Result<ForgetReport> {
    if !plan.guarded || plan.forget.is_empty() {
        return give_up(repository, plan, monitor);
    }
    let intent = intend(repository)?;
    let report = plan.look_again(repository).and_then(|()| give_up(repository, plan, monitor));
    let ended = intent.map_or(Ok(()), |id| repository.end_forgetting(id));
    let report = report?;
    ended.map(|()| report)
}

/// Says what is intended, so that nobody else does the same at the same time. Whoever meets
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

fn give_up(
    repository: &Repository,
    plan: &ForgetPlan<'_>,
    monitor: &dyn Monitor,
) -> Result<ForgetReport> {
    let mut report = ForgetReport::default();
    let all = plan.forget.len() + plan.unreadable.len();
    monitor.begin("forget", Some((Counter::Items, all as u64)));
    let mut done = |gone: bool| {
        report.forgotten += 1;
        report.retained += u64::from(!gone);
        monitor.count(Counter::Items, 1);
    };
    for key in plan.forget.keys() {
        go_on(monitor, "forget")?;
        done(repository.forget(key)?);
    }
    for id in &plan.unreadable {
        go_on(monitor, "forget")?;
        done(repository.forget_unread(*id)?);
    }
    monitor.end();
    Ok(report)
}

/// What is missing in the chains of snapshots without having been given up.
///
/// # Errors
/// `Refused` while snapshots cannot be read, since one of them may be what is missing; and where
/// listings lag.
pub fn gaps(repository: &Repository) -> Result<Vec<Gap>> {
    let refused = Error::new(Kind::Refused, "look for gaps in", repository.backend().describe());
    if !repository.config().listing_after_write {
        return Err(refused.because("its store lists late: what seems to be missing may be there"));
    }
    let read = || {
        let mut unreadable = None;
        let snapshots = repository.snapshots(|error| unreadable = Some(error))?;
        let members: Vec<SnapshotKey> = snapshots.keys().copied().collect();
        Ok((flaws(repository, &members)?, unreadable))
    };
    let (first, unreadable) = read()?;
    if let Some(error) = unreadable {
        return Err(refused
            .because("what seems to be missing may be what cannot be read")
            .caused_by(error)
            .hint("mend it, or give it up by its full id: `icecore forget ID`"));
    }
    if first.is_empty() {
        return Ok(Vec::new());
    }
    // Writers at work may show one member of a series before another.
    let (second, _) = read()?;
    let gap = |flaw| match flaw {
        Flaw::Gap(gap) => Some(gap),
        Flaw::Misfit(_) => None,
    };
    Ok(first.into_iter().filter(|flaw| second.contains(flaw)).filter_map(gap).collect())
}

/// Gives up what is missing, so that nobody misses it any more.
pub fn forget_gaps(repository: &Repository, gaps: &[Gap], monitor: &dyn Monitor) -> Result<()> {
    for Gap { series, first, last, hash, .. } in gaps {
        go_on(monitor, "forget")?;
        let position = Position { series: *series, sequence: *last, hash: *hash };
        repository.forget_place(*first, position)?;
    }
    Ok(())
}
