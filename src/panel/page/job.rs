//! A job.

use super::{Page, act, activity, jobs, plot, runs};
use crate::agent::history::{PastRun, Work};
use crate::agent::status::JobStatus;
use crate::panel::context::Context;
use crate::text::figure;
use axum::response::Response;
use maud::html;

/// How it does, what it has done, and how it grows.
pub fn page(context: &Context, job: &JobStatus, last: &[PastRun], captures: &[Work]) -> Response {
    let name = &job.job;
    let body = html! {
        p.head { (jobs::badge(job)) @if let Some(bytes) = job.bytes { span.quiet { (figure(bytes)) " captured" } } }
        (act::of_job(context, name))
        (activity::list(context, Some(name)))
        section.card aria-labelledby="where" {
            h2 #where { "Snapshots" }
            (jobs::repositories(context, job))
        }
        section.card aria-labelledby="what" {
            h2 #what { "Schedule" }
            (jobs::tasks(context, job))
        }
        @if !captures.is_empty() {
            section.card aria-labelledby="plots" {
                h2 #plots { "Last backups" }
                div.plots { (plot::all(captures, &context.zone)) }
            }
        }
        section.card aria-labelledby="runs" {
            h2 #runs { "Last runs" }
            (runs::table(context, name, last).0)
            p { a href={ "/job/" (name) "/runs" } { "All runs of " (name) } }
        }
    };
    Page { title: name, above: &[], refresh: None, body }.render(context)
}
