//! Snapshots that no `keep` removes, since their job or their host has another name now. They stay until somebody
//! forgets them.

use super::Run;
use crate::agent::config::{JOB_LABEL, Job};
use crate::env::Time;
use crate::error::Result;
use crate::repo::Repository;
use crate::text::{count, plain};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long none must have been made under a name for it to be taken for a former one: another host may back up rarely,
/// and another file may have other jobs.
const SILENT_FOR: Duration = Duration::from_hours(90 * 24);

/// Number and newest of the snapshots of a host and a job.
type Groups = BTreeMap<(String, String), (u64, Time)>;

/// What is left in a repository under former names, in sentences: told by the first job of the file that is pruned there.
///
/// # Errors
/// Those of reading snapshots.
pub fn uncounted(run: &Run<'_>, name: &str, repository: &Repository) -> Result<Vec<String>> {
    let mut jobs = run.config.job.iter();
    let is_pruned =
        |job: &Job| job.repositories().any(|it| it == name) && !job.is_pruned_elsewhere(name);
    if jobs.find(|(_, job)| is_pruned(job)).is_none_or(|(first, _)| first != run.name) {
        return Ok(Vec::new());
    }
    let (host, mut groups) = (run.host(), Groups::new());
    let all = repository.snapshots(drop)?;
    for stored in all.iter() {
        let snapshot = &stored?.snapshot;
        let Some(job) = snapshot.labels.get(JOB_LABEL) else { continue };
        let is_known = run.config.job.contains_key(job);
        // Of this host those of jobs that are gone, of others those of jobs that are here.
        if (snapshot.host == host) != is_known && !all.is_given_up(snapshot.id) {
            let name = (snapshot.host.clone(), job.clone());
            let (number, newest) = groups.entry(name).or_insert((0, snapshot.started));
            (*number, *newest) = (*number + 1, snapshot.started.max(*newest));
        }
    }
    let sentences = sentences(groups, &host, run.context.env().now(), &run.config.zone());
    Ok(sentences.into_iter().map(|sentence| format!("{name}: {sentence}")).collect())
}

/// One for each job of this host that has ended, and one for each job of hosts that have. A single snapshot may stay on
/// purpose.
fn sentences(groups: Groups, host: &str, now: Time, zone: &TimeZone) -> Vec<String> {
    let mut by_job: BTreeMap<(bool, String), (u64, Time)> = BTreeMap::new();
    let silent = groups.into_iter().filter(|(_, (_, newest))| *newest < now - SILENT_FOR);
    for ((of, job), (number, newest)) in silent {
        let (sum, latest) = by_job.entry((of == host, job)).or_insert((0, newest));
        (*sum, *latest) = (*sum + number, newest.max(*latest));
    }
    let several = by_job.into_iter().filter(|(_, (number, _))| *number > 1);
    let sentence = |((is_own, job), (number, newest)): ((bool, String), (u64, Time))| {
        let (number, job, newest) =
            (count(number, "snapshot"), plain(&job), newest.stated_in(zone));
        let whose = match is_own {
            true => format!("job {job}, which is not in this file"),
            false => {
                format!("job {job} that other hosts have made, or this one under another name")
            }
        };
        format!(
            "{number} of {whose}: no `keep` of this host removes them; the newest is of {newest}"
        )
    };
    several.map(sentence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Snapshots under names that nobody uses any more are told, those of hosts together; what is recent, or single, is not.
    #[test]
    fn what_is_left_is_told() {
        let day = 24 * 60 * 60 * Time::SECOND;
        let group = |host: &str, job: &str, number: u64, days: i64| {
            ((host.to_owned(), job.to_owned()), (number, Time(1000 * day - days * day)))
        };
        let groups = [
            group("here", "old", 2, 91),
            group("here", "moved", 5, 89),
            group("here", "kept", 1, 500),
            group("c1", "app", 1, 92),
            group("c2", "app", 1, 91),
            group("rare", "app", 9, 30),
        ];
        let told = sentences(groups.into(), "here", Time(1000 * day), &TimeZone::UTC);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("2 snapshots of job app that other hosts"), "{told:?}");
        assert!(told[1].starts_with("2 snapshots of job old, which is not in this"), "{told:?}");
    }
}
