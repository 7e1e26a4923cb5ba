//! Amounts as people write them: sizes and durations.

use crate::error::{Error, Kind, Result};
use jiff::{Span, SpanRelativeTo};
use std::time::Duration;

/// A number of bytes: `100`, `64k`, `2GiB`.
pub fn size(text: &str) -> Result<u64> {
    let text = text.trim();
    let wrong = || {
        Error::new(Kind::InvalidInput, "understand the size", format!("{text:?}"))
            .hint("write a number, or one with k, M, G or T after it")
    };
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = text.get(digits.len()..).unwrap_or_default().to_ascii_lowercase();
    let shift = match unit.trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).ok_or_else(wrong)
}

/// `90s`, `10m`, `2h`, `1d`.
pub fn duration(text: &str) -> Result<Duration> {
    let span = text.parse::<Span>().ok();
    let exact = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    exact.and_then(|exact| Duration::try_from(exact).ok()).ok_or_else(|| {
        Error::new(Kind::InvalidInput, "understand the duration", format!("{text:?}"))
            .hint("write one such as 90s, 10m, 2h or 1d")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes are understood with every unit, and nonsense is refused.
    #[test]
    fn sizes_are_understood() {
        for (text, bytes) in [("100", 100), ("64k", 65536), ("1M", 1 << 20), ("2GiB", 2 << 30)] {
            assert_eq!(size(text).unwrap(), bytes, "{text}");
        }
        for text in ["", "k", "1x", "-1", "99999999999T", "1.5G"] {
            assert_eq!(size(text).unwrap_err().kind(), Kind::InvalidInput, "{text}");
        }
    }

    /// Durations are understood with every unit, and nonsense is refused.
    #[test]
    fn durations_are_understood() {
        for (text, seconds) in [("90s", 90), ("10m", 600), ("2h", 7200), ("1d", 86_400)] {
            assert_eq!(duration(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
        for text in ["", "10", "-5m", "5 fortnights", "soon"] {
            assert_eq!(duration(text).unwrap_err().kind(), Kind::InvalidInput, "{text}");
        }
    }
}
