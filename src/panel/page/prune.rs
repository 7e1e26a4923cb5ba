//! What a prune would forget, before it does.

use super::words::{short, timestamp};
use super::{Page, act, fitting};
use crate::panel::context::Context;
use crate::panel::queries::Plan;
use crate::panel::reads::Found;
use axum::response::Response;
use maud::{Markup, html};
use std::sync::Arc;

/// Snapshots of a repository that are named.
const NAMED: usize = 200;

/// What goes of each repository, and the button, once that is known.
pub fn page(context: &Context, job: &str, found: &Found<Arc<[Plan]>>) -> Response {
    let body = html! {
        @if let Some(failure) = &found.failure {
            div.banner.bad role="alert" { p { "The snapshots that would be forgotten could not be read: " (failure) } }
        } @else if found.is_being_read {
            p.banner role="status" { "The snapshots that would be forgotten are being read; this page loads itself again." }
        } @else if let Some(plans) = &found.value {
            (plan(context, job, plans))
        }
    };
    let above = [(job, format!("/job/{job}"))];
    let refresh = found.is_being_read.then_some(super::SOON);
    Page { title: "Prune old", above: &above, refresh, body }.render(context)
}

fn plan(context: &Context, job: &str, plans: &[Plan]) -> Markup {
    let (repositories, shown) = fitting(plans.iter().map(|plan| repository(context, job, plan)));
    let more = plans.len() - shown;
    let label = match plans.iter().map(|plan| plan.forget.len()).sum() {
        0 => "Free unused space".to_owned(),
        1 => "Forget 1 snapshot".to_owned(),
        goes => format!("Forget {goes} snapshots"),
    };
    let fields = [("task", "prune"), ("confirmed", "yes")];
    html! {
        p { "By the rules of the file, as they apply now. A forgotten snapshot cannot be brought back." }
        (repositories)
        @if more > 0 { p { "And " (more) " more repositories." } }
        div.actions {
            (act::button(context, &format!("/job/{job}/run"), &fields, &label, job, true))
            a.button href={ "/job/" (job) } { "Cancel" }
        }
    }
}

fn repository(context: &Context, job: &str, plan: &Plan) -> Markup {
    let name = &plan.repository;
    let more = plan.forget.len().saturating_sub(NAMED);
    html! {
        section.card aria-labelledby={ "in-" (name) } {
            h2 #{ "in-" (name) } { (name) }
            @match (&plan.error, plan.has_policy) {
                (Some(error), _) => p.reason { "Nothing would be forgotten: " (error) },
                (None, false) => p { "The file has no rules for it: everything stays." },
                (None, true) => p { (plan.forget.len()) " to forget, " (plan.kept) " to keep." },
            }
            @if !plan.forget.is_empty() {
                ul.columns {
                    @for goes in plan.forget.iter().take(NAMED) {
                        li {
                            a href={ "/job/" (job) "/in/" (name) "/" (goes.id) } { (timestamp(goes.time, &context.zone)) }
                            " " code { (short(&goes.id)) }
                        }
                    }
                }
                @if more > 0 { p { "And " (more) " more, older ones." } }
            }
        }
    }
}
