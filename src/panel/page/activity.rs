//! What was started from the page.

use super::Page;
use super::words::{moment, outcome, short, tasks};
use crate::panel::children::{Activity, Progress, What};
use crate::panel::context::Context;
use crate::text::{self, duration, figure};
use axum::response::Response;
use maud::{Markup, html};
use std::os::unix::ffi::OsStrExt;

/// Something, how far it is, or how it ended.
pub fn page(context: &Context, activity: &Activity) -> Response {
    let job = activity.what.job();
    let body = html! {
        dl {
            @if let What::Restore { repository, snapshot, path, target, .. } = &activity.what {
                dt { "Of snapshot" } dd { code { (short(snapshot)) } " in " (repository) }
                dt { "What of it" } dd.path { (path) }
                dt { "Into" } dd.path { code { (text::path(target.as_os_str().as_bytes())) } }
            }
            dt { "Begun" } dd { (moment(activity.started, &context.zone)) }
            @match &activity.ended {
                Some(ended) => {
                    dt { "Took" } dd { (duration(ended.at.seconds_since(activity.started))) }
                    dt { "Outcome" } dd #outcome role="status" { (outcome(ended.outcome)) }
                    @if let Some(reason) = &ended.reason { dt { "Reason" } dd { (reason) } }
                    @if let Some(hint) = &ended.hint { dt { "Hint" } dd { (hint) } }
                }
                None => {
                    dt { "For" } dd { (duration(context.env.now().seconds_since(activity.started))) }
                    dt { "Progress" } dd { (progress(activity.progress.as_ref())) }
                }
            }
        }
        @if activity.ended.is_none() {
            p.quiet { "This page loads itself again. What is at work goes on if you leave it." }
        }
        p.links {
            a href={ "/job/" (job) } { "Job " (job) }
            @if matches!(activity.what, What::Run { .. }) {
                a href={ "/job/" (job) "/runs" } { "Reports of its runs" }
            }
        }
    };
    let above = [(job, format!("/job/{job}"))];
    let refresh = activity.ended.is_none().then_some(super::SOON);
    Page { title: &title(&activity.what), above: &above, refresh, body }.render(context)
}

fn title(what: &What) -> String {
    match what {
        What::Run { job, tasks: of } => format!("{} of {job}", tasks(of)),
        What::Restore { job, .. } => format!("Restore of {job}"),
    }
}

fn progress(progress: Option<&Progress>) -> Markup {
    html! {
        @match progress {
            None => progress aria-label="Progress" {},
            Some(Progress { task, percent_done, files_done, bytes_done, total_bytes }) => {
                @match percent_done {
                    Some(share) => {
                        progress aria-label="Progress" value=(format!("{share:.3}")) max="1" {}
                        " " (format!("{:.0} %", share * 100.0))
                    }
                    None => progress aria-label="Progress" {},
                }
                p.quiet {
                    (task) ": " (figure(*bytes_done))
                    @if let Some(total) = total_bytes { " of " (figure(*total)) }
                    ", " (files_done) " entries"
                }
            }
        }
    }
}

/// What is at work, of all jobs or of one.
pub fn list(context: &Context, job: Option<&str>) -> Markup {
    let mut at_work = context.children.all();
    at_work.retain(|it| it.ended.is_none() && job.is_none_or(|job| it.what.job() == job));
    html! {
        @if !at_work.is_empty() {
            section.banner aria-labelledby="at-work" {
                h2 #at-work { "At work" }
                ul {
                    @for it in &at_work {
                        li {
                            a href={ "/activity/" (it.number) } { (title(&it.what)) }
                            " for " (duration(context.env.now().seconds_since(it.started)))
                        }
                    }
                }
            }
        }
    }
}
