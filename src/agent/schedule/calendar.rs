//! Schedules in the syntax of systemd (`OnCalendar`) and of crontabs.

use super::Schedule;
use crate::error::{Error, Kind, Result};
use croner::Cron;

/// The days of the week, as systemd has them, the first as cron has it.
const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

impl Schedule {
    /// As `OnCalendar`, one or several, by the clocks of a zone.
    ///
    /// # Errors
    /// `Unsupported` if it has days that are counted from a month's end or by its weeks.
    pub fn on_calendar(&self, zone: &str) -> Result<Vec<String>> {
        self.plain("a timer of systemd")?;
        Ok(self.parts.iter().flat_map(|part| on_calendar(part, zone)).collect())
    }

    /// As the five fields of a crontab.
    ///
    /// # Errors
    /// `Unsupported` if cron has no such thing, or another meaning for it.
    pub fn crontab(&self) -> Result<&str> {
        self.plain("a crontab")?;
        let (pattern, text) = (&self.whole.pattern, self.whole.as_str());
        let both = !pattern.is_dom_wildcard() && !pattern.is_dow_wildcard();
        let days: Vec<&str> = text.split_whitespace().skip(2).collect();
        match text.contains(['?', '+', '@']) || both && days.iter().any(|it| it.starts_with("*/")) {
            true => Err(self.beyond("a crontab")),
            false => Ok(text),
        }
    }

    fn plain(&self, what: &str) -> Result<()> {
        let pattern = &self.whole.pattern;
        match [&pattern.days, &pattern.days_of_week].iter().any(|it| it.has_modifiers()) {
            true => Err(self.beyond(what)),
            false => Ok(()),
        }
    }

    fn beyond(&self, what: &str) -> Error {
        Error::new(Kind::Unsupported, "write the schedule", self.whole.as_str())
            .because(format!("{what} has no such days"))
            .hint("`icecore agent` keeps it")
    }
}

fn on_calendar(cron: &Cron, zone: &str) -> Vec<String> {
    let pattern = &cron.pattern;
    let time = format!(
        "{}:{}:00 {zone}",
        field(&pattern.hours.values(), 24),
        field(&pattern.minutes.values(), 60)
    );
    let months = field(&pattern.months.values(), 12);
    let dates = format!("*-{months}-{}", field(&pattern.days.values(), 31));
    let any_date = format!("*-{months}-*");
    let days = pattern.days_of_week.values();
    let days = days.iter().filter_map(|day| DAYS.get(usize::from(*day)).copied());
    let days = days.collect::<Vec<_>>().join(",");
    match (pattern.is_dom_wildcard(), pattern.is_dow_wildcard()) {
        (_, true) => vec![format!("{dates} {time}")],
        (true, false) => vec![format!("{days} {any_date} {time}")],
        (false, false) if pattern.matches_dom_and_dow() => vec![format!("{days} {dates} {time}")],
        // For cron it is enough that one of both fits.
        (false, false) => vec![format!("{dates} {time}"), format!("{days} {any_date} {time}")],
    }
}

/// The values of a field, or a star for all that it can have.
fn field(values: &[u16], all: usize) -> String {
    if values.len() == all {
        return "*".to_owned();
    }
    values.iter().map(|value| format!("{value:02}")).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every field is translated; what systemd or cron cannot say is refused.
    #[test]
    fn schedules_are_translated() {
        for (text, calendar, crontab) in [
            ("hourly :15", vec!["*-*-* *:15:00 UTC"], Some("15 * * * *")),
            ("daily 02:10", vec!["*-*-* 02:10:00 UTC"], Some("10 2 * * *")),
            ("weekly sunday 03:00", vec!["Sun *-*-* 03:00:00 UTC"], Some("0 3 * * 0")),
            ("monthly 15 03:00", vec!["*-*-15 03:00:00 UTC"], Some("0 3 15 * *")),
            (
                "*/20 8-10 * * 1-5",
                vec!["Mon,Tue,Wed,Thu,Fri *-*-* 08,09,10:00,20,40:00 UTC"],
                Some("*/20 8-10 * * 1-5"),
            ),
            (
                "30 2,5 * * *",
                vec!["*-*-* 02:30:00 UTC", "*-*-* 05:30:00 UTC"],
                Some("30 2,5 * * *"),
            ),
            (
                "0 4 1 6 5",
                vec!["*-06-01 04:00:00 UTC", "Fri *-06-* 04:00:00 UTC"],
                Some("0 4 1 6 5"),
            ),
            (
                "0 4 */2 * 5",
                vec![
                    "*-*-01,03,05,07,09,11,13,15,17,19,21,23,25,27,29,31 04:00:00 UTC",
                    "Fri *-*-* 04:00:00 UTC",
                ],
                None,
            ),
            ("0 4 L * *", vec![], None),
            ("0 4 * * 1#2", vec![], None),
            ("0 4 15W * *", vec![], None),
        ] {
            let schedule: Schedule = text.parse().unwrap();
            assert_eq!(schedule.on_calendar("UTC").unwrap_or_default(), calendar, "{text}");
            assert_eq!(schedule.crontab().ok(), crontab, "{text}");
        }
    }
}
