//! Which of the times that snapshots claim can be right.

use crate::env::Time;
use crate::id::{SeriesId, SnapshotId};
use crate::repo::SnapshotKey;
use std::collections::{BTreeMap, HashSet};

/// The snapshots whose claimed times cannot be right: those after `latest`, and those against the
/// order of their series. Where times contradict each other, as few as possible are doubted: a
/// clock that jumped for a while makes nothing else doubtful.
pub fn doubtful<'k>(
    snapshots: impl IntoIterator<Item = &'k SnapshotKey>,
    latest: Time,
) -> HashSet<SnapshotId> {
    let mut doubtful = HashSet::new();
    let mut series: BTreeMap<SeriesId, Vec<&SnapshotKey>> = BTreeMap::new();
    for key in snapshots {
        doubtful.insert(key.id);
        if key.started <= latest {
            series.entry(key.series).or_default().push(key);
        }
    }
    for mut members in series.into_values() {
        members.sort_by_key(|key| (key.sequence, key.started, key.id));
        for key in longest_in_order(&members) {
            doubtful.remove(&key.id);
        }
    }
    doubtful
}

/// As many as possible of them whose times do not decrease: for each length the run whose last time
/// is the earliest goes on best, and each member knows the one before it in its run.
fn longest_in_order<'k>(members: &[&'k SnapshotKey]) -> Vec<&'k SnapshotKey> {
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::new();
    let time = |at: &usize| members.get(*at).map(|key| key.started);
    for (at, key) in members.iter().enumerate() {
        let length = ends.partition_point(|end| time(end) <= Some(key.started));
        before.push(length.checked_sub(1).and_then(|last| ends.get(last)).copied());
        match ends.get_mut(length) {
            Some(end) => *end = at,
            None => ends.push(at),
        }
    }
    let next = |at: &usize| before.get(*at).copied().flatten();
    let run = std::iter::successors(ends.last().copied(), next);
    run.filter_map(|at| members.get(at).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8, started: i64) -> SnapshotKey {
        SnapshotKey {
            id: SnapshotId([number; 16]),
            series: SeriesId([1; 16]),
            sequence: number.into(),
            previous: None,
            started: Time(started),
            hash: [0; 32],
            size: 1,
        }
    }

    /// Of times in the order of a series those are doubted that lie in the future, and as few as
    /// possible that contradict others; equal ones do not.
    #[test]
    fn few_are_doubted() {
        for (times, doubted) in [
            (&[1, 2, 3, 4][..], &[][..]),
            (&[1, 1, 1], &[]),
            (&[1, 50, 3, 4], &[1]),
            (&[10, 11, 12, 3, 13], &[3]),
            // A clock that was ahead for a while, and one that is still to come.
            (&[1, 2, 30, 31, 3, 4, 5, 99], &[2, 3, 7]),
            (&[200, 1, 2], &[0]),
            (&[20, 10], &[0]),
            (&[], &[]),
        ] {
            let keys: Vec<_> = (0..).zip(times).map(|(at, time)| key(at, *time)).collect();
            let expected: HashSet<_> = doubted.iter().map(|at| SnapshotId([*at; 16])).collect();
            assert_eq!(doubtful(keys.iter().rev(), Time(60)), expected, "{times:?}");
        }
    }
}
