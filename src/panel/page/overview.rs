//! The first page: all jobs.

use super::{Page, act, activity, jobs};
use crate::agent::status::Status;
use crate::panel::context::Context;
use axum::response::Response;
use maud::html;

/// Troubles that are told.
const TROUBLES: usize = 20;

/// All jobs, and what is at work.
pub fn page(context: &Context, status: &Status) -> Response {
    let problems = status.problems();
    let more = problems.len().saturating_sub(TROUBLES);
    let body = html! {
        @if problems.is_empty() {
            p.banner.good { (status.in_short()) }
        } @else {
            section.banner.(if status.is_well { "doubtful" } else { "bad" }) aria-labelledby="problems" {
                h2 #problems { (status.in_short()) }
                ul { @for sentence in problems.iter().take(TROUBLES) { li { (sentence) } } }
                @if more > 0 { p { "And " (more) " more." } }
            }
        }
        (activity::list(context, None))
        @if status.jobs.is_empty() { p { "The file has no job." } }
        @for job in &status.jobs {
            section.card aria-labelledby={ "job-" (job.job) } {
                div.head {
                    h2 #{ "job-" (job.job) } { a href={ "/job/" (job.job) } { (job.job) } }
                    (jobs::badge(job))
                }
                (jobs::repositories(context, job))
                (jobs::tasks(context, job))
                (act::of_job(context, &job.job))
            }
        }
    };
    Page { title: "Jobs", above: &[], refresh: None, body }.render(context)
}
