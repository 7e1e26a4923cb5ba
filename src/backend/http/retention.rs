//! For how long a bucket is to keep what is stored in it from being deleted.

use crate::backend::options::invalid;
use crate::error::Result;
use jiff::{Span, SpanRelativeTo};
use std::collections::BTreeMap;
use std::time::Duration;

/// What options say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Retention {
    /// From the moment that an object is stored, or is found to be needed still.
    pub period: Duration,
    /// As S3 calls it.
    pub mode: &'static str,
}

const MODES: [(&str, &str); 2] = [("governance", "GOVERNANCE"), ("compliance", "COMPLIANCE")];

/// The longest period: nobody can take back what an error of a digit has locked.
const MAX_PERIOD: Duration = Duration::from_hours(24 * 366 * 10);

impl Retention {
    /// Reads the options `retain` and `retain-mode`.
    pub(super) fn parse(options: &BTreeMap<String, String>) -> Result<Option<Self>> {
        let mode = options.get("retain-mode");
        let Some(text) = options.get("retain") else {
            return match mode {
                None => Ok(None),
                Some(_) => Err(invalid("retain-mode")
                    .because("nothing is retained")
                    .hint("say for how long: -o retain=30d")),
            };
        };
        let period =
            period(text).filter(|period| (Duration::from_secs(1)..=MAX_PERIOD).contains(period));
        let period = period.ok_or_else(|| {
            invalid("retain")
                .because("it is no duration up to ten years")
                .hint("write one such as 30d")
        })?;
        let asked = mode.map_or("governance", String::as_str);
        let known = MODES.iter().find(|(name, _)| *name == asked);
        let (_, mode) = known.ok_or_else(|| {
            invalid("retain-mode").because("it is neither governance nor compliance")
        })?;
        Ok(Some(Retention { period, mode }))
    }
}

fn period(text: &str) -> Option<Duration> {
    let exact = text.parse::<Span>().ok()?.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    Duration::try_from(exact).ok()
}
