//! Shows the progress of a running operation: a bar on a terminal, status lines in JSON, troubles at once.

use super::bar::Bar;
use super::counts::{Counts, Total};
use super::exit;
use super::global::Global;
use super::out::{self, Tone};
use crate::env::{Env, Time};
use crate::error::{Attempt, Error, Result};
use crate::monitor::{Counter, FileChange, Monitor};
use crate::text;
use parking_lot::{Mutex, MutexGuard};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// Time between two status lines.
const STATUS_EVERY: i64 = Time::SECOND;

/// Shows progress as far as the options want it, and hears the wish to stop.
pub struct Progress {
    show: Show,
    json: bool,
    quiet: bool,
    names_files: bool,
    env: Env,
    started: Time,
    counts: Arc<Counts>,
    task: Arc<Mutex<Task>>,
    last_status: AtomicI64,
    stop: Arc<AtomicBool>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Show {
    Bar,
    Lines,
    Nothing,
}

/// What runs now.
#[derive(Default)]
struct Task {
    name: String,
    running: bool,
    total: Option<Total>,
    /// What a task comes to that does not know it when it begins.
    expected: Option<Total>,
    bar: Option<Bar>,
}

impl Task {
    /// Prints around the bar.
    fn aside(&self, print: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
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
        let task: Arc<Mutex<Task>> = Arc::default();
        let stop = stop_at_interrupt(task.clone(), global.json)?;
        Ok(Progress {
            show,
            json: global.json,
            quiet: global.quiet,
            names_files: global.verbose.iter().any(|level| *level > 0),
            env,
            started,
            counts: Arc::default(),
            task,
            last_status: AtomicI64::new(started.0),
            stop,
        })
    }

    /// Seconds since the operation began.
    pub fn seconds(&self) -> f64 {
        self.env.now().seconds_since(self.started)
    }

    fn task(&self) -> MutexGuard<'_, Task> {
        self.task.lock()
    }

    /// Whether anybody sees how far a task is.
    pub fn shows(&self) -> bool {
        self.show != Show::Nothing
    }

    /// What the task comes to that did not know it when it began, or will not.
    pub fn expect(&self, total: Total) {
        let mut task = self.task();
        task.expected = Some(total);
        if task.running && task.total.is_none() {
            task.total = Some(total);
            if let Some(bar) = &mut task.bar {
                bar.expect(Some(total));
            }
            self.print_status(&task);
        }
    }

    /// Prints around the bar.
    fn aside(&self, print: impl FnOnce()) {
        self.task().aside(print);
    }

    /// A status line, unless the last one is young.
    fn status(&self) {
        let now = self.env.now();
        let last = self.last_status.load(Ordering::Relaxed);
        let due = now.0.saturating_sub(last) >= STATUS_EVERY;
        let order = Ordering::Relaxed;
        if due && self.last_status.compare_exchange(last, now.0, order, order).is_ok() {
            self.print_status(&self.task());
        }
    }

    /// Names a file, if that is wanted.
    fn name_file(&self, action: &str, path: &[u8], bytes: u64) {
        if !self.names_files || self.quiet {
            return;
        }
        let item = text::path(path);
        let line = match self.json {
            true => {
                let view = FileView { action, item: &item, data_size: bytes };
                out::json_line("verbose_status", &view).unwrap_or_default()
            }
            false => format!("{action:<8} {item} ({})\n", text::bytes(bytes)).into_bytes(),
        };
        // Where nobody reads it, nothing is lost.
        self.aside(|| drop(io::stdout().lock().write_all(&line)));
    }

    fn print_status(&self, task: &Task) {
        if self.show != Show::Lines {
            return;
        }
        let total = task.total.unwrap_or_default();
        let status = Status {
            task: &task.name,
            seconds_elapsed: self.seconds(),
            percent_done: task.total.map(|total| self.counts.share(total)),
            total_files: total.items,
            files_done: self.counts.of(Counter::Items),
            total_bytes: total.bytes,
            bytes_done: self.counts.of(Counter::Bytes),
        };
        if let Ok(line) = out::json_line("status", &status) {
            // Where nobody reads progress, nothing is lost.
            let _ = io::stdout().lock().write_all(&line);
        }
    }
}

/// restic's names; what is not known is left out.
#[derive(Serialize)]
struct Status<'s> {
    task: &'s str,
    seconds_elapsed: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    percent_done: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_files: Option<u64>,
    files_done: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_bytes: Option<u64>,
    bytes_done: u64,
}

impl Monitor for Progress {
    fn begin(&self, name: &str, total: Option<(Counter, u64)>) {
        self.counts.reset();
        let mut task = self.task();
        let total = total.map(|(counter, amount)| Total::of(counter, amount)).or(task.expected);
        task.bar = None;
        task.bar = (self.show == Show::Bar).then(|| Bar::new(name, total, &self.counts));
        (task.name, task.total, task.running) = (name.to_owned(), total, true);
        if total.is_some() && total == task.expected {
            self.print_status(&task);
        }
    }

    fn count(&self, counter: Counter, amount: u64) {
        self.counts.add(counter, amount);
        match self.show {
            Show::Nothing => {}
            Show::Lines => self.status(),
            Show::Bar => {
                if let Some(bar) = &self.task().bar {
                    bar.moved();
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
                true => say_note(text),
                false => out::say(text),
            });
        }
    }

    fn warn(&self, text: &str) {
        if !self.quiet {
            self.aside(|| match self.json {
                true => say_note(text),
                false => out::tell(Tone::Warning, text),
            });
        }
    }

    fn file(&self, change: FileChange, path: &[u8], bytes: u64) {
        let action = match change {
            FileChange::New => "new",
            FileChange::Changed => "modified",
        };
        self.name_file(action, path, bytes);
    }

    fn restored(&self, path: &[u8], bytes: u64) {
        self.name_file("restored", path, bytes);
    }

    fn would_restore(&self, path: &[u8], bytes: u64) {
        self.name_file("would restore", path, bytes);
    }

    fn end(&self) {
        let mut task = self.task();
        task.running = false;
        task.bar = None;
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

/// Something to know, as a JSON line.
pub(super) fn say_note(message: &str) {
    #[derive(Serialize)]
    struct Note<'n> {
        message: &'n str,
    }
    out::say_json("note", &Note { message });
}

fn say_json(error: &Error) {
    #[derive(Serialize)]
    struct Message {
        message: String,
    }
    #[derive(Serialize)]
    struct ErrorLine<'e> {
        error: Message,
        item: &'e str,
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<&'e str>,
    }
    let message = Message { message: error.to_string() };
    let trouble = ErrorLine { error: message, item: error.subject(), hint: error.hint_text() };
    out::say_json("error", &trouble);
}

/// A flag that the first Ctrl-C (or SIGTERM) sets; the second one ends the process at once.
fn stop_at_interrupt(task: Arc<Mutex<Task>>, json: bool) -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let heard = stop.clone();
    let handler = move || {
        if heard.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(exit::INTERRUPTED));
        }
        let say = || match json {
            true => say_note("stopping; a second signal stops at once"),
            false => out::tell(Tone::Warning, "stopping; press Ctrl-C again to stop at once"),
        };
        // The thread that holds the task may hang; the next signal must be handled all the same.
        match task.try_lock() {
            Some(task) => task.aside(say),
            None => say(),
        }
    };
    ctrlc::set_handler(handler).map_err(io::Error::other).attempt("listen for", "Ctrl-C")?;
    Ok(stop)
}
