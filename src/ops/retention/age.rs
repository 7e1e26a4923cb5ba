//! How old a snapshot may be, as people write it: `14d`, `2y5m7d3h`.

use crate::env::Time;
use crate::error::{Error, Kind, Result};
use jiff::Span;
use jiff::tz::TimeZone;
use std::fmt;
use std::str::FromStr;

const UNITS: &str = "y, m (months), w, d and h";

/// Years, months, days and hours, counted by the calendar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Age {
    years: u16,
    months: u16,
    days: u16,
    hours: u16,
}

impl Age {
    /// So many days.
    pub const fn days(days: u16) -> Self {
        Age { years: 0, months: 0, days, hours: 0 }
    }

    /// The moment that lies so far before another by the clocks and calendars of a time zone; none
    /// if that is before all time.
    pub fn before(self, time: Time, zone: &TimeZone) -> Option<Time> {
        let Age { years, months, days, hours } = self;
        let span = Span::new().try_years(years).ok()?.try_months(months).ok()?;
        let span = span.try_days(days).ok()?.try_hours(hours).ok()?;
        Time::of(time.in_zone(zone).checked_sub(span).ok()?.timestamp())
    }

    fn unit(&mut self, letter: char) -> Option<(&mut u16, u16)> {
        match letter {
            'y' => Some((&mut self.years, 1)),
            'm' => Some((&mut self.months, 1)),
            'w' => Some((&mut self.days, 7)),
            'd' => Some((&mut self.days, 1)),
            'h' => Some((&mut self.hours, 1)),
            _ => None,
        }
    }
}

impl FromStr for Age {
    type Err = Error;

    /// Numbers, each with its unit: `y`, `m` (months), `w`, `d`, `h`.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = |reason: String| {
            Error::new(Kind::InvalidInput, "understand the duration", format!("{text:?}"))
                .because(reason)
                .hint(format!("write numbers, each with its unit, such as 14d or 1y6m: {UNITS}"))
        };
        let too_long = || wrong("it is too long".to_owned());
        let mut age = Age::default();
        let mut rest = text;
        while !rest.is_empty() {
            let digits = rest.find(|letter: char| !letter.is_ascii_digit());
            let (number, unit) =
                rest.split_at_checked(digits.unwrap_or(rest.len())).unwrap_or((rest, ""));
            let Some(letter) = unit.chars().next() else {
                return Err(wrong(format!("{number} of what? There are {UNITS}")));
            };
            if number.is_empty() {
                return Err(wrong(format!(
                    "there is no number before {letter:?}; units are {UNITS}"
                )));
            }
            let Some((field, times)) = age.unit(letter) else {
                return Err(wrong(format!("{letter:?} is no unit: there are {UNITS}")));
            };
            let number: u16 = number.parse().map_err(|_| too_long())?;
            let number = number.checked_mul(times).and_then(|number| field.checked_add(number));
            *field = number.filter(|number| *number < 10_000).ok_or_else(too_long)?;
            rest = unit.get(letter.len_utf8()..).unwrap_or_default();
        }
        match age == Age::default() {
            true => Err(wrong("it is no time at all".to_owned())),
            false => Ok(age),
        }
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Age { years, months, days, hours } = self;
        for (number, unit) in [(years, 'y'), (months, 'm'), (days, 'd'), (hours, 'h')] {
            if *number > 0 {
                write!(f, "{number}{unit}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What people write is understood, written back in one form, and everything else is refused
    /// with what is wrong in it.
    #[test]
    fn durations_are_understood() {
        for (text, same) in [
            ("14d", "14d"),
            ("2w", "14d"),
            ("2y5m7d3h", "2y5m7d3h"),
            ("3h1d", "1d3h"),
            ("1d1d", "2d"),
        ] {
            assert_eq!(text.parse::<Age>().unwrap().to_string(), same);
        }
        for (text, reason) in [
            ("", "no time"),
            ("0d", "no time"),
            ("14", "14 of what?"),
            ("d", "no number before 'd'"),
            ("5min", "'i'"),
            ("3s", "'s' is no unit"),
            ("-1d", "no number before '-'"),
            ("1.5d", "'.'"),
            ("99999y", "too long"),
            ("9999w", "too long"),
            ("7\u{fc}", "is no unit"),
        ] {
            let error = text.parse::<Age>().unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidInput);
            assert!(error.to_string().contains(reason), "{error}");
        }
    }

    /// Days and months are those of the calendar and the time zone: a day may have 23 or 25 hours,
    /// and a month that is shorter ends sooner.
    #[test]
    fn ages_follow_the_calendar() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        for (age, from, to) in [
            ("1d", "2026-03-29T12:00:00+02:00", "2026-03-28T12:00:00+01:00"),
            ("1d", "2026-10-25T12:00:00+01:00", "2026-10-24T12:00:00+02:00"),
            ("24h", "2026-10-25T12:00:00+01:00", "2026-10-24T13:00:00+02:00"),
            ("1m", "2026-03-31T00:00:00+02:00", "2026-02-28T00:00:00+01:00"),
            ("1y", "2028-02-29T08:00:00+01:00", "2027-02-28T08:00:00+01:00"),
        ] {
            let [from, to] = [from, to].map(|text| Time::of(text.parse().unwrap()).unwrap());
            assert_eq!(age.parse::<Age>().unwrap().before(from, &zone), Some(to), "{age}");
        }
        let age: Age = "9999y".parse().unwrap();
        assert_eq!(age.before(Time(0), &zone), None);
    }
}
