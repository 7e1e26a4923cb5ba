//! Buttons.

use crate::panel::desk::Desk;
use maud::{Markup, html};

/// What is done with a job by a button.
pub fn of_job(desk: &Desk, job: &str) -> Markup {
    let run = format!("/job/{job}/run");
    html! {
        div.actions {
            (button(desk, &run, &[("task", "backup")], "Create backup", job, true))
            @if desk.is_pruned_here(job) {
                a.button href={ "/job/" (job) "/prune" } { "Prune old..." span.hidden { " of " (job) } }
            }
            (button(desk, &run, &[("task", "check")], "Check", job, false))
        }
    }
}

/// A button that does something at once; what it is for is told to whoever only hears it.
pub fn button(
    desk: &Desk,
    address: &str,
    fields: &[(&str, &str)],
    label: &str,
    of: &str,
    is_main: bool,
) -> Markup {
    html! {
        form method="post" action=(address) {
            input type="hidden" name="token" value=(desk.token());
            @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
            button.main[is_main] type="submit" { (label) span.hidden { " of " (of) } }
        }
    }
}
