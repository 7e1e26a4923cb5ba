//! Standard output and standard error: whole lines, nothing in them that moves a terminal.

use super::text::plain;
use crate::error::{Attempt, Error, Kind, Result};
use serde::Serialize;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

/// How errors name standard output.
const STDOUT: &str = "standard output";

/// Standard output, line by line. Nothing is sure to be out before [`Out::finish`].
pub struct Out(BufWriter<Stdout>);

impl Out {
    /// The process's standard output.
    pub fn new() -> Self {
        Out(BufWriter::with_capacity(64 << 10, io::stdout()))
    }

    /// Prints one line of text.
    pub fn line(&mut self, text: &str) -> Result<()> {
        written(writeln!(self.0, "{text}"))
    }

    /// Prints one JSON line.
    pub fn json<T: Serialize>(&mut self, message_type: &str, body: &T) -> Result<()> {
        let line = json_line(message_type, body)?;
        written(self.0.write_all(&line))
    }

    /// Prints what is still held back.
    pub fn finish(mut self) -> Result<()> {
        written(self.0.flush())
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Whether standard output is a terminal.
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether the error says no more than that nobody reads standard output any longer.
pub fn is_closed(error: &Error) -> bool {
    error.kind() == Kind::Interrupted && error.subject() == STDOUT
}

/// Prints a line on standard error. There is nobody to tell if that fails.
pub fn say(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", plain(text));
}

/// Prints a JSON line on standard error.
pub fn say_json<T: Serialize>(message_type: &str, body: &T) {
    if let Ok(line) = json_line(message_type, body) {
        let _ = io::stderr().lock().write_all(&line);
    }
}

/// One object on one line, its type first.
pub fn json_line<T: Serialize>(message_type: &str, body: &T) -> Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Message<'m, T> {
        message_type: &'m str,
        #[serde(flatten)]
        body: &'m T,
    }
    let line = serde_json::to_vec(&Message { message_type, body }).map_err(io::Error::from);
    let mut line = line.attempt("encode", "a JSON line")?;
    line.push(b'\n');
    Ok(line)
}

fn written(result: io::Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            Err(Error::new(Kind::Interrupted, "write", STDOUT).because("nobody reads it"))
        }
        result => result.attempt("write", STDOUT),
    }
}
