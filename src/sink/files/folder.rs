//! One open directory of a restore: where things are made under temporary names and renamed
//! into place, and where no two of them may meet.

use super::metadata::{Rights, Thing, apply};
use super::report::Reporter;
use super::same::{Identity, Same};
use super::waiting::{Databases, Sort};
use super::{Overwrite, leftovers};
use crate::error::{Attempt, Error, Kind, Result};
use crate::format::directory::{Metadata, Node, NodeKind, bad_name};
use crate::sink::sqlite::lock_exclusively;
use crate::sink::temporary::temporary;
use parking_lot::{Mutex, MutexGuard};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, Stat, makedev};
use rustix::io::Errno;
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What was made, and under which name it is.
pub(super) struct Made {
    pub at: Vec<u8>,
    pub identity: Identity,
}

/// What stands under a name already.
pub(super) struct Occupant {
    pub identity: Identity,
    pub regular: bool,
    pub size: u64,
    pub mtime: (i64, u32),
}

impl Occupant {
    pub(super) fn new(stat: &Stat) -> Self {
        Occupant {
            identity: (stat.st_dev, stat.st_ino),
            regular: FileType::from_raw_mode(stat.st_mode).is_file(),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            mtime: (stat.st_mtime, u32::try_from(stat.st_mtime_nsec).unwrap_or(0)),
        }
    }
}

/// An open directory of the target. Its own metadata is applied when nobody holds it any more.
pub(super) struct Folder {
    fd: OwnedFd,
    /// Path for messages.
    path: PathBuf,
    /// Path from the target, for hard links.
    beneath: PathBuf,
    pub(super) overwrite: Overwrite,
    rights: Rights,
    reporter: Arc<Reporter>,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    /// Things that this restore put here; a second one must never land on any of them, which
    /// would happen where the file system takes two names for one.
    pub(super) made: HashSet<Identity>,
    /// Those of them that were there already, and are newer than what the snapshot has.
    pub(super) newer: HashSet<Identity>,
    /// Files of several names that were kept: their other names may be kept, too.
    kept: HashMap<Identity, Same>,
    /// Databases, and what waits to be put in place together.
    pub(super) databases: Databases,
    /// What the directory gets in the end.
    becomes: Option<Metadata>,
    /// The mode that it had, if that had to change; it comes back if the restore does not end.
    before: Option<Mode>,
    done: bool,
}

impl Folder {
    /// The target itself.
    pub(super) fn root(
        fd: OwnedFd,
        path: &Path,
        overwrite: Overwrite,
        rights: Rights,
        reporter: Arc<Reporter>,
    ) -> Result<Arc<Self>> {
        leftovers::begin(fd.as_fd(), path, overwrite, &reporter);
        let (path, beneath) = (path.to_owned(), PathBuf::new());
        let state = Mutex::default();
        Ok(Arc::new(Folder { fd, path, beneath, overwrite, rights, reporter, state }))
    }

    /// Its descriptor.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Its path from the target.
    pub(super) fn beneath(&self) -> &Path {
        &self.beneath
    }

    /// Where reports go.
    pub(super) fn reporter(&self) -> &Arc<Reporter> {
        &self.reporter
    }

    /// Path of the entry `name`, once the name is known to be one.
    pub(super) fn path_of(&self, name: &[u8]) -> Result<PathBuf> {
        match bad_name(name) {
            None => Ok(self.path.join(OsStr::from_bytes(name))),
            Some(reason) => {
                let shown = format!("{:?} in {}", OsStr::from_bytes(name), self.path.display());
                Err(Error::damaged("restore", shown, reason))
            }
        }
    }

    /// Sets what the directory gets in the end.
    pub(super) fn becomes(&self, meta: Metadata) {
        self.state().becomes = Some(meta);
    }

    /// Nothing new begins here.
    pub(super) fn done(&self) {
        self.state().done = true;
    }

    /// Notes that what was found belongs to this restore, under every name of its own; whether it is what
    /// the snapshot has, or newer.
    pub(super) fn keep(&self, found: &Occupant, link: Option<Same>, is_newer: bool) {
        let mut state = self.state();
        state.made.insert(found.identity);
        state.newer.extend(is_newer.then_some(found.identity));
        state.kept.extend(link.map(|link| (found.identity, link)));
    }

    /// Whether another name of the same file was kept, and `name` leads to it.
    pub(super) fn keeps(&self, name: &[u8], link: &Same) -> bool {
        let stat = rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW);
        stat.is_ok_and(|stat| self.state().kept.get(&(stat.st_dev, stat.st_ino)) == Some(link))
    }

    /// What stands under `name`, unless this restore put it there.
    pub(super) fn look(&self, name: &[u8]) -> Result<Option<Occupant>> {
        self.check(&self.state(), name)
    }

    pub(super) fn check(&self, state: &State, name: &[u8]) -> Result<Option<Occupant>> {
        let path = self.path_of(name)?;
        let found = match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Occupant::new(&stat),
            Err(Errno::NOENT) => return Ok(None),
            Err(cause) => return Err(io::Error::from(cause)).attempt("restore", path.display()),
        };
        if state.made.contains(&found.identity) {
            return Err(Error::new(Kind::AlreadyExists, "restore", path.display())
                .because("another entry of the same folder stands there")
                .hint("this file system takes both names for one: restore onto another"));
        }
        if self.overwrite == Overwrite::Never {
            return Err(Error::new(Kind::AlreadyExists, "restore", path.display())
                .because("something was put there meanwhile"));
        }
        Ok(Some(found))
    }

    /// Makes the directory `name`, or takes the one that is there. It gets `becomes` in the end;
    /// without, it stays as it is.
    pub(super) fn enter(&self, name: &[u8], becomes: Option<Metadata>) -> Result<Arc<Folder>> {
        let path = self.path_of(name)?;
        let (fd, identity, before) = self.directory(name, &path, becomes.is_some())?;
        self.state().made.insert(identity);
        leftovers::begin(fd.as_fd(), &path, self.overwrite, &self.reporter);
        let state = State { becomes, before, ..State::default() };
        Ok(Arc::new(Folder {
            fd,
            path,
            beneath: self.beneath.join(OsStr::from_bytes(name)),
            overwrite: self.overwrite,
            rights: self.rights,
            reporter: self.reporter.clone(),
            state: Mutex::new(state),
        }))
    }

    fn directory(
        &self,
        name: &[u8],
        path: &Path,
        private: bool,
    ) -> Result<(OwnedFd, Identity, Option<Mode>)> {
        let made = |result: Result<(), Errno>| {
            result.map_err(io::Error::from).attempt("make", path.display())
        };
        if self.look(name)?.is_some() {
            match self.open_directory(name) {
                Ok(opened) => return Ok(opened),
                Err(Errno::NOTDIR | Errno::LOOP) => {
                    // Held until it is gone.
                    let guard = self.has_database(name).then(|| lock_exclusively(&self.fd, name));
                    let _guard = guard
                        .transpose()
                        .map_err(|error| error.within("restore", path.display()))?;
                    let link = self.link_at(name);
                    made(rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()))?;
                    link.iter().for_each(|target| self.reporter.replaced_link(path, target));
                }
                Err(cause) => made(Err(cause))?,
            }
        }
        // It gets its own mode in the end, if it has one.
        let mode = if private { Mode::RWXU } else { Mode::from_raw_mode(0o755) };
        made(rustix::fs::mkdirat(&self.fd, name, mode))?;
        self.open_directory(name).map_err(io::Error::from).attempt("make", path.display())
    }

    /// Opens a directory so that it can be written in; gives the mode that it had if that had to
    /// change.
    fn open_directory(&self, name: &[u8]) -> Result<(OwnedFd, Identity, Option<Mode>), Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut before = None;
        let fd = match rustix::fs::openat(&self.fd, name, flags, Mode::empty()) {
            // Ours, but not even readable: as a path it can be made so.
            Err(Errno::ACCESS) => {
                let as_path = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let fd = rustix::fs::openat(&self.fd, name, as_path, Mode::empty())?;
                before = Some(Mode::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode));
                let through = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&fd));
                rustix::fs::chmodat(rustix::fs::CWD, through, Mode::RWXU, AtFlags::empty())?;
                rustix::fs::openat(&self.fd, name, flags, Mode::empty())?
            }
            result => result?,
        };
        let stat = rustix::fs::fstat(&fd)?;
        let mode = Mode::from_raw_mode(stat.st_mode);
        if !mode.contains(Mode::RWXU) {
            before = Some(mode);
            // If it cannot be changed, what is written in it fails.
            let _ = rustix::fs::fchmod(&fd, mode | Mode::RWXU);
        }
        Ok((fd, (stat.st_dev, stat.st_ino), before))
    }

    /// Makes what has no content, and says what it became.
    pub(super) fn make_other(&self, node: &Node) -> Result<Made> {
        let path = self.path_of(&node.name)?;
        let temporary = temporary(|name| self.make_special(node, name));
        let temporary = temporary.attempt("make", path.display())?;
        let outcome = self.finish_other(node, &temporary, &path);
        if outcome.is_err() {
            self.discard(&temporary);
        }
        outcome
    }

    fn finish_other(&self, node: &Node, temporary: &[u8], path: &Path) -> Result<Made> {
        let as_path = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, temporary, as_path, Mode::empty());
        let fd = fd.map_err(io::Error::from).attempt("make", path.display())?;
        let stat = rustix::fs::fstat(&fd).map_err(io::Error::from);
        let stat = stat.attempt("make", path.display())?;
        if FileType::from_raw_mode(stat.st_mode) != type_of(&node.kind) || stat.st_nlink != 1 {
            return Err(exchanged(path));
        }
        let thing = match node.kind {
            NodeKind::Symlink { .. } => Thing::Symlink,
            _ => Thing::Special,
        };
        apply(fd.as_fd(), thing, &node.meta, self.rights, path, &self.reporter);
        let identity = (stat.st_dev, stat.st_ino);
        let sort = self.sort_at(&node.name, Sort::Special)?;
        let waits = self.put(temporary, &node.name, identity, sort)?;
        if waits {
            self.waits(&node.name, Same::of(node), false);
        }
        let at = if waits { temporary.to_vec() } else { node.name.clone() };
        Ok(Made { at, identity })
    }

    fn make_special(&self, node: &Node, name: &[u8]) -> Result<(), Errno> {
        let mode = Mode::RUSR | Mode::WUSR;
        let device = match node.kind {
            NodeKind::CharDevice { device } | NodeKind::BlockDevice { device } => device,
            _ => (0, 0),
        };
        match &node.kind {
            NodeKind::Symlink { target } => {
                rustix::fs::symlinkat(target.as_slice(), &self.fd, name)
            }
            kind => {
                let device = makedev(device.0, device.1);
                rustix::fs::mknodat(&self.fd, name, type_of(kind), mode, device)
            }
        }
    }

    /// Renames `temporary` to `name`, replacing what may be replaced, and proves that it was
    /// the thing of this `identity` that came there.
    pub(super) fn place(&self, temporary: &[u8], name: &[u8], identity: Identity) -> Result<()> {
        let path = self.path_of(name)?;
        // Held throughout: no other entry of this restore comes between look and rename.
        let mut state = self.state();
        if self.check(&state, name)?.is_some() {
            self.remove_empty_directory(name, &path)?;
        }
        let renamed = match self.overwrite {
            Overwrite::Never => self.rename_new(temporary, name),
            _ => rustix::fs::renameat(&self.fd, temporary, &self.fd, name),
        };
        renamed.map_err(io::Error::from).attempt("restore", path.display())?;
        let stat = rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW);
        let stat = stat.map_err(io::Error::from).attempt("restore", path.display())?;
        if (stat.st_dev, stat.st_ino) != identity {
            return Err(exchanged(&path));
        }
        state.made.insert(identity);
        Ok(())
    }

    /// What a symbolic link leads to, if there is one: others may go on using that when the link is replaced.
    pub(super) fn link_at(&self, name: &[u8]) -> Option<PathBuf> {
        let target = rustix::fs::readlinkat(&self.fd, name, Vec::new()).ok()?;
        Some(PathBuf::from(OsString::from_vec(target.into_bytes())))
    }

    fn rename_new(&self, temporary: &[u8], name: &[u8]) -> Result<(), Errno> {
        let flags = RenameFlags::NOREPLACE;
        match rustix::fs::renameat_with(&self.fd, temporary, &self.fd, name, flags) {
            // A file system without it: a hard link replaces nothing either.
            Err(Errno::INVAL | Errno::NOSYS) => {
                rustix::fs::linkat(&self.fd, temporary, &self.fd, name, AtFlags::empty())?;
                rustix::fs::unlinkat(&self.fd, temporary, AtFlags::empty())
            }
            result => result,
        }
    }

    /// A directory in the way of something else goes if it is empty, and is never emptied.
    fn remove_empty_directory(&self, name: &[u8], path: &Path) -> Result<()> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOTDIR | Errno::NOENT) => Ok(()),
            Err(cause) => Err(io::Error::from(cause)).attempt("replace", path.display()),
        }
    }

    /// Takes away what was begun under a temporary name.
    pub(super) fn discard(&self, temporary: &[u8]) {
        let _ = rustix::fs::unlinkat(&self.fd, temporary, AtFlags::empty());
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        let fd = self.fd.as_fd();
        match (&state.becomes, state.before) {
            (Some(meta), _) if state.done => {
                apply(fd, Thing::Directory, meta, self.rights, &self.path, &self.reporter);
            }
            (_, Some(mode)) => drop(rustix::fs::fchmod(fd, mode)),
            _ => {}
        }
    }
}

fn type_of(kind: &NodeKind) -> FileType {
    match kind {
        NodeKind::File { .. } => FileType::RegularFile,
        NodeKind::Directory { .. } => FileType::Directory,
        NodeKind::Symlink { .. } => FileType::Symlink,
        NodeKind::Fifo => FileType::Fifo,
        NodeKind::Socket => FileType::Socket,
        NodeKind::CharDevice { .. } => FileType::CharacterDevice,
        NodeKind::BlockDevice { .. } => FileType::BlockDevice,
    }
}

fn exchanged(path: &Path) -> Error {
    Error::new(Kind::Refused, "restore", path.display())
        .because("it was replaced while it was made")
}
