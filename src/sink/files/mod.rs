//! Trees back onto a file system: everything relative to open directories, one checked name at
//! a time, so that nothing outside the target is ever touched, whatever is in the way.

mod databases;
mod file;
mod folder;
mod held_back;
mod leftovers;
mod links;
mod metadata;
mod rehearsal;
mod report;
mod same;
mod waiting;

pub use links::open_beneath;
pub use rehearsal::Rehearsal;
pub use report::Report;

use crate::error::{Attempt, Error, Kind, Result};
use crate::format::database::DatabaseFacts;
use crate::format::database::sibling_of;
use crate::format::directory::{FileTime, Metadata, Node, NodeKind};
use crate::limits::DIRECTORY_DEPTH_MAX;
use crate::sink::sqlite::stands;
use crate::sink::{Holds, Placed, Sink};
use file::FileWriter;
use folder::{Folder, Made, Occupant};
use held_back::{Held, HeldBack};
use links::Links;
use metadata::Rights;
use report::Reporter;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawDir};
use same::Same;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use waiting::Sort;

/// What happens to what stands in the target already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overwrite {
    /// The target must be empty.
    #[default]
    Never,
    /// It is replaced.
    Always,
    /// Files of the same size and modification time are kept, anything else is replaced; a
    /// database's bytes are compared, too.
    IfChanged,
    /// Files that are as new or newer are kept, anything else is replaced.
    IfNewer,
}

/// Why no log comes beside a database.
const KEPT: &str = "was kept as it stands";

/// How a tree is restored.
#[derive(Clone, Copy, Debug, Default)]
pub struct FilesOptions {
    /// What happens to what stands there already.
    pub overwrite: Overwrite,
    /// Turn runs of zeros into holes, besides the holes that the file had.
    pub sparse: bool,
    /// Restore devices, setuid and setgid bits and file capabilities, which only root can.
    pub devices_and_setuid: bool,
}

/// A folder that a tree is restored into.
pub struct FilesSink {
    options: FilesOptions,
    rights: Rights,
    /// The target itself, then the directories entered.
    folders: Vec<Arc<Folder>>,
    links: Arc<Links>,
    held_back: Arc<HeldBack>,
    /// How many files were to be held back so far.
    turns: u64,
    reporter: Arc<Reporter>,
}

impl FilesSink {
    /// The folder `dir`, made if it is not there. A symbolic link at `dir` itself is followed,
    /// since the user named it.
    pub fn open(dir: &Path, options: FilesOptions) -> Result<Self> {
        std::fs::create_dir_all(dir).attempt("make", dir.display())?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(CWD, dir, flags, Mode::empty()).map_err(io::Error::from);
        let fd = fd.attempt("open", dir.display())?;
        refuse_if_full(dir, &fd, options)?;
        let reporter = Arc::new(Reporter::default());
        let rights = Rights::of_this_process(options.devices_and_setuid);
        let root = Folder::root(fd, dir, options.overwrite, rights, reporter.clone())?;
        let links = Arc::new(Links::new(root.clone(), reporter.clone()));
        let (folders, held_back) = (vec![root], Arc::default());
        Ok(FilesSink { options, rights, folders, links, held_back, turns: 0, reporter })
    }

    fn go_into(&mut self, name: &[u8], becomes: Option<Metadata>) -> Result<()> {
        let here = self.here()?;
        // The way to a part may be as long as the deepest way within it.
        if self.folders.len() > 2 * DIRECTORY_DEPTH_MAX {
            return Err(Error::new(Kind::Unsupported, "enter", here.path_of(name)?.display())
                .because(format!("more than {} directories deep", 2 * DIRECTORY_DEPTH_MAX)));
        }
        self.folders.push(here.enter(name, becomes)?);
        Ok(())
    }

    fn place(
        &mut self,
        node: &Node,
        size: u64,
        holds: &mut Holds<'_>,
        held: Option<(u64, Arc<HeldBack>)>,
    ) -> Result<Placed> {
        let here = self.here()?;
        let path = here.path_of(&node.name)?;
        if !matches!(node.kind, NodeKind::File { .. }) {
            return Err(not_of_kind("write", &path.display().to_string()));
        }
        let captured = node.database().is_some_and(DatabaseFacts::is_sqlite);
        if captured {
            here.complete(&node.name, "came back whole, without it");
        }
        let link = Same::of(node);
        if link.as_ref().is_some_and(|link| here.keeps(&node.name, link)) {
            return Ok(Placed::Kept);
        }
        let mut keep = false;
        if let Some(found) = here.look(&node.name)? {
            let database = captured || here.has_database(&node.name);
            let mut is_kept = |overwrite| {
                is_kept(overwrite, here.fd(), (node, size), &found, database, &mut *holds)
            };
            keep = is_kept(self.options.overwrite);
            // What is named like a log is kept or not together with its database.
            if keep && sibling_of(&node.name).is_none() {
                // What is newer may hold anything: other names get what they had, and no log comes beside it.
                let is_newer = !database && !is_kept(Overwrite::IfChanged);
                match &link {
                    // A log beside this name would not stand beside others.
                    _ if database => here.complete(&node.name, KEPT),
                    Some(link) if !is_newer => {
                        self.links.kept(link, &here, &node.name, found.identity);
                    }
                    _ => {}
                }
                here.keep(&found, link, is_newer);
                return Ok(Placed::Kept);
            }
        }
        if let Some(link) = &link {
            if let Some((turn, held)) = &held
                && self.links.has(link)
            {
                held.keep(*turn, Held::Link(link.clone(), here, node.name.clone()));
                return Ok(Placed::Linked);
            }
            if !self.links.claim(link, &here, &node.name)? {
                return Ok(Placed::Linked);
            }
        }
        let links = link.map(|link| (link, self.links.clone()));
        let (sparse, rights) = (self.options.sparse, self.rights);
        let mut writer = FileWriter::create(here, node, size, sparse, keep, rights, links)?;
        if let Some((turn, held)) = held {
            writer.hold_back(turn, held);
        }
        Ok(Placed::Write(Box::new(writer)))
    }

    fn here(&self) -> Result<Arc<Folder>> {
        let none = || Error::new(Kind::Failed, "restore into", "a target that was given up");
        self.folders.last().cloned().ok_or_else(none)
    }
}

impl Sink for FilesSink {
    /// The target folder itself gets the metadata of `node`, once all is done.
    fn begin(&mut self, node: &Node) {
        if let Some(root) = self.folders.first() {
            root.becomes(node.meta.clone());
        }
    }

    fn enter(&mut self, node: &Node) -> Result<()> {
        if !matches!(node.kind, NodeKind::Directory { .. }) {
            let path = self.here()?.path_of(&node.name)?;
            return Err(not_of_kind("enter", &path.display().to_string()));
        }
        self.go_into(&node.name, Some(node.meta.clone()))
    }

    /// A directory that is there stays as it is, a new one is like any other that is made now.
    fn pass(&mut self, name: &[u8]) -> Result<()> {
        self.go_into(name, None)
    }

    fn file(&mut self, node: &Node, size: u64, holds: &mut Holds<'_>) -> Result<Placed> {
        self.place(node, size, holds, None)
    }

    fn hold_back(&mut self, node: &Node, size: u64, holds: &mut Holds<'_>) -> Result<Placed> {
        self.turns += 1;
        self.place(node, size, holds, Some((self.turns, self.held_back.clone())))
    }

    fn other(&mut self, node: &Node) -> Result<()> {
        let here = self.here()?;
        let path = here.path_of(&node.name)?;
        match node.kind {
            NodeKind::Directory { .. } | NodeKind::File { .. } => {
                return Err(not_of_kind("make", &path.display().to_string()));
            }
            NodeKind::Socket => {
                self.reporter.socket(&path);
                return Ok(());
            }
            NodeKind::CharDevice { .. } | NodeKind::BlockDevice { .. } if !self.rights.special => {
                self.reporter.device(&path);
                return Ok(());
            }
            _ => {}
        }
        here.look(&node.name)?;
        let link = Same::of(node);
        if let Some(link) = &link
            && !self.links.claim(link, &here, &node.name)?
        {
            return Ok(());
        }
        match (here.make_other(node), &link) {
            (Ok(Made { at, identity }), Some(link)) => {
                self.links.finished(link, &here, &at, identity, Sort::Special);
                Ok(())
            }
            (Err(error), Some(link)) => {
                self.links.failed(link);
                Err(error)
            }
            (made, None) => made.map(drop),
        }
    }

    /// Databases that were stored as files wait, and their logs.
    fn settle(&mut self) -> Vec<Error> {
        self.folders.last().map_or_else(Vec::new, |folder| folder.settle(&self.links))
    }

    fn leave(&mut self) -> Result<()> {
        if self.folders.len() < 2 {
            return Err(Error::new(Kind::InvalidInput, "leave", "the root of a restore"));
        }
        let trouble = self.settle().into_iter().next();
        if let Some(folder) = self.folders.pop() {
            folder.done();
        }
        trouble.map_or(Ok(()), Err)
    }

    fn finish(mut self: Box<Self>) -> Result<Report> {
        let mut trouble = None;
        while !self.folders.is_empty() {
            trouble = self.settle().into_iter().next().or(trouble);
            if let Some(folder) = self.folders.pop() {
                folder.done();
            }
        }
        if let Some(trouble) = trouble {
            return Err(trouble);
        }
        self.held_back.appear(&self.links)?;
        let reporter = self.reporter.clone();
        // The target's own metadata is applied when nobody holds it any more.
        drop(self);
        Ok(reporter.report())
    }
}

impl Drop for FilesSink {
    fn drop(&mut self) {
        self.folders.iter().for_each(|folder| folder.abandon());
    }
}

/// Whether what was `found` in `folder` in the place of a node of so many bytes stays.
fn is_kept(
    overwrite: Overwrite,
    folder: BorrowedFd<'_>,
    (node, size): (&Node, u64),
    found: &Occupant,
    is_database: bool,
    holds: &mut Holds<'_>,
) -> bool {
    let FileTime(seconds, nanoseconds) = node.meta.mtime;
    let wanted = (seconds, nanoseconds);
    let same = found.regular && found.size == size && found.mtime == wanted;
    // What a database holds may stand in its log alone.
    let log = is_database.then(|| newest_log(folder, &node.name)).flatten();
    match overwrite {
        Overwrite::Never | Overwrite::Always => false,
        // What was committed to a log when it was captured shows in its bytes alone.
        Overwrite::IfChanged if is_database => {
            let captured = node.database().is_some_and(DatabaseFacts::is_sqlite);
            captured && same && log.is_none() && open_to_read(folder, &node.name).is_ok_and(holds)
        }
        Overwrite::IfChanged => same,
        Overwrite::IfNewer => found.regular && log.max(Some(found.mtime)) >= Some(wanted),
    }
}

/// Whether the file at `path` beneath `root` was changed after `node` was: then
/// [`Overwrite::IfNewer`] kept it, since what is restored gets the time of its node.
pub fn is_newer(root: impl AsFd, path: &Path, node: &Node) -> bool {
    let FileTime(seconds, nanoseconds) = node.meta.mtime;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let Ok(folder) = open_beneath(root, folder.unwrap_or(Path::new(".")), flags) else {
        return false;
    };
    let Ok(stat) = rustix::fs::statat(&folder, &node.name, AtFlags::SYMLINK_NOFOLLOW) else {
        return false;
    };
    let found = Occupant::new(&stat);
    let is_database = stands(folder.as_fd(), &node.name).unwrap_or(false);
    let log = is_database.then(|| newest_log(folder.as_fd(), &node.name)).flatten();
    found.regular && log.max(Some(found.mtime)) > Some((seconds, nanoseconds))
}

/// When the -wal or -journal of a database was written to that holds something.
fn newest_log(folder: BorrowedFd<'_>, name: &[u8]) -> Option<(i64, u32)> {
    let log = |suffix: &[u8]| {
        let name = [name, suffix].concat();
        let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let found = Occupant::new(&stat);
        (found.size > 0).then_some(found.mtime)
    };
    log(b"-wal").max(log(b"-journal"))
}

fn open_to_read(folder: BorrowedFd<'_>, name: &[u8]) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::openat(folder, name, flags, Mode::empty())?))
}

fn refuse_if_full(dir: &Path, fd: &OwnedFd, options: FilesOptions) -> Result<()> {
    if options.overwrite == Overwrite::Never && !is_empty(fd).attempt("list", dir.display())? {
        return Err(Error::new(Kind::Refused, "restore into", dir.display())
            .because("it is not empty")
            .hint("name an empty folder, or use --overwrite"));
    }
    Ok(())
}

fn is_empty(fd: &OwnedFd) -> io::Result<bool> {
    let mut buffer = Vec::with_capacity(8 << 10);
    let mut entries = RawDir::new(fd, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            return Ok(false);
        }
    }
    Ok(true)
}

fn not_of_kind(attempted: &str, path: &str) -> Error {
    Error::new(Kind::InvalidInput, attempted, path).because("it is something else")
}
