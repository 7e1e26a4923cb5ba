//! Snapshots that `keep` counts for no job of this host, under names that the job or the host had before. They stay
//! until somebody forgets them.

use super::Run;
use crate::agent::config::JOB_LABEL;
use crate::env::Time;
use crate::error::Result;
use crate::repo::Repository;
use crate::text::{count, plain};
use std::collections::BTreeMap;
use std::time::Duration;

/// How old the newest snapshot of another host must be for that name to be taken for a former one.
const LEFT: Duration = Duration::from_hours(7 * 24);

/// Number and newest of the snapshots of a host and a job.
type Groups = BTreeMap<(String, String), (u64, Time)>;

/// Each group of them in a sentence.
///
/// # Errors
/// Those of reading snapshots.
pub fn uncounted(run: &Run<'_>, repository: &Repository) -> Result<Vec<String>> {
    let (host, now) = (run.host(), run.context.env().now());
    let mut groups = Groups::new();
    let all = repository.snapshots(drop)?;
    for stored in all.iter() {
        let snapshot = &stored?.snapshot;
        let Some(job) = snapshot.labels.get(JOB_LABEL) else { continue };
        let is_former_job = snapshot.host == host && !run.config.job.contains_key(job);
        let is_other_host = snapshot.host != host && job == run.name;
        if (is_former_job || is_other_host) && !all.is_given_up(snapshot.id) {
            let name = (snapshot.host.clone(), job.clone());
            let (number, newest) = groups.entry(name).or_insert((0, snapshot.started));
            (*number, *newest) = (*number + 1, snapshot.started.max(*newest));
        }
    }
    Ok(sentences(groups, &host, now))
}

/// Of another host that still makes snapshots nothing is said: it prunes its own.
fn sentences(groups: Groups, host: &str, now: Time) -> Vec<String> {
    let is_left = |newest: Time| newest < now - LEFT;
    let left = groups.into_iter().filter(|((of, _), (_, newest))| *of == host || is_left(*newest));
    let sentence = |((of, job), (number, newest)): ((String, String), (u64, Time))| {
        let (number, job) = (count(number, "snapshot"), plain(&job));
        let whose = match of == host {
            true => format!("job {job}, which is not in this file"),
            false => format!("job {job} by host {}, which is not this one", plain(&of)),
        };
        format!(
            "{number} of {whose}: they stay, since no `keep` counts them; the newest is of {newest}"
        )
    };
    left.map(sentence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Snapshots of a job that is not in the file are told at once, those of another host once it makes no more.
    #[test]
    fn what_is_left_is_told() {
        let day = 24 * 60 * 60 * Time::SECOND;
        let group = |host: &str, job: &str, days: i64| {
            ((host.to_owned(), job.to_owned()), (2, Time(100 * day - days * day)))
        };
        let groups = [group("here", "old", 0), group("busy", "app", 1), group("gone", "app", 8)];
        let told = sentences(groups.into(), "here", Time(100 * day));
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0].starts_with("2 snapshots of job app by host gone, which is not this one"),
            "{told:?}"
        );
        assert!(
            told[1].starts_with("2 snapshots of job old, which is not in this file"),
            "{told:?}"
        );
    }
}
