//! The head of a series: the newest member that was seen, as it is written down.

use crate::error::{Error, Kind, Result};
use crate::id::{SeriesId, hex, unhex};
use std::fmt;
use std::str::FromStr;

/// A member of a series that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Head {
    /// The series.
    pub series: SeriesId,
    /// The number there.
    pub sequence: u64,
    /// BLAKE3 of the snapshot's object.
    pub hash: [u8; 32],
}

impl fmt::Display for Head {
    /// `SERIES:SEQUENCE:HASH`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.series, self.sequence, hex(&self.hash))
    }
}

impl FromStr for Head {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let (series, rest) = text.split_once(':')?;
            let (sequence, hash) = rest.split_once(':')?;
            let (series, sequence) = (series.parse().ok()?, sequence.parse().ok()?);
            Some(Head { series, sequence, hash: unhex(hash)? })
        };
        parse().ok_or_else(|| {
            Error::new(Kind::InvalidInput, "understand the head", format!("{text:?}"))
                .hint("it is SERIES:SEQUENCE:HASH, as `check --json` and `backup --json` print it")
        })
    }
}

impl Head {
    /// That the repository does not show it.
    pub fn lost(&self) -> Error {
        let Head { series, sequence, .. } = self;
        let subject = format!("number {sequence} of series {}", series.short());
        let reason = "it was seen before, and is neither there to be read nor forgotten";
        Error::damaged("find", subject, reason).hint(
            "the repository is an older state of itself, or its newest snapshots were removed; bring the \
             newer state back, or, if you know why, accept this one: `icecore check --accept-head`",
        )
    }
}
