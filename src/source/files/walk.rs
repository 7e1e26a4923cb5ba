//! The walk itself: depth first, names in order, one listing for each directory and one `stat`
//! for each entry, all relative to open directories, so that no link is followed.

use super::FilesOptions;
use super::content::{Unopened, is_database, open_quietly};
use super::listing::Listing;
use super::metadata::{XattrReader, identity, margin_of, metadata, settled, size, stamp};
use super::owners::Owners;
use crate::env::Time;
use crate::error::{Attempt, Error, Kind, Result};
use crate::format::list::{Content, TreeRef};
use crate::format::node::{Node, NodeKind};
use crate::id::ChunkId;
use crate::limits::{DIRECTORY_DEPTH_MAX, WARNINGS_MAX};
use crate::source::sqlite::sibling_of;
use crate::source::{FileItem, Item, Xattrs};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, major, minor};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Directories kept open above the present one; farther ones are opened again on the way back.
const LEVELS_OPEN: usize = 64;

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// An open directory.
pub(super) struct Directory {
    fd: OwnedFd,
    path: PathBuf,
    /// What stands before a name to reach its extended attributes, which no call takes
    /// relative to a directory.
    reach: Vec<u8>,
}

impl Directory {
    fn new(fd: OwnedFd, path: PathBuf) -> Self {
        let reach = format!("/proc/self/fd/{}/", fd.as_raw_fd()).into_bytes();
        Directory { fd, path, reach }
    }

    /// What leads to the entry `name` for calls that take no descriptor of a directory.
    pub(super) fn reach(&self) -> &[u8] {
        &self.reach
    }

    /// Its descriptor.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Path of an entry.
    pub(super) fn join(&self, name: &[u8]) -> PathBuf {
        self.path.join(OsStr::from_bytes(name))
    }
}

/// A directory on the way from the root to the present one.
struct Level {
    /// Not open while the walk is far beneath.
    directory: Option<Arc<Directory>>,
    identity: (u64, u64),
    listing: Listing,
    /// The time before any of its entries was looked at.
    now: Time,
    /// How much older than `now` a stamp must be to prove anything.
    margin: i64,
}

/// The state of a walk.
pub(super) struct Walk {
    options: FilesOptions,
    /// The root, until it is given.
    root: Option<PathBuf>,
    device: u64,
    levels: Vec<Level>,
    ready: VecDeque<Item>,
    owners: Owners,
    xattrs: XattrReader,
    warnings: Vec<String>,
}

impl Walk {
    /// A walk over what is at the absolute `path`.
    pub(super) fn new(path: &Path, options: FilesOptions) -> Result<Self> {
        let stat = rustix::fs::stat(path).map_err(io::Error::from);
        let stat = stat.attempt("read", path.display())?;
        Ok(Walk {
            options,
            root: Some(path.to_owned()),
            device: stat.st_dev,
            levels: Vec::new(),
            ready: VecDeque::new(),
            owners: Owners::of_this_machine(),
            xattrs: XattrReader::new(),
            warnings: Vec::new(),
        })
    }

    /// The next item, the root first.
    pub(super) fn next(&mut self) -> Result<Option<Item>> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Ok(Some(item));
            }
            if let Some(root) = self.root.take() {
                self.begin(&root)?;
                continue;
            }
            let Some(level) = self.levels.last_mut() else { return Ok(None) };
            match (level.listing.take().map(<[u8]>::to_vec), level.directory.clone()) {
                (Some(name), Some(directory)) => self.entry(&directory, name),
                _ => self.leave(),
            }
        }
    }

    /// What the user should know.
    pub(super) fn into_warnings(self) -> Vec<String> {
        self.warnings
    }

    /// Gives the root; trouble with it is the end.
    fn begin(&mut self, path: &Path) -> Result<()> {
        let name = path.file_name().unwrap_or_default().as_bytes().to_vec();
        let real = path.canonicalize().attempt("find", path.display())?;
        let stat = rustix::fs::stat(&real).map_err(io::Error::from);
        let stat = stat.attempt("read", path.display())?;
        if FileType::from_raw_mode(stat.st_mode).is_dir() {
            let fd = rustix::fs::openat(CWD, &real, DIRECTORY, Mode::empty());
            let fd = fd.map_err(io::Error::from).attempt("open", path.display())?;
            return self.enter(fd, path.to_owned(), name);
        }
        let folder = real.parent().unwrap_or(Path::new("/")).to_owned();
        let fd = rustix::fs::openat(CWD, &folder, DIRECTORY, Mode::empty());
        let fd = fd.map_err(io::Error::from).attempt("open", folder.display())?;
        let level = self.level(Arc::new(Directory::new(fd, folder)), &stat);
        let real_name = real.file_name().unwrap_or_default().as_bytes();
        self.give(&level, name, real_name, stat);
        Ok(())
    }

    /// Gives the entry `name` of the present directory, or leaves it out.
    fn entry(&mut self, directory: &Arc<Directory>, name: Vec<u8>) {
        if !self.options.excludes.is_empty() {
            let path = directory.join(&name);
            if self.options.excludes.leave_out(path.as_os_str().as_bytes()) {
                return;
            }
        }
        let stat = match rustix::fs::statat(directory.fd(), &name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            // Gone since the listing: as if the walk had come a little later.
            Err(Errno::NOENT) => return,
            Err(cause) => return self.fail("read", &directory.join(&name), cause),
        };
        if FileType::from_raw_mode(stat.st_mode).is_dir() {
            return match open_quietly(directory.fd(), &name, DIRECTORY, stat.st_uid) {
                Ok(fd) => {
                    let path = directory.join(&name);
                    if let Err(error) = self.enter(fd, path, name) {
                        self.ready.push_back(Item::Failed(error));
                    }
                }
                Err(cause) => self.fail("open", &directory.join(&name), cause),
            };
        }
        if let Some(level) = self.levels.pop() {
            if !self.left_out(&level, directory, &name, &stat) {
                self.give(&level, name.clone(), &name, stat);
            }
            self.levels.push(level);
        }
    }

    /// Whether something that is no directory is left out for what it is.
    fn left_out(&self, level: &Level, directory: &Directory, name: &[u8], stat: &Stat) -> bool {
        let file = FileType::from_raw_mode(stat.st_mode).is_file();
        let elsewhere = self.options.one_file_system && stat.st_dev != self.device;
        let too_large = file && self.options.larger_than.is_some_and(|limit| size(stat) > limit);
        let sibling = || {
            self.options.sqlite.is_some()
                && sibling_of(name).is_some_and(|main| {
                    level.listing.contains(main) && is_database(directory.fd(), main)
                })
        };
        elsewhere || too_large || (file && sibling())
    }

    /// Gives something that is no directory: `real_name` in the directory of `level`, to be
    /// stored under `name`.
    fn give(&mut self, level: &Level, name: Vec<u8>, real_name: &[u8], stat: Stat) {
        let Some(directory) = level.directory.clone() else { return };
        let device = (major(stat.st_rdev), minor(stat.st_rdev));
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => NodeKind::File { content: Content::default(), database: None },
            FileType::Symlink => match rustix::fs::readlinkat(directory.fd(), real_name, []) {
                Ok(target) => NodeKind::Symlink { target: target.into_bytes() },
                Err(cause) => return self.fail("read", &directory.join(real_name), cause),
            },
            FileType::Fifo => NodeKind::Fifo,
            FileType::Socket => NodeKind::Socket,
            FileType::CharacterDevice => NodeKind::CharDevice { device },
            FileType::BlockDevice => NodeKind::BlockDevice { device },
            _ => {
                let error =
                    Error::new(Kind::Unsupported, "read", directory.join(real_name).display())
                        .because("it is of no known type");
                return self.ready.push_back(Item::Failed(error));
            }
        };
        let meta = metadata(&stat, &self.owners, Xattrs::new(), false);
        let mut node = Node { name, kind, meta, stamp: None, taint: None };
        let item = match node.kind {
            NodeKind::File { .. } => self.file(level, directory, real_name, stat, node),
            _ => {
                node.meta.xattrs = self.xattrs_of(&directory, real_name);
                Item::Other(node)
            }
        };
        self.ready.push_back(item);
    }

    fn file(
        &self,
        level: &Level,
        directory: Arc<Directory>,
        name: &[u8],
        stat: Stat,
        node: Node,
    ) -> Item {
        let sqlite = self.options.sqlite.clone();
        // Commits may stand in -wal alone: then the file's own stamp proves nothing.
        let journaled = sqlite.is_some()
            && [&b"-wal"[..], b"-journal"]
                .iter()
                .any(|s| level.listing.contains(&[name, s].concat()))
            && is_database(directory.fd(), name);
        let stamp = (!journaled).then(|| stamp(&stat));
        let settled = stamp.is_some_and(|stamp| settled(&stamp, level.now, level.margin));
        let unopened = Unopened { directory, name: name.to_vec(), stat, sqlite };
        let open = Box::new(move || unopened.open());
        Item::File(FileItem { node, length: Some(size(&stat)), stamp, settled, open })
    }

    /// Goes down into the directory `fd`, whose stored name is `name`.
    fn enter(&mut self, fd: OwnedFd, path: PathBuf, name: Vec<u8>) -> Result<()> {
        if self.levels.len() >= DIRECTORY_DEPTH_MAX {
            return Err(Error::new(Kind::Unsupported, "walk", path.display())
                .because(format!("more than {DIRECTORY_DEPTH_MAX} directories deep")));
        }
        let stat = rustix::fs::fstat(&fd).map_err(io::Error::from);
        let stat = stat.attempt("read", path.display())?;
        let directory = Arc::new(Directory::new(fd, path));
        let xattrs = self.xattrs_of(&directory, b".");
        let mut level = self.level(directory.clone(), &stat);
        let failure = self.list(&directory, &stat, &mut level);
        let node = Node {
            name,
            kind: NodeKind::Directory { entries: TreeRef { id: ChunkId([0; 32]), levels: 0 } },
            meta: metadata(&stat, &self.owners, xattrs, true),
            stamp: None,
            taint: None,
        };
        self.ready.push_back(Item::Enter(node));
        self.ready.extend(failure.map(Item::Failed));
        self.levels.push(level);
        if let Some(far) = self.levels.len().checked_sub(LEVELS_OPEN)
            && let Some(level) = self.levels.get_mut(far)
        {
            level.directory = None;
        }
        Ok(())
    }

    fn level(&self, directory: Arc<Directory>, stat: &Stat) -> Level {
        let margin = match self.levels.last() {
            Some(above) if above.identity.0 == stat.st_dev => above.margin,
            _ => margin_of(directory.fd()),
        };
        let now = self.options.env.now();
        let listing = Listing::default();
        Level { directory: Some(directory), identity: identity(stat), listing, now, margin }
    }

    /// Fills the listing of `level` with what of `directory` is wanted.
    fn list(&self, directory: &Directory, stat: &Stat, level: &mut Level) -> Option<Error> {
        if self.options.one_file_system && stat.st_dev != self.device {
            return None;
        }
        let (mut listing, failure) = Listing::read(directory.fd(), &directory.path);
        for (marker, header) in &self.options.exclude_if_present {
            if listing.contains(marker) && begins_with(directory, marker, header.as_deref()) {
                listing.retain(marker);
            }
        }
        level.listing = listing;
        failure
    }

    /// Goes back up, to a directory that may have to be opened again.
    fn leave(&mut self) {
        let Some(left) = self.levels.pop() else { return };
        self.ready.push_back(Item::Leave);
        let Some(above) = self.levels.last_mut() else { return };
        if above.directory.is_some() {
            return;
        }
        match left.directory.as_deref().map(|below| reopen_above(below, above.identity)) {
            Some(Ok(directory)) => above.directory = Some(Arc::new(directory)),
            Some(Err(error)) => self.ready.push_back(Item::Failed(error)),
            None => {}
        }
    }

    fn xattrs_of(&mut self, directory: &Directory, name: &[u8]) -> Xattrs {
        self.xattrs.read(&directory.reach, name).unwrap_or_else(|reason| {
            if self.warnings.len() < WARNINGS_MAX {
                self.warnings.push(xattrs_left_out(&directory.join(name), &reason));
            }
            Xattrs::new()
        })
    }

    fn fail(&mut self, attempted: &str, path: &Path, cause: impl Into<io::Error>) {
        let failed: io::Result<()> = Err(cause.into());
        self.ready.extend(failed.attempt(attempted, path.display()).err().map(Item::Failed));
    }
}

/// What the user is told where extended attributes cannot be read.
pub(super) fn xattrs_left_out(path: &Path, reason: &str) -> String {
    format!("extended attributes of {} are left out: {reason}", path.display())
}

/// The directory above `below`, if it is still the one that was left.
fn reopen_above(below: &Directory, expected: (u64, u64)) -> Result<Directory> {
    let path = below.path.parent().unwrap_or(Path::new("/")).to_owned();
    let fd = rustix::fs::openat(&below.fd, "..", DIRECTORY, Mode::empty());
    let fd = fd.map_err(io::Error::from).attempt("open", path.display())?;
    let stat = rustix::fs::fstat(&fd).map_err(io::Error::from);
    if identity(&stat.attempt("read", path.display())?) != expected {
        return Err(Error::new(Kind::SourceChanged, "walk the rest of", path.display())
            .because("a folder in it was moved away meanwhile"));
    }
    Ok(Directory::new(fd, path))
}

/// Whether the file `name` begins with `header`; any file does with none.
fn begins_with(directory: &Directory, name: &[u8], header: Option<&[u8]>) -> bool {
    let Some(header) = header else { return true };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(fd) = rustix::fs::openat(&directory.fd, name, flags, Mode::empty()) else {
        return false;
    };
    let mut head = vec![0; header.len()];
    matches!(rustix::io::pread(&fd, &mut head, 0), Ok(read) if read == head.len() && head == header)
}
