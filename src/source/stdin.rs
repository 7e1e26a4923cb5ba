//! Streams without a file: standard input, and the output of a command, whose non-zero exit
//! status is an error.

use super::{ByteStream, Entry, FileItem, FileProof, Got, Item, Opener, PartProof, Source};
use crate::env::{self, Env, KeepOutput, Running, Time, is_readable};
use crate::error::{Attempt, Error, Kind, Result};
use crate::format::directory::{FileTime, Metadata, bad_name};
use crate::format::facts::PartFacts;
use crate::format::snapshot::{PartKind, SourceName};
use rustix::process::{getegid, geteuid};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::process::{ChildStdout, Command, Stdio};
use std::time::Duration;

/// Bytes kept of what a command says on standard error: the last ones.
const STDERR_KEPT: usize = 4 << 10;

/// A part that is one stream, given once.
pub struct StreamSource {
    name: Vec<u8>,
    item: Option<Item>,
    facts: PartFacts,
    allow_empty: bool,
}

impl StreamSource {
    /// The same, which may be empty or not.
    pub fn allowing_empty(self, allow_empty: bool) -> Self {
        StreamSource { allow_empty, ..self }
    }

    /// Standard input, to be stored as the file `name`.
    pub fn stdin(name: &[u8], env: &Env) -> Result<Self> {
        let open: Opener = Box::new(|| {
            // Without a buffer, so that what is there to be read can be told.
            let input = io::stdin().as_fd().try_clone_to_owned();
            let input = input.attempt("read", "standard input")?;
            Ok(Box::new(InputStream(input.into())) as Box<dyn ByteStream>)
        });
        StreamSource::new(name, env, open, PartFacts::None)
    }

    /// The output of `command` (the program and its arguments, no shell between), to be stored
    /// as the file `name`. It is started when the item is opened.
    pub fn command(name: &[u8], command: &[OsString], env: &Env) -> Result<Self> {
        let Some((program, arguments)) = command.split_first() else {
            return Err(Error::new(Kind::InvalidInput, "run", "a command without a name"));
        };
        let mut process = env::command(program);
        process.args(arguments);
        let what = program.to_string_lossy().into_owned();
        let facts = PartFacts::Command(what.clone());
        let open: Opener = Box::new(move || {
            Ok(Box::new(CommandStream::start(process, &what)?) as Box<dyn ByteStream>)
        });
        StreamSource::new(name, env, open, facts)
    }

    fn new(name: &[u8], env: &Env, open: Opener, facts: PartFacts) -> Result<Self> {
        if let Some(reason) = bad_name(name) {
            let shown = String::from_utf8_lossy(name);
            return Err(Error::new(Kind::InvalidInput, "name a stream", shown).because(reason));
        }
        let meta = Metadata {
            mode: 0o600,
            uid: geteuid().as_raw(),
            gid: getegid().as_raw(),
            mtime: file_time(env.now()),
            ..Metadata::default()
        };
        let item = Item::File(FileItem::new(Entry { name: name.to_vec(), meta }, None, open));
        Ok(StreamSource { name: name.to_vec(), item: Some(item), facts, allow_empty: false })
    }
}

impl Source for StreamSource {
    fn describe(&self) -> SourceName {
        let path = [b"/", self.name.as_slice()].concat();
        SourceName { kind: PartKind::Stdin, path, selection: BTreeSet::new() }
    }

    fn allow_empty(&self) -> bool {
        self.allow_empty
    }

    fn next(&mut self) -> Result<Option<Item>> {
        Ok(self.item.take())
    }

    fn finish(self: Box<Self>) -> Result<PartProof> {
        Ok(PartProof { facts: self.facts, ..PartProof::default() })
    }
}

fn file_time(now: Time) -> FileTime {
    let nanoseconds = u32::try_from(now.0.rem_euclid(Time::SECOND)).unwrap_or(0);
    FileTime(now.0.div_euclid(Time::SECOND), nanoseconds)
}

/// Standard input, up to its end.
struct InputStream(File);

impl ByteStream for InputStream {
    fn is_ready(&self, most: Duration) -> bool {
        is_readable(&self.0, most)
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<Got> {
        read_some(&mut self.0, buffer).attempt("read", "standard input")
    }

    fn finish(self: Box<Self>) -> Result<FileProof> {
        Ok(FileProof::default())
    }
}

fn read_some(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<Got> {
    loop {
        match reader.read(buffer) {
            Ok(0) => return Ok(Got::End),
            Ok(length) => return Ok(Got::Data(length)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A running command and its standard output.
struct CommandStream {
    output: ChildStdout,
    running: Running,
}

impl CommandStream {
    fn start(mut process: Command, what: &str) -> Result<Self> {
        process.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut running = Running::start(&mut process, what, KeepOutput::Last(STDERR_KEPT))?;
        Ok(CommandStream { output: running.output()?, running })
    }
}

impl ByteStream for CommandStream {
    fn is_ready(&self, most: Duration) -> bool {
        is_readable(&self.output, most)
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<Got> {
        read_some(&mut self.output, buffer).attempt("read the output of", "the command")
    }

    fn finish(self: Box<Self>) -> Result<FileProof> {
        let CommandStream { output, running } = *self;
        drop(output);
        let ended = running.wait()?;
        if ended.status.success() {
            return Ok(FileProof::default());
        }
        Err(Error::new(Kind::Failed, "capture the output of", &ended.what)
            .because(format!("it ended with {ended}")))
    }
}
