//! Past runs, and their reports.

use super::words::{moment, outcome, short, tasks};
use super::{Page, fitting, pages};
use crate::agent::history::PastRun;
use crate::agent::run::{Report, Step};
use crate::panel::context::Context;
use crate::text::{duration, figure};
use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

/// Runs on a page.
pub const MAX_ROWS: usize = 100;

/// Letters of a text in a report, and warnings and figures of a step, that are shown.
const LETTERS: usize = 4000;
const WARNINGS: usize = 20;
const FIGURES: usize = 30;

/// Runs of a job.
pub fn page(
    context: &Context,
    job: &str,
    runs: &[PastRun],
    from: usize,
    has_more: bool,
) -> Response {
    let (table, shown) = table(context, job, runs);
    let next = (has_more || shown < runs.len()).then_some(from + shown);
    let body = html! { (table) (pages(&format!("/job/{job}/runs"), from, MAX_ROWS, next)) };
    let above = [(job, format!("/job/{job}"))];
    Page { title: "Runs", above: &above, refresh: None, body }.render(context)
}

/// Runs in a table; how many fit.
pub fn table(context: &Context, job: &str, runs: &[PastRun]) -> (Markup, usize) {
    let (rows, shown) = fitting(runs.iter().map(|run| row(context, job, run)));
    let table = html! {
        @if runs.is_empty() { p { "None that this host knows of." } }
        @else {
            table.stack {
                caption.hidden { "Runs of " (job) ", the newest first" }
                thead { tr {
                    th scope="col" { "Begun" }
                    th scope="col" { "What" }
                    th scope="col" { "Outcome" }
                    th.number scope="col" { "Took" }
                    th scope="col" { "Snapshot" }
                } }
                tbody { (rows) }
            }
        }
    };
    (table, shown)
}

fn row(context: &Context, job: &str, run: &PastRun) -> Markup {
    html! {
        tr {
            th scope="row" {
                @match &run.file {
                    Some(file) => { a href={ "/job/" (job) "/run/" (file) } { (moment(run.started, &context.zone)) } }
                    None => (moment(run.started, &context.zone)),
                }
            }
            td data-label="What" { (tasks(&run.tasks)) }
            td data-label="Outcome" {
                (outcome(run.outcome))
                @if let Some(reason) = &run.reason { p.reason { (end_of(reason)) } }
            }
            td.number data-label="Took" { (duration(run.seconds)) }
            td data-label="Snapshot" {
                (snapshot(context, job, run.repository.as_deref(), run.snapshot_id.as_deref()))
            }
        }
    }
}

/// A link to a snapshot, as far as the file knows its repository.
fn snapshot(context: &Context, job: &str, repository: Option<&str>, id: Option<&str>) -> Markup {
    let known = repository.filter(|name| context.repository(job, name).is_ok());
    html! {
        @match (known, id) {
            (Some(repository), Some(id)) => {
                a href={ "/job/" (job) "/in/" (repository) "/" (id) } { code { (short(id)) } }
                " in " (repository)
            }
            (None, Some(id)) => code { (short(id)) },
            _ => "-",
        }
    }
}

/// The report of a run.
pub fn report(context: &Context, job: &str, report: &Report) -> Response {
    let (steps, shown) = fitting(report.steps.iter().map(step));
    let more = report.steps.len() - shown;
    let id = report.snapshot_id.as_deref();
    let body = html! {
        dl {
            dt { "Outcome" } dd { (outcome(report.outcome)) }
            @if let Some(reason) = &report.reason { dt { "Reason" } dd { (end_of(reason)) } }
            dt { "What" } dd { (tasks(&report.all_tasks())) }
            dt { "Begun" }
            dd { @match report.moment() { Some(at) => (moment(at, &context.zone)), None => (report.started) } }
            dt { "Took" } dd { (duration(report.seconds)) }
            @if let Some(downtime) = report.downtime { dt { "Services were stopped for" } dd { (duration(downtime)) } }
            @if id.is_some() {
                dt { "Snapshot" } dd { (snapshot(context, job, report.repository.as_deref(), id)) }
            }
            dt { "Host" } dd { (report.host) }
        }
        h2 { "Steps" }
        ol.steps { (steps) }
        @if more > 0 { p { "The report is long: " (more) " more steps stand in its file." } }
        @if !report.not_done_yet.is_empty() {
            h2 { "Not done yet" }
            ul { @for sentence in report.not_done_yet.iter().take(WARNINGS) { li { (end_of(sentence)) } } }
        }
    };
    let above = [(job, format!("/job/{job}")), ("Runs", format!("/job/{job}/runs"))];
    Page { title: "Report", above: &above, refresh: None, body }.render(context)
}

fn step(step: &Step) -> Markup {
    let figures = step.figures.iter().filter(|(_, value)| !value.is_array() && !value.is_object());
    let more = step.warnings.len().saturating_sub(WARNINGS);
    html! {
        li {
            h3 { (step.step.name()) " " span.what { (end_of(&step.what)) } }
            p { (outcome(step.outcome)) " " span.quiet { (duration(step.seconds)) } }
            @if let Some(error) = &step.error { p.reason { (end_of(error)) } }
            @if let Some(hint) = &step.hint { p.hint { "Hint: " (end_of(hint)) } }
            @if !step.warnings.is_empty() {
                ul { @for warning in step.warnings.iter().take(WARNINGS) { li { (end_of(warning)) } } }
                @if more > 0 { p { "And " (more) " more." } }
            }
            @if let Some(output) = step.output.as_ref().filter(|output| !output.trim().is_empty()) {
                pre tabindex="0" { (end_of(output)) }
            }
            @if !step.figures.is_empty() {
                dl.figures {
                    @for (name, value) in figures.take(FIGURES) {
                        div { dt { (name.replace('_', " ")) } dd { (value_of(name, value)) } }
                    }
                }
            }
        }
    }
}

fn value_of(name: &str, value: &Value) -> String {
    match (value.as_u64(), value.as_str()) {
        (Some(bytes), _) if name.starts_with("bytes") => figure(bytes),
        (_, Some(text)) => end_of(text).to_owned(),
        _ => value.to_string(),
    }
}

/// The end of a long text.
fn end_of(text: &str) -> &str {
    let from = text.char_indices().rev().nth(LETTERS).map_or(0, |(at, _)| at);
    text.get(from..).unwrap_or(text)
}
