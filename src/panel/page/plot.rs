//! Plots: bars that the browser draws, their figures beside them as text.

use super::words::moment;
use crate::agent::history::Work;
use crate::text::{duration, figure};
use jiff::tz::TimeZone;
use maud::{Markup, html};

/// The height of a plot, in units of its own.
const HEIGHT: f64 = 100.0;

/// The width of a bar with the gap after it, and the fewest that a plot has room for.
const STEP: usize = 6;
const FEWEST: usize = 30;

/// How much was written, how much there was, and how long it took.
pub fn all(captures: &[Work], zone: &TimeZone) -> Markup {
    let seconds = |work: &Work| Some((work.seconds, duration(work.seconds)));
    html! {
        (bars("Written by each", captures, zone, |work| bytes(work, "bytes_written")))
        (bars("Captured by each", captures, zone, |work| bytes(work, "bytes")))
        (bars("Duration of each", captures, zone, seconds))
    }
}

fn bytes(work: &Work, name: &str) -> Option<(f64, String)> {
    #[expect(clippy::cast_precision_loss, reason = "a height in a picture")]
    work.figure(name).map(|bytes| (bytes as f64, figure(bytes)))
}

/// A bar: what it is of, its height, and the same in words.
type Bar<'w> = (&'w Work, (f64, String));

fn bars(
    title: &str,
    captures: &[Work],
    zone: &TimeZone,
    value: impl Fn(&Work) -> Option<(f64, String)>,
) -> Markup {
    let bars: Vec<Bar<'_>> =
        captures.iter().filter_map(|work| Some((work, value(work)?))).collect();
    let highest = bars.iter().map(|(_, value)| value).max_by(|a, b| a.0.total_cmp(&b.0));
    let (Some((most, most_text)), Some((first, _)), Some((last, (_, last_text)))) =
        (highest, bars.first(), bars.last())
    else {
        return html! {};
    };
    let scale = HEIGHT / most.max(f64::MIN_POSITIVE);
    let label =
        format!("{title}: {} backups, at most {most_text}, the last {last_text}", bars.len());
    let view = format!("0 0 {} {HEIGHT}", bars.len().max(FEWEST) * STEP);
    html! {
        figure {
            figcaption { (title) " " span.quiet { "at most " (most_text) ", the last " (last_text) } }
            svg role="img" aria-label=(label) viewBox=(view) preserveAspectRatio="none" {
                @for (number, (_, (value, text))) in bars.iter().enumerate() {
                    @let height = (value * scale).max(1.0);
                    rect x=(number * STEP) y=(format!("{:.1}", HEIGHT - height)) width=(STEP - 1)
                        height=(format!("{height:.1}")) { title { (text) } }
                }
            }
            p.axis { span { (moment(first.started, zone)) } @if bars.len() > 1 { span { (moment(last.started, zone)) } } }
        }
    }
}
