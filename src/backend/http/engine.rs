//! Lets callers on any thread wait for what goes on at the same time on a few threads of its own.

use super::fault::Fault;
use crate::error::{Attempt, Result};
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};

/// Threads that carry bytes: they encrypt and decrypt what goes over connections.
const THREADS: usize = 2;

/// Runs requests.
pub(super) struct Engine {
    handle: Handle,
    /// Taken when it ends.
    runtime: Option<Runtime>,
}

impl Engine {
    pub(super) fn start() -> Result<Self> {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(THREADS).thread_name("http").enable_all().build();
        let runtime = runtime.attempt("start threads for", "connections")?;
        Ok(Engine { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    /// Waits for an answer, for so long.
    pub(super) fn wait<T>(
        &self,
        most: Duration,
        answer: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        self.handle.block_on(async {
            let waited = tokio::time::timeout(most, answer).await;
            waited.unwrap_or(Err(Fault::Late(most)))
        })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // A name that does not resolve keeps a thread busy for as long as the system likes.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
