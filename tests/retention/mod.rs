//! Which snapshots stay: policies by themselves and on repositories, holds, and the newest snapshot
//! before a moment.

mod at;
mod holds;
mod policies;
mod program;
mod rules;
mod years;

use icecore::env::Time;
use icecore::ops::retention::{Age, Bound, Period, Policy, Rule};
use jiff::Timestamp;

/// A moment in UTC, or with the zone that it states.
fn time(text: &str) -> Time {
    let text = if text.len() == 10 { format!("{text}T12:00:00Z") } else { text.to_owned() };
    Time(text.parse::<Timestamp>().unwrap().as_nanosecond().try_into().unwrap())
}

/// A rule as the program's flags name it: `last 3`, `daily 7`, `min 2`, `within 14d`,
/// `weekly within 1y`, `yearly unlimited`.
fn rule(text: &str) -> Rule {
    let words: Vec<&str> = text.split(' ').collect();
    let period = match words[0] {
        "hourly" => Period::Hour,
        "daily" => Period::Day,
        "weekly" => Period::Week,
        "monthly" => Period::Month,
        "yearly" => Period::Year,
        _ => Period::Each,
    };
    let bound = match &words[..] {
        [_, "unlimited"] => Bound::All,
        ["min", count] => Bound::NewestOfSeries(count.parse().unwrap()),
        ["within", age] | [_, "within", age] => Bound::Within(age.parse::<Age>().unwrap()),
        [_, count] => Bound::Newest(count.parse().unwrap()),
        _ => panic!("{text}"),
    };
    Rule { period, bound }
}

/// A policy of such rules, separated by commas.
fn policy(text: &str) -> Policy {
    Policy::new(text.split(", ").map(rule), &[]).unwrap()
}
