//! Watches the state of the jobs and sends alerts, in a thread of its own: sending may take a while.

use super::around::{Around, Line};
use super::shared::Shared;
use crate::agent::run::settle;
use crate::agent::status::Status;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// How often it looks, runs or not.
const EVERY: Duration = Duration::from_secs(60);

/// Looks every minute, and when it is asked to, until nobody can ask it any more.
pub fn look_on(around: &dyn Around, shared: &Shared, asked: &Receiver<()>) {
    loop {
        look(around, shared);
        if let Err(RecvTimeoutError::Disconnected) = asked.recv_timeout(EVERY) {
            return;
        }
        // Several questions have one answer.
        while asked.try_recv().is_ok() {}
    }
}

fn look(around: &dyn Around, shared: &Shared) {
    let config = shared.config();
    let now = around.env().now();
    let status = shared.with_history(around, |history| {
        // Runs that the agent has not begun may have died, too.
        settle(history).unwrap_or_else(|error| around.say(&Line::failed(&error)));
        Status::of(&config, history, now, &config.zone())
    });
    // A guard may have died, or given up on an engine that was away.
    super::start_left_behind(around);
    if let Err(error) = &status {
        around.say(&Line::failed(error));
    }
    around.watch(&config, status.as_ref());
}
