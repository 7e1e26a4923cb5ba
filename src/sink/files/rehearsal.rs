//! A restore that changes nothing, and says what a real one would meet.

use super::databases::of_another_moment;
use super::folder::Occupant;
use super::{FilesOptions, Report, is_empty, is_kept};
use crate::error::{Attempt, Error, Result};
use crate::format::database::DatabaseFacts;
use crate::format::database::sibling_of;
use crate::format::directory::{Node, NodeKind};
use crate::sink::sqlite::{lock_exclusively, stands};
use crate::sink::{Holds, Placed, Sink};
use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A folder that nothing is restored into.
pub struct Rehearsal {
    options: FilesOptions,
    path: PathBuf,
    /// The target, then the directories entered.
    folders: Vec<Level>,
    /// Logs that would be left out: their databases come back without them.
    siblings: u64,
}

struct Level {
    /// None of one that is not there yet.
    fd: Option<OwnedFd>,
    /// The files before the next one whose names it begins with, and whether each is a database that
    /// was captured as one.
    before: Vec<(Vec<u8>, bool)>,
}

impl Rehearsal {
    /// The folder `dir`, which need not be there.
    ///
    /// # Errors
    /// Those that a restore would begin with: it is no folder, it is not empty and has to be, or
    /// nothing can be made in it.
    pub fn open(dir: &Path, options: FilesOptions) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = match rustix::fs::openat(CWD, dir, flags, Mode::empty()) {
            Ok(fd) => Some(fd),
            Err(Errno::NOENT) => None,
            Err(cause) => return Err(io::Error::from(cause)).attempt("open", dir.display()),
        };
        if let Some(fd) = &fd {
            super::refuse_if_full(dir, fd, options)?;
        }
        let there = dir.ancestors().map(or_here).find(|path| path.symlink_metadata().is_ok());
        let there = there.unwrap_or(Path::new("/"));
        rustix::fs::access(there, Access::WRITE_OK | Access::EXEC_OK)
            .map_err(io::Error::from)
            .attempt("make files in", there.display())?;
        Ok(Rehearsal {
            options,
            path: dir.to_owned(),
            folders: vec![Level { fd, before: Vec::new() }],
            siblings: 0,
        })
    }

    /// If `name` is that of a sibling whose database came before it: whether that was captured as one.
    fn before(&mut self, name: &[u8], captured: bool) -> Option<bool> {
        let level = self.folders.last_mut()?;
        while level.before.pop_if(|(before, _)| !name.starts_with(before)).is_some() {}
        let main = sibling_of(name);
        let found = level.before.iter().find(|(before, _)| Some(before.as_slice()) == main);
        let found = found.map(|(_, captured)| *captured);
        level.before.push((name.to_vec(), captured));
        found
    }

    fn look(&self, node: &Node) -> Result<Option<Occupant>> {
        let Some(fd) = self.here() else { return Ok(None) };
        let shown = || self.shown(&node.name);
        let stat = match rustix::fs::statat(fd, &node.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(None),
            Err(cause) => return Err(io::Error::from(cause)).attempt("restore", shown()),
        };
        if let Ok(fd) = rustix::fs::openat(fd, &node.name, DIRECTORY, Mode::empty())
            && !is_empty(&fd).attempt("replace", shown())?
            && !matches!(node.kind, NodeKind::Directory { .. })
        {
            return Err(io::Error::from(Errno::NOTEMPTY)).attempt("replace", shown());
        }
        Ok(Some(Occupant::new(&stat)))
    }

    fn refuse_in_use(&self, folder: &OwnedFd, name: &[u8]) -> Result<()> {
        let locked = lock_exclusively(folder, name);
        locked.map(drop).map_err(|error| error.within("restore", self.shown(name)))
    }

    fn here(&self) -> Option<&OwnedFd> {
        self.folders.last().and_then(|level| level.fd.as_ref())
    }

    fn shown(&self, name: &[u8]) -> String {
        let way = if self.folders.len() > 1 { ".../" } else { "" };
        self.path.join(format!("{way}{}", OsStr::from_bytes(name).display())).display().to_string()
    }
}

impl Sink for Rehearsal {
    fn begin(&mut self, _: &Node) {}

    fn enter(&mut self, node: &Node) -> Result<()> {
        self.pass(&node.name)
    }

    fn pass(&mut self, name: &[u8]) -> Result<()> {
        let below = match self.here() {
            None => None,
            Some(fd) => match rustix::fs::openat(fd, name, DIRECTORY, Mode::empty()) {
                Ok(fd) => Some(fd),
                // What is in the way is replaced.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => None,
                Err(cause) => {
                    return Err(io::Error::from(cause)).attempt("make", self.shown(name));
                }
            },
        };
        self.folders.push(Level { fd: below, before: Vec::new() });
        Ok(())
    }

    fn file(&mut self, node: &Node, size: u64, holds: &mut Holds<'_>) -> Result<Placed> {
        let captured = node.database().is_some_and(DatabaseFacts::is_sqlite);
        let database = self.before(&node.name, captured);
        if database == Some(true) {
            self.siblings += 1;
            return Ok(Placed::LeftOut);
        }
        let Some(fd) = self.here() else { return Ok(Placed::WouldWrite) };
        if let (Some(main), None) = (sibling_of(&node.name), database)
            && stands(fd, main)?
        {
            return Err(of_another_moment(Path::new(&self.shown(&node.name))));
        }
        let Some(found) = self.look(node)? else { return Ok(Placed::WouldWrite) };
        let is_database = captured || stands(fd, &node.name)?;
        if is_kept(self.options.overwrite, fd.as_fd(), (node, size), &found, is_database, holds) {
            return Ok(Placed::Kept);
        }
        if is_database {
            self.refuse_in_use(fd, &node.name)?;
        }
        Ok(Placed::WouldWrite)
    }

    fn hold_back(&mut self, node: &Node, size: u64, holds: &mut Holds<'_>) -> Result<Placed> {
        self.file(node, size, holds)
    }

    /// Trouble is a folder that stands there and is not empty, or a database that is in use.
    fn other(&mut self, node: &Node) -> Result<()> {
        self.look(node)?;
        match self.here() {
            Some(fd) if stands(fd, &node.name)? => self.refuse_in_use(fd, &node.name),
            _ => Ok(()),
        }
    }

    fn settle(&mut self) -> Vec<Error> {
        Vec::new()
    }

    fn leave(&mut self) -> Result<()> {
        self.folders.pop();
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Report> {
        Ok(Report { siblings: self.siblings, ..Report::default() })
    }
}

fn or_here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}
