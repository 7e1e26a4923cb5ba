//! What a job has in one repository.

use super::context::Context;
use super::moment;
use crate::agent::config::Job;
use crate::agent::history::Work;
use crate::agent::report::Task;
use crate::env::Time;
use crate::error::Result;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// For how long growth is told.
const GROWTH: Duration = Duration::from_secs(14 * 86_400);

/// What a job has in one repository.
#[derive(Clone, Debug, Serialize)]
pub struct RepositoryStatus {
    /// Its name in the file.
    pub repository: String,
    /// The newest snapshot there that lacks nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_good: Option<LastGood>,
    /// Seconds since that was captured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age: Option<f64>,
    /// Seconds that it may be old, as the file has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpo: Option<f64>,
    /// Whether it is older than that, or there is none.
    pub is_late: bool,
    /// The last check that found nothing wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_check: Option<LastCheck>,
    /// Errors that the last check found in what is stored.
    pub damage: u64,
    /// When the last prune that went well began.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "super::moment_if_any")]
    pub last_prune: Option<Time>,
    /// What was written there in the last 14 days, a day on which it was something each.
    pub growth: Vec<Day>,
    /// When something was captured into it last, and how much.
    #[serde(skip)]
    pub(super) last_capture: Option<(Time, u64)>,
}

/// A snapshot that lacks nothing.
#[derive(Clone, Debug, Serialize)]
pub struct LastGood {
    /// When it was captured.
    #[serde(serialize_with = "moment")]
    pub captured: Time,
    /// Its id there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_id: Option<String>,
}

/// A check that found nothing wrong.
#[derive(Clone, Debug, Serialize)]
pub struct LastCheck {
    /// When it began.
    #[serde(serialize_with = "moment")]
    pub started: Time,
    /// Packs of the repository.
    pub packs: u64,
    /// How many of them it has read back.
    pub packs_read: u64,
    /// Bytes of all packs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_stored: Option<u64>,
    /// How many of them were read back within the 30 days before, by any host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_verified: Option<u64>,
}

/// What was written on a day.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Day {
    /// The day.
    pub day: Date,
    /// How much was stored.
    pub bytes_written: u64,
}

impl RepositoryStatus {
    /// At a moment.
    pub fn of(context: &Context<'_>, name: &str, job: &Job, repository: &str) -> Result<Self> {
        let Context { history, now, zone, .. } = *context;
        let last = |task| history.last_good(name, repository, task, now);
        let captured = last(Task::Backup)?;
        let last_capture =
            captured.as_ref().and_then(|work| Some((work.started, work.figure("bytes")?)));
        let newest = captured.into_iter().chain(last(Task::Copy)?).max_by_key(|work| work.good);
        let last_good = newest.and_then(|work| {
            Some(LastGood { captured: work.good?, snapshot_id: work.snapshot_id })
        });
        let age = last_good.as_ref().map(|good| now.since(good.captured));
        let rpo = job.rpo.as_ref().and_then(|rpo| rpo.of(repository)).map(|rpo| rpo.value.0);
        let checked = history.last_with_figure(name, repository, Task::Check, "damaged")?;
        let works = history.works(name, repository, now - GROWTH)?;
        Ok(RepositoryStatus {
            repository: repository.to_owned(),
            is_late: rpo.is_some_and(|rpo| age.is_none_or(|age| age > rpo)),
            last_good,
            age: age.map(|age| age.as_secs_f64()),
            rpo: rpo.map(|rpo| rpo.as_secs_f64()),
            last_check: last(Task::Check)?.map(LastCheck::from),
            damage: checked.and_then(|work| work.figure("damaged")).unwrap_or_default(),
            last_prune: last(Task::Prune)?.map(|work| work.started),
            growth: growth(&works, zone),
            last_capture,
        })
    }
}

impl From<Work> for LastCheck {
    fn from(work: Work) -> Self {
        let figure = |name| work.figure(name);
        LastCheck {
            started: work.started,
            packs: figure("packs").unwrap_or_default(),
            packs_read: figure("packs_read").unwrap_or_default(),
            bytes_stored: figure("bytes_stored"),
            bytes_verified: figure("bytes_verified"),
        }
    }
}

/// What was written, by days of the zone.
fn growth(works: &[Work], zone: &TimeZone) -> Vec<Day> {
    let mut days: BTreeMap<Date, u64> = BTreeMap::new();
    for work in works {
        let written = work.figure("bytes_written").unwrap_or_default();
        if written > 0 {
            let sum = days.entry(work.started.in_zone(zone).date()).or_default();
            *sum = sum.saturating_add(written);
        }
    }
    days.into_iter().map(|(day, bytes_written)| Day { day, bytes_written }).collect()
}
