//! The bytes of dumps: their heads, to be looked at; all of them, into a pipe; or into a file.

use super::Stored;
use crate::error::{Attempt, Error, Kind, Result};
use crate::format::database::PostgresFacts;
use crate::monitor::{Counter, Monitor, go_on};
use crate::repo::Reader;
use crate::sink::postgres::{Dump, Dumps, Form, Toc};
use crate::stream::{ContentReader, Run};
use rustix::fs::statvfs;
use std::cell::RefCell;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use tempfile::TempDir;

/// Bytes that stay free where a dump is spooled.
const SPARE: u64 = 16 << 20;

/// Dumps of a snapshot.
pub(super) struct StoredDumps<'r> {
    reader: &'r Reader<'r>,
    stored: Vec<Stored>,
}

impl<'r> StoredDumps<'r> {
    pub(super) fn new(reader: &'r Reader<'r>, stored: Vec<Stored>) -> Self {
        StoredDumps { reader, stored }
    }

    /// What each of them is, by its head.
    pub(super) fn dumps(&self) -> Result<Vec<Dump>> {
        let dump = |stored: &Stored| {
            Ok(Dump {
                database: stored.database.clone(),
                form: self.form(stored)?,
                bytes: stored.content.length,
            })
        };
        self.stored.iter().map(dump).collect()
    }

    fn form(&self, stored: &Stored) -> Result<Form> {
        let mut content = ContentReader::of_head(self.reader, &stored.content, &stored.path)?;
        let mut head = Vec::new();
        loop {
            let window = content.next_window()?;
            let is_end = window.is_none();
            for run in window.into_iter().flat_map(|window| window.runs(&stored.path)) {
                if let Run::Chunk { plain, .. } = run? {
                    head.extend_from_slice(&plain);
                }
            }
            if !Toc::begins(&head) {
                return Ok(Form::Plain);
            }
            if let Some(toc) = Toc::read(&head, &stored.path)? {
                return Ok(Form::Custom(toc));
            }
            if is_end {
                let reason = "it ends within its table of contents";
                return Err(Error::damaged("read", &stored.path, reason));
            }
        }
    }

    /// The same, telling how far they are read.
    pub(super) fn with_progress<'c>(&'c self, monitor: &'c dyn Monitor) -> ProgressDumps<'c> {
        ProgressDumps { contents: self, monitor, spool: RefCell::new(None) }
    }
}

/// Dumps that are being restored.
pub(super) struct ProgressDumps<'c> {
    contents: &'c StoredDumps<'c>,
    monitor: &'c dyn Monitor,
    /// The dump that was spooled last.
    spool: RefCell<Option<TempDir>>,
}

impl ProgressDumps<'_> {
    fn stored(&self, dump: usize) -> Result<&Stored> {
        let stored = self.contents.stored.get(dump);
        stored.ok_or_else(|| Error::new(Kind::Failed, "find", format!("dump {dump}")))
    }
}

impl Dumps for ProgressDumps<'_> {
    fn feed(&self, dump: usize, out: &mut dyn Write) -> Result<()> {
        let stored = self.stored(dump)?;
        let reader = self.contents.reader;
        let content = ContentReader::new(reader, &stored.content, &stored.path)?;
        content.copy(out, &mut |length| {
            self.monitor.count(Counter::Bytes, length);
            go_on(self.monitor, "restore")
        })
    }

    fn spool(&self, dump: usize) -> Result<PathBuf> {
        // Room for one is enough.
        self.spool.replace(None);
        let folder = TempDir::with_prefix("icecore-").attempt("make", "a temporary folder")?;
        let path = folder.path().join("dump");
        enough_room(&folder, self.stored(dump)?)?;
        let mut file = BufWriter::new(File::create(&path).attempt("create", path.display())?);
        self.feed(dump, &mut file)?;
        file.flush().attempt("write", path.display())?;
        self.spool.replace(Some(folder));
        Ok(path)
    }

    fn facts(&self, dump: usize) -> Option<&PostgresFacts> {
        self.contents.stored.get(dump)?.facts.as_ref()
    }
}

fn enough_room(folder: &TempDir, stored: &Stored) -> Result<()> {
    let place = folder.path().display();
    let space = statvfs(folder.path()).map_err(std::io::Error::from).attempt("look at", place)?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    let needed = stored.content.length.saturating_add(SPARE);
    if free >= needed {
        return Ok(());
    }
    Err(Error::new(Kind::NoSpace, "spool", &stored.path)
        .because(format!(
            "{needed} bytes are needed in {}, {free} are free",
            std::env::temp_dir().display()
        ))
        .hint("set TMPDIR to a place with more room, or restore without --jobs"))
}
