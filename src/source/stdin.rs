//! Streams without a file: standard input, and the output of a command, whose non-zero exit
//! status is an error.

use super::{ByteStream, FileItem, FileProof, Got, Item, Opener, PartProof, Source};
use crate::env::{self, Env, Time};
use crate::error::{Attempt, Error, Kind, Result};
use crate::format::list::Content;
use crate::format::node::{FileTime, Metadata, Node, NodeKind, bad_name};
use crate::format::snapshot::{PartKind, SourceName};
use rustix::process::{getegid, geteuid};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsString;
use std::io::{self, Read};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::{Builder, JoinHandle};

/// Bytes kept of what a command says on standard error: the last ones.
const STDERR_KEPT: usize = 4 << 10;

/// A part that is one stream, given once.
pub struct StreamSource {
    name: Vec<u8>,
    item: Option<Item>,
    facts: BTreeMap<String, String>,
}

impl StreamSource {
    /// Standard input, to be stored as the file `name`.
    pub fn stdin(name: &[u8], env: &Env) -> Result<Self> {
        let open: Opener = Box::new(|| {
            let stream = ReaderStream { reader: io::stdin(), what: "standard input".to_owned() };
            Ok(Box::new(stream) as Box<dyn ByteStream>)
        });
        StreamSource::new(name, env, open, BTreeMap::new())
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
        let facts = BTreeMap::from([("command".to_owned(), what.clone())]);
        let open: Opener = Box::new(move || {
            Ok(Box::new(CommandStream::start(process, what)?) as Box<dyn ByteStream>)
        });
        StreamSource::new(name, env, open, facts)
    }

    fn new(name: &[u8], env: &Env, open: Opener, facts: BTreeMap<String, String>) -> Result<Self> {
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
        let kind = NodeKind::File { content: Content::default(), database: None };
        let node = Node { name: name.to_vec(), kind, meta, stamp: None, taint: None };
        let item = Item::File(FileItem {
            node,
            length: None,
            stamp: None,
            settled: false,
            same: None,
            open,
        });
        Ok(StreamSource { name: name.to_vec(), item: Some(item), facts })
    }
}

impl Source for StreamSource {
    fn describe(&self) -> SourceName {
        let path = [b"/", self.name.as_slice()].concat();
        SourceName { kind: PartKind::Stdin, path, selection: BTreeSet::new() }
    }

    fn next(&mut self) -> Result<Option<Item>> {
        Ok(self.item.take())
    }

    fn finish(self: Box<Self>) -> Result<PartProof> {
        Ok(PartProof { facts: self.facts, warnings: Vec::new() })
    }
}

fn file_time(now: Time) -> FileTime {
    let nanoseconds = u32::try_from(now.0.rem_euclid(Time::SECOND)).unwrap_or(0);
    FileTime(now.0.div_euclid(Time::SECOND), nanoseconds)
}

/// Anything that can be read, up to its end.
struct ReaderStream<R> {
    reader: R,
    what: String,
}

impl<R: Read + Send> ByteStream for ReaderStream<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<Got> {
        read_some(&mut self.reader, buffer).attempt("read", &self.what)
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
    what: String,
    child: Running,
    output: ChildStdout,
    complaints: JoinHandle<String>,
}

impl CommandStream {
    fn start(mut process: Command, what: String) -> Result<Self> {
        process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = process.spawn().attempt("run", &what)?;
        let (Some(output), Some(errors)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(Error::new(Kind::Failed, "run", &what).because("it has no output"));
        };
        let complaints = Builder::new()
            .spawn(move || last_words(errors))
            .attempt("start a thread for", &what)?;
        Ok(CommandStream { what, child: Running(Some(child)), output, complaints })
    }
}

impl ByteStream for CommandStream {
    fn read(&mut self, buffer: &mut [u8]) -> Result<Got> {
        read_some(&mut self.output, buffer).attempt("read the output of", &self.what)
    }

    fn finish(self: Box<Self>) -> Result<FileProof> {
        let CommandStream { what, child, output, complaints } = *self;
        drop(output);
        let status = child.wait().attempt("wait for", &what)?;
        let complaints = complaints.join().unwrap_or_default();
        if status.success() {
            return Ok(FileProof::default());
        }
        let said = complaints.trim();
        let said = if said.is_empty() { String::new() } else { format!("; it said: {said}") };
        Err(Error::new(Kind::Failed, "capture the output of", what)
            .because(format!("it ended with {status}{said}")))
    }
}

/// A child process that does not outlive its stream.
struct Running(Option<Child>);

impl Running {
    fn wait(mut self) -> io::Result<ExitStatus> {
        match self.0.take() {
            Some(mut child) => child.wait(),
            None => Err(io::Error::other("it was waited for before")),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // Nobody wants the rest; it may be gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The end of what a command says, read on while it runs so that it never waits for us.
fn last_words(mut errors: ChildStderr) -> String {
    let mut kept = VecDeque::with_capacity(STDERR_KEPT);
    let mut buffer = [0; 1024];
    while let Ok(Got::Data(length)) = read_some(&mut errors, &mut buffer) {
        kept.extend(buffer.get(..length).unwrap_or_default());
        let surplus = kept.len().saturating_sub(STDERR_KEPT);
        kept.drain(..surplus);
    }
    String::from_utf8_lossy(kept.make_contiguous()).into_owned()
}
