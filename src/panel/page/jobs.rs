//! How a job does, as two pages show it.

use super::words::{moment, outcome, task};
use crate::agent::status::{JobStatus, RepositoryStatus, TaskStatus};
use crate::panel::context::Context;
use crate::text::{age, count, figure};
use maud::{Markup, html};

/// Whether it is well, in a word.
pub fn badge(job: &JobStatus) -> Markup {
    let is_late = job.repositories.iter().any(|place| place.is_late);
    html! {
        @if job.is_well && job.has_warnings { span.badge.doubtful { "warning" } }
        @else if job.is_well { span.badge.good { "well" } }
        @else if is_late { span.badge.bad { "late" } }
        @else if job.tasks.iter().any(|task| task.is_overdue) { span.badge.bad { "overdue" } }
        @else { span.badge.bad { "failed" } }
    }
}

/// Where its snapshots are, and how old the newest are.
pub fn repositories(context: &Context, job: &JobStatus) -> Markup {
    html! {
        table.stack {
            caption.hidden { "Snapshots of " (job.job) }
            thead { tr {
                th scope="col" { "Repository" }
                th scope="col" { "Newest good snapshot" }
                th scope="col" { "Age" }
                th scope="col" { "Last check" }
                th.number scope="col" { "Written per day" }
            } }
            tbody { @for place in &job.repositories { (repository(context, &job.job, place)) } }
        }
    }
}

fn repository(context: &Context, job: &str, place: &RepositoryStatus) -> Markup {
    let days = u64::try_from(place.growth.len()).unwrap_or(0);
    let sum = place.growth.iter().fold(0_u64, |sum, day| sum.saturating_add(day.bytes_written));
    let a_day = sum.checked_div(days).map_or_else(|| "-".to_owned(), figure);
    html! {
        tr {
            th scope="row" { a href={ "/job/" (job) "/in/" (place.repository) } { (place.repository) } }
            td data-label="Newest good" {
                @match &place.last_good {
                    Some(good) => (moment(good.captured, &context.zone)),
                    None => "none that this host knows of",
                }
            }
            td data-label="Age" {
                @match place.age { Some(old) => (age(old)), None => "-" }
                @if let Some(rpo) = place.rpo { " " span.quiet { "of " (age(rpo)) } }
                @if place.is_late { " " span.badge.bad { "late" } }
            }
            td data-label="Last check" {
                @match &place.last_check {
                    Some(check) => {
                        (moment(check.started, &context.zone))
                        " " span.quiet { (check.packs_read) " of " (check.packs) " packs read" }
                    }
                    None if place.damage == 0 => "-",
                    None => "",
                }
                @if place.damage > 0 { " " span.badge.bad { "damaged: " (count(place.damage, "error")) } }
            }
            td.number data-label="Written per day" { (a_day) }
        }
    }
}

/// What it does, when it was done, and when it comes next.
pub fn tasks(context: &Context, job: &JobStatus) -> Markup {
    html! {
        table.stack {
            caption.hidden { "What is done for " (job.job) ", and when" }
            thead { tr {
                th scope="col" { "What" }
                th scope="col" { "When" }
                th scope="col" { "Next" }
                th scope="col" { "Last run" }
            } }
            tbody { @for it in &job.tasks { (one_task(context, &job.job, it)) } }
        }
    }
}

fn one_task(context: &Context, job: &str, it: &TaskStatus) -> Markup {
    html! {
        tr {
            th scope="row" { (task(it.task)) }
            td data-label="When" {
                (it.schedule.as_deref().unwrap_or(if it.follows_backup { "after every backup" } else { "by hand" }))
            }
            td data-label="Next" {
                @match it.next { Some(next) => (moment(next, &context.zone)), None => "-" }
                @if let Some(since) = it.due_since {
                    " " @let how = if it.is_overdue { "badge bad" } else { "badge doubtful" };
                    span class=(how) { "due since " (moment(since, &context.zone)) }
                }
            }
            td data-label="Last run" {
                @match &it.last_run {
                    Some(run) => {
                        @match &run.file {
                            Some(file) => { a href={ "/job/" (job) "/run/" (file) } { (moment(run.started, &context.zone)) } }
                            None => (moment(run.started, &context.zone)),
                        }
                        " " (outcome(run.outcome))
                        @if let Some(reason) = &run.reason { p.reason { (reason) } }
                    }
                    None => "never",
                }
            }
        }
    }
}
