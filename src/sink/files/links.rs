//! Hard links of a restore: the first name gets the content, every other one is linked to it,
//! and never to anything that this restore did not make or keep.

use super::folder::Folder;
use super::report::Reporter;
use super::same::{Identity, Same};
use super::waiting::Sort;
use crate::error::{Error, Kind, Result};
use crate::sink::temporary::temporary;
use parking_lot::{Mutex, MutexGuard};
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const NOT_RESTORED: &str = "the file that it leads to was not restored";

/// Files of several names.
pub(super) struct Links {
    root: Arc<Folder>,
    reporter: Arc<Reporter>,
    files: Mutex<HashMap<Same, Link>>,
}

enum Link {
    /// Being written; these names wait for it.
    Writing(Vec<(Arc<Folder>, Vec<u8>)>),
    /// In place, or complete under a temporary name.
    Made(Place),
}

#[derive(Clone)]
struct Place {
    /// Directory, from the target.
    folder: PathBuf,
    name: Vec<u8>,
    identity: Identity,
    sort: Sort,
    /// Whether it stood there before.
    kept: bool,
}

impl Links {
    pub(super) fn new(root: Arc<Folder>, reporter: Arc<Reporter>) -> Self {
        Links { root, reporter, files: Mutex::default() }
    }

    /// Whether the caller has to make the content of `link` as `name` in `folder`; if not, the
    /// name is linked now, or as soon as the content is in place.
    pub(super) fn claim(&self, link: &Same, folder: &Arc<Folder>, name: &[u8]) -> Result<bool> {
        let place = match self.files().get_mut(link) {
            Some(Link::Writing(waiting)) => {
                waiting.push((folder.clone(), name.to_vec()));
                return Ok(false);
            }
            Some(Link::Made(place)) => Some(place.clone()),
            None => None,
        };
        if let Some(place) = place {
            match self.link(&place, folder, name) {
                // Its owner need not let others link to it: this name gets the content.
                Err(_) if place.kept => {}
                linked => return linked.map(|()| false),
            }
        }
        self.files().insert(link.clone(), Link::Writing(Vec::new()));
        Ok(true)
    }

    /// Whether a name of `link` was claimed.
    pub(super) fn has(&self, link: &Same) -> bool {
        self.files().contains_key(link)
    }

    /// Makes `name` in `folder` one more name of what was claimed before, and has to be complete.
    pub(super) fn join(&self, link: &Same, folder: &Folder, name: &[u8]) -> Result<()> {
        let place = match self.files().get(link) {
            Some(Link::Made(place)) => place.clone(),
            _ => {
                let path = folder.path_of(name)?;
                return Err(Error::new(Kind::Failed, "make the hard link", path.display())
                    .because(NOT_RESTORED));
            }
        };
        self.link(&place, folder, name)
    }

    /// What stands as `name` in `folder` is kept, and is the first of its names: the others are
    /// linked to it.
    pub(super) fn kept(&self, link: &Same, folder: &Folder, name: &[u8], identity: Identity) {
        let (folder, name) = (folder.beneath().to_owned(), name.to_vec());
        let place = Place { folder, name, identity, sort: Sort::Other, kept: true };
        self.files().entry(link.clone()).or_insert(Link::Made(place));
    }

    /// The content of `link` is complete: `name` in `folder`.
    pub(super) fn finished(
        &self,
        link: &Same,
        folder: &Folder,
        name: &[u8],
        identity: Identity,
        sort: Sort,
    ) {
        let folder = folder.beneath().to_owned();
        let place = Place { folder, name: name.to_vec(), identity, sort, kept: false };
        let before = self.files().insert(link.clone(), Link::Made(place.clone()));
        if let Some(Link::Writing(waiting)) = before {
            for (folder, name) in waiting {
                if let Err(error) = self.link(&place, &folder, &name) {
                    self.report(&folder, &name, &error.to_string());
                }
            }
        }
    }

    /// There will be no content of `link` under the name that was claimed.
    pub(super) fn failed(&self, link: &Same) {
        let before = self.files().remove(link);
        if let Some(Link::Writing(waiting)) = before {
            for (folder, name) in waiting {
                self.report(&folder, &name, NOT_RESTORED);
            }
        }
    }

    fn link(&self, place: &Place, folder: &Folder, name: &[u8]) -> Result<()> {
        let path = folder.path_of(name)?;
        let fail = |cause: io::Error| {
            Error::new(Kind::Failed, "make the hard link", path.display()).caused_by(cause)
        };
        let from = self.open(place).map_err(|cause| fail(cause.into()))?;
        let make = |temporary: &[u8]| {
            let old = place.name.as_slice();
            rustix::fs::linkat(&from, old, folder.fd(), temporary, AtFlags::empty())
        };
        let temporary = temporary(make).map_err(fail)?;
        let stat = rustix::fs::statat(folder.fd(), &temporary, AtFlags::SYMLINK_NOFOLLOW);
        let right = stat.is_ok_and(|stat| (stat.st_dev, stat.st_ino) == place.identity);
        let placed = if right {
            let sort = folder.sort_at(name, place.sort);
            sort.and_then(|sort| folder.put(&temporary, name, place.identity, sort)).map(drop)
        } else {
            Err(Error::new(Kind::Refused, "make the hard link", path.display())
                .because("the file that it leads to was exchanged"))
        };
        if placed.is_err() {
            folder.discard(&temporary);
        }
        placed
    }

    /// The directory of a file that is complete.
    fn open(&self, place: &Place) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        match place.folder.as_os_str().is_empty() {
            true => open_beneath(self.root.fd(), Path::new("."), flags),
            false => open_beneath(self.root.fd(), &place.folder, flags),
        }
    }

    fn report(&self, folder: &Folder, name: &[u8], reason: &str) {
        if let Ok(path) = folder.path_of(name) {
            self.reporter.link(&path, reason);
        }
    }

    fn files(&self) -> MutexGuard<'_, HashMap<Same, Link>> {
        self.files.lock()
    }
}

/// Opens what is at `path` beneath `root`, through no symbolic link, however long the path is.
pub fn open_beneath(root: impl AsFd, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let root = root.as_fd();
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    match rustix::fs::openat2(root, path, flags, Mode::empty(), resolve) {
        // An old kernel, one that was forbidden to, or a path that no call takes.
        Err(Errno::NOSYS | Errno::PERM | Errno::NAMETOOLONG) => {}
        result => return result,
    }
    let way = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut fd = rustix::fs::openat(root, ".", way, Mode::empty())?;
    let (folders, name) = (path.parent().unwrap_or(Path::new("")), path.file_name());
    for component in folders {
        if matches!(component.as_bytes(), b".." | b"/") {
            return Err(Errno::INVAL);
        }
        fd = rustix::fs::openat(&fd, component, way, Mode::empty())?;
    }
    rustix::fs::openat(&fd, name.unwrap_or(OsStr::new(".")), flags, Mode::empty())
}
