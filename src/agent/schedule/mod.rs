//! When something is due: words such as `daily 02:10`, or cron expressions, by the clocks of a time zone.
//! All of it is computed from the moment that is given: nothing here reads the clock.

mod calendar;
mod shorthand;

use super::config::{FileValue, nearest};
use crate::env::Time;
use crate::error::{Error, Kind, Result};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Zoned;
use jiff::civil::date;
use jiff::tz::TimeZone;
use std::iter::successors;
use std::str::FromStr;
use std::time::Duration;

/// How far schedules are looked at for their longest gap, and how many moments of them.
const YEAR: Duration = Duration::from_secs(366 * 86_400);
const MOMENTS: usize = 1000;

/// When something is due, again and again.
///
/// A time of day without wildcards comes once a day: after the gap where clocks are put forward, and once
/// where they are put back. What comes every so many minutes or hours follows the time that passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// All of it, as cron has it.
    whole: Cron,
    /// Due whenever one of these is.
    parts: Vec<Cron>,
}

impl Schedule {
    /// The first moment after `after` at which it is due; none if it never is again.
    pub fn next(&self, after: Time, zone: &TimeZone) -> Option<Time> {
        Time::of(self.next_zoned(&after.in_zone(zone))?.timestamp())
    }

    /// The longest time between two moments of it, as far as a year or a thousand of them show.
    pub fn longest_gap(&self, from: Time, zone: &TimeZone) -> Duration {
        let moments = successors(self.next(from, zone), |last| self.next(*last, zone));
        let moments = moments.take_while(|it| it.since(from) <= YEAR).take(MOMENTS);
        let moments: Vec<Time> = moments.collect();
        moments
            .windows(2)
            .filter_map(|pair| Some(pair.last()?.since(*pair.first()?)))
            .max()
            .unwrap_or(YEAR)
    }

    fn next_zoned(&self, after: &Zoned) -> Option<Zoned> {
        let next = |cron: &Cron| cron.find_next_occurrence(after, false).ok();
        self.parts.iter().filter_map(next).min()
    }
}

impl FileValue for Schedule {
    const NAME: &'static str = "Schedule";
    const FORM: &'static str = "`hourly`, `hourly :15`, `daily`, `daily 02:10`, `weekly`, `weekly sunday 03:00`, \
                                `monthly`, `monthly 15 03:00`, or a cron expression of five fields";
}

impl FromStr for Schedule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |reason: String| {
            Error::new(Kind::InvalidInput, "understand the schedule", format!("{text:?}"))
                .because(reason)
                .hint(format!("write {}", Schedule::FORM))
        };
        let expression = match shorthand::to_cron(text) {
            Some(translated) => translated.map_err(|reason| wrong(reason.to_owned()))?,
            None if text.starts_with(|first: char| first.is_ascii_alphabetic()) => {
                let first = text.split_whitespace().next().unwrap_or_default();
                let nearest = nearest(&first.to_ascii_lowercase(), &shorthand::FIRST);
                return Err(wrong(format!("no schedule begins with `{first}`; {nearest}")));
            }
            None => text.to_owned(),
        };
        let parse = |expression: &str| {
            let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed);
            parser.build().parse(expression).map_err(|cause| wrong(cause.to_string()))
        };
        let whole = parse(&expression)?;
        let schedule = Schedule { parts: times_of_day(&whole, parse)?, whole };
        // The calendar comes again after four centuries; what this one has not in twelve years,
        // leap years in a row among them, no other has.
        let start = date(2024, 1, 1).to_zoned(TimeZone::UTC).ok();
        match start.and_then(|start| schedule.next_zoned(&start)) {
            Some(_) => Ok(schedule),
            None => Err(wrong("it never comes".to_owned())),
        }
    }
}

/// The expression, as one for each time of day where it names these without wildcards: only a single
/// time is taken for one that comes once a day.
fn times_of_day(whole: &Cron, parse: impl Fn(&str) -> Result<Cron>) -> Result<Vec<Cron>> {
    let fields: Vec<&str> = whole.as_str().split_whitespace().collect();
    let [minutes, hours, rest @ ..] = fields.as_slice() else { return Ok(vec![whole.clone()]) };
    if [minutes, hours].iter().any(|field| field.contains(['*', '/', '?'])) {
        return Ok(vec![whole.clone()]);
    }
    let rest = rest.join(" ");
    let mut parts = Vec::new();
    for hour in whole.pattern.hours.values() {
        for minute in whole.pattern.minutes.values() {
            parts.push(parse(&format!("{minute} {hour} {rest}"))?);
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    /// The next moments from one on, as local times.
    fn next(schedule: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let zone = TimeZone::get(zone).unwrap();
        let schedule: Schedule = schedule.parse().unwrap();
        let from: Timestamp = from.parse().unwrap();
        let mut time = Time::of(from).unwrap();
        let mut found = Vec::new();
        for _ in 0..count {
            time = schedule.next(time, &zone).unwrap();
            let moment = time.in_zone(&zone);
            found.push(moment.strftime("%m-%d %H:%M %:z").to_string());
        }
        found
    }

    /// Words and expressions come when they say, strictly after the moment that is given.
    #[test]
    fn schedules_come_when_they_say() {
        let from = "2026-11-22T10:00:00Z";
        for (schedule, first, second) in [
            ("hourly", "11-22 11:00", "11-22 12:00"),
            ("hourly :15", "11-22 10:15", "11-22 11:15"),
            ("daily", "11-23 00:00", "11-24 00:00"),
            ("daily 02:10", "11-23 02:10", "11-24 02:10"),
            ("daily 10:00", "11-23 10:00", "11-24 10:00"),
            ("weekly", "11-23 00:00", "11-30 00:00"),
            ("weekly sunday 23:30", "11-22 23:30", "11-29 23:30"),
            ("weekly Wed", "11-25 00:00", "12-02 00:00"),
            ("monthly", "12-01 00:00", "01-01 00:00"),
            ("monthly 15 03:00", "12-15 03:00", "01-15 03:00"),
            ("*/20 * * * *", "11-22 10:20", "11-22 10:40"),
            ("0 3 * * 1-5", "11-23 03:00", "11-24 03:00"),
            ("0 4 L * *", "11-30 04:00", "12-31 04:00"),
            ("30 1,13 * * *", "11-22 13:30", "11-23 01:30"),
        ] {
            let expected = [first, second].map(|moment| format!("{moment} +00:00"));
            assert_eq!(next(schedule, "UTC", from, 2), expected, "{schedule}");
        }
    }

    /// Where clocks are put forward, a time of day that is left out comes right after the gap, and
    /// lists of hours are no exception; where they are put back, it comes once. What comes every so
    /// often follows the time that passes.
    #[test]
    fn clocks_that_are_put_forward_and_back_lose_and_double_nothing() {
        let (forward, back) = ("2026-03-28T22:00:00Z", "2026-10-24T20:00:00Z");
        let berlin = |schedule, from, count| next(schedule, "Europe/Berlin", from, count);
        assert_eq!(berlin("daily 02:10", forward, 2), ["03-29 03:00 +02:00", "03-30 02:10 +02:00"]);
        assert_eq!(
            berlin("30 2,5 * * *", forward, 3),
            ["03-29 03:00 +02:00", "03-29 05:30 +02:00", "03-30 02:30 +02:00"]
        );
        assert_eq!(
            berlin("hourly", "2026-03-29T00:00:00Z", 2),
            ["03-29 03:00 +02:00", "03-29 04:00 +02:00"]
        );
        assert_eq!(berlin("daily 02:10", back, 2), ["10-25 02:10 +02:00", "10-26 02:10 +01:00"]);
        assert_eq!(
            berlin("30 2-3 * * *", back, 3),
            ["10-25 02:30 +02:00", "10-25 03:30 +01:00", "10-26 02:30 +01:00"]
        );
        assert_eq!(
            berlin("hourly", "2026-10-24T23:30:00Z", 3),
            ["10-25 02:00 +02:00", "10-25 02:00 +01:00", "10-25 03:00 +01:00"]
        );
    }

    /// What never comes, or means nothing, is refused, and the reason is told.
    #[test]
    fn nonsense_is_refused() {
        for (text, reason) in [
            ("0 0 30 2 *", "never comes"),
            ("0 0 31 4,6 *", "never comes"),
            ("", ""),
            ("sometimes", "known: hourly, daily"),
            ("hourlyy", "did you mean `hourly`?"),
            ("Dayly 02:10", "did you mean `daily`?"),
            ("daily 25:00", "time of day"),
            ("daily noon", "time of day"),
            ("weekly someday", "day of the week"),
            ("monthly 31 03:00", "28"),
            ("monthly 0", "28"),
            ("hourly 15", "minute"),
            ("* * * * * *", ""),
        ] {
            let error = text.parse::<Schedule>().unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidInput, "{text}");
            assert!(error.to_string().contains(reason), "{error}");
        }
        assert!("0 0 29 2 *".parse::<Schedule>().is_ok());
    }
}
