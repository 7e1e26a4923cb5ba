//! The panel and the metrics, served in a thread of their own, by the file of jobs as it is now.

use super::context::{AgentContext, LogLine};
use super::shared::Shared;
use crate::error::{Attempt, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle, sleep};
use std::time::{Duration, Instant};

/// How long it takes until what could not be served is tried again.
const RETRY: Duration = Duration::from_secs(60);

/// How often we check whether it is over.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// What is served.
pub struct Serving {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Serving {
    /// Begins to serve what the file says.
    ///
    /// # Errors
    /// If there is no thread for it.
    pub fn start(context: &Arc<dyn AgentContext>, shared: &Arc<Shared>) -> Result<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        let (context, shared, over) = (context.clone(), shared.clone(), is_over.clone());
        let serve = move || serve(&*context, &shared, &over);
        let thread = Builder::new().spawn(serve).attempt("start a thread for", "the page")?;
        Ok(Serving { is_over, thread })
    }

    /// Asks it to end.
    pub fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// Its thread.
    pub fn thread(&self) -> &JoinHandle<()> {
        &self.thread
    }
}

fn serve(context: &dyn AgentContext, shared: &Shared, over: &AtomicBool) {
    let is_over = || over.load(Ordering::Relaxed);
    while !is_over() {
        let config = shared.config();
        let Err(error) = context.serve(&|| shared.config(), &is_over) else { return };
        context.say(&LogLine::failed(&error));
        let until = Instant::now() + RETRY;
        let is_same = || Arc::ptr_eq(&shared.config(), &config);
        while !is_over() && is_same() && Instant::now() < until {
            sleep(POLL_INTERVAL);
        }
    }
}
