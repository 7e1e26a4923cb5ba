//! Runs shell commands with a time limit, and keeps the end of their output.

use super::config::without_secrets;
use crate::env::command;
use crate::error::{Attempt, Error, Kind, Result};
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::io::{self, PipeReader, Read, Seek, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{Builder, sleep};
use std::time::{Duration, Instant};

/// How often a line is looked after.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How long one may take that was asked to end, until it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// How long is waited for the last output: something that stays in the background may hold the pipe.
const LAST_OUTPUT: Duration = Duration::from_millis(300);

/// Bytes of output that are kept, the last ones.
const KEPT: usize = 16 << 10;

/// The outcome of a line.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct CommandOutcome {
    /// Why it did not end well; none if it did.
    pub failure: Option<String>,
    /// The end of what it printed, on standard output and standard error.
    pub output: String,
    /// How long it took.
    pub seconds: f64,
    /// Its exit code, if it ended by itself.
    #[serde(default)]
    pub code: Option<i32>,
}

impl CommandOutcome {
    /// One that failed before it ran.
    pub fn failed(error: &Error) -> Self {
        let failure = match error.hint_text() {
            Some(hint) => format!("{error} ({hint})"),
            None => error.to_string(),
        };
        CommandOutcome { failure: Some(failure), ..CommandOutcome::default() }
    }

    /// One for which nothing had to be run, and why.
    pub fn done(why: &str) -> Self {
        CommandOutcome { output: why.to_owned(), ..CommandOutcome::default() }
    }

    /// As an error of doing this, unless it ended well; without the secrets that can be told from the rest.
    pub fn well(&self, attempted: &str, line: &str) -> Result<()> {
        let Some(failure) = &self.failure else { return Ok(()) };
        let said = match self.output.trim() {
            "" => String::new(),
            output => {
                let last = output.lines().next_back().unwrap_or_default();
                format!("; it said: {}", without_secrets(last))
            }
        };
        Err(Error::new(Kind::Failed, attempted, format!("`{}`", without_secrets(line)))
            .because(format!("{failure}{said}")))
    }
}

/// Runs a line in a group of processes of its own, which hears no Ctrl-C, with these variables beside the
/// environment. It is ended when its time is over, or when `stop` says so.
pub fn run(
    line: &str,
    timeout: Duration,
    variables: &[(&str, String)],
    stop: &dyn Fn() -> bool,
) -> CommandOutcome {
    run_with(line, timeout, variables, &[], stop)
}

/// The same for a line that reads this on its standard input.
pub fn run_with(
    line: &str,
    timeout: Duration,
    variables: &[(&str, String)],
    input: &[u8],
    stop: &dyn Fn() -> bool,
) -> CommandOutcome {
    let begun = Instant::now();
    let kept = Arc::default();
    let (code, failure) = match supervise(line, timeout, variables, input, stop, &kept) {
        Ok(ended) => ended,
        Err(error) => (None, Some(error.to_string())),
    };
    let output: Vec<u8> = kept.lock().iter().copied().collect();
    let output = String::from_utf8_lossy(&output).into_owned();
    CommandOutcome { failure, output, seconds: begun.elapsed().as_secs_f64(), code }
}

/// Whether a line succeeds.
///
/// # Errors
/// If that cannot be known: it takes too long, is killed, or is no program, which a shell ends with 126 or 127 for
/// (<https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html#tag_19_08_02>).
pub fn succeeds(line: &str, timeout: Duration) -> Result<bool> {
    let ran = run(line, timeout, &[], &|| false);
    match ran.code {
        Some(0) => Ok(true),
        Some(1..=125) => Ok(false),
        _ => ran.well("learn whether it runs by", line).map(|()| false),
    }
}

type Output = Arc<Mutex<VecDeque<u8>>>;

/// Its exit code, and why it did not end well.
fn supervise(
    line: &str,
    timeout: Duration,
    variables: &[(&str, String)],
    input: &[u8],
    stop: &dyn Fn() -> bool,
    kept: &Output,
) -> Result<(Option<i32>, Option<String>)> {
    let what = format!("`{}`", without_secrets(line));
    let (reader, writer) = io::pipe().attempt("make a pipe for", &what)?;
    let mut shell = command("/bin/sh");
    shell.args(["-c", line]).envs(variables.iter().map(|(name, value)| (name, value)));
    shell.process_group(0).stdin(readable(input).attempt("give something to", &what)?);
    shell.stdout(writer.try_clone().attempt("make a pipe for", &what)?).stderr(writer);
    let (over, ended) = mpsc::channel();
    let to = kept.clone();
    let reading = Builder::new().spawn(move || {
        keep(reader, &to);
        // The waiting thread may have gone on.
        let _ = over.send(());
    });
    reading.attempt("start a thread for", &what)?;
    let mut child = shell.spawn().attempt("run", &what)?;
    // With it goes the writing end that is ours.
    drop(shell);
    let begun = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Ok(status),
            Ok(None) => {}
            Err(cause) => break Err(format!("its end cannot be waited for: {cause}")),
        }
        match (begun.elapsed() >= timeout, stop()) {
            (true, _) => break Err(format!("it took longer than {}", seconds(timeout))),
            (_, true) => break Err("the run was interrupted".to_owned()),
            _ => sleep(POLL_INTERVAL),
        }
    };
    let ended_with = match status {
        Ok(status) if status.success() => (status.code(), None),
        Ok(status) => (status.code(), Some(said(status))),
        Err(reason) => {
            end(&mut child);
            (None, Some(reason))
        }
    };
    let _ = ended.recv_timeout(LAST_OUTPUT);
    Ok(ended_with)
}

/// A file with this in it: unlike a pipe, it needs no thread that waits for its reader.
fn readable(input: &[u8]) -> io::Result<Stdio> {
    if input.is_empty() {
        return Ok(Stdio::null());
    }
    let mut file = tempfile::tempfile()?;
    file.write_all(input)?;
    file.rewind()?;
    Ok(file.into())
}

fn said(status: ExitStatus) -> String {
    format!("it ended with {status}")
}

/// A number of seconds for a sentence.
pub fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

/// Asks the whole group to end, then makes it.
fn end(child: &mut Child) {
    let group = Pid::from_child(child);
    let signal = |signal| {
        // It may have ended by itself.
        let _ = kill_process_group(group, signal);
    };
    signal(Signal::TERM);
    let asked = Instant::now();
    while asked.elapsed() < GRACE {
        match child.try_wait() {
            Ok(None) => sleep(POLL_INTERVAL),
            _ => break,
        }
    }
    signal(Signal::KILL);
    // It was killed: this does not wait long.
    let _ = child.wait();
}

fn keep(mut from: PipeReader, to: &Output) {
    let mut buffer = [0; 4096];
    loop {
        let length = match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        let mut kept = to.lock();
        kept.extend(buffer.get(..length).unwrap_or_default());
        let more = kept.len().saturating_sub(KEPT);
        kept.drain(..more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quick(line: &str, timeout: u64) -> CommandOutcome {
        run(line, Duration::from_millis(timeout), &[("FACT", "known".into())], &|| false)
    }

    /// What a line prints is kept, the end of it; it finds the variables; and its failure is told.
    #[test]
    fn lines_are_run() {
        let ran = quick("echo $FACT; echo wrong >&2; exit 3", 10_000);
        assert_eq!(ran.output, "known\nwrong\n");
        assert!(ran.failure.as_ref().unwrap().contains('3'));
        assert!(ran.well("run", "x").unwrap_err().to_string().contains("it said: wrong"));
        let ran = quick("echo postgres://app:s3cret@db; exit 1", 10_000);
        let said = ran.well("run", "PGPASSWORD=s3cret psql").unwrap_err().to_string();
        assert!(said.contains("`PGPASSWORD=*** psql`") && said.contains("app:***@db"), "{said}");
        let ran = quick("seq 100000", 10_000);
        assert!(ran.failure.is_none() && ran.output.ends_with("99999\n100000\n"));
        assert!(ran.output.len() <= KEPT);
    }

    /// One that takes too long is ended with all that it started, and one that leaves something in the
    /// background is not waited for.
    #[test]
    fn lines_have_their_time() {
        let begun = Instant::now();
        let ran = quick("sleep 1000 & sleep 1000", 100);
        assert!(ran.failure.unwrap().contains("longer than 0.1 s"));
        assert!(quick("sleep 3 & echo up", 10_000).failure.is_none());
        assert!(begun.elapsed() < Duration::from_secs(3));
        let ran = run("sleep 1000", GRACE, &[], &|| true);
        assert!(ran.failure.unwrap().contains("interrupted"));
    }
}
