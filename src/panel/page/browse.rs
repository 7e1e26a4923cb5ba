//! What is in a folder of a snapshot.

use super::words::{short, timestamp};
use super::{Page, fitting, pages};
use crate::panel::context::Context;
use crate::panel::place::Place;
use crate::panel::queries::{Entries, Entry};
use crate::text::{self, figure};
use axum::response::Response;
use maud::{Markup, html};

/// Entries on a page.
pub const MAX_ROWS: usize = 200;

/// Folders above that are named, the deepest.
const ABOVE: usize = 12;

/// A page of a folder.
pub fn page(context: &Context, place: &Place, found: &Entries, from: usize) -> Response {
    let (rows, count) = fitting(found.entries.iter().map(|entry| row(context, place, entry)));
    let next = (found.has_more || count < found.entries.len()).then_some(from + count);
    let title = format!("Snapshot {}", short(&place.snapshot));
    let body = html! {
        (trail(place))
        div.actions {
            a.button href=(place.address("/restore", &place.path)) { "Restore all of it..." }
            a.button href=(place.address("/archive", &place.path)) { "Download everything" }
        }
        @if found.entries.is_empty() { p { "The folder is empty." } }
        @else {
            table.stack {
                caption.hidden { "What is in the folder" }
                thead { tr {
                    th scope="col" { "Name" }
                    th.number scope="col" { "Size" }
                    th scope="col" { "Modified" }
                    th scope="col" { "Rights" }
                    th scope="col" { "Actions" }
                } }
                tbody { (rows) }
            }
        }
        (pages(&place.address("", &place.path), from, MAX_ROWS, next))
    };
    Page { title: &title, above: &place.above(), refresh: None, body }.render(context)
}

/// The folders above and this one, each a link.
fn trail(place: &Place) -> Markup {
    let ends = place.path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    let folders = ends.chain([place.path.len()]).filter_map(|end| place.path.get(..end));
    let folders: Vec<&[u8]> =
        folders.filter(|path| !path.ends_with(b"/") && !path.is_empty()).collect();
    let last =
        |path: &[u8]| text::path(path.rsplit(|byte| *byte == b'/').next().unwrap_or_default());
    let skipped = folders.len().saturating_sub(ABOVE);
    html! {
        nav.trail aria-label="Folders" {
            a href=(place.root()) { "Snapshot " (short(&place.snapshot)) }
            @if skipped > 0 { " / ..." }
            @for folder in folders.iter().skip(skipped) {
                " / " a href=(place.address("", folder)) { (last(folder)) }
            }
        }
    }
}

fn row(context: &Context, place: &Place, entry: &Entry) -> Markup {
    let path = entry.path();
    html! {
        tr {
            th.name scope="row" {
                @if entry.r#type == "dir" { a href=(place.address("", &path)) { (entry.name) "/" } }
                @else { (entry.name) }
                @if let Some(target) = &entry.linktarget { " " span.quiet { "leads to " (target) } }
                @if let Some(taint) = &entry.taint { p.reason { "damaged at its source: " (taint) } }
            }
            td.number data-label="Size" { @match entry.size { Some(bytes) => (figure(bytes)), None => "-" } }
            td data-label="Modified" {
                @match entry.mtime { Some(at) => (timestamp(at, &context.zone)), None => "-" }
            }
            td data-label="Rights" { @match &entry.permissions { Some(rights) => code { (rights) }, None => "-" } }
            td data-label="Actions" {
                span.links {
                    @if let Some(verb) = download(&entry.r#type) {
                        a href=(place.address(verb, &path)) { "Download" span.hidden { " " (entry.name) } }
                    }
                    a href=(place.address("/restore", &path)) { "Restore..." span.hidden { " " (entry.name) } }
                }
            }
        }
    }
}

/// How something of this sort is downloaded, if it can be.
fn download(sort: &str) -> Option<&'static str> {
    match sort {
        "file" => Some("/file"),
        "dir" => Some("/archive"),
        _ => None,
    }
}
