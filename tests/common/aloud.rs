//! What a test cannot do on this machine is said aloud, never passed over.

use std::io::{self, Write};

/// Says what the running test leaves out. It goes past what the harness captures, so that it is seen
/// beside tests that pass; `tests/run.sh` repeats it in its last lines.
pub fn not_run(what: &str) {
    let thread = std::thread::current();
    let line = format!("NOT RUN: {what} ({})\n", thread.name().unwrap_or("a test"));
    io::stderr().write_all(line.as_bytes()).unwrap();
}

/// Whether this process is root; if not, what only root can test is said to be left out.
pub fn is_root(what: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        not_run(&format!("{what}: only root can"));
    }
    root
}
