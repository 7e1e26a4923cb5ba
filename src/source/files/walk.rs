//! The walk itself: depth first, names in order, one listing for each directory and one `stat`
//! for each entry, all relative to open directories, so that no link is followed.

use super::content::Unopened;
use super::databases::Databases;
use super::directory::{DIRECTORY, Directory, reopen_above};
use super::listing::Listing;
use super::logs::{Logged, foreign_log, has_siblings, is_log_alike, looks_encrypted, same_file};
use super::metadata::{identity, link_group, metadata, names, stamp};
use super::open::{is_database, open_quietly};
use super::options::OpenDatabase;
use super::owners::Owners;
use super::refused;
use super::scope::Scope;
use super::settled::{margin_of, settled};
use super::xattrs::XattrReader;
use crate::env::{Env, Time};
use crate::error::{Attempt, Error, Kind, Result};
use crate::format::directory::{Node, NodeKind};
use crate::limits::{DIRECTORY_DEPTH_MAX, WARNINGS_MAX};
use crate::source::sqlite::database_of;
use crate::source::{Entry, FileAt, FileItem, Item, Together, Xattrs};
use rustix::fs::{AtFlags, CWD, FileType, Mode, Stat, major, minor};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Directories kept open above the present one; farther ones are opened again on the way back.
const LEVELS_OPEN: usize = 64;

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
    scope: Arc<Scope>,
    together: Arc<Together>,
    sqlite: Option<OpenDatabase>,
    databases: Option<Databases>,
    env: Env,
    /// The root, until it is given, and its name in the snapshot.
    root: Option<(PathBuf, Vec<u8>)>,
    /// Where the root lies.
    device: u64,
    levels: Vec<Level>,
    ready: VecDeque<Item>,
    owners: Owners,
    xattrs: XattrReader,
    warnings: Vec<String>,
    /// Whether the root is a link that leads nowhere.
    leads_nowhere: bool,
    /// Why the whole walk is worth nothing.
    refused: Option<Error>,
}

impl Walk {
    /// A walk over what is at the absolute `path`, called `name` in the snapshot.
    pub(super) fn new(
        path: &Path,
        name: &[u8],
        scope: Arc<Scope>,
        together: Arc<Together>,
        sqlite: Option<OpenDatabase>,
        env: Env,
    ) -> Self {
        let sooner = sqlite.clone().filter(|_| !scope.is_quiesced());
        let databases = sooner.map(|sqlite| Databases::new(scope.clone(), sqlite));
        Walk {
            scope,
            together,
            sqlite,
            databases,
            env,
            root: Some((path.to_owned(), name.to_vec())),
            device: 0,
            levels: Vec::new(),
            ready: VecDeque::new(),
            owners: Owners::of_this_machine(),
            xattrs: XattrReader::new(),
            warnings: Vec::new(),
            leads_nowhere: false,
            refused: None,
        }
    }

    /// The next database that may be at work.
    pub(super) fn next_database(&mut self) -> Option<FileAt> {
        self.databases.as_mut()?.next(&self.together)
    }

    /// The next item, the root first.
    pub(super) fn next(&mut self) -> Result<Option<Item>> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Ok(Some(item));
            }
            if let Some(refused) = self.refused.take() {
                return Err(refused);
            }
            if let Some((root, name)) = self.root.take() {
                self.begin(&root, name)?;
                continue;
            }
            let Some(level) = self.levels.last_mut() else { return Ok(None) };
            match (level.listing.take().map(<[u8]>::to_vec), level.directory.clone()) {
                (Some(name), Some(directory)) => self.entry(&directory, name),
                _ => self.leave(),
            }
        }
    }

    /// Whether the root was named for what it leads to, and leads nowhere.
    pub(super) fn leads_nowhere(&self) -> bool {
        self.leads_nowhere
    }

    /// What the user should know.
    pub(super) fn into_warnings(self) -> Vec<String> {
        self.warnings
    }

    /// Gives the root; trouble with it is the end.
    fn begin(&mut self, path: &Path, name: Vec<u8>) -> Result<()> {
        let real = find(path).attempt("find", path.display())?;
        let stat = rustix::fs::lstat(&real).map_err(io::Error::from);
        let stat = stat.attempt("read", path.display())?;
        self.device = stat.st_dev;
        self.leads_nowhere = real.is_symlink();
        self.warnings.extend(told_of_link(path, &real));
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
        if self.scope.asks_for_names() && self.scope.leaves_out_name(&directory.join(&name)) {
            return;
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
        if self.scope.is_elsewhere(&stat, self.device) || self.scope.is_too_large(&stat) {
            return;
        }
        if self.is_sibling(directory, &name, &stat) {
            if !is_log_alike(directory.fd(), &name) {
                self.ready.push_back(Item::Failed(foreign_log(&directory.join(&name))));
            }
            return;
        }
        if let Some(level) = self.levels.pop() {
            self.give(&level, name.clone(), &name, stat);
            self.levels.push(level);
        }
    }

    /// Whether the entry `name` belongs to a database that is captured as one.
    fn is_sibling(&self, directory: &Directory, name: &[u8], stat: &Stat) -> bool {
        let Some(main) = database_of(name) else { return false };
        let stored = directory.join(name);
        // Only where there is such a file is it worth while to ask who captures it.
        FileType::from_raw_mode(stat.st_mode).is_file()
            && rustix::fs::statat(directory.fd(), main, AtFlags::SYMLINK_NOFOLLOW).is_ok()
            && self.together.database_of(&self.scope.real_of(&stored), &stored).is_some()
    }

    /// Gives something that is no directory: `real_name` in the directory of `level`, to be
    /// stored under `name`.
    fn give(&mut self, level: &Level, name: Vec<u8>, real_name: &[u8], stat: Stat) {
        let Some(directory) = level.directory.clone() else { return };
        let device = (major(stat.st_rdev), minor(stat.st_rdev));
        let mut meta = metadata(&stat, &self.owners, Xattrs::new());
        meta.link_group = link_group(directory.fd(), real_name, &stat);
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                let entry = Entry { name, meta };
                let item = self.file(level, directory, real_name, stat, entry);
                return self.ready.push_back(item);
            }
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
        let (xattrs, failure) = self.xattrs_of(&directory, real_name, &directory.join(real_name));
        meta.xattrs = xattrs;
        self.ready.push_back(Item::Other(Node { name, kind, meta, stamp: None, taint: None }));
        self.ready.extend(failure.map(Item::Failed));
    }

    fn file(
        &mut self,
        level: &Level,
        directory: Arc<Directory>,
        name: &[u8],
        stat: Stat,
        entry: Entry,
    ) -> Item {
        let sqlite = self.sqlite.clone();
        let beside = |suffix: &&[u8]| level.listing.contains(&[name, *suffix].concat());
        let logged = [&b"-wal"[..], b"-journal"].iter().any(beside);
        // A file that is named alone has no listing.
        let alone = !level.listing.contains(name);
        let several = entry.meta.link_group.is_some();
        let database = sqlite.is_some() && (logged || several) && is_database(directory.fd(), name);
        if sqlite.is_some()
            && (logged || alone)
            && has_siblings(directory.fd(), name)
            && !is_database(directory.fd(), name)
            && self.warnings.len() < WARNINGS_MAX
        {
            self.warnings.push(looks_encrypted(&directory.join(name)));
        }
        let read_by = (database && several)
            .then(|| Logged::of(&directory.join(name), &stat, &self.together))
            .flatten();
        let at = stamp(&stat);
        // Commits may stand in a log alone: then the file's own stamp proves nothing.
        let proves = !(database && (logged || read_by.is_some()));
        let settled = proves && settled(&at, level.now, level.margin);
        let group = entry.meta.link_group;
        let path = directory.join(name);
        let given = self.databases.as_ref().and_then(|databases| databases.given(&stat, &path));
        let same = given.or_else(|| same_file(group, names(&stat), &at, settled, read_by.as_ref()));
        let unopened = Unopened { directory, name: name.to_vec(), stat, sqlite, read_by };
        let open = Box::new(move || refused::open(unopened));
        let (length, stamp) = (Some(at.size), proves.then_some(at));
        let file = FileItem::new(entry, length, open);
        Item::File(FileItem { stamp, settled, same, ..file })
    }

    /// Goes down into the directory `fd`, whose stored name is `name`.
    fn enter(&mut self, fd: OwnedFd, path: PathBuf, name: Vec<u8>) -> Result<()> {
        // Counted from `/`, so that no path of a snapshot has more names.
        if path.components().count() > DIRECTORY_DEPTH_MAX + 1 {
            return Err(Error::new(Kind::Unsupported, "walk", path.display())
                .because(format!("more than {DIRECTORY_DEPTH_MAX} directories deep")));
        }
        let stat = rustix::fs::fstat(&fd).map_err(io::Error::from);
        let stat = stat.attempt("read", path.display())?;
        if let Some(what) = self.together.kept_out(identity(&stat)) {
            let path = path.display();
            self.warnings.push(format!("{path} is {what}: it is left out"));
            return Ok(());
        }
        if self.together.is_dumped(identity(&stat)) {
            return Ok(());
        }
        let directory = Arc::new(Directory::new(fd, path));
        let (xattrs, no_xattrs) = self.xattrs_of(&directory, b".", &directory.path);
        let mut level = self.level(directory.clone(), &stat);
        let failure = self.list(&directory, &stat, &mut level);
        self.refused = self
            .refused
            .take()
            .or_else(|| self.scope.server_in(&directory.path, |name| level.listing.contains(name)));
        let meta = metadata(&stat, &self.owners, xattrs);
        self.ready.push_back(Item::Enter(Entry { name, meta }));
        self.ready.extend(no_xattrs.into_iter().chain(failure).map(Item::Failed));
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
        let now = self.env.now();
        let listing = Listing::default();
        Level { directory: Some(directory), identity: identity(stat), listing, now, margin }
    }

    /// Fills the listing of `level` with what of `directory` is wanted.
    fn list(&self, directory: &Directory, stat: &Stat, level: &mut Level) -> Option<Error> {
        if self.scope.is_elsewhere(stat, self.device) {
            return None;
        }
        let (mut listing, failure) = Listing::read(directory.fd(), &directory.path);
        if let Some(marker) = self.scope.marker(directory.fd(), |name| listing.contains(name)) {
            listing.retain(marker);
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

    /// Extended attributes of what is called `path`, or why they are left out.
    fn xattrs_of(
        &mut self,
        directory: &Directory,
        name: &[u8],
        path: &Path,
    ) -> (Xattrs, Option<Error>) {
        let reason = match self.xattrs.read(directory.reach(), name) {
            Ok(xattrs) => return (xattrs, None),
            Err(reason) => reason,
        };
        let error = Error::new(Kind::Failed, "capture extended attributes of", path.display());
        (Xattrs::new(), Some(error.because(reason)))
    }

    fn fail(&mut self, attempted: &str, path: &Path, cause: impl Into<io::Error>) {
        let failed: io::Result<()> = Err(cause.into());
        self.ready.extend(failed.attempt(attempted, path.display()).err().map(Item::Failed));
    }
}

/// Where what is named `path` really lies. A link that leads nowhere, or round in a circle, lies where
/// it is.
pub(super) fn find(path: &Path) -> io::Result<PathBuf> {
    let cause = match path.canonicalize() {
        Ok(real) => return Ok(real),
        Err(cause) => cause,
    };
    let nowhere = [Errno::NOENT, Errno::NOTDIR, Errno::LOOP].map(|it| Some(it.raw_os_error()));
    match (path.is_symlink(), path.parent(), path.file_name()) {
        (true, Some(folder), Some(name)) if nowhere.contains(&cause.raw_os_error()) => {
            Ok(folder.canonicalize()?.join(name))
        }
        _ => Err(cause),
    }
}

fn told_of_link(path: &Path, real: &Path) -> Option<String> {
    let shown = path.display();
    path.is_symlink().then(|| match real.is_symlink() {
        true => format!(
            "{shown} is a link that leads nowhere: only the link is captured; is what it leads to mounted?"
        ),
        false => format!("{shown} is a link: what it leads to is captured, {}", real.display()),
    })
}
