//! The policy applied to the snapshots of one group.

use super::{Bound, Miss, Policy, Reason, Rule, Verdict};
use crate::env::Time;
use crate::id::SeriesId;
use jiff::tz::TimeZone;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};

/// A snapshot as far as a policy knows it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Its series, or another of the same sources that counts for it.
    pub series: SeriesId,
    /// When it was made; or why it has no place among the others. Such a one stays, and takes the
    /// place of no other.
    pub time: std::result::Result<Time, Reason>,
    /// Why it stays whatever the rules say.
    pub reasons: Vec<Reason>,
}

/// What becomes of each of the snapshots of a group. Those of the same time come newest first.
pub fn judge(policy: &Policy, zone: &TimeZone, group: &[Candidate]) -> Vec<Verdict> {
    let mut verdicts: Vec<Verdict> = group.iter().map(Verdict::without_rules).collect();
    let mut all: Vec<(usize, Time)> = Vec::new();
    let mut each: BTreeMap<SeriesId, Vec<(usize, Time)>> = BTreeMap::new();
    for (at, candidate) in group.iter().enumerate() {
        if let Ok(time) = candidate.time {
            all.push((at, time));
            each.entry(candidate.series).or_default().push((at, time));
        }
    }
    // Doubtful times move those after them in a series, but not here.
    for set in each.values_mut().chain([&mut all]) {
        set.sort_by_key(|(_, time)| Reverse(*time));
    }
    for rule in policy.rules() {
        let sets: Vec<&Vec<(usize, Time)>> = match rule.bound {
            Bound::Newest(_) | Bound::All => vec![&all],
            Bound::NewestOfSeries(_) | Bound::Within(_) => each.values().collect(),
        };
        for set in sets {
            for ((at, _), place) in set.iter().zip(rule.places(zone, set)) {
                if let Some(verdict) = verdicts.get_mut(*at) {
                    match place {
                        Place::Kept => verdict.keep.push(Reason::Rule(*rule)),
                        Place::Oldest => verdict.keep.push(Reason::Oldest(*rule)),
                        Place::Newer => verdict.misses.push(Miss::Newer(*rule)),
                        Place::Older => verdict.misses.push(Miss::Older(*rule)),
                    }
                }
            }
        }
    }
    verdicts
}

impl Verdict {
    fn without_rules(candidate: &Candidate) -> Self {
        let placeless = candidate.time.as_ref().err();
        let keep = candidate.reasons.iter().chain(placeless).cloned().collect();
        Verdict { keep, misses: Vec::new() }
    }
}

/// What one rule says of a snapshot.
enum Place {
    Kept,
    Oldest,
    Newer,
    Older,
}

impl Rule {
    /// What the rule says of each snapshot of a set, newest first.
    fn places(&self, zone: &TimeZone, set: &[(usize, Time)]) -> Vec<Place> {
        let newest = set.iter().map(|(_, time)| *time).max();
        let (most, since) = match self.bound {
            Bound::Newest(count) | Bound::NewestOfSeries(count) => (count as usize, None),
            Bound::All => (usize::MAX, None),
            Bound::Within(age) => (usize::MAX, newest.and_then(|newest| age.before(newest, zone))),
        };
        let mut buckets = HashSet::new();
        let place = |(number, (_, time)): (usize, &(usize, Time))| {
            let is_oldest = number + 1 == set.len();
            let bucket = self.period.bucket(*time, zone);
            if since.is_some_and(|since| *time < since) {
                return Place::Older;
            }
            match bucket {
                None if number < most => Place::Kept,
                None => Place::Older,
                // What has just begun keeps where it began until there is enough.
                Some(bucket) if buckets.contains(&bucket) => {
                    match is_oldest && buckets.len() < most {
                        true => Place::Oldest,
                        false => Place::Newer,
                    }
                }
                Some(bucket) if buckets.len() < most => {
                    buckets.insert(bucket);
                    Place::Kept
                }
                Some(_) => Place::Older,
            }
        };
        set.iter().enumerate().map(place).collect()
    }
}
