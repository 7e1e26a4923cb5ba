//! Services that are stopped while sources are captured. The guard, a separate process, stops them and starts
//! them again: when it is asked to, when `max_downtime` is over, or when the run has died. What it stopped is
//! written to a journal, so that the next run can start it if the guard died, too.

mod guard;
mod journal;
mod lines;
mod order;
mod what;

pub use guard::run_as_guard;
pub use journal::{LeftBehind, not_started, path as journal_of, start_left_behind, start_stopped};
pub use order::{Order, StartReason, Started};
pub use what::What;

use super::shell::CommandOutcome;
use crate::env::{command, this_program};
use crate::error::{Attempt, Error, Kind, Result};
use crate::monitor::Monitor;
use order::Message;
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::Arc;
use std::thread::{self, Builder, sleep};
use std::time::Duration;

/// How often we check whether the user asked to stop.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Services that are stopped. Dropped, they are started.
pub struct StoppedServices {
    order: Order,
    guard: Child,
    input: Mutex<Option<ChildStdin>>,
    messages: Arc<GuardMessages>,
}

/// What the guard has said.
#[derive(Default)]
struct GuardMessages {
    state: Mutex<GuardState>,
    changed: Condvar,
}

#[derive(Default)]
struct GuardState {
    stopped: Option<CommandOutcome>,
    started: Option<Started>,
    is_gone: bool,
}

impl GuardMessages {
    fn state(&self) -> MutexGuard<'_, GuardState> {
        self.state.lock()
    }

    fn change(&self, change: impl FnOnce(&mut GuardState)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    /// Waits until something holds, or the guard is gone.
    fn wait(&self, holds: impl Fn(&GuardState) -> bool) -> MutexGuard<'_, GuardState> {
        let waits = |state: &mut GuardState| !state.is_gone && !holds(state);
        let mut state = self.state();
        self.changed.wait_while(&mut state, waits);
        state
    }
}

impl StoppedServices {
    /// Stops the services, unless the user wants to stop before. Whatever fails, they are started again.
    pub fn begin(order: Order, monitor: &dyn Monitor) -> Result<(Self, CommandOutcome)> {
        let what = "the guard of stopped services";
        journal::refuse_unfinished(&order)?;
        let mut guard = command(this_program()?)
            .arg(guard::VERB)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .attempt("start", what)?;
        let (input, output) = (guard.stdin.take(), guard.stdout.take());
        let messages: Arc<GuardMessages> = Arc::default();
        let hears = messages.clone();
        let services = StoppedServices { order, guard, input: Mutex::new(input), messages };
        let reading = Builder::new().spawn(move || {
            let lines = output.map(|output| BufReader::new(output).lines());
            for line in lines.into_iter().flatten().map_while(std::io::Result::ok) {
                match serde_json::from_str(&line) {
                    Ok(Message::Stopped(ran)) => hears.change(|state| state.stopped = Some(ran)),
                    Ok(Message::Started(started)) => {
                        hears.change(|state| state.started = Some(started));
                    }
                    Err(_) => break,
                }
            }
            hears.change(|state| state.is_gone = true);
        });
        if reading.is_err() {
            // Nobody is to wait for what nobody hears.
            services.messages.change(|state| state.is_gone = true);
        }
        reading.attempt("start a thread for", what)?;
        let mut line = serde_json::to_vec(&services.order)
            .map_err(|cause| Error::new(Kind::Failed, "tell", what).caused_by(cause))?;
        line.push(b'\n');
        if let Some(input) = services.input().as_mut() {
            input.write_all(&line).attempt("tell", what)?;
        }
        let stopped = services.during(monitor, || {
            let is_told = |said: &GuardState| said.stopped.is_some() || said.started.is_some();
            services.messages.wait(is_told).stopped.clone()
        });
        let line = &services.order.what.stopping();
        let stopped = match stopped {
            Some(ran) if ran.failure.is_none() => Ok(ran),
            _ if monitor.stop_requested() => {
                Err(Error::new(Kind::Interrupted, "stop services by", format!("`{line}`"))
                    .because("interrupted"))
            }
            Some(ran) => ran.well("stop services by", line).map(|()| ran),
            None => Err(Error::new(Kind::Failed, "stop services by", format!("`{line}`"))
                .because("the guard process ended before the services were stopped")),
        };
        match stopped {
            Ok(ran) => Ok((services, ran)),
            Err(error) => {
                let start = services.order.what.starting();
                let started = services.end()?;
                Err(match started.ran.well("start services by", &start) {
                    Ok(()) => error,
                    Err(second) => {
                        let why =
                            format!("{}; services may still be stopped: {second}", error.why());
                        error.because(why)
                    }
                })
            }
        }
    }

    fn input(&self) -> MutexGuard<'_, Option<ChildStdin>> {
        self.input.lock()
    }

    /// How starting them is called, without secrets.
    pub fn starting(&self) -> String {
        self.order.what.starting()
    }

    /// Whether the services run again, or nobody guards them any more.
    pub fn is_over(&self) -> bool {
        let said = self.messages.state();
        said.is_gone || said.started.is_some()
    }

    /// Does something, and starts the services as soon as the user wants to stop.
    pub fn during<T>(&self, monitor: &dyn Monitor, work: impl FnOnce() -> T) -> T {
        let done = std::sync::atomic::AtomicBool::new(false);
        let order = std::sync::atomic::Ordering::Relaxed;
        thread::scope(|scope| {
            let watch = || {
                while !done.load(order) {
                    if monitor.stop_requested() {
                        self.give_up();
                        return;
                    }
                    sleep(POLL_INTERVAL);
                }
            };
            // Without a thread the wish is heard a little later.
            let watching = Builder::new().spawn_scoped(scope, watch);
            let result = work();
            done.store(true, order);
            drop(watching);
            result
        })
    }

    /// Has the guard start them because the run ends: it hears the end of the pipe.
    fn give_up(&self) {
        drop(self.input().take());
    }

    /// Has the guard start them because all is captured that they have to be stopped for, and does not wait for it.
    pub fn ask(&self) {
        if let Some(mut input) = self.input().take() {
            // One that is gone hears nothing; that is seen at the end.
            let _ = input.write_all(b"\n");
        }
    }

    /// Waits until they are started, which is asked for if it was not; by this process where the guard is gone.
    pub fn end(mut self) -> Result<Started> {
        self.finish()
    }

    fn finish(&mut self) -> Result<Started> {
        self.ask();
        let started = self.messages.wait(|state| state.started.is_some()).started.clone();
        // Where they could not be stopped, it may have to start them once more, much later.
        if started.as_ref().is_none_or(|started| started.because != StartReason::NotStopped) {
            let _ = self.guard.wait();
        }
        match started {
            Some(started) => Ok(started),
            // The guard writes the journal before it stops anything; who starts what it has left removes that.
            None if !self.order.journal.exists() => {
                let stopped = self.messages.state().stopped.is_some();
                let because = if stopped { StartReason::NoGuard } else { StartReason::NotBegun };
                Ok(Started::nothing(because))
            }
            None => {
                // What exactly was stopped, the guard has written down.
                let order = journal::read(&self.order.journal)?;
                let mut started = Started::nothing(StartReason::NoGuard);
                order.start(&mut started);
                self.messages.change(|state| state.started = Some(started.clone()));
                // What stays of it is started once more, which does no harm.
                let forgotten = match started.ran.failure {
                    None => journal::forget(&self.order.journal),
                    Some(_) => Ok(()),
                };
                if let Err(error) = forgotten {
                    started.ran.output += &error.to_string();
                }
                Ok(started)
            }
        }
    }
}

impl Drop for StoppedServices {
    fn drop(&mut self) {
        if self.messages.state().started.is_none() {
            // Whatever failed before is what matters.
            let _ = self.finish();
        }
    }
}
