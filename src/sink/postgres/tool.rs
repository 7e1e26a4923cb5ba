//! Running `pg_restore` and `psql`: what they read comes from us, what they complain of is kept,
//! and neither outlives its work.

use crate::env::{Ended, KeepOutput, Running};
use crate::error::{Error, Kind, Result};
use crate::limits::POSTGRES_SAID_MAX;
use crate::postgres::NOT_HANDED_ON;
use std::io::{self, Read, Write};
use std::process::{Command, Stdio};

/// Lines shown of what a tool says: the first ones say what went wrong.
const LINES_SHOWN: usize = 20;

/// Letters shown of one line.
const LINE_SHOWN: usize = 500;

/// Writes everything that a tool shall read.
pub type Feed<'f> = &'f mut dyn FnMut(&mut dyn Write) -> Result<()>;

/// Runs a tool that reads files by itself; `go_on` is asked again and again whether to go on.
pub fn run(mut command: Command, what: &str, go_on: &dyn Fn() -> Result<()>) -> Result<()> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    judge(start(command, what)?.wait_while(go_on)?)
}

/// Runs a tool on what `feed` writes. If `feed` fails, the tool is stopped before it can take
/// what it has for everything.
pub fn run_fed(
    mut command: Command,
    what: &str,
    feed: Feed<'_>,
    go_on: &dyn Fn() -> Result<()>,
) -> Result<()> {
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    let mut running = start(command, what)?;
    let mut pipe = Pipe { input: running.input()?, broken: false };
    let fed = feed(&mut pipe);
    if fed.is_err() && !pipe.broken {
        // Before the pipe is closed, which the tool would take for the end.
        drop(running);
        return fed;
    }
    // A tool that stops reading has ended, and says why.
    drop(pipe);
    judge(running.wait_while(go_on)?)?;
    fed
}

/// Runs `producer` and hands its output to `take`, which may write on; only when it has ended
/// well does this.
pub fn run_read(
    mut producer: Command,
    what: &str,
    take: &mut dyn FnMut(&mut dyn Read) -> Result<()>,
) -> Result<()> {
    producer.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut running = start(producer, what)?;
    let mut output = running.output()?;
    take(&mut output)?;
    drop(output);
    judge(running.wait()?)
}

fn start(mut command: Command, what: &str) -> Result<Running> {
    Running::start(&mut command, what, KeepOutput::First(POSTGRES_SAID_MAX))
}

/// A pipe that remembers that nobody reads it any more.
struct Pipe<W> {
    input: W,
    broken: bool,
}

impl<W: Write> Write for Pipe<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.input.write(bytes).inspect_err(|error| {
            self.broken |= error.kind() == io::ErrorKind::BrokenPipe;
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.input.flush()
    }
}

/// What the end of a tool means.
fn judge(ended: Ended) -> Result<()> {
    let Ended { what, status, said } = ended;
    if status.success() {
        return Ok(());
    }
    let no_space = said.contains("No space left on device") || said.contains("could not extend");
    let kind = if no_space { Kind::NoSpace } else { Kind::Failed };
    let reason = match in_one_line(&said) {
        said if said.is_empty() => format!("it ended with {status}"),
        said => format!("it ended with {status}; it said: {said}"),
    };
    let error = Error::new(kind, "run", what).because(reason);
    Err(match hint(&said) {
        Some(hint) => error.hint(hint),
        None => error,
    })
}

/// What it said, without the statements that it said it of: they may be long, and may be secret.
fn in_one_line(said: &str) -> String {
    let says = |words: &[&str], line: &str| words.iter().any(|word| line.contains(word));
    let lines = said.lines().map(str::trim).filter(|line| !line.is_empty()).take(LINES_SHOWN);
    let lines: Vec<String> = lines.map(|line| line.chars().take(LINE_SHOWN).collect()).collect();
    let telling = |line: &&String| says(&["error:", "ERROR:", "FATAL:", "PANIC:", "DETAIL:"], line);
    let told: Vec<&str> = lines.iter().filter(telling).map(String::as_str).collect();
    if told.is_empty() { lines.join("; ") } else { told.join("; ") }
}

fn hint(said: &str) -> Option<&'static str> {
    let says = |words: &str| said.contains(words);
    if says("role \"") && says("\" does not exist") {
        Some("--globals restores roles first; --no-owner and --no-privileges do without them")
    } else if says("unsupported version") || says("invalid command \\restrict") {
        Some("the dump was made by a newer version; install its tools and name them by --pg-bin")
    } else if says("extension \"") && says("is not available") {
        Some("install the extension on the server")
    } else if says("unrecognized parameter") || says("unrecognized configuration parameter") {
        Some(
            "a newer pg_dump than the server's own may write what only that server knows: dump it \
             again with its own version, postgresql-client-VERSION on Debian, or name the folder \
             with --pg-bin",
        )
    } else if says("connection to server") {
        Some(NOT_HANDED_ON)
    } else {
        None
    }
}
