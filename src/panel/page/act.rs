//! Buttons.

use crate::panel::context::Context;
use maud::{Markup, html};

/// What is done with a job by a button.
pub fn of_job(context: &Context, job: &str) -> Markup {
    let run = format!("/job/{job}/run");
    html! {
        div.actions {
            (button(context, &run, &[("task", "backup")], "Create backup", job, true))
            @if context.is_pruned_here(job) {
                a.button href={ "/job/" (job) "/prune" } { "Prune old..." span.hidden { " of " (job) } }
            }
            (button(context, &run, &[("task", "check")], "Check", job, false))
        }
    }
}

/// A button that does something at once; its purpose is told to screen readers.
pub fn button(
    context: &Context,
    address: &str,
    fields: &[(&str, &str)],
    label: &str,
    of: &str,
    is_main: bool,
) -> Markup {
    html! {
        form method="post" action=(address) {
            input type="hidden" name="token" value=(context.token());
            @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
            button.main[is_main] type="submit" { (label) span.hidden { " of " (of) } }
        }
    }
}
