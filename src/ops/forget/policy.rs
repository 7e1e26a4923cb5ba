//! Giving up what a policy does not keep.

use super::ForgetPlan;
use super::held::holds;
use crate::env::Time;
use crate::error::{Error, Kind, Result};
use crate::format::snapshot::Snapshot;
use crate::id::SnapshotId;
use crate::limits::CLOCK_TOLERANCE;
use crate::ops::past::Pasts;
use crate::ops::retention::{Candidate, Policy, Reason, Verdict, judge};
use crate::ops::select::{Aside, Filter, named_sources};
use crate::ops::times::doubtful;
use crate::repo::{Repository, Snapshots};
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, HashMap, HashSet};

/// What a policy says, and the plan that follows from it.
pub struct PolicyPlan<'r, K> {
    /// The plan.
    pub plan: ForgetPlan<'r>,
    /// What it says of all snapshots that pass the filter.
    pub groups: Vec<JudgedGroup<'r, K>>,
}

impl<'r, K> PolicyPlan<'r, K> {
    /// What it keeps of the snapshots that pass the filter, without those that are there only as long as
    /// they are held.
    pub fn stays(&self) -> Snapshots<'r> {
        let verdicts = self.groups.iter().flat_map(|group| &group.verdicts);
        let stays: HashSet<SnapshotId> =
            verdicts.filter(|(_, verdict)| verdict.stays()).map(|(id, _)| *id).collect();
        let mut kept = self.plan.keep.clone();
        let given_up: HashSet<SnapshotId> =
            kept.keys().map(|key| key.id).filter(|id| kept.is_given_up(*id)).collect();
        kept.retain(|key| stays.contains(&key.id) && !given_up.contains(&key.id));
        kept
    }
}

/// The verdicts on the snapshots of one group.
pub struct JudgedGroup<'r, K> {
    /// What the snapshots have in common.
    pub key: K,
    /// Why all of them take the place of no other, if they do not: such ones are a group of their own.
    pub aside: Option<Aside>,
    /// The snapshots.
    pub snapshots: Snapshots<'r>,
    /// What becomes of each of them.
    pub verdicts: HashMap<SnapshotId, Verdict>,
}

/// The plan that gives up what a policy does not keep of the snapshots that pass the filter, in each
/// of the groups that `key` makes. What cannot be read stays.
///
/// # Errors
/// `Refused` without `force` if nothing of a series would be kept, or a note cannot be read.
pub fn plan_by_policy<'r, K: Ord>(
    repository: &'r Repository,
    policy: &Policy,
    zone: &TimeZone,
    filter: &Filter,
    key: impl Fn(&Snapshot) -> K,
    force: bool,
) -> Result<PolicyPlan<'r, K>> {
    let mut troubles = Vec::new();
    let all = repository.snapshots(|error| troubles.push(error))?;
    let holds = holds(repository, force)?;
    let latest = Time(repository.env().now().0.saturating_add(CLOCK_TOLERANCE));
    let doubtful = doubtful(all.keys(), latest);
    let mut groups: BTreeMap<_, Vec<(SnapshotId, Candidate)>> = BTreeMap::new();
    let mut by_sources = BTreeMap::new();
    for stored in all.iter() {
        let snapshot = &stored?.snapshot;
        if filter.passes(snapshot) {
            let id = snapshot.id;
            let time = match (all.is_given_up(id), doubtful.contains(&id)) {
                (true, _) => Err(Reason::GivenUp),
                (false, true) => Err(Reason::Doubtful),
                (false, false) => Ok(snapshot.started),
            };
            let reasons = policy.reasons(&snapshot.tags, holds.of(id));
            let sources = || (snapshot.host.clone(), named_sources(snapshot));
            let series = match snapshot.stands_alone() {
                true => snapshot.series,
                false => *by_sources.entry(sources()).or_insert(snapshot.series),
            };
            let candidate = Candidate { series, time, reasons };
            let group = (key(snapshot), Aside::of(snapshot));
            groups.entry(group).or_default().push((id, candidate));
        }
    }
    let mut groups: Vec<JudgedGroup<'r, K>> = groups
        .into_iter()
        .map(|((key, aside), members)| {
            let (ids, candidates): (Vec<_>, Vec<_>) = members.into_iter().unzip();
            let verdicts: HashMap<_, _> =
                ids.into_iter().zip(judge(policy, zone, &candidates)).collect();
            let mut snapshots = all.clone();
            snapshots.retain(|key| verdicts.contains_key(&key.id));
            JudgedGroup { key, aside, snapshots, verdicts }
        })
        .collect();
    let goes = |groups: &[JudgedGroup<'r, K>]| -> HashSet<SnapshotId> {
        let verdicts = groups.iter().flat_map(|group| &group.verdicts);
        verdicts.filter(|(_, verdict)| !verdict.stays()).map(|(id, _)| *id).collect()
    };
    if !force {
        let mut last = keep_last(&all, &goes(&groups))?;
        for (id, verdict) in groups.iter_mut().flat_map(|group| &mut group.verdicts) {
            verdict.keep.extend(last.remove(id));
        }
    }
    let plan = ForgetPlan::new(all, &goes(&groups), (troubles, holds.troubles), !force);
    Ok(PolicyPlan { plan, groups })
}

/// Which of those that go stay after all, as the last ones of a source or a database, or the last
/// good ones.
///
/// # Errors
/// `Refused` if all snapshots of a series go.
fn keep_last(
    all: &Snapshots<'_>,
    goes: &HashSet<SnapshotId>,
) -> Result<HashMap<SnapshotId, Reason>> {
    let (mut forget, mut keep) = (all.clone(), all.clone());
    forget.retain(|key| goes.contains(&key.id));
    keep.retain(|key| !goes.contains(&key.id));
    let mut kept = Pasts::of(&keep)?;
    let mut last = HashMap::new();
    for stored in forget.iter() {
        let snapshot = &stored?.snapshot;
        if !kept.go_on(snapshot) {
            let paths: Vec<_> =
                snapshot.parts.iter().map(|part| String::from_utf8_lossy(&part.path)).collect();
            let (paths, host) = (paths.join(", "), &snapshot.host);
            return Err(Error::new(Kind::Refused, "forget", snapshot.id.short())
                .because(format!("the policy keeps no snapshot of {paths} from {host}"))
                .hint(
                    "add --keep-min 1, which keeps the newest of the same sources in any group; \
                     `--force` gives up all of them",
                ));
        }
        if let Some(past) = kept.lack(snapshot) {
            last.insert(snapshot.id, Reason::Last(past.to_string()));
            kept.add(snapshot);
        }
    }
    Ok(last)
}
