//! What reading back may cost.

use crate::error::{Error, Kind, Result};
use crate::ops::amount::{duration, size};
use std::str::FromStr;
use std::time::Duration;

/// What reading may cost; at least one pack is read, and one that was begun is read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// So many bytes.
    Bytes(u64),
    /// So much time.
    Time(Duration),
}

impl FromStr for Budget {
    type Err = Error;

    /// A size such as `5GiB`, or a time such as `30min`. What is both, such as `30m`, is refused.
    fn from_str(text: &str) -> Result<Self> {
        match (size(text), duration(text)) {
            (Ok(bytes), Err(_)) => Ok(Budget::Bytes(bytes)),
            (Err(_), Ok(time)) => Ok(Budget::Time(time)),
            _ => Err(Error::new(Kind::InvalidInput, "understand the budget", format!("{text:?}"))
                .hint("write a size, such as 5GiB, or a time, such as 10min or 2h")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A budget is a size or a time; what may mean both is refused.
    #[test]
    fn budgets_are_understood() {
        let time = |seconds| Budget::Time(Duration::from_secs(seconds));
        for (text, expected) in [
            ("5GiB", Budget::Bytes(5 << 30)),
            ("700", Budget::Bytes(700)),
            ("10min", time(600)),
            ("2h", time(7200)),
            ("90s", time(90)),
            ("1d", time(86_400)),
        ] {
            assert_eq!(text.parse::<Budget>().unwrap(), expected, "{text}");
        }
        for text in ["", "5m", "min", "5 parsecs", "99999999999999999999s", "-1h"] {
            assert_eq!(text.parse::<Budget>().unwrap_err().kind(), Kind::InvalidInput, "{text}");
        }
    }
}
