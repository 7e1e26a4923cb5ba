//! Watches the state of the jobs and sends alerts, in a thread of its own: sending may take a while.

use super::context::{AgentContext, LogLine};
use super::shared::Shared;
use crate::agent::run::settle;
use crate::agent::status::Status;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// How often it looks, runs or not.
const EVERY: Duration = Duration::from_secs(60);

/// Looks every minute, and when it is asked to, until nobody can ask it any more.
pub fn look_on(context: &dyn AgentContext, shared: &Shared, asked: &Receiver<()>) {
    loop {
        look(context, shared);
        if let Err(RecvTimeoutError::Disconnected) = asked.recv_timeout(EVERY) {
            return;
        }
        // Several questions have one answer.
        while asked.try_recv().is_ok() {}
    }
}

fn look(context: &dyn AgentContext, shared: &Shared) {
    let config = shared.config();
    let now = context.env().now();
    let status = shared.with_history(context, |history| {
        // Runs that the agent has not begun may have died, too.
        settle(history).unwrap_or_else(|error| context.say(&LogLine::failed(&error)));
        Status::of(&config, history, now, &config.zone())
    });
    // A guard may have died, or given up on an engine that was away.
    super::start_left_behind(context);
    if let Err(error) = &status {
        context.say(&LogLine::failed(error));
    }
    context.watch(&config, status.as_ref());
}
