//! Items that wait to be read together: many small files in parallel, one large one streamed.

use super::tell;
use super::watched::Watched;
use crate::env::Time;
use crate::error::{Error, Kind, Result};
use crate::format::list::{Content, TreeRef};
use crate::format::node::{Metadata, Node, NodeKind, Taint};
use crate::format::snapshot::Summary;
use crate::limits::WINDOW;
use crate::monitor::{FileChange, Monitor};
use crate::repo::{Reader, Session};
use crate::source::{ByteStream, FileItem, FileProof, Got, Opener, SameFile};
use crate::stream::{ContentWriter, Cutter, StreamError, Written};
use rayon::prelude::*;
use std::collections::VecDeque;
use std::io::Read;

/// What happens to the tree, in order.
pub(super) enum Event {
    /// A directory begins; the parent's entries stand beside it.
    Enter(Box<Node>, Option<TreeRef>),
    /// The directory is complete.
    Leave,
    /// An entry that needs no reading.
    Done(Box<Node>),
    /// A file to be read, and the parent's entry of the same name.
    File(Box<FileItem>, Option<Box<Node>>),
    /// A later name of a file that is read under another, and the parent's entry of this name.
    Linked(Box<FileItem>, Option<Box<Node>>),
    /// A file that was read.
    Read(Box<ReadFile>),
    /// One that could not be.
    Failed(Error),
}

/// A file that was read.
pub(super) struct ReadFile {
    pub(super) node: Box<Node>,
    pub(super) same: Option<SameFile>,
    pub(super) changed: Option<String>,
    pub(super) left_out: Option<String>,
    pub(super) warning: Option<String>,
    before: Option<Content>,
    bytes_read: u64,
}

impl ReadFile {
    /// The file under one more of its names: what was read under the `first` is not read again.
    pub(super) fn linked(file: FileItem, before: Option<Node>, first: &Node) -> Self {
        let meta = Metadata { xattrs: first.meta.xattrs.clone(), ..file.node.meta };
        ReadFile {
            node: Box::new(Node { name: file.node.name, meta, ..first.clone() }),
            same: file.same,
            changed: None,
            left_out: None,
            warning: None,
            before: before.and_then(content),
            bytes_read: 0,
        }
    }

    /// How it differs from the file before, if it does.
    pub(super) fn change(&self) -> Option<FileChange> {
        let NodeKind::File { content, .. } = &self.node.kind else { return None };
        match &self.before {
            None => Some(FileChange::New),
            Some(before) => (before != content).then_some(FileChange::Changed),
        }
    }

    pub(super) fn count(&self, counts: &mut Summary) {
        let NodeKind::File { content, database } = &self.node.kind else { return };
        match self.change() {
            Some(FileChange::New) => counts.files_new += 1,
            Some(FileChange::Changed) => counts.files_changed += 1,
            None => counts.files_unchanged += 1,
        }
        counts.databases += u64::from(database.is_some());
        counts.bytes += content.length;
        counts.bytes_read += self.bytes_read;
    }
}

/// Events in order, and how much there is to read.
#[derive(Default)]
pub(super) struct Batch {
    events: Vec<Event>,
    bytes: u64,
}

/// A batch is read at this many events, ...
const EVENTS_MOST: usize = 1024;
/// ... or when its files come to this many bytes.
const BYTES_MOST: u64 = WINDOW as u64;
/// What a file counts at least: some say that they are empty and are not.
const LEAST: u64 = 4096;
/// A file up to this length is read whole.
const SMALL: u64 = 256 << 10;

impl Batch {
    pub(super) fn push(&mut self, event: Event) {
        self.events.push(event);
    }

    pub(super) fn push_file(&mut self, file: FileItem, before: Option<Node>) {
        self.bytes = self.bytes.saturating_add(file.length.unwrap_or(0).max(LEAST));
        self.events.push(Event::File(Box::new(file), before.map(Box::new)));
    }

    pub(super) fn is_full(&self) -> bool {
        self.events.len() >= EVENTS_MOST || self.bytes >= BYTES_MOST
    }

    /// Reads and stores every file of the batch; the same events, with the outcomes in place.
    pub(super) fn read(
        self,
        session: &mut Session<'_>,
        reader: &Reader<'_>,
        cutter: &Cutter,
        monitor: &dyn Monitor,
    ) -> Result<Vec<Event>> {
        let opened: Vec<Opened> = self.events.into_par_iter().map(Opened::new).collect();
        let now = session.repository().env().now();
        let mut writer = ContentWriter::new(session, reader, cutter);
        let small = opened.iter().filter_map(Opened::small).collect::<Vec<_>>();
        let mut written = writer.write_small(&small)?.into_iter();
        drop(small);
        let mut events = Vec::with_capacity(opened.len());
        for opened in opened {
            let event = match opened {
                Opened::Event(event) => event,
                Opened::Small(small) => match written.next() {
                    Some(written) => {
                        read_event(small.file, small.before, written, *small.proof, now)
                    }
                    None => continue,
                },
                Opened::Large(large) => {
                    events.push(large.read(&mut writer, monitor, now)?);
                    // Its bytes were counted while they were read.
                    tell(monitor, 0);
                    continue;
                }
            };
            if let Event::Read(read) = &event {
                tell(monitor, read.bytes_read);
            }
            events.push(event);
        }
        Ok(events)
    }
}

/// What the walk said of a file that is being read.
struct Waiting {
    node: Node,
    stamp: Option<crate::format::node::Stamp>,
    same: Option<SameFile>,
}

enum Opened {
    Event(Event),
    Small(Box<Small>),
    Large(Box<Large>),
}

struct Small {
    file: Waiting,
    before: Option<Content>,
    bytes: Vec<u8>,
    proof: Box<FileProof>,
}

struct Large {
    file: Waiting,
    before: Option<Content>,
    size: u64,
    stream: Opener,
}

impl Opened {
    fn new(event: Event) -> Self {
        let Event::File(file, before) = event else { return Opened::Event(event) };
        let FileItem { node, length, stamp, settled, same, open } = *file;
        let waiting = Waiting { node, stamp: stamp.filter(|_| settled), same };
        let before = before.and_then(|node| content(*node));
        let expected = before.as_ref().map(|content| content.length);
        let length = length.or(expected).unwrap_or(0);
        if length > SMALL {
            // Opened when its turn comes: a database must not be held while others are read.
            let stream = open;
            return Opened::Large(Box::new(Large { file: waiting, before, size: length, stream }));
        }
        match open().and_then(|stream| read_whole(stream, length)) {
            Ok(Whole::Bytes(bytes, proof)) => {
                Opened::Small(Box::new(Small { file: waiting, before, bytes, proof }))
            }
            Ok(Whole::TooLarge(front, then, stream)) => {
                let stream: Box<dyn ByteStream> =
                    Box::new(Resumed { front: front.into(), then, stream });
                let stream: Opener = Box::new(|| Ok(stream));
                Opened::Large(Box::new(Large { file: waiting, before, size: length, stream }))
            }
            Err(error) => Opened::Event(Event::Failed(error)),
        }
    }

    fn small(&self) -> Option<(&[u8], Option<&Content>)> {
        match self {
            Opened::Small(small) => Some((&small.bytes, small.before.as_ref())),
            _ => None,
        }
    }
}

impl Large {
    fn read(
        self,
        writer: &mut ContentWriter<'_, '_>,
        monitor: &dyn Monitor,
        now: Time,
    ) -> Result<Event> {
        let mut stream = match (self.stream)() {
            Ok(stream) => Box::new(Watched { stream, monitor }),
            Err(error) => return Ok(Event::Failed(error)),
        };
        let written = match writer.write_stream(&mut *stream, self.size, self.before.as_ref()) {
            Ok(written) => written,
            Err(StreamError::Source(error)) if error.kind() == Kind::Interrupted => {
                return Err(error);
            }
            Err(StreamError::Source(error)) => return Ok(Event::Failed(error)),
            Err(StreamError::Repository(error)) => return Err(error),
        };
        match stream.finish() {
            Ok(proof) => Ok(read_event(self.file, self.before, written, proof, now)),
            Err(error) => Ok(Event::Failed(error)),
        }
    }
}

fn read_event(
    file: Waiting,
    before: Option<Content>,
    written: Written,
    proof: FileProof,
    since: Time,
) -> Event {
    let FileProof { changed, database, taint, xattrs, left_out, warning } = proof;
    let mut node = file.node;
    // A database's stamp proves nothing: commits may stand in its -wal alone. Nor does that of a
    // file which is not all here: its extended attributes may be within reach next time.
    let whole = changed.is_none() && left_out.is_none() && warning.is_none();
    node.stamp = file.stamp.filter(|_| database.is_none() && whole);
    node.kind = NodeKind::File { content: written.content, database };
    node.taint = taint.map(|finding| Taint { finding, since });
    node.meta.xattrs = xattrs.unwrap_or(node.meta.xattrs);
    Event::Read(Box::new(ReadFile {
        node: Box::new(node),
        same: file.same,
        changed,
        left_out,
        warning,
        before,
        bytes_read: written.bytes,
    }))
}

/// The content of a file.
fn content(node: Node) -> Option<Content> {
    match node.kind {
        NodeKind::File { content, .. } => Some(content),
        _ => None,
    }
}

enum Whole {
    Bytes(Vec<u8>, Box<FileProof>),
    /// It went on past [`SMALL`], or it has a hole: what was read, and what stopped the reading.
    TooLarge(Vec<u8>, Option<Got>, Box<dyn ByteStream>),
}

/// Reads a small file to its end.
fn read_whole(mut stream: Box<dyn ByteStream>, expected: u64) -> Result<Whole> {
    let room = usize::try_from(expected.min(SMALL)).unwrap_or(0) + 1;
    let mut bytes = vec![0; room];
    let mut length = 0;
    loop {
        if length == bytes.len() {
            if length as u64 > SMALL {
                return Ok(Whole::TooLarge(bytes, None, stream));
            }
            bytes.resize((2 * length).max(4096), 0);
        }
        match stream.read(bytes.get_mut(length..).unwrap_or_default())? {
            Got::Data(read) => length += read,
            Got::End => {
                bytes.truncate(length);
                return Ok(Whole::Bytes(bytes, Box::new(stream.finish()?)));
            }
            hole => {
                bytes.truncate(length);
                return Ok(Whole::TooLarge(bytes, Some(hole), stream));
            }
        }
    }
}

/// A stream whose first bytes were read already.
struct Resumed {
    front: VecDeque<u8>,
    then: Option<Got>,
    stream: Box<dyn ByteStream>,
}

impl ByteStream for Resumed {
    fn changes_everywhere(&self) -> bool {
        self.stream.changes_everywhere()
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<Got> {
        if !self.front.is_empty() {
            return Ok(Got::Data(self.front.read(buffer).unwrap_or(0)));
        }
        match self.then.take() {
            Some(stop) => Ok(stop),
            None => self.stream.read(buffer),
        }
    }

    fn finish(self: Box<Self>) -> Result<FileProof> {
        self.stream.finish()
    }
}
