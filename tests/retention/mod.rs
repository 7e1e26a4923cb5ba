//! The newest snapshot before a moment.

mod at;

use icecore::env::Time;
use jiff::Timestamp;

/// A moment in UTC, or with the zone that it states.
fn time(text: &str) -> Time {
    let text = if text.len() == 10 { format!("{text}T12:00:00Z") } else { text.to_owned() };
    Time(text.parse::<Timestamp>().unwrap().as_nanosecond().try_into().unwrap())
}
