//! Rules on times alone: cases by hand, and properties of any.

use super::{policy, rule, time};
use icecore::env::Time;
use icecore::error::Kind;
use icecore::id::SeriesId;
use icecore::ops::retention::{Candidate, Policy, Reason, judge};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn candidate(series: u8, time: Option<Time>) -> Candidate {
    let time = time.ok_or(Reason::Doubtful);
    Candidate { series: SeriesId([series; 16]), time, reasons: Vec::new() }
}

/// Which of them stay, by their places.
fn kept(policy: &Policy, zone: &TimeZone, candidates: &[Candidate]) -> Vec<usize> {
    let verdicts = judge(policy, zone, candidates);
    assert_eq!(verdicts.len(), candidates.len());
    (0..).zip(&verdicts).filter(|(_, verdict)| verdict.stays()).map(|(at, _)| at).collect()
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

/// What each rule keeps of times that are easy to follow, newest first.
#[test]
fn rules_keep_what_they_say() {
    let days = ["2026-05-10", "2026-05-09", "2026-05-08", "2026-05-01", "2026-04-30", "2025-12-31"];
    let day = [
        "2026-05-10T23:50:00Z",
        "2026-05-10T23:10:00Z",
        "2026-05-10T22:59:00Z",
        "2026-05-10T01:00:00Z",
        "2026-05-09T23:59:00Z",
    ];
    for (rules, times, expected) in [
        ("last 2", &days[..], &[0, 1][..]),
        ("last 99", &days, &[0, 1, 2, 3, 4, 5]),
        ("last unlimited", &days, &[0, 1, 2, 3, 4, 5]),
        ("daily 2", &days, &[0, 1]),
        // Of a day the newest one; a day without any counts for nothing.
        ("daily 2", &day, &[0, 4]),
        ("hourly 3", &day, &[0, 2, 3]),
        ("monthly 2", &days, &[0, 4]),
        ("yearly unlimited", &days, &[0, 5]),
        // Sunday the tenth of May belongs to the week of the fourth.
        ("weekly 2", &days, &[0, 3]),
        ("weekly 3", &days, &[0, 3, 5]),
        // The oldest stays while there is room for more.
        ("daily 5", &day, &[0, 4]),
        ("hourly 5", &day[..2], &[0, 1]),
        ("hourly 1", &day[..2], &[0]),
        ("within 2d", &days, &[0, 1, 2]),
        ("within 1d", &days[3..], &[0, 1]),
        ("within 1y", &days, &[0, 1, 2, 3, 4, 5]),
        ("daily within 1d", &day, &[0, 4]),
        ("hourly within 1h", &day, &[0, 2]),
        ("min 3", &days, &[0, 1, 2]),
        // What any rule keeps stays.
        ("last 1, monthly 2, min 2", &days, &[0, 1, 4]),
        ("within 14d, min 7", &days, &[0, 1, 2, 3, 4, 5]),
    ] {
        let candidates: Vec<_> = times.iter().map(|it| candidate(1, Some(time(it)))).collect();
        assert_eq!(kept(&policy(rules), &TimeZone::UTC, &candidates), expected, "{rules}");
    }
}

/// Days are those of the time zone, and an hour that comes twice is two.
#[test]
fn clocks_that_change_cost_nothing() {
    let times =
        ["2026-10-25T02:30:00+01:00", "2026-10-25T02:30:00+02:00", "2026-10-25T00:30:00+02:00"];
    let candidates = times.map(|it| candidate(1, Some(time(it))));
    let berlin = zone("Europe/Berlin");
    assert_eq!(kept(&policy("hourly 3"), &berlin, &candidates), [0, 1, 2]);
    assert_eq!(kept(&policy("daily 1"), &berlin, &candidates), [0]);
    // In UTC the last one is of the day before.
    assert_eq!(kept(&policy("daily 2"), &TimeZone::UTC, &candidates), [0, 2]);
}

/// Ages and least numbers count in each series of a group; other numbers in the group.
#[test]
fn ages_count_in_each_series() {
    let of = |series, text| candidate(series, Some(time(text)));
    let group = [
        of(1, "2026-05-10"),
        of(1, "2026-05-09"),
        of(1, "2026-04-01"),
        of(2, "2024-02-02"),
        of(2, "2024-02-01"),
        of(2, "2023-01-01"),
    ];
    assert_eq!(kept(&policy("within 7d"), &TimeZone::UTC, &group), [0, 1, 3, 4]);
    assert_eq!(kept(&policy("min 1"), &TimeZone::UTC, &group), [0, 3]);
    assert_eq!(kept(&policy("last 2"), &TimeZone::UTC, &group), [0, 1]);
}

/// A snapshot whose time cannot be right stays, and takes the place of no other; so does one that
/// stays for a reason of its own, though it counts.
#[test]
fn doubtful_ones_take_no_place() {
    let mut group =
        ["2026-05-10", "2026-05-09", "2026-05-08"].map(|it| candidate(1, Some(time(it))));
    let doubtful = candidate(1, None);
    let with = [&[doubtful.clone(), doubtful][..], &group].concat();
    for rules in ["last 1", "min 1", "daily 1", "within 1h", "yearly 3"] {
        let without = kept(&policy(rules), &TimeZone::UTC, &group);
        let shifted: Vec<usize> =
            [0, 1].into_iter().chain(without.iter().map(|at| at + 2)).collect();
        assert_eq!(kept(&policy(rules), &TimeZone::UTC, &with), shifted, "{rules}");
    }
    group[1].reasons.push(Reason::Tags("release".parse().unwrap()));
    assert_eq!(kept(&policy("last 2"), &TimeZone::UTC, &group), [0, 1]);
    assert_eq!(kept(&policy("last 1"), &TimeZone::UTC, &group), [0, 1]);
}

/// Verdicts say which rules keep a snapshot, and why none does.
#[test]
fn verdicts_say_why() {
    let times =
        ["2026-05-10T12:00:00Z", "2026-05-10T11:00:00Z", "2026-05-09T09:00:00Z", "2026-05-01"];
    let candidates = times.map(|it| candidate(1, Some(time(it))));
    let verdicts = judge(&policy("last 1, daily 2, weekly 5"), &TimeZone::UTC, &candidates);
    let said: Vec<String> = verdicts.iter().map(|verdict| verdict.reasons().join("; ")).collect();
    assert_eq!(
        said,
        [
            "last; daily; weekly",
            "a newer one stays of its day, week; beyond last 1",
            "daily",
            "weekly",
        ]
    );
    assert_eq!(rule("weekly within 1y2m").to_string(), "weekly within 1y2m");
    assert_eq!(rule("yearly unlimited").to_string(), "yearly unlimited");
}

/// A policy that keeps nothing is none.
#[test]
fn policies_keep_something() {
    for rules in [&[][..], &[rule("last 0"), rule("min 0"), rule("daily 0")]] {
        let refused = Policy::new(rules.iter().copied(), &[]).unwrap_err();
        assert_eq!(refused.kind(), Kind::Refused);
    }
    assert!(Policy::new([], &["release".parse().unwrap()]).is_ok());
}

/// A period's name in a time zone, written independently of the program.
fn name(period: &str, time: Time, zone: &TimeZone) -> String {
    let moment = Timestamp::from_nanosecond(time.0.into()).unwrap().to_zoned(zone.clone());
    let pattern = match period {
        "hourly" => "%Y-%m-%d %H %z",
        "daily" => "%Y-%m-%d",
        "weekly" => "%G-%V",
        "monthly" => "%Y-%m",
        _ => "%Y",
    };
    moment.strftime(pattern).to_string()
}

/// Times within some years, newest first.
fn times() -> impl Strategy<Value = Vec<Time>> {
    let seconds = 1_700_000_000_i64..1_800_000_000;
    prop::collection::vec(seconds, 1..60).prop_map(|mut seconds| {
        seconds.sort_unstable_by(|a, b| b.cmp(a));
        seconds.into_iter().map(|second| Time(second * Time::SECOND)).collect()
    })
}

fn zones() -> impl Strategy<Value = TimeZone> {
    prop::sample::select(vec!["UTC", "Europe/Berlin", "Asia/Kathmandu", "Pacific/Apia"])
        .prop_map(zone)
}

fn rules() -> impl Strategy<Value = Vec<String>> {
    let period = prop::sample::select(vec!["hourly", "daily", "weekly", "monthly", "yearly"]);
    let counted = (period.clone(), 1..9).prop_map(|(period, count)| format!("{period} {count}"));
    let within = (period, 1..2000).prop_map(|(period, days)| format!("{period} within {days}d"));
    let simple = (prop::sample::select(vec!["last", "min"]), 1..9)
        .prop_map(|(name, count)| format!("{name} {count}"));
    let age = (1..2000).prop_map(|days| format!("within {days}d"));
    prop::collection::vec(prop_oneof![counted, within, simple, age], 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    /// A rule by number keeps just the newest snapshot of each of the newest periods that have one,
    /// so many, and the oldest one while there are fewer.
    #[test]
    fn numbers_count_periods(
        times in times(),
        zone in zones(),
        period in prop::sample::select(vec!["hourly", "daily", "weekly", "monthly", "yearly"]),
        count in 1_usize..9,
    ) {
        let names: Vec<String> = times.iter().map(|time| name(period, *time, &zone)).collect();
        let all: BTreeSet<&String> = names.iter().collect();
        let expected: Vec<usize> = (0..names.len())
            .filter(|at| {
                let newer: BTreeSet<&String> = names[..*at].iter().collect();
                let is_first = !newer.contains(&names[*at]) && newer.len() < count;
                is_first || (*at + 1 == names.len() && all.len() < count)
            })
            .collect();
        let candidates: Vec<_> = times.iter().map(|time| candidate(1, Some(*time))).collect();
        let policy = policy(&format!("{period} {count}"));
        prop_assert_eq!(kept(&policy, &zone, &candidates), expected);
    }

    /// More rules keep more; what was kept is kept when the same policy is applied again; and the
    /// newest snapshot always stays.
    #[test]
    fn policies_are_steady(times in times(), zone in zones(), rules in rules()) {
        let candidates: Vec<_> = times.iter().map(|time| candidate(1, Some(*time))).collect();
        let policy_of = |rules: &[String]| policy(&rules.join(", "));
        let all = kept(&policy_of(&rules), &zone, &candidates);
        let fewer: BTreeSet<usize> = kept(&policy_of(&rules[..1]), &zone, &candidates).into_iter().collect();
        prop_assert!(fewer.is_subset(&all.iter().copied().collect()));
        let left: Vec<_> = all.iter().map(|at| candidates[*at].clone()).collect();
        prop_assert_eq!(kept(&policy_of(&rules), &zone, &left).len(), left.len());
        prop_assert_eq!(all.first(), Some(&0));
    }

    /// However many snapshots somebody adds, with whatever times until now, none goes that is not
    /// older than the age, counted from now.
    #[test]
    fn nobody_shortens_an_age(
        honest in times(),
        added in times(),
        days in 1_u16..2000,
    ) {
        let now = honest.iter().chain(&added).copied().max().unwrap();
        let mut all: Vec<Time> = honest.into_iter().chain(added).collect();
        all.sort_unstable_by(|a, b| b.cmp(a));
        let candidates: Vec<_> = all.iter().map(|time| candidate(1, Some(*time))).collect();
        let kept = kept(&policy(&format!("within {days}d")), &TimeZone::UTC, &candidates);
        let since = Time(now.0 - i64::from(days) * 86_400 * Time::SECOND);
        let young = all.iter().filter(|time| **time >= since).count();
        prop_assert_eq!(kept.len(), young);
    }
}
