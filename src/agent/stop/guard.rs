//! The guard: a process of its own, which neither Ctrl-C nor the death of the run ends. It alone stops and
//! starts, one after the other, so that nothing is started while it is still being stopped.

use super::journal;
use super::order::{Because, Message, Order, Started};
use crate::agent::shell::{self, Ran};
use crate::error::{Attempt, Error, Kind, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The argument that makes this program a guard.
pub const VERB: &str = "guard-of-stopped-services";

/// How often is looked whether another stop is over.
const GLANCE: Duration = Duration::from_millis(50);

/// How often starting is tried.
const TRIES: usize = 3;

/// Longest order.
const MOST: u64 = 1 << 20;

/// Runs this process as a guard if its arguments say so.
pub fn run_as_guard() -> Option<ExitCode> {
    if std::env::args_os().nth(1)?.to_str() != Some(VERB) {
        return None;
    }
    Some(match guard() {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever started it hears the end of the pipe.
        Err(_) => ExitCode::FAILURE,
    })
}

fn guard() -> Result<()> {
    // Away from the terminal; a service manager that ends all of a run ends this last.
    let _ = rustix::process::setsid();
    ctrlc::set_handler(|| {}).map_err(io::Error::other).attempt("listen for", "signals")?;
    let mut line = String::new();
    io::stdin().lock().take(MOST).read_line(&mut line).attempt("read", "the order")?;
    let order: Order = serde_json::from_str(&line)
        .map_err(|cause| Error::new(Kind::InvalidInput, "read", "the order").caused_by(cause))?;
    let Some(_alone) = alone(&order)? else {
        let ran = Ran { failure: None, output: String::new(), seconds: 0.0 };
        tell(&Message::Started(Started { because: Because::NotBegun, ran, downtime: None }));
        return Ok(());
    };
    let journal = journal::write(&order)?;
    let begun = Instant::now();
    let stopped = shell::run(&order.stop, order.timeout, &[], &|| false);
    let is_stopped = stopped.failure.is_none();
    let given_up = stopped.seconds >= order.timeout.as_secs_f64();
    tell(&Message::Stopped(stopped));
    let because = match is_stopped {
        true => wait(order.max_downtime.saturating_sub(begun.elapsed())),
        false => Because::NotStopped,
    };
    let mut ran = shell::run(&order.start, order.timeout, &[], &|| false);
    if !is_stopped && given_up {
        // What was asked for may come about after all: then they have to be started once more.
        std::thread::sleep(order.timeout);
        ran = shell::run(&order.start, order.timeout, &[], &|| false);
    }
    for _ in 1..TRIES {
        if ran.failure.is_some() {
            std::thread::sleep(Duration::from_secs(1));
            ran = shell::run(&order.start, order.timeout, &[], &|| false);
        }
    }
    if ran.failure.is_none() {
        journal::forget(&order.journal)?;
    }
    drop(journal);
    let downtime = Some(begun.elapsed().as_secs_f64());
    tell(&Message::Started(Started { because, ran, downtime }));
    Ok(())
}

/// Waits until no other job has something stopped; none if the run ends before.
fn alone(order: &Order) -> Result<Option<File>> {
    let folder = order.journal.parent().unwrap_or(&order.journal);
    journal::alone(folder, &mut || is_told(GLANCE))
}

/// Waits for a word of the run, or its end, or the end of the time.
fn wait(most: Duration) -> Because {
    if !is_told(most) {
        return Because::Overdue;
    }
    match io::stdin().lock().read(&mut [0]) {
        Ok(1) => Because::Asked,
        _ => Because::RunEnded,
    }
}

/// Whether there is something to read, or nothing any more, within this time.
fn is_told(most: Duration) -> bool {
    let until = Instant::now() + most;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let stdin = io::stdin();
        let mut waits = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut waits, Timespec::try_from(left).ok().as_ref()) {
            Ok(0) if left.is_zero() => return false,
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            _ => return true,
        }
    }
}

/// Nobody may listen any more.
fn tell(message: &Message) {
    if let Ok(mut line) = serde_json::to_vec(message) {
        line.push(b'\n');
        let mut out = io::stdout().lock();
        let _ = out.write_all(&line).and_then(|()| out.flush());
    }
}
