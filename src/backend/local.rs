//! A directory as a store. An object appears under its name whole and durable, or not at all:
//! temporary file, sync, link under the name, sync of the directory.

use super::bounds::{readable, storable};
use super::disk::{Disk, DiskEntry, Os, patiently, place, read_all};
use super::lfs::{may_be_pointer, refuse_pointer};
use super::reserve::Reserve;
use super::several::several;
use super::temp::Temps;
use super::{Backend, Bytes, Capabilities, Handle, Listed, Put, Visit};
use crate::error::{Attempt, Error, Kind, Result};
use crate::format::ObjectKind;
use crate::id::unhex;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::fs::DirBuilder;
use std::io;
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// A repository in a directory of this machine, or of a file system mounted here.
#[derive(Debug)]
pub struct Local<D: Disk = Os> {
    disk: D,
    temps: Temps,
    reserve: Reserve,
    /// Directories whose own names are known to be durable.
    durable: Mutex<BTreeSet<String>>,
    placing: OnceLock<Placing>,
    /// A directory could not be synced: names that we see may not be on the disk.
    doubtful: AtomicBool,
}

/// How a finished temporary file gets its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placing {
    /// By a hard link: exclusive.
    Link,
    /// By `renameat2` without replacement: exclusive.
    RenameNew,
    /// By a look and a rename; between the two another creator may come.
    Rename,
}

impl Local {
    /// The directory at `root`, which must exist. Nothing is written.
    ///
    /// # Errors
    /// `NoRepository` if there is no directory there.
    pub fn open(root: impl AsRef<Path>) -> Result<Self> {
        let root = root.as_ref();
        let no_repository = |reason: &str| {
            Err(Error::new(Kind::NoRepository, "open", root.display()).because(reason))
        };
        match std::fs::metadata(root) {
            Ok(facts) if facts.is_dir() => {
                let absolute = std::path::absolute(root).attempt("find", root.display())?;
                Local::over(Os::new(absolute))
            }
            Ok(_) => no_repository("it is not a directory"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                no_repository("there is no such directory")
            }
            Err(error) => Err(error).attempt("open", root.display()),
        }
    }

    /// The directory at `root`, made durably with all its parents where it is missing. Whom it
    /// lets in besides its owner is decided by the mode of the root alone, which is 0700 at first:
    /// see [`Os`].
    pub fn create(root: impl AsRef<Path>) -> Result<Self> {
        let root = root.as_ref();
        let absolute = std::path::absolute(root).attempt("find", root.display())?;
        let missing: Vec<&Path> = absolute.ancestors().take_while(|path| !path.exists()).collect();
        for made in missing.iter().rev() {
            let mode = if *made == absolute { 0o700 } else { 0o777 };
            match DirBuilder::new().mode(mode).create(made) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                result => result.attempt("make the directory", made.display())?,
            }
            let parent = made.parent().unwrap_or(made);
            Os::new(parent).sync_dir("").attempt("sync the directory", parent.display())?;
        }
        Local::open(root)
    }
}

impl<D: Disk> Local<D> {
    /// A store whose root any `disk` provides.
    pub fn over(disk: D) -> Result<Self> {
        Ok(Local {
            disk,
            temps: Temps::new()?,
            reserve: Reserve::default(),
            durable: Mutex::default(),
            placing: OnceLock::new(),
            doubtful: AtomicBool::new(false),
        })
    }

    /// Makes a directory below the root, its parents too, and their names durable.
    fn make_folder(&self, folder: &str) -> Result<()> {
        if self.known_durable(folder) {
            return Ok(());
        }
        let parent = parent_of(folder);
        if !parent.is_empty() {
            self.make_folder(parent)?;
        }
        match patiently(|| self.disk.make_dir(folder)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => result.attempt("make the directory", self.place(folder))?,
        }
        // Even where it stood already: its maker may not have synced it yet.
        self.sync_folder(parent)?;
        self.durable.lock().insert(folder.to_owned());
        Ok(())
    }

    fn known_durable(&self, folder: &str) -> bool {
        self.durable.lock().contains(folder)
    }

    /// Creates an object: all of it durably, or nothing.
    fn put(&self, handle: &Handle, bytes: &[u8]) -> Result<Put> {
        let path = handle.path();
        let folder = parent_of(&path);
        self.make_folder(folder)?;
        let temp = self.temps.write(&self.disk, bytes)?;
        let placed = self.place_new(&temp, &path).attempt("create", self.place(&path));
        self.temps.discard(&self.disk, &temp);
        let put = placed?;
        // For an object that stood there already too: its creator may not have come so far.
        self.sync_folder(folder)?;
        Ok(put)
    }

    /// Gives the temporary file its name, unless something has it.
    fn place_new(&self, temp: &str, path: &str) -> io::Result<Put> {
        let placed = match self.placing() {
            Placing::Link => match patiently(|| self.disk.link(temp, path)) {
                // Where a second name takes room of its own, as on tmpfs, a new one may not.
                Err(full) if is_full(&full) => {
                    match patiently(|| self.disk.rename_new(temp, path)) {
                        Err(error) if is_unsupported(&error) => Err(full),
                        renamed => renamed,
                    }
                }
                linked => linked,
            },
            Placing::RenameNew => patiently(|| self.disk.rename_new(temp, path)),
            Placing::Rename => match patiently(|| self.disk.open(path)) {
                Ok(_) => return Ok(Put::Exists),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    patiently(|| self.disk.rename(temp, path))
                }
                Err(error) => Err(error),
            },
        };
        match placed {
            Ok(()) => Ok(Put::Created),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Put::Exists),
            Err(error) => Err(error),
        }
    }

    /// How names are given here, found out once by trying.
    fn placing(&self) -> Placing {
        if let Some(placing) = self.placing.get() {
            return *placing;
        }
        // While nothing can be written, nothing can be found out; a write will say why.
        self.try_placing().map_or(Placing::Link, |placing| *self.placing.get_or_init(|| placing))
    }

    fn try_placing(&self) -> Option<Placing> {
        let (from, file) = self.temps.create(&self.disk).ok()?;
        drop(file);
        let to = format!("{from}.named");
        let found = match patiently(|| self.disk.link(&from, &to)) {
            Ok(()) => Some(Placing::Link),
            Err(error) if is_unsupported(&error) => {
                match patiently(|| self.disk.rename_new(&from, &to)) {
                    Ok(()) => Some(Placing::RenameNew),
                    Err(error) if is_unsupported(&error) => Some(Placing::Rename),
                    Err(_) => None,
                }
            }
            Err(_) => None,
        };
        self.temps.discard(&self.disk, &to);
        self.temps.discard(&self.disk, &from);
        found
    }

    fn sync_folder(&self, folder: &str) -> Result<()> {
        let synced = self.disk.sync_dir(folder);
        if let Err(error) = &synced {
            // One of ours says that the disk was not reached, and so nothing of the disk.
            let is_of_disk = !error.get_ref().is_some_and(|inner| inner.is::<Error>());
            self.doubtful.fetch_or(is_of_disk, Ordering::SeqCst);
        }
        synced.attempt("sync the directory", self.place(folder))
    }

    /// Refuses to go on where a later sync might cover up an earlier failure.
    fn check_trust(&self, attempted: &str, handle: &Handle) -> Result<()> {
        if self.doubtful.load(Ordering::SeqCst) {
            return Err(Error::new(Kind::Failed, attempted, self.place(&handle.path()))
                .because("a directory could not be synced before, so nothing is changed any more")
                .hint("look at the disk and the system log, then run the command again"));
        }
        Ok(())
    }

    /// The files of one folder that are objects, `prefix` being the start of their names.
    fn list_folder(&self, kind: ObjectKind, folder: &str, prefix: &str) -> Result<Vec<Listed>> {
        let entries = self.entries(folder)?.into_iter();
        let listed: Vec<Listed> = entries
            .filter(|entry| entry.name.starts_with(prefix))
            .filter_map(|entry| {
                Some(Listed { size: entry.size?, handle: Handle::parse(kind, &entry.name)? })
            })
            .collect();
        for object in listed.iter().filter(|object| may_be_pointer(kind, object.size)) {
            self.refuse_pointer(&object.handle)?;
        }
        Ok(listed)
    }

    /// Refuses what Git LFS has put in the place of an object; one that is gone meanwhile is no pointer.
    fn refuse_pointer(&self, handle: &Handle) -> Result<()> {
        let (file, size) = match self.open_object("read", handle) {
            Err(error) if error.kind() == Kind::NotFound => return Ok(()),
            opened => opened?,
        };
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        let filled = read_all(&self.disk, &file, &mut bytes, 0)
            .attempt("read", self.place(&handle.path()))?;
        refuse_pointer(handle, bytes.get(..filled).unwrap_or_default())
    }

    fn delete_one(&self, handle: &Handle) -> Result<()> {
        self.check_trust("delete", handle)?;
        let path = handle.path();
        match patiently(|| self.disk.remove(&path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => {
                result.attempt("delete", self.place(&path))?;
                self.sync_folder(parent_of(&path))?;
                self.reserve.keep(&self.disk);
                Ok(())
            }
        }
    }

    /// The entries of a directory; none if it is not there.
    fn entries(&self, folder: &str) -> Result<Vec<DiskEntry>> {
        match patiently(|| self.disk.entries(folder)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            result => result.attempt("list", self.place(folder)),
        }
    }

    fn open_object(&self, attempted: &str, handle: &Handle) -> Result<(D::File, u64)> {
        let path = handle.path();
        let file = patiently(|| self.disk.open(&path)).attempt(attempted, self.place(&path))?;
        let size = patiently(|| self.disk.size(&file)).attempt(attempted, self.place(&path))?;
        Ok((file, size))
    }

    /// A path below the root, for messages.
    fn place(&self, path: &str) -> String {
        place(&self.disk, path)
    }
}

impl<D: Disk> Backend for Local<D> {
    fn describe(&self) -> String {
        self.disk.describe()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            exclusive_create: self.placing.get() != Some(&Placing::Rename),
            ..self.disk.capabilities()
        }
    }

    fn put_shared(&self, handle: &Handle, bytes: Bytes) -> Result<Put> {
        storable(handle, &bytes)?;
        self.check_trust("create", handle)?;
        let put = match self.put(handle, &bytes) {
            Err(error)
                if error.kind() == Kind::NoSpace
                    && Reserve::is_for(handle.kind())
                    && self.reserve.give_up(&self.disk) =>
            {
                self.check_trust("create", handle)?;
                self.put(handle, &bytes)?
            }
            put => put?,
        };
        self.reserve.keep(&self.disk);
        Ok(put)
    }

    fn get(&self, handle: &Handle, range: Option<Range<u64>>) -> Result<Vec<u8>> {
        let (file, size) = self.open_object("read", handle)?;
        if may_be_pointer(handle.kind(), size) {
            self.refuse_pointer(handle)?;
        }
        let (start, length) = readable(handle, range, size)?;
        let mut bytes = vec![0; length];
        let filled = read_all(&self.disk, &file, &mut bytes, start)
            .attempt("read", self.place(&handle.path()))?;
        if filled < length {
            return Err(Error::damaged("read", handle, "it became shorter while it was read"));
        }
        Ok(bytes)
    }

    fn size(&self, handle: &Handle) -> Result<u64> {
        self.open_object("find", handle).map(|(_, size)| size)
    }

    fn list_pages(&self, kind: ObjectKind, prefix: &str, visit: &mut Visit<'_>) -> Result<()> {
        let folder = kind.folder();
        if !kind.facts().fans_out {
            return visit(self.list_folder(kind, folder, prefix)?);
        }
        let mut fans = self.entries(folder)?;
        fans.retain(|DiskEntry { name, size, .. }| {
            let is_fan = size.is_none() && unhex::<1>(name).is_some();
            is_fan && (name.starts_with(prefix) || prefix.starts_with(name))
        });
        let at_once = self.disk.at_once().max(1);
        for some in fans.chunks(at_once) {
            let list = |DiskEntry { name, .. }: &DiskEntry| {
                let longer = if prefix.len() > name.len() { prefix } else { name };
                self.list_folder(kind, &format!("{folder}/{name}"), longer)
            };
            for page in several(some, at_once, list) {
                visit(page?)?;
            }
        }
        Ok(())
    }

    fn delete_all(&self, handles: &[Handle]) -> Result<()> {
        let deleted = several(handles, self.disk.at_once(), |handle| self.delete_one(handle));
        deleted.into_iter().fold(Ok(()), Result::and)
    }
}

/// Whether the file system does not know this call (FAT and some network file systems).
fn is_unsupported(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
    matches!(error.kind(), InvalidInput | PermissionDenied | Unsupported)
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn parent_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}
