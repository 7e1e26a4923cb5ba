//! The flags that say which snapshots `forget` keeps.

use super::groups::GroupBy;
use crate::error::{Error, Kind, Result};
use crate::ops::retention::{Bound, PRESETS, Period, Policy, Preset, Rule, preset};
use crate::ops::tag_list::TagList;
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use jiff::tz::TimeZone;

/// What stays; each rule keeps for itself, and what any keeps stays.
#[derive(Debug, Args)]
#[command(next_help_heading = "What stays (each rule keeps for itself)")]
pub struct KeepArgs {
    /// A policy by its name; more rules keep more
    #[arg(long, value_name = "NAME", value_parser = named())]
    pub policy: Option<&'static Preset>,

    /// The newest ones, so many of each group, or `unlimited`
    #[arg(short = 'l', long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub keep_last: Option<Bound>,

    /// The newest one of each hour, so many hours that have one
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub keep_hourly: Option<Bound>,

    /// The same of days
    #[arg(short = 'd', long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub keep_daily: Option<Bound>,

    /// The same of weeks, which begin on Monday
    #[arg(short = 'w', long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub keep_weekly: Option<Bound>,

    /// The same of months
    #[arg(short = 'm', long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub keep_monthly: Option<Bound>,

    /// The same of years
    #[arg(short = 'y', long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub keep_yearly: Option<Bound>,

    /// All that are not older than this, such as 14d or 1y6m, counted back from the newest of the same
    /// sources
    #[arg(long, value_name = "DURATION", value_parser = window)]
    pub keep_within: Option<Bound>,

    /// The newest one of each hour within a duration
    #[arg(long, value_name = "DURATION", value_parser = window)]
    pub keep_within_hourly: Option<Bound>,

    /// The same of days
    #[arg(long, value_name = "DURATION", value_parser = window)]
    pub keep_within_daily: Option<Bound>,

    /// The same of weeks
    #[arg(long, value_name = "DURATION", value_parser = window)]
    pub keep_within_weekly: Option<Bound>,

    /// The same of months
    #[arg(long, value_name = "DURATION", value_parser = window)]
    pub keep_within_monthly: Option<Bound>,

    /// The same of years
    #[arg(long, value_name = "DURATION", value_parser = window)]
    pub keep_within_yearly: Option<Bound>,

    /// All that have all of these tags, separated by commas; may be given several times
    #[arg(long, value_name = "TAG[,TAG...]")]
    pub keep_tag: Vec<TagList>,

    /// Always the newest ones of the same sources, so many, whatever their age
    #[arg(long, value_name = "N", value_parser = least, allow_negative_numbers = true)]
    pub keep_min: Option<Bound>,

    /// Count in each group of the same host, paths or tags, several separated by commas
    #[arg(short, long, value_name = "BY[,BY...]", value_enum, value_delimiter = ',')]
    #[arg(default_values_t = GroupBy::USUAL)]
    pub group_by: Vec<GroupBy>,

    /// Where hours, days, weeks, months and years begin: a name such as Europe/Berlin, or UTC; the zone
    /// of this machine without it
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<String>,
}

impl KeepArgs {
    /// The policy, if one is asked for.
    pub fn policy(&self) -> Result<Option<Policy>> {
        let rules = [
            (Period::Each, self.keep_last),
            (Period::Hour, self.keep_hourly),
            (Period::Day, self.keep_daily),
            (Period::Week, self.keep_weekly),
            (Period::Month, self.keep_monthly),
            (Period::Year, self.keep_yearly),
            (Period::Each, self.keep_within),
            (Period::Hour, self.keep_within_hourly),
            (Period::Day, self.keep_within_daily),
            (Period::Week, self.keep_within_weekly),
            (Period::Month, self.keep_within_monthly),
            (Period::Year, self.keep_within_yearly),
            (Period::Each, self.keep_min),
        ];
        let given =
            rules.into_iter().filter_map(|(period, bound)| Some(Rule { period, bound: bound? }));
        let preset = self.policy.map(|preset| preset.rules).unwrap_or_default();
        let rules: Vec<Rule> = preset.iter().copied().chain(given).collect();
        match rules.is_empty() && self.keep_tag.is_empty() {
            true => Ok(None),
            false => Policy::new(rules, &self.keep_tag).map(Some),
        }
    }

    /// Where days begin.
    pub fn zone(&self) -> Result<TimeZone> {
        let Some(name) = &self.time_zone else { return Ok(TimeZone::system()) };
        TimeZone::get(name).map_err(|cause| {
            Error::new(Kind::InvalidInput, "find the time zone", format!("{name:?}"))
                .caused_by(cause)
                .hint("write a name such as Europe/Berlin, or UTC")
        })
    }
}

/// Reads the name of a preset; `--help` lists them.
fn named() -> impl TypedValueParser<Value = &'static Preset> {
    let names = PRESETS.iter().map(|preset| PossibleValue::new(preset.name).help(preset.about));
    PossibleValuesParser::new(names).try_map(|name| preset(&name))
}

/// A number, or no bound at all.
fn number(text: &str, bound: fn(u32) -> Bound) -> Result<Bound> {
    match text {
        "unlimited" => Ok(Bound::All),
        _ => text.parse().map(bound).map_err(|_| {
            Error::new(Kind::InvalidInput, "understand the number", format!("{text:?}"))
                .because("it is neither how many to keep, nor `unlimited`")
        }),
    }
}

fn count(text: &str) -> Result<Bound> {
    number(text, Bound::Newest)
}

fn least(text: &str) -> Result<Bound> {
    number(text, Bound::NewestOfSeries)
}

fn window(text: &str) -> Result<Bound> {
    match text {
        "unlimited" => Ok(Bound::All),
        _ => text.parse().map(Bound::Within),
    }
}
