//! Messages by a command: a line for the shell that reads the message.

use super::letter::Letter;
use crate::agent::shell::{self, Ran};
use crate::error::{Error, Kind, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long one may take.
const TIMEOUT: Duration = Duration::from_secs(15);

/// A line that is given messages.
pub struct Line {
    line: String,
}

impl Line {
    /// This line.
    pub fn new(line: &str) -> Self {
        Line { line: line.to_owned() }
    }

    /// Gives it a message.
    pub async fn send(&self, letter: &Letter) -> Result<()> {
        let (line, input) = (self.line.clone(), letter.message.clone());
        let variables = facts(letter);
        let ends = Ends::default();
        let is_over = ends.0.clone();
        let run = move || {
            let stop = || is_over.load(Ordering::Relaxed);
            shell::run_with(&line, TIMEOUT, &variables, input.as_bytes(), &stop)
        };
        let ran: Ran = tokio::task::spawn_blocking(run).await.map_err(|cause| {
            Error::new(Kind::Failed, "run", "the command").because(cause.to_string())
        })?;
        ran.well("tell by", &self.line)
    }
}

/// Ends the command when nobody waits for it any more.
#[derive(Default)]
struct Ends(Arc<AtomicBool>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn facts(letter: &Letter) -> Vec<(&'static str, String)> {
    vec![
        ("ICECORE_ALERT_KIND", letter.kind.to_string()),
        ("ICECORE_ALERT_SUBJECT", letter.subject.clone()),
        ("ICECORE_ALERT_JOBS", letter.jobs.join(" ")),
        ("ICECORE_ALERT_HOST", letter.host.clone()),
        ("ICECORE_ALERT_ENVIRONMENT", letter.environment.clone()),
    ]
}
