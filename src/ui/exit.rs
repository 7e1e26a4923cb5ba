//! The end of a run: the last words, and the exit code.

use super::global::Global;
use super::out::{self, Tone};
use super::restic::{self, Answer, ResticWord};
use crate::error::{Error, Kind, Result};
use serde::Serialize;
use std::process::ExitCode;

/// How a command that did not fail ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// All of it was done.
    All,
    /// It was done, but not for every item.
    Incomplete,
    /// It was not done, since another process is doing it.
    Skipped,
    /// It failed, and that is no news.
    FailedAgain,
}

impl Done {
    /// `Incomplete` if anything was left out.
    pub fn incomplete_if(incomplete: bool) -> Self {
        if incomplete { Done::Incomplete } else { Done::All }
    }
}

/// Exit code of a command that was interrupted.
pub const INTERRUPTED: u8 = 130;

/// What the shell gives for a process that a closed pipe ended.
const CLOSED_PIPE: u8 = 141;

/// Ends a run.
pub fn report(global: &Global, done: Result<Done>) -> ExitCode {
    ExitCode::from(match done {
        Ok(Done::All) => 0,
        Ok(Done::Incomplete) => 3,
        Ok(Done::Skipped) => 4,
        Ok(Done::FailedAgain) => code_of(Kind::Failed),
        Err(error) if out::is_closed(&error) => CLOSED_PIPE,
        Err(error) => {
            let code = code_of(error.kind());
            match global.json {
                true => say_json(&error, code),
                false => say(&error),
            }
            code
        }
    })
}

/// Ends a run whose arguments could not be understood, or only asked for help.
pub fn usage(command: clap::Command, message: &clap::Error) -> ExitCode {
    if let Some(ResticWord { word, answer, .. }) = restic::unknown(command, message) {
        return match answer {
            Answer::NotNeeded(_, why) => {
                out::tell(Tone::Warning, &format!("{word} is not needed: {why}"));
                ExitCode::SUCCESS
            }
            Answer::Instead(what) => {
                out::tell(Tone::Error, &format!("{word}: {what}"));
                ExitCode::FAILURE
            }
        };
    }
    // There is nobody to tell if it cannot be printed.
    let _ = message.print();
    ExitCode::from(u8::from(message.use_stderr()))
}

/// Prints an error, and what to try.
pub fn say(error: &Error) {
    out::tell(Tone::Error, &error.to_string());
    if let Some(hint) = error.hint_text() {
        out::tell(Tone::Hint, hint);
    }
}

fn say_json(error: &Error, code: u8) {
    #[derive(Serialize)]
    struct Exit<'e> {
        code: u8,
        kind: Kind,
        message: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<&'e str>,
    }
    let exit =
        Exit { code, kind: error.kind(), message: error.to_string(), hint: error.hint_text() };
    out::say_json("exit_error", &exit);
}

fn code_of(kind: Kind) -> u8 {
    match kind {
        Kind::NoRepository => 10,
        Kind::Locked => 11,
        Kind::WrongKey => 12,
        Kind::Interrupted => INTERRUPTED,
        _ => 1,
    }
}
