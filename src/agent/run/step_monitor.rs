//! The monitor of one step: passes everything on, and keeps the warnings for the report.

use crate::error::Error;
use crate::limits::WARNINGS_MAX;
use crate::monitor::{Counter, FileChange, Monitor};
use parking_lot::Mutex;

/// A listener that may want the step to stop.
pub struct StepMonitor<'m> {
    to: &'m dyn Monitor,
    is_over: &'m (dyn Fn() -> bool + Sync),
    warnings: Mutex<Vec<String>>,
}

impl<'m> StepMonitor<'m> {
    /// Hands on to `to`; the step ends when the user says so, and when `is_over`.
    pub fn new(to: &'m dyn Monitor, is_over: &'m (dyn Fn() -> bool + Sync)) -> Self {
        StepMonitor { to, is_over, warnings: Mutex::default() }
    }

    /// What was wrong.
    pub fn into_warnings(self) -> Vec<String> {
        self.warnings.into_inner()
    }

    fn keep(&self, text: String) {
        let mut warnings = self.warnings.lock();
        if warnings.len() < WARNINGS_MAX {
            warnings.push(text);
        }
    }
}

impl Monitor for StepMonitor<'_> {
    fn begin(&self, task: &str, total: Option<(Counter, u64)>) {
        self.to.begin(task, total);
    }

    fn count(&self, counter: Counter, amount: u64) {
        self.to.count(counter, amount);
    }

    fn trouble(&self, error: &Error) {
        self.keep(error.to_string());
        self.to.trouble(error);
    }

    fn note(&self, text: &str) {
        self.to.note(text);
    }

    fn warn(&self, text: &str) {
        self.keep(text.to_owned());
        self.to.warn(text);
    }

    fn file(&self, change: FileChange, path: &[u8], bytes: u64) {
        self.to.file(change, path, bytes);
    }

    fn end(&self) {
        self.to.end();
    }

    fn stop_requested(&self) -> bool {
        self.to.stop_requested() || (self.is_over)()
    }
}
