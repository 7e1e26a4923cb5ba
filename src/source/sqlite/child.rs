//! The child process `icecore sqlite-read PATH`: reads one database in one read transaction and
//! writes its pages, and what it found out, to a pipe.

use super::database::{Database, has_dbpage};
use super::facts::{Header, examine};
use super::identity::become_owner;
use super::protocol::{Begin, FrameWriter, Hold, Proof};
use super::request::{Request, parse};
use super::tail;
use super::watch::Watch;
use crate::error::{Attempt, Error, Kind, Result};
use crate::limits::SQLITE_FRAME_MAX;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use tempfile::NamedTempFile;

/// Does what `args` (those after the verb) ask for, speaking frames to `out`; gives the exit code.
/// Takes over the process: it gives up root's rights where it can, and ends as soon as nobody reads
/// `out`.
pub fn run(args: impl IntoIterator<Item = OsString>, out: File) -> u8 {
    let pipe = out.as_fd().try_clone_to_owned().attempt("watch", "the pipe");
    let mut frames = FrameWriter::new(out);
    let done = parse(args).and_then(|request| {
        become_owner(&request.file, request.scratch.within())?;
        request.scratch.sweep();
        let watch = Watch::start(pipe?, request.scratch.clone())?;
        let done = capture(&request, &mut frames, &watch);
        request.scratch.remove();
        done
    });
    match done {
        Ok(()) => 0,
        Err(error) => {
            // The parent may be gone; the exit code is left to say it.
            let _ = frames.failure(&error);
            1
        }
    }
}

fn capture<W: Write>(request: &Request, frames: &mut FrameWriter<W>, watch: &Watch) -> Result<()> {
    let database = match Database::open(request) {
        Err(error) if error.kind() == Kind::Damaged => {
            watch.end();
            return frames.refused(&error);
        }
        opened => opened?,
    };
    let dbpage = !request.backup
        && database.tables
        && has_dbpage(&database.connection).attempt("query", "SQLite")?;
    let proof = if dbpage {
        frames.begin(&Begin { hold: database.hold })?;
        let header = send_pages(&database, request, frames)?;
        let pages = frames.sent;
        // Closed only after the transaction.
        let mut tail = tail::behind(&database, request, header.wal, pages)?;
        if let Some(tail) = &mut tail {
            send(tail, frames)?;
        }
        conclude(database, request, &header, pages, "dbpage")?
    } else {
        let copy = back_up(&database.connection, request)?;
        let header = Header::of(&copy)?;
        let pages = copy.path().metadata().attempt("examine", "the temporary copy")?.len();
        let end = tail::end(&database, request, header.wal).unwrap_or(pages);
        let mut tail = tail::behind(&database, request, header.wal, pages)?;
        let proof = conclude(database, request, &header, pages, "backup")?;
        frames.begin(&Begin { hold: Hold::Nobody })?;
        let copy = File::open(copy.path()).attempt("read", "the temporary copy")?;
        send(&mut copy.take(end), frames)?;
        if let Some(tail) = &mut tail {
            send(tail, frames)?;
        }
        proof
    };
    watch.end();
    frames.proof(&Proof { bytes: frames.sent, ..proof })
}

/// Sends every page as the transaction sees it, in order.
fn send_pages<W: Write>(
    database: &Database,
    request: &Request,
    frames: &mut FrameWriter<W>,
) -> Result<Header> {
    let from = &database.connection;
    let reading = "read the pages of";
    let mut statement = from.prepare("SELECT data FROM sqlite_dbpage").attempt(reading, "it")?;
    let mut rows = statement.query([]).attempt(reading, "it")?;
    let mut header = Header::default();
    let mut end = None;
    while let Some(row) = rows.next().attempt(reading, "it")? {
        let value = row.get_ref(0).attempt(reading, "it")?;
        let page = value
            .as_blob()
            .map_err(|_| Error::damaged(reading, "it", "SQLite gave no bytes for a page"))?;
        if frames.sent == 0 {
            header = Header::parse(page);
            end = tail::end(database, request, header.wal);
        }
        frames.data(page.get(..within(end, frames.sent)).unwrap_or(page))?;
    }
    Ok(header)
}

/// How much may still be sent of a file with this end.
fn within(end: Option<u64>, sent: u64) -> usize {
    let left = end.map_or(u64::MAX, |end| end.saturating_sub(sent));
    usize::try_from(left).unwrap_or(usize::MAX)
}

/// What was found out in the transaction, which ends with it, about a database of so many bytes
/// of `pages`: SQLite's page count, which the header need not state.
fn conclude(
    database: Database,
    request: &Request,
    header: &Header,
    pages: u64,
    method: &str,
) -> Result<Proof> {
    let found = examine(&database.connection, request, header)?;
    let is_replaced = database.private.is_none() && database.has_moved()?;
    let changed = database.was_written_unseen().then(|| {
        "it was written while it was read, by a process that could not see that".to_owned()
    });
    let mut facts = found.facts;
    let count = match u64::from(facts.page_size) {
        0 => 0,
        size => pages.div_ceil(size),
    };
    facts.page_count = u32::try_from(count).unwrap_or(u32::MAX);
    facts.method = match database.private {
        None => method.to_owned(),
        Some(_) => format!("{method} of a recovered copy"),
    };
    Ok(Proof {
        bytes: 0,
        facts,
        changed,
        is_replaced,
        taint: database.taint.clone().or(found.taint),
    })
}

/// Copies the database within our own transaction: every page in one go, never begun again.
fn back_up(from: &Connection, request: &Request) -> Result<NamedTempFile> {
    let copying = "copy it to a temporary file in";
    let scratch = request.scratch.within().display();
    let copy = NamedTempFile::new_in(request.scratch.folder()?).attempt(copying, &scratch)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut to = Connection::open_with_flags(copy.path(), flags).attempt(copying, &scratch)?;
    to.execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF")
        .attempt(copying, &scratch)?;
    let backup = Backup::new(from, &mut to).attempt(copying, &scratch)?;
    match backup.step(-1).attempt(copying, &scratch)? {
        StepResult::Done => Ok(copy),
        _ => Err(Error::new(Kind::Locked, copying, &scratch).because("it is busy")),
    }
}

/// Sends what is left of `from`.
fn send<W: Write>(from: &mut impl Read, frames: &mut FrameWriter<W>) -> Result<()> {
    let mut buffer = vec![0; SQLITE_FRAME_MAX];
    loop {
        let got = from.read(&mut buffer).attempt("read", "its bytes")?;
        match buffer.get(..got) {
            Some(bytes) if !bytes.is_empty() => frames.data(bytes)?,
            _ => return Ok(()),
        }
    }
}
