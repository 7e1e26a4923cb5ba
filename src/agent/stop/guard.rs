//! The guard: a process of its own, which neither Ctrl-C nor the death of the run ends. It alone stops and
//! starts, one after the other, so that nothing is started while it is still being stopped.

use super::journal;
use super::order::{Message, Order, StartReason, Started};
use crate::agent::shell::CommandOutcome;
use crate::env::is_readable;
use crate::error::{Attempt, Error, Kind, Result};
use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The argument that makes this program a guard.
pub const VERB: &str = "guard-of-stopped-services";

/// How often we check whether another stop is over.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Longest order.
const MAX_BYTES: u64 = 1 << 20;

/// Runs this process as a guard if its arguments say so.
pub fn run_as_guard() -> Option<ExitCode> {
    if std::env::args_os().nth(1)?.to_str() != Some(VERB) {
        return None;
    }
    Some(match guard() {
        Ok(()) => ExitCode::SUCCESS,
        // The parent notices that the pipe closed.
        Err(_) => ExitCode::FAILURE,
    })
}

fn guard() -> Result<()> {
    // Away from the terminal; a service manager that ends all of a run ends this last.
    let _ = rustix::process::setsid();
    ctrlc::set_handler(|| {}).map_err(io::Error::other).attempt("listen for", "signals")?;
    let mut line = String::new();
    io::stdin().lock().take(MAX_BYTES).read_line(&mut line).attempt("read", "the order")?;
    let mut order: Order = serde_json::from_str(&line)
        .map_err(|cause| Error::new(Kind::InvalidInput, "read", "the order").caused_by(cause))?;
    let prepared = prepare(&mut order);
    if let Err(error) = &prepared {
        tell(&Message::Stopped(CommandOutcome::failed(error)));
    }
    let Ok(Some((_alone, journal))) = prepared else {
        tell(&Message::Started(Started::nothing(StartReason::NotBegun)));
        return Ok(());
    };
    let begun = Instant::now();
    let stopped = order.what.stop(order.timeout, &|| is_told(Duration::ZERO));
    let is_stopped = stopped.failure.is_none();
    let given_up = stopped.seconds >= order.timeout.as_secs_f64();
    let has_ended = is_told(Duration::ZERO);
    tell(&Message::Stopped(stopped));
    let because = match is_stopped {
        true => wait(order.max_downtime.saturating_sub(begun.elapsed())),
        false => StartReason::NotStopped,
    };
    let mut started = Started::nothing(because);
    if is_stopped {
        started.ran_meanwhile = ran_meanwhile(&order);
    }
    order.start(&mut started);
    if !is_stopped && (given_up || has_ended) {
        // The run does not wait for what follows.
        tell(&Message::Started(started.clone()));
        // What was asked for may come about after all: then they have to be started once more.
        std::thread::sleep(order.timeout);
        order.start(&mut started);
    }
    for _ in 1..order.what.tries() {
        if started.ran.failure.is_some() {
            std::thread::sleep(Duration::from_secs(1));
            order.start(&mut started);
        }
    }
    if started.ran.failure.is_none() {
        journal::forget(&order.journal)?;
    }
    drop(journal);
    started.downtime = Some(begun.elapsed().as_secs_f64());
    started.ran_meanwhile.extend(order.what.others());
    tell(&Message::Started(started));
    Ok(())
}

/// Waits for its turn, looks up what is to be stopped, and writes it down; none if the run ends before.
fn prepare(order: &mut Order) -> Result<Option<(File, File)>> {
    let Some(alone) = alone(order)? else { return Ok(None) };
    // As it is now: others may have had something stopped before.
    order.what.look_up(order.timeout)?;
    Ok(Some((alone, journal::write(order)?)))
}

/// What has run since it was stopped. The engine that knows may itself have to come back first.
fn ran_meanwhile(order: &Order) -> Vec<String> {
    for _ in 1..order.what.tries() {
        match order.what.ran_meanwhile() {
            Ok(ran) => return ran,
            Err(_) => std::thread::sleep(Duration::from_secs(1)),
        }
    }
    order.what.ran_meanwhile().unwrap_or_default()
}

/// Waits until no other job has something stopped; none if the run ends before.
fn alone(order: &Order) -> Result<Option<File>> {
    let folder = order.journal.parent().unwrap_or(&order.journal);
    journal::alone(folder, &mut || is_told(POLL_INTERVAL))
}

/// Waits until the run asks, it ends, or the time is up.
fn wait(most: Duration) -> StartReason {
    if !is_told(most) {
        return StartReason::Overdue;
    }
    match io::stdin().lock().read(&mut [0]) {
        Ok(1) => StartReason::Asked,
        _ => StartReason::RunEnded,
    }
}

/// Whether the run has said something, or has ended, within this time.
fn is_told(most: Duration) -> bool {
    is_readable(io::stdin(), most)
}

/// The run may be gone; that is not an error.
fn tell(message: &Message) {
    if let Ok(mut line) = serde_json::to_vec(message) {
        line.push(b'\n');
        let mut out = io::stdout().lock();
        let _ = out.write_all(&line).and_then(|()| out.flush());
    }
}
