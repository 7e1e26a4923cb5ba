//! Pages, as HTML that is made here: they work without scripts, by keyboard, on a phone, and in the dark.

pub mod activity;
pub mod browse;
pub mod job;
pub mod overview;
pub mod prune;
pub mod restore;
pub mod runs;
pub mod snapshots;

mod act;
mod jobs;
mod plot;
mod words;

use super::context::Context;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// How all pages look.
pub const STYLE: &str = include_str!("style.css");

/// Bytes of a list on a page; what does not fit stands on the next.
const LIST: usize = 56 << 10;

/// Seconds until a page loads itself again that shows something at work.
const SOON: u32 = 1;

/// A page as it stands below its head.
pub struct Page<'p> {
    /// What it is called.
    pub title: &'p str,
    /// Where it stands: names and addresses, from the first page down, without itself.
    pub above: &'p [(&'p str, String)],
    /// Seconds after which it is loaded anew.
    pub refresh: Option<u32>,
    /// What stands on it.
    pub body: Markup,
}

impl Page<'_> {
    /// The whole of it.
    pub fn render(self, context: &Context) -> Response {
        let environment = context.config.defaults.environment.as_deref();
        let foot = html! { (context.host) ", " (words::moment(context.env.now(), &context.zone)) " (" (context.config.zone_name()) ")" };
        html(shell(self, environment, &foot))
    }
}

/// HTML as an answer.
pub fn html(page: Markup) -> Response {
    ([(CONTENT_TYPE, "text/html; charset=utf-8")], page.into_string()).into_response()
}

/// What is answered instead of a page.
pub fn refused(title: &str, reason: &str, hint: Option<&str>) -> Markup {
    let body = html! {
        p { (reason) }
        @if let Some(hint) = hint { p.hint { "Hint: " (hint) } }
    };
    shell(Page { title, above: &[], refresh: None, body }, None, &html! {})
}

fn shell(page: Page<'_>, environment: Option<&str>, foot: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                @if let Some(seconds) = page.refresh { meta http-equiv="refresh" content=(seconds); }
                title { (page.title) " - icecore" }
                link rel="stylesheet" href="/style.css";
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header {
                    a.name href="/" { "icecore" }
                    @if let Some(environment) = environment { span.environment { (environment) } }
                    nav aria-label="Breadcrumb" {
                        ol {
                            li { a href="/" { "Jobs" } }
                            @for (name, address) in page.above { li { a href=(address) { (name) } } }
                        }
                    }
                }
                main #main tabindex="-1" {
                    h1 { (page.title) }
                    (page.body)
                }
                footer { p { (foot) } }
            }
        }
    }
}

/// Rows of a list, as many as fit on a page; how many those are.
fn fitting(rows: impl Iterator<Item = Markup>) -> (Markup, usize) {
    let (mut text, mut count) = (String::new(), 0);
    for row in rows {
        // The first one fits always, so that there is an end to the pages.
        if count > 0 && text.len() + row.0.len() > LIST {
            break;
        }
        text.push_str(&row.0);
        count += 1;
    }
    (PreEscaped(text), count)
}

/// Links to the pages before and after this one; each knows the number of its first row.
fn pages(address: &str, from: usize, before: usize, next: Option<usize>) -> Markup {
    let joint = if address.contains('?') { '&' } else { '?' };
    let link =
        |from| if from == 0 { address.to_owned() } else { format!("{address}{joint}from={from}") };
    html! {
        @if from > 0 || next.is_some() {
            nav.pages aria-label="Pages" {
                @if from > 0 {
                    a href=(link(0)) { "First" }
                    a href=(link(from.saturating_sub(before))) rel="prev" { "Previous" }
                }
                @if let Some(next) = next { a href=(link(next)) rel="next" { "Next" } }
            }
        }
    }
}
