//! Policies by name.

use super::{Age, Bound, Period, Rule};
use crate::error::{Error, Kind, Result};
use crate::text;

/// A policy that has a name.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// The name.
    pub name: &'static str,
    /// What it keeps, in words.
    pub about: &'static str,
    /// Its rules.
    pub rules: &'static [Rule],
}

/// All of them.
pub const PRESETS: [Preset; 3] = [
    Preset {
        name: "yearly-forever",
        about: "7 daily, 4 weekly, 12 monthly, and one of every year",
        rules: &[
            Rule::newest(Period::Day, 7),
            Rule::newest(Period::Week, 4),
            Rule::newest(Period::Month, 12),
            Rule { period: Period::Year, bound: Bound::All },
        ],
    },
    Preset {
        name: "seven-years",
        about: "30 daily, 12 weekly, 12 monthly, 7 yearly",
        rules: &[
            Rule::newest(Period::Day, 30),
            Rule::newest(Period::Week, 12),
            Rule::newest(Period::Month, 12),
            Rule::newest(Period::Year, 7),
        ],
    },
    Preset {
        name: "two-weeks",
        about: "all of 14 days, and always the newest 7",
        rules: &[
            Rule { period: Period::Each, bound: Bound::Within(Age::days(14)) },
            Rule { period: Period::Each, bound: Bound::NewestOfSeries(7) },
        ],
    },
];

/// The preset of this name.
pub fn preset(name: &str) -> Result<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name).ok_or_else(|| {
        let names = PRESETS.iter().map(|preset| preset.name);
        Error::new(Kind::InvalidInput, "find the policy", format!("{name:?}"))
            .hint(text::known(names, "there are none"))
    })
}
