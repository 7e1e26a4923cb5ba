//! What the threads of the agent share: the file of jobs as it is now, and the history.

use super::around::{Around, Level, Line};
use crate::agent::config::Config;
use crate::agent::history::{History, Kept};
use crate::error::Result;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the threads of the agent share.
pub struct Shared {
    config: Mutex<Arc<Config>>,
    history: Kept,
}

impl Shared {
    /// With this file, and the history of this folder of states.
    pub fn new(config: Arc<Config>, state: &Path) -> Self {
        Shared { config: Mutex::new(config), history: Kept::new(state.to_owned()) }
    }

    /// The file as it is kept now.
    pub fn config(&self) -> Arc<Config> {
        lock(&self.config).clone()
    }

    /// Keeps another from now on.
    pub fn keep(&self, config: Arc<Config>) {
        *lock(&self.config) = config;
    }

    /// Does something with the history.
    pub fn with_history<T>(
        &self,
        around: &dyn Around,
        work: impl FnOnce(&History) -> Result<T>,
    ) -> Result<T> {
        self.history.with(|text| around.say(&Line::own(Level::Warning, "history", text)), work)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
