//! Messages to systemd, or to another service manager with the same protocol (sd_notify(3)), where there is one.

use sd_notify::NotifyState;
use std::time::Duration;

/// It has begun.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// It ends.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// It is alive, and this is what it does.
pub fn alive(status: &str) {
    tell(&[NotifyState::Watchdog, NotifyState::Status(status)]);
}

/// How often it has to say that it is alive, if anybody asks: twice within the time after which it is taken
/// for dead.
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|most| most / 2)
}

fn tell(states: &[NotifyState<'_>]) {
    // A manager that does not listen does not need it.
    let _ = sd_notify::notify(states);
}
