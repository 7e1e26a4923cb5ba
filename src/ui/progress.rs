//! The voice of a running operation: a bar on a terminal, status lines in JSON, troubles at once.

use super::args::Global;
use super::{exit, out, text};
use crate::env::{Env, Time};
use crate::error::{Attempt, Error, Result};
use crate::monitor::{Counter, FileChange, Monitor};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use serde::Serialize;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Time between two status lines.
const STATUS_EVERY: i64 = Time::SECOND;
/// Time between two moves of a bar to which nothing happens.
const TICK: Duration = Duration::from_millis(125);

/// Shows progress as far as the options want it, and hears the wish to stop.
pub struct Progress {
    show: Show,
    json: bool,
    quiet: bool,
    names_files: bool,
    env: Env,
    started: Time,
    counts: Arc<Counts>,
    task: Mutex<Task>,
    last_status: AtomicI64,
    stop: Arc<AtomicBool>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Show {
    Bar,
    Lines,
    Nothing,
}

#[derive(Default)]
struct Task {
    name: String,
    total: Option<(Counter, u64)>,
    bar: Option<ProgressBar>,
}

/// What was counted in the running task.
#[derive(Default)]
struct Counts {
    items: AtomicU64,
    bytes: AtomicU64,
    chunks: AtomicU64,
    stored: AtomicU64,
}

impl Progress {
    pub(super) fn new(global: &Global, env: Env) -> Result<Self> {
        let bar = !global.json && !global.quiet && !global.no_progress;
        let show = match (global.json && !global.quiet && !global.no_progress, bar) {
            (true, _) => Show::Lines,
            (_, true) if io::stderr().is_terminal() => Show::Bar,
            _ => Show::Nothing,
        };
        let started = env.now();
        Ok(Progress {
            show,
            json: global.json,
            quiet: global.quiet,
            names_files: false,
            env,
            started,
            counts: Arc::default(),
            task: Mutex::default(),
            last_status: AtomicI64::new(started.0),
            stop: stop_at_interrupt()?,
        })
    }

    /// The same, which names files that are new or changed, or does not.
    pub fn naming_files(mut self, names_files: bool) -> Self {
        self.names_files = names_files;
        self
    }

    /// Seconds since the operation began.
    pub fn seconds(&self) -> f64 {
        self.env.now().seconds_since(self.started)
    }

    fn task(&self) -> MutexGuard<'_, Task> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prints around the bar.
    fn aside(&self, print: impl FnOnce()) {
        match &self.task().bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// A status line, unless the last one is young.
    fn status(&self) {
        let now = self.env.now();
        let last = self.last_status.load(Ordering::Relaxed);
        let due = now.0.saturating_sub(last) >= STATUS_EVERY;
        let order = Ordering::Relaxed;
        if !due || self.last_status.compare_exchange(last, now.0, order, order).is_err() {
            return;
        }
        let task = self.task();
        let status = Status {
            task: &task.name,
            seconds_elapsed: now.seconds_since(self.started),
            items_done: self.counts.items.load(order),
            bytes_done: self.counts.bytes.load(order),
            chunks_done: self.counts.chunks.load(order),
            bytes_stored: self.counts.stored.load(order),
            percent_done: task.total.map(|(counter, total)| self.counts.share(counter, total)),
        };
        if let Ok(line) = out::json_line("status", &status) {
            // Whoever does not read progress loses nothing.
            let _ = io::stdout().lock().write_all(&line);
        }
    }
}

#[derive(Serialize)]
struct Status<'s> {
    task: &'s str,
    seconds_elapsed: f64,
    items_done: u64,
    bytes_done: u64,
    chunks_done: u64,
    bytes_stored: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    percent_done: Option<f64>,
}

impl Counts {
    fn of(&self, counter: Counter) -> &AtomicU64 {
        match counter {
            Counter::Items => &self.items,
            Counter::Bytes => &self.bytes,
            Counter::Chunks => &self.chunks,
            Counter::Stored => &self.stored,
        }
    }

    fn reset(&self) {
        for counter in [Counter::Items, Counter::Bytes, Counter::Chunks, Counter::Stored] {
            self.of(counter).store(0, Ordering::Relaxed);
        }
    }

    fn share(&self, counter: Counter, total: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let share = self.of(counter).load(Ordering::Relaxed) as f64 / total.max(1) as f64;
        share.min(1.0)
    }
}

impl Monitor for Progress {
    fn begin(&self, name: &str, total: Option<(Counter, u64)>) {
        self.counts.reset();
        let bar = (self.show == Show::Bar).then(|| bar(name, total, &self.counts));
        *self.task() = Task { name: name.to_owned(), total, bar };
    }

    fn count(&self, counter: Counter, amount: u64) {
        self.counts.of(counter).fetch_add(amount, Ordering::Relaxed);
        match self.show {
            Show::Nothing => {}
            Show::Lines => self.status(),
            Show::Bar => {
                let task = self.task();
                let measured = task.total.map_or(Counter::Bytes, |(counter, _)| counter);
                if let Some(bar) = task.bar.as_ref().filter(|_| measured == counter) {
                    bar.inc(amount);
                }
            }
        }
    }

    fn trouble(&self, error: &Error) {
        self.aside(|| match self.json {
            true => say_json(error),
            false => exit::say(error),
        });
    }

    fn note(&self, text: &str) {
        if !self.quiet {
            self.aside(|| match self.json {
                true => out::say_json("note", &Note { message: text }),
                false => out::say(text),
            });
        }
    }

    fn file(&self, change: FileChange, path: &[u8], bytes: u64) {
        if !self.names_files || self.quiet {
            return;
        }
        let action = match change {
            FileChange::New => "new",
            FileChange::Changed => "modified",
        };
        let item = text::path(path);
        let line = match self.json {
            true => {
                let view = FileView { action, item: &item, data_size: bytes };
                out::json_line("verbose_status", &view).unwrap_or_default()
            }
            false => format!("{action:<9}{item} ({})\n", text::bytes(bytes)).into_bytes(),
        };
        // Whoever does not read it loses nothing.
        self.aside(|| drop(io::stdout().lock().write_all(&line)));
    }

    fn end(&self) {
        if let Some(bar) = self.task().bar.take() {
            bar.finish_and_clear();
        }
    }

    fn stop_requested(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}

/// restic's names.
#[derive(Serialize)]
struct FileView<'f> {
    action: &'f str,
    item: &'f str,
    data_size: u64,
}

#[derive(Serialize)]
struct Note<'n> {
    message: &'n str,
}

fn say_json(error: &Error) {
    #[derive(Serialize)]
    struct Message {
        message: String,
    }
    #[derive(Serialize)]
    struct Trouble<'e> {
        error: Message,
        item: &'e str,
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<&'e str>,
    }
    let message = Message { message: error.to_string() };
    let trouble = Trouble { error: message, item: error.subject(), hint: error.hint_text() };
    out::say_json("error", &trouble);
}

fn bar(name: &str, total: Option<(Counter, u64)>, counts: &Arc<Counts>) -> ProgressBar {
    let template = match total {
        None => {
            "{spinner} {msg}  [{elapsed_precise}]  {items} items, {bytes}, {binary_bytes_per_sec}"
        }
        Some((Counter::Bytes | Counter::Stored, _)) => {
            "{msg}  [{elapsed_precise}] {wide_bar} {percent}%  {bytes}/{total_bytes}, \
             {binary_bytes_per_sec}, {eta} left"
        }
        Some(_) => "{msg}  [{elapsed_precise}] {wide_bar} {percent}%  {pos}/{len}, {eta} left",
    };
    let bar = match total {
        Some((_, total)) => ProgressBar::new(total),
        None => ProgressBar::new_spinner(),
    };
    let counts = counts.clone();
    let items = move |_: &ProgressState, text: &mut dyn fmt::Write| {
        // Writing to the bar's own string cannot fail.
        let _ = write!(text, "{}", counts.items.load(Ordering::Relaxed));
    };
    // A template that cannot be understood leaves the ordinary one.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.with_key("items", items));
    }
    bar.set_message(name.to_owned());
    bar.enable_steady_tick(TICK);
    bar
}

/// A flag that the first Ctrl-C (or SIGTERM) sets; the second one ends the process at once.
fn stop_at_interrupt() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let heard = stop.clone();
    let handler = move || {
        if heard.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(exit::INTERRUPTED));
        }
        out::say("icecore: stopping; press Ctrl-C again to stop at once");
    };
    ctrlc::set_handler(handler).map_err(io::Error::other).attempt("listen for", "Ctrl-C")?;
    Ok(stop)
}
