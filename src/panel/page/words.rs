//! Figures and moments as people read them.

use crate::agent::run::{Outcome, Task};
use crate::env::Time;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};

/// A moment, in the time zone of the file.
pub fn moment(time: Time, zone: &TimeZone) -> Markup {
    timestamp(time.timestamp(), zone)
}

/// The same.
pub fn timestamp(moment: Timestamp, zone: &TimeZone) -> Markup {
    let local = moment.to_zoned(zone.clone());
    let (exact, text) = (local.strftime("%Y-%m-%dT%H:%M:%S%:z"), local.strftime("%Y-%m-%d %H:%M"));
    html! { time datetime=(exact.to_string()) { (text.to_string()) } }
}

/// The first letters of an id.
pub fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

/// The outcome of something, not by colour alone.
pub fn outcome(of: Outcome) -> Markup {
    let class = match of {
        Outcome::Done => "good",
        Outcome::Skipped => "quiet",
        Outcome::Incomplete => "doubtful",
        Outcome::Failed => "bad",
    };
    html! { span.badge.(class) { (of.name()) } }
}

/// What a task is called on a page.
pub fn task(task: Task) -> &'static str {
    match task {
        Task::Backup => "Backup",
        Task::Copy => "Copy",
        Task::Prune => "Prune",
        Task::Check => "Check",
    }
}

/// What several are called.
pub fn tasks(tasks: &[Task]) -> String {
    tasks.iter().map(|it| task(*it)).collect::<Vec<_>>().join(", ")
}
