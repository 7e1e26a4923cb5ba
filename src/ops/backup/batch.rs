//! Items that wait to be read together: many small files in parallel, one large one streamed.

use super::links::First;
use super::progress_stream::ProgressStream;
use super::small::{Resumed, SMALL, Whole, read_small};
use super::taints::Verdict;
use super::tell;
use crate::error::{Error, Kind, Result};
use crate::format::content::{Content, TreeRef};
use crate::format::directory::{Metadata, Node, NodeKind, Stamp, Taint};
use crate::format::snapshot::Summary;
use crate::limits::WINDOW;
use crate::monitor::{FileChange, Monitor};
use crate::repo::{Reader, Session};
use crate::source::{ByteStream, Entry, FileItem, FileProof, Opener, SameFile};
use crate::stream::{ContentWriter, Cutter, StreamError, Written};
use rayon::prelude::*;

/// What happens to the tree, in order.
pub(super) enum Event {
    /// A directory begins; the parent's entries are known.
    Enter(Box<Entry>, Option<TreeRef>),
    /// More comes into the directory entered last when the source is at its end.
    HoldOpen,
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
    /// One that was read with the one before it, whose turn by name comes later.
    Companion(Box<ReadFile>),
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
    pub(super) verdict: Verdict,
    /// The taint that it has under another of its names.
    pub(super) shared: Option<Taint>,
    before: Option<Content>,
    bytes_read: u64,
}

impl ReadFile {
    /// The file under one more of its names: what was read under the `first` is not read again.
    pub(super) fn linked(file: FileItem, before: Option<Node>, first: First) -> Self {
        let First { node, verdict, changed, left_out } = first;
        let meta = Metadata { xattrs: node.meta.xattrs, ..file.entry.meta };
        let taint = before.as_ref().and_then(|before| before.taint.clone());
        let shared = node.taint;
        ReadFile {
            node: Box::new(Node { name: file.entry.name, meta, taint, ..node }),
            same: file.same,
            changed,
            left_out,
            warning: None,
            verdict,
            shared,
            before: before.and_then(content),
            bytes_read: 0,
        }
    }

    /// What of it is not as it was at any moment, or is missing.
    pub(super) fn troubles(&self, path: &[u8]) -> impl Iterator<Item = Error> {
        let path = String::from_utf8_lossy(path);
        let changed = self
            .changed
            .as_ref()
            .map(|how| Error::new(Kind::SourceChanged, "capture one state of", &path).because(how));
        let left_out = self
            .left_out
            .as_ref()
            .map(|what| Error::new(Kind::Failed, "capture all of", &path).because(what));
        changed.into_iter().chain(left_out)
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
        let prepared: Vec<Prepared> = self.events.into_par_iter().map(Prepared::new).collect();
        let mut writer = ContentWriter::new(session, reader, cutter);
        let small = prepared.iter().filter_map(Prepared::small).collect::<Vec<_>>();
        let mut written = writer.write_small(&small)?.into_iter();
        drop(small);
        let mut events = Vec::with_capacity(prepared.len());
        for prepared in prepared {
            let (read, companions) = match prepared {
                Prepared::Event(event) => {
                    events.push(event);
                    continue;
                }
                Prepared::Small(small) => match written.next() {
                    Some(written) => {
                        let (read, companions) = read_file(small.file, written, *small.proof);
                        tell(monitor, read.bytes_read);
                        (read, companions)
                    }
                    None => continue,
                },
                Prepared::Large(large) => {
                    // Its bytes are counted while they are read.
                    tell(monitor, 0);
                    match large.read(&mut writer, monitor)? {
                        Ok(read) => read,
                        Err(error) => {
                            events.push(Event::Failed(error));
                            continue;
                        }
                    }
                }
            };
            events.push(Event::Read(Box::new(read)));
            for item in companions {
                events.push(read_companion(item, &mut writer, monitor)?);
            }
        }
        Ok(events)
    }
}

/// What the walk said of a file that is being read, and the parent of the entry in its place.
struct Waiting {
    entry: Entry,
    stamp: Option<Stamp>,
    same: Option<SameFile>,
    before: Option<Content>,
    taint: Option<Taint>,
}

impl Waiting {
    fn new(
        entry: Entry,
        stamp: Option<Stamp>,
        same: Option<SameFile>,
        before: Option<Box<Node>>,
    ) -> Self {
        let taint = before.as_ref().and_then(|node| node.taint.clone());
        let before = before.and_then(|node| content(*node));
        Waiting { entry, stamp, same, before, taint }
    }
}

enum Prepared {
    Event(Event),
    Small(Box<Small>),
    Large(Box<Large>),
}

struct Small {
    file: Waiting,
    bytes: Vec<u8>,
    proof: Box<FileProof>,
}

struct Large {
    file: Waiting,
    size: u64,
    changes_everywhere: bool,
    stream: Opener,
}

impl Prepared {
    fn new(event: Event) -> Self {
        let Event::File(file, before) = event else { return Prepared::Event(event) };
        let FileItem { entry, length, stamp, settled, same, changes_everywhere, open } = *file;
        let file = Waiting::new(entry, stamp.filter(|_| settled), same, before);
        let expected = file.before.as_ref().map(|content| content.length);
        let length = length.or(expected).unwrap_or(0);
        if length > SMALL {
            // Opened when its turn comes: a database must not be held while others are read.
            let (size, stream) = (length, open);
            return Prepared::Large(Box::new(Large { file, size, changes_everywhere, stream }));
        }
        match read_small(open, length) {
            Ok(Whole::Bytes(bytes, proof)) => {
                Prepared::Small(Box::new(Small { file, bytes, proof }))
            }
            Ok(Whole::TooLarge(front, then, stream)) => {
                let stream: Box<dyn ByteStream> = Box::new(Resumed::new(front, then, stream));
                let stream: Opener = Box::new(|| Ok(stream));
                Prepared::Large(Box::new(Large { file, size: length, changes_everywhere, stream }))
            }
            Err(error) => Prepared::Event(Event::Failed(error)),
        }
    }

    fn small(&self) -> Option<(&[u8], Option<&Content>)> {
        match self {
            Prepared::Small(small) => Some((&small.bytes, small.file.before.as_ref())),
            _ => None,
        }
    }
}

impl Large {
    /// The file and its companions, or why the source did not give it.
    fn read(
        self,
        writer: &mut ContentWriter<'_, '_>,
        monitor: &dyn Monitor,
    ) -> Result<Result<(ReadFile, Vec<FileItem>)>> {
        let Large { file, size, changes_everywhere, stream: mut open } = self;
        loop {
            let before = file.before.as_ref();
            match store(open, size, changes_everywhere, before, writer, monitor)? {
                Ok((written, mut proof)) => match proof.again.take() {
                    Some(again) => open = again,
                    None => return Ok(Ok(read_file(file, written, proof))),
                },
                Err(error) => return Ok(Err(error)),
            }
        }
    }
}

/// Stores what `open` gives; its own trouble is apart from the repository's.
fn store(
    open: Opener,
    size: u64,
    changes_everywhere: bool,
    before: Option<&Content>,
    writer: &mut ContentWriter<'_, '_>,
    monitor: &dyn Monitor,
) -> Result<Result<(Written, FileProof)>> {
    let mut stream = match open() {
        Ok(stream) => Box::new(ProgressStream { stream, monitor }),
        Err(error) => return Ok(Err(error)),
    };
    let written = match writer.write_stream(&mut *stream, size, changes_everywhere, before) {
        Ok(written) => written,
        Err(StreamError::Source(error)) if error.kind() == Kind::Interrupted => {
            return Err(error);
        }
        Err(StreamError::Source(error)) => return Ok(Err(error)),
        Err(StreamError::Repository(error)) => return Err(error),
    };
    Ok(stream.finish().map(|proof| (written, proof)))
}

/// Reads and stores a file that belongs to the one before it.
fn read_companion(
    item: FileItem,
    writer: &mut ContentWriter<'_, '_>,
    monitor: &dyn Monitor,
) -> Result<Event> {
    tell(monitor, 0);
    let FileItem { entry, length, changes_everywhere, open, .. } = item;
    let file = Waiting::new(entry, None, None, None);
    let large = Large { file, size: length.unwrap_or(0), changes_everywhere, stream: open };
    Ok(match large.read(writer, monitor)? {
        Ok((read, _)) => Event::Companion(Box::new(read)),
        Err(error) => Event::Failed(error),
    })
}

fn read_file(file: Waiting, written: Written, proof: FileProof) -> (ReadFile, Vec<FileItem>) {
    let FileProof {
        changed,
        database,
        taint,
        scrutiny,
        xattrs,
        left_out,
        warning,
        begins_as_database,
        again: _,
        companions,
    } = proof;
    let Entry { name, mut meta } = file.entry;
    // A database's stamp proves nothing: commits may stand in its -wal alone, and whoever wants it
    // verified wants it read, also where it was stored as a file. Nor does that of a file which is
    // not all here: its extended attributes may be within reach next time.
    let whole = changed.is_none() && left_out.is_none() && warning.is_none();
    let plain = database.is_none() && scrutiny.is_none() && !begins_as_database;
    let stamp = file.stamp.filter(|_| plain && whole);
    let kind = NodeKind::File { content: written.content, database };
    meta.xattrs = xattrs.unwrap_or(meta.xattrs);
    let read = ReadFile {
        // The taint before: what becomes of it is settled where the paths are known.
        node: Box::new(Node { name, kind, meta, stamp, taint: file.taint }),
        same: file.same,
        changed,
        left_out,
        warning,
        verdict: Verdict { scrutiny, finding: taint },
        shared: None,
        before: file.before,
        bytes_read: written.bytes,
    };
    (read, companions)
}

/// The content of a file.
fn content(node: Node) -> Option<Content> {
    match node.kind {
        NodeKind::File { content, .. } => Some(content),
        _ => None,
    }
}
