//! Restoring a snapshot, or a part of one.

use super::words::short;
use super::{Page, act};
use crate::panel::context::Context;
use crate::panel::place::Place;
use crate::text;
use axum::response::Response;
use maud::html;
use std::os::unix::ffi::OsStrExt;

/// What would be restored, and where; and the command for any other place.
pub fn page(context: &Context, place: &Place) -> Response {
    let path = text::path(&place.path);
    let body = html! {
        dl {
            dt { "What" } dd.path { (path) }
            dt { "Of snapshot" } dd { code { (place.snapshot) } " in " (place.repository) }
        }
        section.card aria-labelledby="here" {
            h2 #here { "On this host" }
            @match &context.restore_into {
                Some(folder) => {
                    p { "It is restored into a new folder in " code { (text::path(folder.as_os_str().as_bytes())) } ". Nothing that is there is changed." }
                    div.actions { (act::button(context, &place.address("/restore", &place.path), &[], "Restore", &path, true)) }
                }
                None => p { "The file names no folder for it: set " code { "restore_into" } " in " code { "[panel]" } "." },
            }
        }
        section.card aria-labelledby="elsewhere" {
            h2 #elsewhere { "Into another folder, or over what is there" }
            p { "Run this on a host with this file of jobs; " code { "icecore help restore" } " explains more options." }
            pre tabindex="0" { (place.command()) }
        }
    };
    let mut above = place.above();
    above.push((short(&place.snapshot), place.root()));
    Page { title: "Restore", above: &above, refresh: None, body }.render(context)
}
