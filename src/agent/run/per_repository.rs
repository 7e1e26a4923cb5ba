//! The outcome of something that is done in each repository by itself. One that fails does not stop the others.

use super::log::Log;
use crate::error::{Error, Kind, Result};

/// What of a job is done in each repository by itself.
pub struct Each {
    failures: Vec<Error>,
    /// How many of them went well.
    pub done: usize,
}

impl Each {
    /// Nothing yet.
    pub fn new() -> Self {
        Each { failures: Vec::new(), done: 0 }
    }

    /// The outcome of it in one; only an interruption ends it all.
    pub fn add(&mut self, log: &mut Log<'_>, result: Result<()>) -> Result<()> {
        match result {
            Ok(()) => self.done += 1,
            Err(error) if error.kind() == Kind::Interrupted => return Err(error),
            Err(error) => self.failures.push(error),
        }
        log.check_interrupt()
    }

    /// The first failure; the others are told. Where `may_miss`, they only make the run incomplete.
    pub fn end(self, log: &mut Log<'_>, may_miss: bool) -> Result<()> {
        let mut failures = self.failures.into_iter();
        if may_miss {
            failures.for_each(|error| log.incomplete_because(&error));
            return Ok(());
        }
        let first = failures.next();
        failures.for_each(|error| log.incomplete_because(&error));
        first.map_or(Ok(()), Err)
    }
}
