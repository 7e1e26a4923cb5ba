//! What a policy consists of.

use super::{Age, Period, Reason};
use crate::error::{Error, Kind, Result};
use crate::ops::tag_list::TagList;
use crate::repo::Hold;
use std::collections::BTreeSet;
use std::fmt;

/// A rule, which keeps the newest snapshot of each period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Of which periods.
    pub period: Period,
    /// Of how many.
    pub bound: Bound,
}

/// How many snapshots a rule keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The newest, so many of a group.
    Newest(u32),
    /// The newest, so many of each series in it.
    NewestOfSeries(u32),
    /// All that are not older than this when the newest of their series was made.
    Within(Age),
    /// All.
    All,
}

/// Rules, and tags of snapshots that always stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    rules: Vec<Rule>,
    tags: Vec<TagList>,
}

impl Policy {
    /// A policy. A snapshot that has all tags of one list stays.
    ///
    /// # Errors
    /// `Refused` for one that keeps nothing.
    pub fn new(rules: impl IntoIterator<Item = Rule>, tags: &[TagList]) -> Result<Self> {
        let rules = rules
            .into_iter()
            .filter(|rule| !matches!(rule.bound, Bound::Newest(0) | Bound::NewestOfSeries(0)));
        let policy = Policy { rules: rules.collect(), tags: tags.to_vec() };
        match policy.rules.is_empty() && policy.tags.is_empty() {
            true => Err(Error::new(Kind::Refused, "forget by", "this policy")
                .because("it keeps nothing")
                .hint("name snapshots to give up all of them, the last ones with --force")),
            false => Ok(policy),
        }
    }

    /// The rules.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Why a snapshot with these tags and holds stays whatever its time is.
    pub fn reasons(&self, tags: &BTreeSet<String>, holds: &[Hold]) -> Vec<Reason> {
        let holds = holds.iter().cloned().map(Reason::Held);
        let tagged =
            self.tags.iter().filter(|list| list.is_within(tags)).cloned().map(Reason::Tags);
        holds.chain(tagged).collect()
    }
}

impl Rule {
    /// A rule that counts.
    pub const fn newest(period: Period, count: u32) -> Self {
        Rule { period, bound: Bound::Newest(count) }
    }

    /// What it is called, without its number.
    pub fn name(&self) -> String {
        match (self.period, self.bound) {
            (Period::Each, Bound::Within(age)) => format!("within {age}"),
            (period, Bound::Within(age)) => format!("{} within {age}", period.adverb()),
            (_, Bound::NewestOfSeries(_)) => "min".to_owned(),
            (period, _) => period.adverb().to_owned(),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())?;
        match self.bound {
            Bound::Newest(count) | Bound::NewestOfSeries(count) => write!(f, " {count}"),
            Bound::All => f.write_str(" unlimited"),
            Bound::Within(_) => Ok(()),
        }
    }
}
