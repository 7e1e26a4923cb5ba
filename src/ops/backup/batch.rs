//! Items that wait to be read together: many small files in parallel, one large one streamed.

use super::large::Large;
use super::read_file::{ReadFile, Waiting, read_file};
use super::small::{Resumed, SMALL, Whole, read_small};
use super::tell;
use crate::error::{Error, Kind, Result};
use crate::format::content::{Content, TreeRef};
use crate::format::directory::Node;
use crate::limits::WINDOW;
use crate::monitor::Monitor;
use crate::repo::{Reader, Session};
use crate::source::{ByteStream, Entry, FileItem, FileProof, Opener};
use crate::stream::{ContentWriter, Cutter};
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
    File(Box<FileItem>, Option<Box<Node>>, ReadWhen),
    /// A later name of a file that is read under another, and the parent's entry of this name.
    Linked(Box<FileItem>, Option<Box<Node>>),
    /// A file whose state is that of this moment, and which is read later.
    Pinned(Box<Large>),
    /// A file that was read.
    Read(Box<ReadFile>),
    /// One that was read with the one before it, whose turn by name comes later.
    Companion(Box<ReadFile>),
    /// One that could not be.
    Failed(Error),
}

/// When a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadWhen {
    /// At once.
    Now,
    /// Later, if its state can be pinned now.
    MayBeLater,
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

    pub(super) fn push_file(&mut self, file: FileItem, before: Option<Node>, when: ReadWhen) {
        self.bytes = self.bytes.saturating_add(file.length.unwrap_or(0).max(LEAST));
        self.events.push(Event::File(Box::new(file), before.map(Box::new), when));
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
        let prepared: Vec<Prepared> =
            self.events.into_par_iter().map(|event| Prepared::new(event, monitor)).collect();
        let mut writer = ContentWriter::new(session, reader, cutter);
        let small = prepared.iter().filter_map(Prepared::small).collect::<Vec<_>>();
        let mut written = writer.write_small(&small)?.into_iter();
        drop(small);
        let mut events = Vec::with_capacity(prepared.len());
        for prepared in prepared {
            match prepared {
                Prepared::Event(Event::Failed(error)) if error.kind() == Kind::Interrupted => {
                    return Err(error);
                }
                Prepared::Event(event) => events.push(event),
                Prepared::Small(small) => {
                    let Some(written) = written.next() else { continue };
                    let (read, companions) = read_file(small.file, written, *small.proof);
                    tell(monitor, read.bytes_read);
                    events.push(Event::Read(Box::new(read)));
                    read_companions(companions, &mut writer, monitor, &mut events)?;
                }
                Prepared::Large(large, ReadWhen::Now) => {
                    read_large(*large, &mut writer, monitor, &mut events)?;
                }
                Prepared::Large(large, ReadWhen::MayBeLater) => match large.pin() {
                    Ok((large, true)) => events.push(Event::Pinned(Box::new(large))),
                    Ok((large, false)) => read_large(large, &mut writer, monitor, &mut events)?,
                    Err(error) if error.kind() == Kind::Interrupted => return Err(error),
                    Err(error) => {
                        tell(monitor, 0);
                        events.push(Event::Failed(error));
                    }
                },
            }
        }
        Ok(events)
    }
}

enum Prepared {
    Event(Event),
    Small(Box<Small>),
    Large(Box<Large>, ReadWhen),
}

struct Small {
    file: Waiting,
    bytes: Vec<u8>,
    proof: Box<FileProof>,
}

impl Prepared {
    fn new(event: Event, monitor: &dyn Monitor) -> Self {
        let Event::File(file, before, when) = event else { return Prepared::Event(event) };
        let FileItem { entry, length, stamp, settled, same, changes_everywhere, open } = *file;
        let file = Waiting::new(entry, stamp.filter(|_| settled), same, before);
        let expected = file.before.as_ref().map(|content| content.length);
        let length = length.or(expected).unwrap_or(0);
        if length > SMALL {
            // Opened when its turn comes: a database must not be held while others are read.
            let (size, stream) = (length, open);
            let large = Large { file, size, changes_everywhere, stream };
            return Prepared::Large(Box::new(large), when);
        }
        match read_small(open, length, monitor) {
            Ok(Whole::Bytes(bytes, proof)) => {
                Prepared::Small(Box::new(Small { file, bytes, proof }))
            }
            Ok(Whole::TooLarge(front, then, stream)) => {
                let stream: Box<dyn ByteStream> = Box::new(Resumed::new(front, then, stream));
                let stream: Opener = Box::new(|| Ok(stream));
                let large = Large { file, size: length, changes_everywhere, stream };
                Prepared::Large(Box::new(large), ReadWhen::Now)
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

/// Reads a file that was pinned, and gives its outcome.
pub(super) fn read_pinned(
    file: Large,
    session: &mut Session<'_>,
    reader: &Reader<'_>,
    cutter: &Cutter,
    monitor: &dyn Monitor,
) -> Result<Vec<Event>> {
    let mut events = Vec::new();
    read_large(file, &mut ContentWriter::new(session, reader, cutter), monitor, &mut events)?;
    Ok(events)
}

fn read_large(
    large: Large,
    writer: &mut ContentWriter<'_, '_>,
    monitor: &dyn Monitor,
    events: &mut Vec<Event>,
) -> Result<()> {
    // Its bytes are counted while they are read.
    tell(monitor, 0);
    match large.read(writer, monitor)? {
        Ok((read, companions)) => {
            events.push(Event::Read(Box::new(read)));
            read_companions(companions, writer, monitor, events)
        }
        Err(error) => {
            events.push(Event::Failed(error));
            Ok(())
        }
    }
}

/// Reads and stores the files that belong to the one before them.
fn read_companions(
    items: Vec<FileItem>,
    writer: &mut ContentWriter<'_, '_>,
    monitor: &dyn Monitor,
    events: &mut Vec<Event>,
) -> Result<()> {
    for item in items {
        tell(monitor, 0);
        let FileItem { entry, length, changes_everywhere, open, .. } = item;
        let file = Waiting::new(entry, None, None, None);
        let large = Large { file, size: length.unwrap_or(0), changes_everywhere, stream: open };
        events.push(match large.read(writer, monitor)? {
            Ok((read, _)) => Event::Companion(Box::new(read)),
            Err(error) => Event::Failed(error),
        });
    }
    Ok(())
}
