//! A tool at work: its streams, its end, and what it said.

use super::super::trouble;
use crate::error::{Attempt, Error, Result};
use crate::limits::{POSTGRES_SAID_MAX, WARNINGS_MAX};
use std::collections::VecDeque;
use std::io::Read;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;

/// A running tool. It is killed if this is dropped before [`Running::finish`].
pub struct Running {
    what: String,
    child: Option<Child>,
    said: Option<JoinHandle<Vec<u8>>>,
}

impl Running {
    /// Starts a tool; its standard error is read, the other streams are the command's affair.
    pub fn start(command: &mut Command) -> Result<Self> {
        let what = command.get_program().to_string_lossy().into_owned();
        let mut child = command.stderr(Stdio::piped()).spawn().attempt("run", &what)?;
        let said = child.stderr.take().map(|errors| std::thread::spawn(move || last_words(errors)));
        Ok(Running { what, child: Some(child), said })
    }

    /// Its standard output, once, if the command asked for a pipe.
    pub fn take_output(&mut self) -> Option<ChildStdout> {
        self.child.as_mut()?.stdout.take()
    }

    /// Its standard input, once, if the command asked for a pipe.
    pub fn take_input(&mut self) -> Option<ChildStdin> {
        self.child.as_mut()?.stdin.take()
    }

    /// Waits for its end; what it warned of.
    ///
    /// # Errors
    /// An exit status other than zero, or an error among what it said: some prefixes lose the
    /// status.
    pub fn finish(mut self) -> Result<Vec<String>> {
        let status = match self.child.take() {
            Some(mut child) => child.wait().attempt("wait for", &self.what)?,
            None => return Ok(Vec::new()),
        };
        let said = self.said.take().and_then(|said| said.join().ok()).unwrap_or_default();
        judge(&self.what, status, &String::from_utf8_lossy(&said))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Nobody wants the rest; it may be gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn judge(what: &str, status: ExitStatus, said: &str) -> Result<Vec<String>> {
    let lines: Vec<&str> =
        said.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let is_error = |line: &&str| {
        [": error:", ": fatal:", "ERROR:", "FATAL:", "PANIC:"]
            .iter()
            .any(|word| line.contains(word))
    };
    if status.success() && !lines.iter().any(is_error) {
        return Ok(lines.into_iter().take(WARNINGS_MAX).map(str::to_owned).collect());
    }
    let (kind, hint) = trouble::of_tool(said);
    let reason = match lines.is_empty() {
        true => format!("it ended with {status} and said nothing"),
        false => format!("it ended with {status} and said: {}", lines.join(" / ")),
    };
    let error = Error::new(kind, "run", what).because(reason);
    Err(match hint {
        Some(hint) => error.hint(hint),
        None if status.code() == Some(127) => error.hint("is it installed there?"),
        None => error,
    })
}

/// The end of what a tool says, read on while it runs so that it never waits for us.
fn last_words(mut errors: ChildStderr) -> Vec<u8> {
    let mut kept = VecDeque::new();
    let mut buffer = [0; 4096];
    loop {
        match errors.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => {
                kept.extend(buffer.get(..length).unwrap_or_default());
                let surplus = kept.len().saturating_sub(POSTGRES_SAID_MAX);
                kept.drain(..surplus);
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    kept.into()
}
