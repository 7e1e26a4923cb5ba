//! What a repository keeps, in the words of `forget`.

use super::values::{Count, Written};
use crate::error::Result;
use crate::ops::retention::{Age, Bound, Period, Policy, Rule, preset};
use crate::ops::tag_list::TagList;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which snapshots of a job stay in a repository: what any rule keeps stays.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Keep {
    /// A policy by its name: `yearly-forever`, `seven-years` or `two-weeks`; more rules keep more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"yearly-forever")]
    pub policy: Option<String>,
    /// The newest ones, so many.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 10)]
    pub last: Option<Count>,
    /// The newest one of each hour, so many hours that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 24)]
    pub hourly: Option<Count>,
    /// The same of days.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 7)]
    pub daily: Option<Count>,
    /// The same of weeks, which begin on Monday.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 4)]
    pub weekly: Option<Count>,
    /// The same of months.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 12)]
    pub monthly: Option<Count>,
    /// The same of years.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"unlimited")]
    pub yearly: Option<Count>,
    /// All that are not older than this, counted back from the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"14d")]
    pub within: Option<Written<Age>>,
    /// The newest one of each hour within this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"2d")]
    pub within_hourly: Option<Written<Age>>,
    /// The same of days.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"1m")]
    pub within_daily: Option<Written<Age>>,
    /// The same of weeks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"3m")]
    pub within_weekly: Option<Written<Age>>,
    /// The same of months.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"2y")]
    pub within_monthly: Option<Written<Age>>,
    /// The same of years.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"10y")]
    pub within_yearly: Option<Written<Age>>,
    /// All that have one of these tags; of several in one text, separated by commas, all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = ["release"])]
    pub tags: Vec<String>,
    /// Always the newest ones of the same sources, so many, whatever their age.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 7)]
    pub min: Option<u32>,
}

impl Keep {
    /// The policy.
    ///
    /// # Errors
    /// `Refused` if it keeps nothing, `InvalidInput` for a name or a tag that is none.
    pub fn policy(&self) -> Result<Policy> {
        let counted = [
            (Period::Each, self.last),
            (Period::Hour, self.hourly),
            (Period::Day, self.daily),
            (Period::Week, self.weekly),
            (Period::Month, self.monthly),
            (Period::Year, self.yearly),
        ];
        let within = [
            (Period::Each, &self.within),
            (Period::Hour, &self.within_hourly),
            (Period::Day, &self.within_daily),
            (Period::Week, &self.within_weekly),
            (Period::Month, &self.within_monthly),
            (Period::Year, &self.within_yearly),
        ];
        let bound = |count| match count {
            Count::Number(number) => Bound::Newest(number),
            Count::Unlimited => Bound::All,
        };
        let counted = counted
            .into_iter()
            .filter_map(|(period, count)| Some(Rule { period, bound: bound(count?) }));
        let within = within.into_iter().filter_map(|(period, age)| {
            Some(Rule { period, bound: Bound::Within(age.as_ref()?.value) })
        });
        let min =
            self.min.map(|min| Rule { period: Period::Each, bound: Bound::NewestOfSeries(min) });
        let named = match &self.policy {
            Some(name) => preset(name)?.rules,
            None => &[],
        };
        let tags = self.tags.iter().map(|text| text.parse()).collect::<Result<Vec<TagList>>>()?;
        Policy::new(named.iter().copied().chain(counted).chain(within).chain(min), &tags)
    }
}
