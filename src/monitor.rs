//! How the library speaks: to a terminal, to a log, or to a test. It never prints.

use crate::error::{Error, Kind, Result};
#[cfg(feature = "testing")]
use parking_lot::Mutex;

/// What a count is a count of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counter {
    /// Entries: of a backup all but folders, of other tasks of any kind.
    Items,
    /// Bytes of content read from sources, restored to targets, or checked.
    Bytes,
}

/// How a file differs from the one that stood in its place in the snapshot before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileChange {
    /// There was none.
    New,
    /// Its content is another.
    Changed,
}

/// Listens to a running operation. Called from several threads.
pub trait Monitor: Send + Sync {
    /// A task starts: its name ("back up", "check packs"), and its size where it is known.
    fn begin(&self, task: &str, total: Option<(Counter, u64)>);
    /// So much more was done.
    fn count(&self, counter: Counter, amount: u64);
    /// Something is wrong with one item, and the operation goes on.
    fn trouble(&self, error: &Error);
    /// Something that the user should know and that is no error.
    fn note(&self, text: &str);
    /// The same, and worth a second look.
    fn warn(&self, text: &str) {
        self.note(text);
    }
    /// The file at `path` was captured, and is not as it was before; so many bytes are in it.
    fn file(&self, _change: FileChange, _path: &[u8], _bytes: u64) {}
    /// The file that was at `path` was restored; so many bytes are in it.
    fn restored(&self, _path: &[u8], _bytes: u64) {}
    /// The file that was at `path` would be restored, were this no rehearsal.
    fn would_restore(&self, _path: &[u8], _bytes: u64) {}
    /// The task named last is over.
    fn end(&self);
    /// Whether the user wants to stop.
    fn stop_requested(&self) -> bool {
        false
    }
}

/// Ends the operation with [`Kind::Interrupted`] once the user wants to stop.
pub fn go_on(monitor: &dyn Monitor, attempted: &str) -> Result<()> {
    if monitor.stop_requested() {
        return Err(Error::new(Kind::Interrupted, attempted, "").because("interrupted"));
    }
    Ok(())
}

/// Hears nothing.
#[derive(Debug, Default)]
pub struct Silent;

impl Monitor for Silent {
    fn begin(&self, _: &str, _: Option<(Counter, u64)>) {}
    fn count(&self, _: Counter, _: u64) {}
    fn trouble(&self, _: &Error) {}
    fn note(&self, _: &str) {}
    fn end(&self) {}
}

/// Remembers troubles and notes as text; for tests.
#[cfg(feature = "testing")]
#[derive(Debug, Default)]
pub struct Recording(Mutex<Vec<String>>);

#[cfg(feature = "testing")]
impl Recording {
    /// Everything heard so far, in order.
    pub fn heard(&self) -> Vec<String> {
        self.0.lock().clone()
    }

    fn hear(&self, text: String) {
        self.0.lock().push(text);
    }
}

#[cfg(feature = "testing")]
impl Monitor for Recording {
    fn begin(&self, _: &str, _: Option<(Counter, u64)>) {}
    fn count(&self, _: Counter, _: u64) {}
    fn trouble(&self, error: &Error) {
        self.hear(error.to_string());
    }
    fn note(&self, text: &str) {
        self.hear(text.to_owned());
    }
    fn end(&self) {}
}
