//! What the threads of the agent share: the file of jobs as it is now, and the history.

use super::context::{AgentContext, LogLine, Severity};
use crate::agent::config::Config;
use crate::agent::history::{History, SharedHistory};
use crate::error::Result;
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;

/// What the threads of the agent share.
pub struct Shared {
    config: Mutex<Arc<Config>>,
    history: SharedHistory,
}

impl Shared {
    /// With this file, and the history of this state folder.
    pub fn new(config: Arc<Config>, state: &Path) -> Self {
        Shared { config: Mutex::new(config), history: SharedHistory::new(state.to_owned()) }
    }

    /// The file as it is kept now.
    pub fn config(&self) -> Arc<Config> {
        self.config.lock().clone()
    }

    /// Keeps another from now on.
    pub fn keep(&self, config: Arc<Config>) {
        *self.config.lock() = config;
    }

    /// Does something with the history.
    pub fn with_history<T>(
        &self,
        context: &dyn AgentContext,
        work: impl FnOnce(&History) -> Result<T>,
    ) -> Result<T> {
        self.history
            .with(|text| context.say(&LogLine::own(Severity::Warning, "history", text)), work)
    }
}
