//! Messages by a command: a line for the shell that reads the message.

use super::notification::Notification;
use crate::agent::shell::{self, CommandOutcome};
use crate::error::{Error, Kind, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long one may take.
const TIMEOUT: Duration = Duration::from_secs(15);

/// A line that is given messages.
pub struct ShellLine {
    line: String,
}

impl ShellLine {
    /// This line.
    pub fn new(line: &str) -> Self {
        ShellLine { line: line.to_owned() }
    }

    /// Gives it a message.
    pub async fn send(&self, notification: &Notification) -> Result<()> {
        let (line, input) = (self.line.clone(), notification.message.clone());
        let variables = facts(notification);
        let ends = Ends::default();
        let is_over = ends.0.clone();
        let run = move || {
            let stop = || is_over.load(Ordering::Relaxed);
            shell::run_with(&line, TIMEOUT, &variables, input.as_bytes(), &stop)
        };
        let ran: CommandOutcome = tokio::task::spawn_blocking(run).await.map_err(|cause| {
            Error::new(Kind::Failed, "run", "the command").because(cause.to_string())
        })?;
        ran.well("send an alert by", &self.line)
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

fn facts(notification: &Notification) -> Vec<(&'static str, String)> {
    vec![
        ("ICECORE_ALERT_KIND", notification.kind.to_string()),
        ("ICECORE_ALERT_SUBJECT", notification.subject.clone()),
        ("ICECORE_ALERT_JOBS", notification.jobs.join(" ")),
        ("ICECORE_ALERT_HOST", notification.host.clone()),
        ("ICECORE_ALERT_ENVIRONMENT", notification.environment.clone()),
    ]
}
