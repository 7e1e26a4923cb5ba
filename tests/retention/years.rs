//! Policies over simulated time: backups at regular hours, and a policy applied again and again.

use super::policy;
use crate::common::memory::Tree;
use crate::common::repo::TempRepo;
use icecore::env::Time;
use icecore::monitor::Silent;
use icecore::ops::forget::{forget, plan_by_policy};
use icecore::ops::retention::{PRESETS, Policy};
use icecore::ops::select::Filter;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// When the snapshots were made that are left, newest first, in a time zone. The first backup comes
/// `begin` hours after 2027-01-15 08:00 UTC, each later one `step` hours after the one before.
fn left(policy: &Policy, zone: &str, begin: i64, step: i64, backups: u32) -> Vec<Zoned> {
    let zone = TimeZone::get(zone).unwrap();
    let repo = TempRepo::new(730);
    let mut tree = Tree::default();
    tree.put("a", vec![1; 100]);
    repo.clock.advance((begin - step) * 3600);
    for number in 1..=backups {
        // One hour passes with the backup.
        repo.clock.advance((step - 1) * 3600);
        repo.backup(vec![tree.source("/data")]).unwrap();
        if number % 5 == 0 {
            let (repository, filter) = (&repo.repository, Filter::default());
            let planned = plan_by_policy(repository, policy, &zone, &filter, |_| (), false);
            forget(repository, &planned.unwrap().plan, &Silent).unwrap();
        }
    }
    let snapshots = repo.repository.snapshots(|error| panic!("{error}")).unwrap();
    let moment = |time: Time| Timestamp::from_nanosecond(time.0.into()).unwrap();
    snapshots.keys().map(|key| moment(key.started).to_zoned(zone.clone())).collect()
}

fn preset(name: &str) -> Policy {
    let preset = PRESETS.iter().find(|preset| preset.name == name).unwrap();
    Policy::new(preset.rules.iter().copied(), &[]).unwrap()
}

/// After a backup a day for more than a year, just those are left that the preset names: the last
/// days, Sundays, last days of months and years, and the first of all.
#[test]
fn a_year_leaves_what_the_preset_names() {
    let days = left(&preset("yearly-forever"), "UTC", 24, 24, 400);
    let days: Vec<String> = days.iter().map(|day| day.date().to_string()).collect();
    assert_eq!(days, DAYS);
}

const DAYS: [&str; 21] = [
    "2028-02-19",
    "2028-02-18",
    "2028-02-17",
    "2028-02-16",
    "2028-02-15",
    "2028-02-14",
    "2028-02-13",
    "2028-02-06",
    "2028-01-31",
    "2028-01-30",
    "2027-12-31",
    "2027-11-30",
    "2027-10-31",
    "2027-09-30",
    "2027-08-31",
    "2027-07-31",
    "2027-06-30",
    "2027-05-31",
    "2027-04-30",
    "2027-03-31",
    "2027-01-16",
];

/// Of backups a day all of fourteen days are left; of rare ones the newest seven.
#[test]
fn two_weeks_never_leave_less_than_seven() {
    assert_eq!(left(&preset("two-weeks"), "UTC", 24, 24, 30).len(), 15);
    assert_eq!(left(&preset("two-weeks"), "UTC", 24, 24 * 20, 15).len(), 7);
}

/// Across the night on which clocks are put forward, and the one on which they are put back, an
/// hourly policy leaves every one of the last hours, and a daily one every day.
#[test]
fn nights_on_which_clocks_change_lose_nothing() {
    for day_before in [71, 288] {
        let hours = left(&policy("hourly 30"), "Europe/Berlin", day_before * 24, 1, 40);
        assert_eq!(hours.len(), 30);
        for pair in hours.windows(2) {
            assert_eq!(pair[0].timestamp().as_second() - pair[1].timestamp().as_second(), 3600);
        }
        let offsets: Vec<_> = hours.iter().map(Zoned::offset).collect();
        assert_ne!(offsets.first(), offsets.last(), "the clocks were changed");
        let days = left(&policy("daily 3"), "Europe/Berlin", (day_before - 2) * 24, 6, 20);
        let days: Vec<_> = days.iter().map(Zoned::date).collect();
        assert_eq!(days.len(), 3);
        assert!(days.windows(2).all(|pair| pair[0] == pair[1].tomorrow().unwrap()), "{days:?}");
    }
}
