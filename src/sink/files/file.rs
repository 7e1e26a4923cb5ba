//! One file being written: under a temporary name, from several threads, and renamed into
//! place when it is whole.

use super::folder::Folder;
use super::held_back::{Held, HeldBack};
use super::links::Links;
use super::metadata::{Rights, Thing, apply};
use super::same::Same;
use super::waiting::Sort;
use crate::error::{Attempt, Error, Kind, Result};
use crate::format::database::DatabaseFacts;
use crate::format::database::sibling_of;
use crate::format::directory::Node;
use crate::sink::FileSink;
use crate::sink::sqlite::is_database;
use crate::sink::temporary::temporary;
use rustix::fs::{Advice, Mode, OFlags};
use std::fs::File;
use std::io;
use std::num::NonZero;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Runs of zeros are told apart in blocks of so many bytes.
const BLOCK: u64 = 4096;
/// Write-back begins whenever so many bytes wait for it, so that the sync at the end is short.
const WRITE_BACK: u64 = 16 << 20;
static ZEROS: [u8; 4096] = [0; 4096];

/// A file that is being written. If it is given up, nothing stays of it.
pub(super) struct FileWriter {
    file: File,
    folder: Arc<Folder>,
    path: PathBuf,
    name: Vec<u8>,
    /// Until it is in place.
    temporary: Option<Vec<u8>>,
    size: u64,
    /// Where write-back has begun up to, of a file that is written from its front.
    written_back: AtomicU64,
    sparse: bool,
    rights: Rights,
    /// Whether what stands in its place is to be kept, should it belong to no database.
    keep: bool,
    /// Its key among the files of several names, until it is in place.
    link: Option<Box<(Same, Arc<Links>)>>,
    /// Where it waits when it is whole, and its turn, if it is to appear last.
    held: Option<(u64, Arc<HeldBack>)>,
}

impl FileWriter {
    pub(super) fn create(
        folder: Arc<Folder>,
        node: &Node,
        size: u64,
        sparse: bool,
        keep: bool,
        rights: Rights,
        link: Option<(Same, Arc<Links>)>,
    ) -> Result<Self> {
        let created = create_file(&folder, node, size);
        if let (Err(_), Some((key, links))) = (&created, &link) {
            links.failed(key);
        }
        let (file, temporary, path) = created?;
        let temporary = Some(temporary);
        let (name, link) = (node.name.clone(), link.map(Box::new));
        Ok(FileWriter {
            file,
            folder,
            path,
            name,
            temporary,
            size,
            written_back: AtomicU64::new(0),
            sparse,
            keep,
            rights,
            link,
            held: None,
        })
    }

    /// It is to appear at the end, as the file of this turn.
    pub(super) fn hold_back(&mut self, turn: u64, held: Arc<HeldBack>) {
        self.held = Some((turn, held));
    }

    /// Begins to write back what lies before `end`, if that is much.
    fn write_back(&self, end: u64) {
        let begun = self.written_back.load(Ordering::Relaxed);
        let Some(waiting) = end.checked_sub(begun).filter(|bytes| *bytes >= WRITE_BACK) else {
            return;
        };
        self.written_back.store(end, Ordering::Relaxed);
        // On Linux this starts to write what is dirty, without waiting for it.
        let _ = rustix::fs::fadvise(&self.file, begun, NonZero::new(waiting), Advice::DontNeed);
    }

    fn sort(&self, node: &Node) -> Result<Sort> {
        if node.database().is_some_and(DatabaseFacts::is_sqlite) {
            return Ok(Sort::Captured);
        }
        match is_database(&self.file).attempt("read", self.path.display())? {
            true => Ok(Sort::Plain),
            false => Ok(Sort::Other),
        }
    }
}

impl FileSink for FileWriter {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let end = offset.checked_add(length).filter(|end| *end <= self.size);
        let past = || Error::damaged("write", self.path.display(), "content past its end");
        let end = end.ok_or_else(past)?;
        let runs = match self.sparse {
            true => data_runs(offset, bytes),
            false => vec![(offset, bytes)],
        };
        for (start, run) in runs {
            self.file.write_all_at(run, start).attempt("write", self.path.display())?;
        }
        self.write_back(end);
        Ok(())
    }

    fn finish(mut self: Box<Self>, node: &Node) -> Result<()> {
        if let Some((turn, held)) = self.held.take() {
            self.file.sync_all().attempt("sync", self.path.display())?;
            let folder = self.folder.clone();
            held.keep(turn, Held::File(self, folder, node.clone()));
            return Ok(());
        }
        let stat = rustix::fs::fstat(&self.file).map_err(io::Error::from);
        let stat = stat.attempt("restore", self.path.display())?;
        let fd = self.file.as_fd();
        let reporter = self.folder.reporter();
        apply(fd, Thing::File, &node.meta, self.rights, &self.path, reporter);
        let identity = (stat.st_dev, stat.st_ino);
        let sort = self.folder.sort_at(&node.name, self.sort(node)?)?;
        if sort != Sort::Other || sibling_of(&node.name).is_some() {
            self.file.sync_all().attempt("sync", self.path.display())?;
        }
        let Some(temporary) = &self.temporary else { return Ok(()) };
        let waits = self.folder.put(temporary, &node.name, identity, sort)?;
        let at = self.temporary.take().filter(|_| waits).unwrap_or_else(|| node.name.clone());
        let link = self.link.take().map(|link| *link);
        if waits {
            self.folder.waits(&node.name, link.as_ref().map(|(key, _)| key.clone()), self.keep);
        }
        if let Some((key, links)) = link {
            links.finished(&key, &self.folder, &at, identity, sort);
        }
        Ok(())
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            self.folder.discard(temporary);
            self.folder.lost(&self.name);
        }
        if let Some((key, links)) = self.link.as_deref() {
            links.failed(key);
        }
    }
}

fn create_file(folder: &Folder, node: &Node, size: u64) -> Result<(File, Vec<u8>, PathBuf)> {
    let path = folder.path_of(&node.name)?;
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut made = None;
    let temporary = temporary(|name| {
        let fd = rustix::fs::openat(folder.fd(), name, flags, Mode::RUSR | Mode::WUSR)?;
        made = Some(File::from(fd));
        Ok(())
    });
    let temporary = temporary.attempt("make", path.display())?;
    let Some(file) = made else {
        return Err(Error::new(Kind::Failed, "make", path.display()));
    };
    if let Err(error) = file.set_len(size).attempt("make room for", path.display()) {
        folder.discard(&temporary);
        return Err(error);
    }
    Ok((file, temporary, path))
}

/// The runs of `bytes`, which stand at `offset`, without the whole blocks that are all zero.
fn data_runs(offset: u64, bytes: &[u8]) -> Vec<(u64, &[u8])> {
    let mut runs = Vec::new();
    let (mut place, mut rest) = (offset, bytes);
    let mut run: Option<(u64, &[u8])> = None;
    while !rest.is_empty() {
        let to_boundary = usize::try_from(BLOCK - place % BLOCK).unwrap_or(usize::MAX);
        let (block, after) = rest.split_at(to_boundary.min(rest.len()));
        let zero = ZEROS.get(..block.len()) == Some(block);
        match (zero, run) {
            (true, Some((start, data))) => {
                let length = data.len() - rest.len();
                runs.extend(data.get(..length).map(|data| (start, data)));
                run = None;
            }
            (false, None) => run = Some((place, rest)),
            _ => {}
        }
        place += u64::try_from(block.len()).unwrap_or(0);
        rest = after;
    }
    runs.extend(run);
    runs
}
