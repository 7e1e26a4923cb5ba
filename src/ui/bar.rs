//! The bar that shows on a terminal how far a task is.

use super::counts::{Counts, Total};
use crate::monitor::Counter;
use crate::text;
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

/// Time between two moves of a bar to which nothing happens.
const TICK: Duration = Duration::from_millis(125);

/// A bar, or, as long as nobody knows how much there is to do, a line of counts.
pub struct Bar {
    bar: ProgressBar,
    counts: Arc<Counts>,
    total: Option<Total>,
}

impl Bar {
    /// The bar of a task that begins.
    pub fn new(task: &str, total: Option<Total>, counts: &Arc<Counts>) -> Self {
        let bar = ProgressBar::new_spinner();
        bar.set_message(task.to_owned());
        let mut bar = Bar { bar, counts: counts.clone(), total: None };
        bar.expect(total);
        bar.bar.enable_steady_tick(TICK);
        bar
    }

    /// From now on so much is to be done.
    pub fn expect(&mut self, total: Option<Total>) {
        self.total = total;
        let template = match total {
            None => "{spinner} {msg}  [{elapsed_precise}]  {counts}, {rate}",
            Some(_) => {
                "{msg}  [{elapsed_precise}] {wide_bar} {percent:>3}%  {eta} left\n{counts}, {rate}"
            }
        };
        let counts = self.counts.clone();
        let measured = total.unwrap_or_default().measured();
        // Writing to the bar's own string cannot fail.
        let shown = move |_: &ProgressState, to: &mut dyn Write| {
            let _ = to.write_str(&counts.in_words(total));
        };
        let rate = move |state: &ProgressState, to: &mut dyn Write| {
            let _ = to.write_str(&per_second(measured, state.per_sec()));
        };
        // A template that cannot be understood leaves the ordinary one.
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.with_key("counts", shown).with_key("rate", rate));
        }
        if let Some(total) = total {
            self.bar.set_length(total.amount());
        }
        self.moved();
    }

    /// The counts are others.
    pub fn moved(&self) {
        self.bar.set_position(self.counts.of(self.total.unwrap_or_default().measured()));
    }

    /// Prints around the bar.
    pub fn suspend(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "for people")]
fn per_second(measured: Counter, rate: f64) -> String {
    match measured {
        Counter::Bytes => format!("{}/s", text::figure(rate as u64)),
        Counter::Items => format!("{rate:.0} items/s"),
    }
}
