//! `status`: how well the jobs of the file do.

use super::config::FileArgs;
use crate::agent::history::History;
use crate::agent::metrics;
use crate::agent::run::settle;
use crate::agent::status::{RepositoryStatus, Status, TaskStatus};
use crate::error::Result;
use crate::text::{self, age};
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::out::Out;
use crate::ui::table::Columns;
use clap::Args;
use jiff::tz::TimeZone;

/// What `status` takes.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Print it as Prometheus reads it
    #[arg(long, conflicts_with = "json")]
    pub metrics: bool,

    #[command(flatten)]
    pub file: FileArgs,
}

/// Shows it.
pub fn run(app: &App, args: &StatusArgs) -> Result<Done> {
    let (config, _) = args.file.load()?;
    let state = app.known_state_folder()?;
    let history = History::open(&state)?;
    history.warnings().for_each(|warning| app.note(warning));
    if let Err(error) = settle(&history) {
        app.note(&error.to_string());
    }
    let status = Status::of(&config, &history, app.env.now(), &config.zone())?;
    let mut out = Out::new();
    match app.global.json {
        true => out.json("status", &status)?,
        false if args.metrics => metrics::text(&status).lines().try_for_each(|it| out.line(it))?,
        false if app.talks() => print(&status, &config.zone_name(), &mut out)?,
        false => {}
    }
    out.finish()?;
    Ok(Done::incomplete_if(!status.is_well))
}

fn print(status: &Status, zone: &str, out: &mut Out) -> Result<()> {
    let head = [
        "Job",
        "Repository",
        "Newest good",
        "Age",
        "Allowed",
        "Checked",
        "Size",
        "Written per day",
    ];
    let mut table = Columns::new(&head, &[3, 4, 6, 7]).keeping(1).keeping(2);
    for job in &status.jobs {
        for place in &job.repositories {
            let good = place.last_good.as_ref();
            let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
            table.row([
                job.job.clone(),
                place.repository.clone(),
                good.map_or_else(
                    || "none".to_owned(),
                    |good| text::local_in(good.captured, &status.zone),
                ),
                or_none(place.age.map(age)),
                or_none(place.rpo.map(age)),
                or_none(checked(place, &status.zone)),
                or_none(job.bytes.map(text::figure)),
                or_none(written(place)),
            ]);
        }
    }
    if !status.jobs.is_empty() {
        out.table(&table)?;
    }
    for job in &status.jobs {
        let next = job.tasks.iter().filter_map(|task| next(task, &status.zone));
        let next: Vec<String> = next.collect();
        if !next.is_empty() {
            out.prose(&format!("{}: next: {}", job.job, next.join(", ")))?;
        }
    }
    if !status.jobs.is_empty() {
        out.prose(&format!("times are those of {zone}"))?;
    }
    out.line(status.in_short())?;
    status.problems().iter().try_for_each(|sentence| out.prose(sentence))
}

/// What the last check found, if it found anything wrong; else when it was checked last.
fn checked(place: &RepositoryStatus, zone: &TimeZone) -> Option<String> {
    let whole = found_whole(place, zone);
    match (place.damage, whole) {
        (0, whole) => whole,
        (damage, None) => Some(format!("DAMAGED, {}", text::count(damage, "error"))),
        (damage, Some(whole)) => {
            Some(format!("DAMAGED, {}; whole at {whole}", text::count(damage, "error")))
        }
    }
}

/// When a check found nothing wrong last, and how much of it was read back within a month of that.
fn found_whole(place: &RepositoryStatus, zone: &TimeZone) -> Option<String> {
    let check = place.last_check.as_ref()?;
    let share = match (check.bytes_verified, check.bytes_stored) {
        (Some(verified), Some(stored)) if stored > 0 => {
            format!(", {} % read", u128::from(verified) * 100 / u128::from(stored))
        }
        _ => String::new(),
    };
    Some(format!("{}{share}", text::local_in(check.started, zone)))
}

/// What is written on a day, on average of those on which it was something.
fn written(place: &RepositoryStatus) -> Option<String> {
    let sum: u64 = place.growth.iter().map(|day| day.bytes_written).sum();
    sum.checked_div(place.growth.len() as u64).map(text::figure)
}

fn next(task: &TaskStatus, zone: &TimeZone) -> Option<String> {
    if task.follows_backup {
        return Some(format!("{} after every backup", task.task.name()));
    }
    let next = format!("{} {}", task.task.name(), text::local_in(task.next?, zone));
    Some(match task.due_since {
        Some(since) => format!("{next} (due since {})", text::local_in(since, zone)),
        None => next,
    })
}
