//! A program at work: what it complains of is read while it runs, so that it never waits for us,
//! and it does not outlive its work.

use crate::error::{Attempt, Error, Kind, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::{Builder, JoinHandle, sleep};
use std::time::Duration;

/// How often a program is looked after that works by itself.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// How long a program that was asked to end may take until it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// Which bytes of its standard error are kept, at most so many.
#[derive(Clone, Copy, Debug)]
pub enum KeepOutput {
    /// The first ones.
    First(usize),
    /// The last ones.
    Last(usize),
}

/// A running program. Dropped before it has ended, it is asked to end, and then killed.
pub struct Running {
    what: String,
    child: Child,
    said: Option<JoinHandle<Vec<u8>>>,
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// The program, as messages call it.
    pub what: String,
    /// Its exit status.
    pub status: ExitStatus,
    /// What was kept of its standard error.
    pub said: String,
}

impl fmt::Display for Ended {
    /// The status, and what it said if it said anything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.said.trim() {
            "" => write!(f, "{}", self.status),
            said => write!(f, "{}; it said: {said}", self.status),
        }
    }
}

impl Running {
    /// Starts a program; its standard error is read, the other streams are the command's affair.
    pub fn start(command: &mut Command, what: &str, kept: KeepOutput) -> Result<Self> {
        let child = command.stderr(Stdio::piped()).spawn().attempt("run", what)?;
        let mut running = Running { what: what.to_owned(), child, said: None };
        if let Some(errors) = running.child.stderr.take() {
            let reader = Builder::new().spawn(move || keep(errors, kept));
            running.said = Some(reader.attempt("start a thread for", what)?);
        }
        Ok(running)
    }

    /// Its standard output, which the command made a pipe.
    pub fn output(&mut self) -> Result<ChildStdout> {
        self.child.stdout.take().ok_or_else(|| self.lacks("output"))
    }

    /// Its standard input, which the command made a pipe.
    pub fn input(&mut self) -> Result<ChildStdin> {
        self.child.stdin.take().ok_or_else(|| self.lacks("input"))
    }

    fn lacks(&self, stream: &str) -> Error {
        Error::new(Kind::Failed, "run", &self.what).because(format!("it has no {stream}"))
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Result<Ended> {
        let status = self.child.wait().attempt("wait for", &self.what)?;
        Ok(self.ended(status))
    }

    /// Waits for its end, unless `go_on` fails, which is asked again and again.
    pub fn wait_while(mut self, go_on: &dyn Fn() -> Result<()>) -> Result<Ended> {
        loop {
            if let Some(status) = self.child.try_wait().attempt("wait for", &self.what)? {
                return Ok(self.ended(status));
            }
            go_on()?;
            sleep(POLL_INTERVAL);
        }
    }

    fn ended(&mut self, status: ExitStatus) -> Ended {
        let said = self.said.take().and_then(|said| said.join().ok()).unwrap_or_default();
        let said = String::from_utf8_lossy(&said).into_owned();
        Ended { what: std::mem::take(&mut self.what), status, said }
    }

    /// Asks it to end, so that a server stops working for it, then makes it.
    fn stop(&mut self) {
        let pid = Pid::from_child(&self.child);
        // It may have ended by itself.
        let _ = kill_process(pid, Signal::TERM);
        for _ in 0..GRACE.as_millis() / POLL_INTERVAL.as_millis() {
            match self.child.try_wait() {
                Ok(None) => sleep(POLL_INTERVAL),
                _ => return,
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.stop();
        }
    }
}

/// Reads to the end, and keeps what is wanted.
fn keep(mut errors: ChildStderr, kept: KeepOutput) -> Vec<u8> {
    let mut said = VecDeque::new();
    let mut buffer = [0; 4096];
    loop {
        let length = match errors.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        said.extend(buffer.get(..length).unwrap_or_default());
        match kept {
            KeepOutput::First(most) => said.truncate(most),
            KeepOutput::Last(most) => drop(said.drain(..said.len().saturating_sub(most))),
        }
    }
    said.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str, kept: KeepOutput) -> Running {
        let mut command = super::super::command("sh");
        command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::null());
        Running::start(&mut command, "sh", kept).unwrap()
    }

    /// The status is known, and of a long complaint the end that is asked for.
    #[test]
    fn complaints_are_kept() {
        let script = "echo first >&2; seq 10000 >&2; echo last >&2; exit 3";
        let first = run(script, KeepOutput::First(8)).wait().unwrap();
        assert_eq!((first.status.code(), first.said.as_str()), (Some(3), "first\n1\n"));
        let last = run(script, KeepOutput::Last(5)).wait_while(&|| Ok(())).unwrap();
        assert_eq!((last.status.code(), last.said.as_str()), (Some(3), "last\n"));
    }

    /// A program that nobody waits for any more is asked to end.
    #[test]
    fn none_outlives_its_work() {
        let running = run("exec sleep 1000", KeepOutput::Last(1));
        let pid = Pid::from_child(&running.child);
        let stopped = || Err(Error::new(Kind::Interrupted, "wait for", "sh"));
        assert!(running.wait_while(&stopped).is_err());
        assert!(rustix::process::test_kill_process(pid).is_err());
    }
}
