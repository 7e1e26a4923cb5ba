//! The program that tests run, apart from the state and the cache of the user who runs them.

use std::process::Command;

/// Where it lies.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_icecore");

/// The program.
pub fn program() -> Command {
    with_own_state(Command::new(PROGRAM))
}

/// A command that runs the program.
pub fn with_own_state(mut command: Command) -> Command {
    command.env("ICECORE_STATE_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/state"));
    command.env("ICECORE_CACHE_DIR", "");
    command
}
