//! Standard output and standard error: whole lines, nothing in them that moves a terminal, quiet
//! colours where one shows them.

use super::json;
use super::table::{Columns, TableLine, whole_words};
use crate::error::{Attempt, Error, Kind, Result};
use crate::text::{is_visible, plain};
use anstream::{AutoStream, ColorChoice, stream::RawStream};
use anstyle::{AnsiColor, Style};
use rustix::termios::tcgetwinsize;
use serde::Serialize;
use std::borrow::Cow;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::os::fd::AsFd;

/// How errors name standard output.
const STDOUT: &str = "standard output";

/// Columns of a terminal that does not know how many it has.
const WIDTH: usize = 80;

/// Standard output, line by line. Nothing is sure to be out before [`Out::finish`].
pub struct Out {
    to: BufWriter<Stdout>,
    coloured: bool,
}

impl Out {
    /// The process's standard output.
    pub fn new() -> Self {
        let coloured = shows_colours(&io::stdout());
        Out { to: BufWriter::with_capacity(64 << 10, io::stdout()), coloured }
    }

    /// Prints one line of text.
    pub fn line(&mut self, text: &str) -> Result<()> {
        written(match text.chars().all(is_visible) {
            true => writeln!(self.to, "{text}"),
            false => writeln!(self.to, "{}", plain(text)),
        })
    }

    /// Prints a line of words, which goes on in the next line where the terminal ends.
    pub fn prose(&mut self, text: &str) -> Result<()> {
        written(writeln!(self.to, "{}", wrapped(&plain(text), width())))
    }

    /// Prints a table as the terminal has room for it.
    pub fn table(&mut self, table: &Columns) -> Result<()> {
        for line in table.fitted(width()) {
            match line {
                TableLine::Head(text) if self.coloured => {
                    let dim = Style::new().dimmed();
                    written(writeln!(self.to, "{dim}{}{dim:#}", plain(&text)))?;
                }
                TableLine::Row(first, rest) if self.coloured => {
                    let (bold, first, rest) = (Style::new().bold(), plain(&first), plain(&rest));
                    written(writeln!(self.to, "{bold}{first}{bold:#}{rest}"))?;
                }
                line => self.line(&line.into_text())?,
            }
        }
        Ok(())
    }

    /// Prints one JSON line that says what it is.
    pub fn json<T: Serialize>(&mut self, message_type: &str, body: &T) -> Result<()> {
        let line = json_line(message_type, body)?;
        written(self.to.write_all(&line))
    }

    /// Prints one JSON line.
    pub fn value<T: Serialize>(&mut self, value: &T) -> Result<()> {
        let line = json::line(value)?;
        written(self.to.write_all(&line))
    }

    /// Prints what is still held back.
    pub fn finish(mut self) -> Result<()> {
        written(self.to.flush())
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Whether standard output is a terminal.
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// How wide standard output is, if it is a terminal.
pub fn width() -> Option<usize> {
    width_of(&io::stdout())
}

fn width_of(stream: &(impl IsTerminal + AsFd)) -> Option<usize> {
    stream.is_terminal().then(|| match tcgetwinsize(stream) {
        Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
        _ => WIDTH,
    })
}

/// Text in lines of whole words, as wide as the room; all but the first are set in a little.
fn wrapped(text: &str, room: Option<usize>) -> Cow<'_, str> {
    let Some(room) = room else { return text.into() };
    textwrap::fill(text, whole_words(room).subsequent_indent("  ")).into()
}

/// Whether a stream is a terminal that shows colours, and nobody asked for none.
fn shows_colours(stream: &impl RawStream) -> bool {
    AutoStream::choice(stream) != ColorChoice::Never
}

/// Whether the error says no more than that nobody reads standard output any longer.
pub fn is_closed(error: &Error) -> bool {
    error.kind() == Kind::Interrupted && error.subject() == STDOUT
}

/// What a line on standard error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Something failed.
    Error,
    /// Something to know.
    Warning,
    /// Something to try.
    Hint,
}

impl Tone {
    fn mark(self) -> (&'static str, Style) {
        let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
        match self {
            Tone::Error => ("icecore:", colour(AnsiColor::Red).bold()),
            Tone::Warning => ("icecore:", colour(AnsiColor::Yellow)),
            Tone::Hint => ("hint:", Style::new().bold()),
        }
    }
}

/// Prints a line on standard error, marked as what it is. There is nobody to tell if that fails.
pub fn tell(tone: Tone, text: &str) {
    let (mark, style) = tone.mark();
    let text = plain(text);
    let line = match shows_colours(&io::stderr()) {
        // Escape sequences take no room.
        true => format!("{style}{mark}{style:#} {text}"),
        false => format!("{mark} {text}"),
    };
    let _ = writeln!(io::stderr().lock(), "{}", wrapped(&line, width_of(&io::stderr())));
}

/// Prints a line on standard error. There is nobody to tell if that fails.
pub fn say(text: &str) {
    let text = plain(text);
    let _ = writeln!(io::stderr().lock(), "{}", wrapped(&text, width_of(&io::stderr())));
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
    json::line(&Message { message_type, body })
}

fn written(result: io::Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            Err(Error::new(Kind::Interrupted, "write", STDOUT).because("nobody reads it"))
        }
        result => result.attempt("write", STDOUT),
    }
}
