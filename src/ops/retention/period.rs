//! Hours, days, weeks, months and years, as the clocks and calendars of a time zone have them.

use crate::env::Time;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Of what a rule keeps the newest snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// Of no period: every snapshot counts by itself.
    Each,
    /// An hour. One that comes twice, when clocks are put back, is two.
    Hour,
    /// A day.
    Day,
    /// A week, from Monday on.
    Week,
    /// A month.
    Month,
    /// A year.
    Year,
}

/// One of the hours, days, weeks, months or years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bucket {
    first_day: Date,
    /// The hour, and the zone's offset from UTC in seconds.
    hour: Option<(i8, i32)>,
}

impl Period {
    /// The bucket that a moment lies in; none where each snapshot counts by itself.
    pub fn bucket(self, time: Time, zone: &TimeZone) -> Option<Bucket> {
        let moment = time.in_zone(zone);
        let date = moment.date();
        let week = || date.iso_week_date().first_of_week().ok().map(Date::from);
        let hour = (moment.hour(), moment.offset().seconds());
        let (first_day, hour) = match self {
            Period::Each => return None,
            Period::Hour => (date, Some(hour)),
            Period::Day => (date, None),
            Period::Week => (week().unwrap_or(date), None),
            Period::Month => (date.first_of_month(), None),
            Period::Year => (date.first_of_year(), None),
        };
        Some(Bucket { first_day, hour })
    }

    /// How a rule by it is called: `daily`.
    pub fn adverb(self) -> &'static str {
        match self {
            Period::Each => "last",
            Period::Hour => "hourly",
            Period::Day => "daily",
            Period::Week => "weekly",
            Period::Month => "monthly",
            Period::Year => "yearly",
        }
    }

    /// What one of them is called.
    pub fn noun(self) -> &'static str {
        match self {
            Period::Each => "moment",
            Period::Hour => "hour",
            Period::Day => "day",
            Period::Week => "week",
            Period::Month => "month",
            Period::Year => "year",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(period: Period, text: &str, zone: &str) -> Option<Bucket> {
        let time = Time::of(text.parse().unwrap()).unwrap();
        period.bucket(time, &TimeZone::get(zone).unwrap())
    }

    /// Whether two moments lie in the same hour, day, week, month or year is decided by the clocks
    /// and the calendar of the time zone.
    #[test]
    fn buckets_are_those_of_the_time_zone() {
        for (period, zone, one, other, same) in [
            (Period::Day, "UTC", "2026-05-01T23:59:59Z", "2026-05-02T00:00:00Z", false),
            (Period::Day, "Europe/Berlin", "2026-05-01T22:30:00Z", "2026-05-02T21:30:00Z", true),
            (Period::Day, "America/New_York", "2026-05-02T03:00:00Z", "2026-05-01T12:00:00Z", true),
            // Clocks are put back, so that 02:00 to 03:00 comes twice; the day is one.
            (Period::Hour, "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", false),
            (Period::Day, "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", true),
            (Period::Hour, "Asia/Kolkata", "2026-05-01T00:29:00Z", "2026-05-01T00:31:00Z", false),
            // The week of a Monday; the first days of a year may belong to a week of the last one.
            (Period::Week, "UTC", "2026-05-03T12:00:00Z", "2026-05-04T00:00:00Z", false),
            (Period::Week, "UTC", "2026-12-31T00:00:00Z", "2027-01-03T23:00:00Z", true),
            (Period::Month, "UTC", "2026-01-31T23:00:00Z", "2026-01-01T00:00:00Z", true),
            (Period::Month, "UTC", "2026-01-31T23:00:00Z", "2027-01-31T23:00:00Z", false),
            (
                Period::Year,
                "Pacific/Auckland",
                "2026-12-31T12:00:00Z",
                "2027-06-01T00:00:00Z",
                true,
            ),
        ] {
            let (a, b) = (bucket(period, one, zone), bucket(period, other, zone));
            assert_eq!(a == b, same, "{period:?} {one} {other} {zone}");
        }
        assert_eq!(bucket(Period::Each, "2026-05-01T00:00:00Z", "UTC"), None);
    }
}
