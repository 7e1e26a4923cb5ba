//! Running `pg_restore` and `psql`: what they read comes from us, what they complain of is kept,
//! and neither outlives its work.

use crate::error::{Attempt, Error, Kind, Result};
use crate::postgres::NOT_HANDED_ON;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

/// Lines kept of what a tool says: the first ones say what went wrong.
const LINES_KEPT: usize = 20;

/// Bytes kept of one line.
const LINE_KEPT: usize = 500;

/// How often a tool is looked after that reads by itself.
const GLANCE: Duration = Duration::from_millis(50);

/// How long a tool that was asked to end may take until it is made to.
const GRACE: Duration = Duration::from_secs(5);

/// Writes everything that a tool shall read.
pub type Feed<'f> = &'f mut dyn FnMut(&mut dyn Write) -> Result<()>;

/// Runs a tool that reads files by itself; `go_on` is asked again and again whether to go on.
pub fn run(mut command: Command, what: &str, go_on: &dyn Fn() -> Result<()>) -> Result<()> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    Tool::start(command, what)?.wait(go_on)
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
    let mut tool = Tool::start(command, what)?;
    let Some(input) = tool.child.stdin.take() else {
        return Err(Error::new(Kind::Failed, "run", what).because("it has no input"));
    };
    let mut pipe = Pipe { input, broken: false };
    let fed = feed(&mut pipe);
    let broken = pipe.broken;
    match fed {
        Err(error) if !broken => {
            tool.stop();
            Err(error)
        }
        // Whoever stops reading has ended, and says why.
        _ => {
            drop(pipe);
            tool.wait(go_on)?;
            fed
        }
    }
}

/// Runs `producer` and hands its output to `take`, which may write on; only when it has ended
/// well does this.
pub fn run_read(
    mut producer: Command,
    what: &str,
    take: &mut dyn FnMut(&mut dyn Read) -> Result<()>,
) -> Result<()> {
    producer.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut tool = Tool::start(producer, what)?;
    let Some(mut output) = tool.child.stdout.take() else {
        return Err(Error::new(Kind::Failed, "run", what).because("it has no output"));
    };
    if let Err(error) = take(&mut output) {
        tool.stop();
        return Err(error);
    }
    drop(output);
    tool.wait(&|| Ok(()))
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

/// A running tool.
struct Tool {
    what: String,
    child: Child,
    complaints: Option<JoinHandle<String>>,
}

impl Tool {
    fn start(mut command: Command, what: &str) -> Result<Tool> {
        let mut child = command.stderr(Stdio::piped()).spawn().attempt("run", what)?;
        let complaints = child.stderr.take().map(|errors| thread::spawn(|| first_lines(errors)));
        Ok(Tool { what: what.to_owned(), child, complaints })
    }

    /// Waits for its end; stops it if it shall not go on.
    fn wait(&mut self, go_on: &dyn Fn() -> Result<()>) -> Result<()> {
        loop {
            if let Some(status) = self.child.try_wait().attempt("wait for", &self.what)? {
                return self.end(status);
            }
            if let Err(error) = go_on() {
                self.stop();
                return Err(error);
            }
            sleep(GLANCE);
        }
    }

    /// What its end means.
    fn end(&mut self, status: ExitStatus) -> Result<()> {
        let said = self.complaints.take().and_then(|reader| reader.join().ok()).unwrap_or_default();
        if status.success() {
            return Ok(());
        }
        Err(complaint(&self.what, &status.to_string(), &said))
    }

    /// Asks it to end, then makes it. It cancels what the server does for it.
    fn stop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // It may have ended by itself.
        let _ = pid.map(|pid| kill_process(pid, Signal::TERM));
        let rounds = GRACE.as_millis() / GLANCE.as_millis();
        for _ in 0..rounds {
            match self.child.try_wait() {
                Ok(None) => sleep(GLANCE),
                _ => return,
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.stop();
        }
    }
}

/// The first lines of what a tool says, read to the end so that it never waits for us.
fn first_lines(errors: ChildStderr) -> String {
    let mut kept = VecDeque::new();
    for line in BufReader::new(errors).split(b'\n') {
        let Ok(line) = line else { break };
        if kept.len() < LINES_KEPT {
            let line = line.get(..LINE_KEPT).unwrap_or(&line);
            kept.push_back(String::from_utf8_lossy(line).trim_end().to_owned());
        }
    }
    Vec::from(kept).join("\n")
}

/// The error that a tool's complaint means.
fn complaint(what: &str, status: &str, said: &str) -> Error {
    let no_space = said.contains("No space left on device") || said.contains("could not extend");
    let kind = if no_space { Kind::NoSpace } else { Kind::Failed };
    let reason = match in_one_line(said) {
        said if said.is_empty() => format!("it ended with {status}"),
        said => format!("it ended with {status}; it said: {said}"),
    };
    let error = Error::new(kind, "run", what).because(reason);
    match hint(said) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// What it said, without the statements that it said it of: they may be long, and may be secret.
fn in_one_line(said: &str) -> String {
    let says = |words: &[&str], line: &str| words.iter().any(|word| line.contains(word));
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let telling = |line: &&str| says(&["error:", "ERROR:", "FATAL:", "PANIC:", "DETAIL:"], line);
    let told: Vec<&str> = lines.iter().copied().filter(telling).collect();
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
