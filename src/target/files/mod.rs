//! Trees back onto a file system: everything relative to open directories, one checked name at
//! a time, so that nothing outside the target is ever touched, whatever is in the way.

mod folder;
mod links;
mod metadata;
mod report;
mod sink;

pub use report::Report;
pub use sink::FileSink;

use crate::error::{Attempt, Error, Kind, Result};
use crate::format::database::DatabaseFacts;
use crate::format::node::{FileTime, Node, NodeKind};
use crate::limits::DIRECTORY_DEPTH_MAX;
use folder::{Folder, Found};
use links::Links;
use metadata::Rights;
use report::Reporter;
use rustix::fs::{CWD, Mode, OFlags, RawDir};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

/// What happens to what stands in the target already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overwrite {
    /// The target must be empty.
    #[default]
    Never,
    /// It is replaced.
    Always,
    /// Files of the same size and modification time are kept, anything else is replaced.
    IfChanged,
    /// Files that are as new or newer are kept, anything else is replaced.
    IfNewer,
}

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

/// Where a file of a restore goes.
pub enum Placed {
    /// Its content has to be written.
    Write(FileSink),
    /// What stands there is kept.
    Kept,
    /// It is another name of a file of this restore, and needs no content.
    Linked,
}

/// A folder that a tree is restored into.
pub struct FilesTarget {
    options: FilesOptions,
    rights: Rights,
    /// The target itself, then the directories entered.
    folders: Vec<Arc<Folder>>,
    links: Arc<Links>,
    reporter: Arc<Reporter>,
}

impl FilesTarget {
    /// The folder `dir`, made if it is not there. A symbolic link at `dir` itself is followed,
    /// since the user named it.
    pub fn open(dir: &Path, options: FilesOptions) -> Result<Self> {
        std::fs::create_dir_all(dir).attempt("make", dir.display())?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(CWD, dir, flags, Mode::empty()).map_err(io::Error::from);
        let fd = fd.attempt("open", dir.display())?;
        if options.overwrite == Overwrite::Never && !is_empty(&fd).attempt("list", dir.display())? {
            return Err(Error::new(Kind::Refused, "restore into", dir.display())
                .because("it is not empty")
                .hint("name an empty folder, or use --overwrite"));
        }
        let reporter = Arc::new(Reporter::default());
        let rights = Rights::of_this_process(options.devices_and_setuid);
        let root = Folder::root(fd, dir, options.overwrite, rights, reporter.clone())?;
        let links = Arc::new(Links::new(root.clone(), reporter.clone()));
        Ok(FilesTarget { options, rights, folders: vec![root], links, reporter })
    }

    /// Gives the target folder itself the metadata of `node`, once all is done.
    pub fn root(&mut self, node: &Node) {
        if let Some(root) = self.folders.first() {
            root.becomes(node.meta.clone());
        }
    }

    /// Makes the directory `node` (or takes one that is there) and goes into it.
    pub fn enter(&mut self, node: &Node) -> Result<()> {
        let here = self.here()?;
        let path = here.path_of(&node.name)?;
        if !matches!(node.kind, NodeKind::Directory { .. }) {
            return Err(not_of_kind("enter", &path.display().to_string()));
        }
        if self.folders.len() > DIRECTORY_DEPTH_MAX {
            return Err(Error::new(Kind::Unsupported, "enter", path.display())
                .because(format!("more than {DIRECTORY_DEPTH_MAX} directories deep")));
        }
        let folder = here.enter(node)?;
        self.folders.push(folder);
        Ok(())
    }

    /// Leaves the directory entered last. Its metadata is applied as soon as its last file is
    /// finished.
    pub fn leave(&mut self) -> Result<()> {
        if self.folders.len() < 2 {
            return Err(Error::new(Kind::InvalidInput, "leave", "the root of a restore"));
        }
        if let Some(folder) = self.folders.pop() {
            folder.done();
        }
        Ok(())
    }

    /// Places the file `node` of `size` bytes.
    pub fn file(&mut self, node: &Node, size: u64) -> Result<Placed> {
        let here = self.here()?;
        let path = here.path_of(&node.name)?;
        if !matches!(node.kind, NodeKind::File { .. }) {
            return Err(not_of_kind("write", &path.display().to_string()));
        }
        if let Some(found) = here.look(&node.name)?
            && self.is_kept(node, size, &found)
        {
            here.made(&found);
            return Ok(Placed::Kept);
        }
        if let Some(link) = node.meta.link_group
            && !self.links.claim(link, &here, &node.name)?
        {
            return Ok(Placed::Linked);
        }
        let links = node.meta.link_group.map(|link| (link, self.links.clone()));
        FileSink::create(here, node, size, self.options.sparse, self.rights, links)
            .map(Placed::Write)
    }

    /// Places what has no content: a symbolic link, a pipe, a device.
    pub fn other(&mut self, node: &Node) -> Result<()> {
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
        match node.meta.link_group {
            Some(link) if !self.links.claim(link, &here, &node.name)? => Ok(()),
            Some(link) => match here.make_other(node) {
                Ok(identity) => {
                    self.links.finished(link, &here, &node.name, identity);
                    Ok(())
                }
                Err(error) => {
                    self.links.failed(link);
                    Err(error)
                }
            },
            None => here.make_other(node).map(|_| ()),
        }
    }

    /// Ends the restore, after every sink is finished, and tells what could not be brought back.
    pub fn finish(mut self) -> Result<Report> {
        while let Some(folder) = self.folders.pop() {
            folder.done();
        }
        drop(self.links);
        Ok(self.reporter.report())
    }

    fn here(&self) -> Result<Arc<Folder>> {
        let none = || Error::new(Kind::Failed, "restore into", "a target that was given up");
        self.folders.last().cloned().ok_or_else(none)
    }

    fn is_kept(&self, node: &Node, size: u64, found: &Found) -> bool {
        let FileTime(seconds, nanoseconds) = node.meta.mtime;
        let wanted = (seconds, nanoseconds);
        // What a database holds may stand in its -wal: its own size and time say little.
        let database = node.database().is_some_and(DatabaseFacts::is_sqlite);
        match self.options.overwrite {
            Overwrite::Never | Overwrite::Always => false,
            Overwrite::IfChanged if database => false,
            Overwrite::IfChanged => found.regular && found.size == size && found.mtime == wanted,
            Overwrite::IfNewer => found.regular && found.mtime >= wanted,
        }
    }
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
