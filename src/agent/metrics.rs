//! Figures for Prometheus, in its text format.

use super::config::Config;
use super::report::Outcome;
use super::status::{JobStatus, RepositoryStatus, Status, TaskStatus};
use crate::env::{Time, state};
use crate::error::Result;
use std::fmt::Write;

/// All figures of a status.
pub fn text(status: &Status) -> String {
    let mut page = Page::default();
    page.family("icecore_status_timestamp_seconds", "When these figures were computed.");
    page.sample(&[], seconds(status.now));
    of_tasks(&mut page, status);
    of_repositories(&mut page, status);
    page.family("icecore_snapshot_bytes", "Bytes of what a job captured last.");
    for job in &status.jobs {
        page.sample_if(&[("job", &job.job)], job.bytes.map(whole));
    }
    page.text
}

/// Writes them to the file that the configuration names, if it does, as a whole, for everybody to read.
///
/// # Errors
/// I/O errors.
pub fn write(config: &Config, status: &Status) -> Result<()> {
    let path = config.metrics.as_ref().and_then(|metrics| metrics.textfile.as_ref());
    path.map_or(Ok(()), |path| state::replace(path, text(status).as_bytes(), 0o644))
}

/// A figure of each of some things, which has it or not.
type Figures<'f, T> = &'f [(&'f str, &'f str, fn(&T) -> Option<f64>)];

fn of_tasks(page: &mut Page, status: &Status) {
    let figures: Figures<'_, TaskStatus> = &[
        ("icecore_last_run_timestamp_seconds", "When the last run of a job began.", |task| {
            Some(seconds(task.last_run.as_ref()?.started))
        }),
        ("icecore_last_run_duration_seconds", "How long it took.", |task| {
            Some(task.last_run.as_ref()?.seconds)
        }),
        ("icecore_last_run_downtime_seconds", "How long services were stopped for it.", |task| {
            task.last_run.as_ref()?.downtime
        }),
        ("icecore_next_run_timestamp_seconds", "When the next run is due.", |task| {
            Some(seconds(task.next?))
        }),
        ("icecore_overdue", "Whether one was due for long and has not begun.", |task| {
            task.schedule.as_ref().map(|_| yes(task.is_overdue))
        }),
    ];
    for (name, help, figure) in figures {
        page.family(name, help);
        for (job, task) in tasks(status) {
            page.sample_if(&[("job", job), ("task", task.task.name())], figure(task));
        }
    }
    page.family("icecore_last_run_outcome", "What became of the last run: 1 at that outcome.");
    for (job, task) in tasks(status) {
        for outcome in [Outcome::Done, Outcome::Incomplete, Outcome::Failed] {
            let labels = [("job", job), ("task", task.task.name()), ("outcome", outcome.name())];
            page.sample_if(&labels, task.last_run.as_ref().map(|run| yes(run.outcome == outcome)));
        }
    }
}

/// Each task, and the name of its job.
fn tasks(status: &Status) -> impl Iterator<Item = (&str, &TaskStatus)> {
    status
        .jobs
        .iter()
        .flat_map(|JobStatus { job, tasks, .. }| tasks.iter().map(move |task| (job.as_str(), task)))
}

fn of_repositories(page: &mut Page, status: &Status) {
    let figures: Figures<'_, RepositoryStatus> = &[
        (
            "icecore_last_success_timestamp_seconds",
            "When the newest good snapshot was captured.",
            |it| Some(seconds(it.last_good.as_ref()?.captured)),
        ),
        ("icecore_rpo_seconds", "How old that may become.", |it| it.rpo),
        ("icecore_late", "Whether it is older, or there is none.", |it| Some(yes(it.is_late))),
        (
            "icecore_last_check_timestamp_seconds",
            "When the last check began that found nothing wrong.",
            |it| Some(seconds(it.last_check.as_ref()?.started)),
        ),
        ("icecore_stored_bytes", "Bytes of all packs of the repository at that check.", |it| {
            Some(whole(it.last_check.as_ref()?.bytes_stored?))
        }),
        (
            "icecore_verified_bytes",
            "Bytes of them that were read back within the 30 days before it.",
            |it| Some(whole(it.last_check.as_ref()?.bytes_verified?)),
        ),
        ("icecore_damage", "Errors that the last check found.", |it| Some(whole(it.damage))),
        (
            "icecore_last_prune_timestamp_seconds",
            "When the last prune that went well began.",
            |it| Some(seconds(it.last_prune?)),
        ),
    ];
    for (name, help, figure) in figures {
        page.family(name, help);
        for job in &status.jobs {
            for place in &job.repositories {
                let labels = [("job", job.job.as_str()), ("repository", place.repository.as_str())];
                page.sample_if(&labels, figure(place));
            }
        }
    }
}

fn seconds(time: Time) -> f64 {
    time.seconds_since(Time(0))
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn whole(number: u64) -> f64 {
    number as f64
}

fn yes(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

/// The text as it grows.
#[derive(Default)]
struct Page {
    text: String,
    name: String,
}

impl Page {
    /// What follows are samples of this name. All of them are gauges.
    fn family(&mut self, name: &str, help: &str) {
        name.clone_into(&mut self.name);
        // Writing to a text does not fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} gauge");
    }

    fn sample_if(&mut self, labels: &[(&str, &str)], value: Option<f64>) {
        value.into_iter().for_each(|value| self.sample(labels, value));
    }

    fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let _ = match labels.as_slice() {
            [] => writeln!(self.text, "{} {value}", self.name),
            labels => writeln!(self.text, "{}{{{}}} {value}", self.name, labels.join(",")),
        };
    }
}

/// As it stands between the quotes of a label.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
