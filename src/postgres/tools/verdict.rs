//! Tools that dump: what their end, and what they said, means.

use super::super::sqlstate;
use crate::env::{Ended, KeepOutput, Running};
use crate::error::{Error, Result};
use crate::limits::{POSTGRES_SAID_MAX, WARNINGS_MAX};
use std::process::Command;

/// Starts a tool.
pub fn start(command: &mut Command) -> Result<Running> {
    let what = command.get_program().to_string_lossy().into_owned();
    Running::start(command, &what, KeepOutput::Last(POSTGRES_SAID_MAX))
}

/// Waits for the end of a tool; what it warned of.
///
/// # Errors
/// An exit status other than zero, or an error among what it said: some prefixes lose the status.
pub fn finish(running: Running) -> Result<Vec<String>> {
    let Ended { what, status, said } = running.wait()?;
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
    let (kind, hint) = sqlstate::of_tool(&said);
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
