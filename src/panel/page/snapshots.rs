//! The snapshots of a job in a repository.

use super::words::{short, timestamp};
use super::{Page, fitting, pages};
use crate::panel::context::Context;
use crate::panel::lists::Row;
use crate::panel::reads::Found;
use crate::text::figure;
use axum::response::Response;
use maud::{Markup, html};
use std::sync::Arc;

/// Snapshots on a page.
pub const MAX_ROWS: usize = 100;

/// The newest first.
pub fn page(
    context: &Context,
    job: &str,
    repository: &str,
    found: &Found<Arc<[Row]>>,
    from: usize,
) -> Response {
    let rows = found.value.as_deref().unwrap_or_default();
    let here = format!("/job/{job}/in/{repository}");
    let (shown, count) =
        fitting(rows.iter().skip(from).take(MAX_ROWS).map(|it| row(context, &here, it)));
    let next = Some(from.saturating_add(count)).filter(|next| *next < rows.len());
    let body = html! {
        @if let Some(failure) = &found.failure {
            div.banner.bad role="alert" {
                p { "The repository could not be read: " (failure) }
                @if found.value.is_some() { p { "What was known before is shown below." } }
            }
        }
        @if found.value.is_none() && found.is_being_read {
            p.banner role="status" { "The list is being read; this page loads itself again." }
        }
        @if found.value.is_some() {
            p {
                (rows.len()) @if rows.len() == 1 { " snapshot" } @else { " snapshots" } " of " (job) " in " (repository)
                @if found.is_being_read { ", as known before: the list is being read again" } "."
            }
        }
        @if count > 0 {
            table.stack {
                caption.hidden { "Snapshots, the newest first" }
                thead { tr {
                    th scope="col" { "Begun" }
                    th scope="col" { "Id" }
                    th.number scope="col" { "Size" }
                    th.number scope="col" { "Written" }
                    th scope="col" { "Labels, tags and remarks" }
                } }
                tbody { (shown) }
            }
        }
        (pages(&here, from, MAX_ROWS, next))
    };
    let above = [(job, format!("/job/{job}"))];
    let refresh = found.is_being_read.then_some(super::SOON);
    Page { title: repository, above: &above, refresh, body }.render(context)
}

fn row(context: &Context, here: &str, row: &Row) -> Markup {
    html! {
        tr {
            th scope="row" { a href={ (here) "/" (row.id) } { (timestamp(row.time, &context.zone)) } }
            td data-label="Id" { code { (short(&row.id)) } }
            td.number data-label="Size" { (figure(row.bytes)) }
            td.number data-label="Written" { (figure(row.written)) }
            td data-label="Remarks" {
                (row.labels)
                @if !row.remarks.is_empty() { p.reason { (row.remarks) } }
                @if row.labels.is_empty() && row.remarks.is_empty() { "-" }
            }
        }
    }
}
