//! A history that stays open between uses: to open one means to check all of it.

use super::History;
use crate::error::Result;
use parking_lot::Mutex;
use std::path::PathBuf;

/// The history of a state folder, opened when it is used first.
pub struct SharedHistory {
    state: PathBuf,
    open: Mutex<Option<History>>,
}

impl SharedHistory {
    /// That of this folder.
    pub fn new(state: PathBuf) -> Self {
        SharedHistory { state, open: Mutex::default() }
    }

    /// Does something with it. It is opened anew if another lies in its place, or if it failed: it may be
    /// broken. `warn` hears what was wrong with one that is opened.
    ///
    /// # Errors
    /// Those of opening it and of the work.
    pub fn with<T>(
        &self,
        warn: impl Fn(&str),
        work: impl FnOnce(&History) -> Result<T>,
    ) -> Result<T> {
        let mut open = self.open.lock();
        let history = match open.take().filter(History::is_in_place) {
            Some(history) => history,
            None => {
                let history = History::open(&self.state)?;
                history.warnings().for_each(warn);
                history
            }
        };
        let done = work(&history)?;
        *open = Some(history);
        Ok(done)
    }
}
