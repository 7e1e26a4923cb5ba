//! Hard links of a restore: the first name gets the content, every other one is linked to it,
//! and never to anything that this restore did not make.

use super::folder::{Folder, Identity};
use super::report::Reporter;
use crate::error::{Error, Kind, Result};
use crate::format::node::LinkGroup;
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Files of several names, by the device and inode that they had in the source.
pub(super) struct Links {
    root: Arc<Folder>,
    reporter: Arc<Reporter>,
    files: Mutex<HashMap<LinkGroup, Link>>,
}

enum Link {
    /// Being written; these names wait for it.
    Writing(Vec<(Arc<Folder>, Vec<u8>)>),
    /// In place.
    Made(Place),
}

#[derive(Clone)]
struct Place {
    /// Directory, from the target.
    folder: PathBuf,
    name: Vec<u8>,
    identity: Identity,
}

impl Links {
    pub(super) fn new(root: Arc<Folder>, reporter: Arc<Reporter>) -> Self {
        Links { root, reporter, files: Mutex::default() }
    }

    /// Whether the caller has to make the content of `link` as `name` in `folder`; if not, the
    /// name is linked now, or as soon as the content is in place.
    pub(super) fn claim(&self, link: LinkGroup, folder: &Arc<Folder>, name: &[u8]) -> Result<bool> {
        let place = match self.files().get_mut(&link) {
            Some(Link::Writing(waiting)) => {
                waiting.push((folder.clone(), name.to_vec()));
                return Ok(false);
            }
            Some(Link::Made(place)) => Some(place.clone()),
            None => None,
        };
        if let Some(place) = place {
            return self.link(&place, folder, name).map(|()| false);
        }
        self.files().insert(link, Link::Writing(Vec::new()));
        Ok(true)
    }

    /// The content of `link` is in place: `name` in `folder`.
    pub(super) fn finished(&self, link: LinkGroup, folder: &Folder, name: &[u8], is: Identity) {
        let folder = folder.beneath().to_owned();
        let place = Place { folder, name: name.to_vec(), identity: is };
        let before = self.files().insert(link, Link::Made(place.clone()));
        if let Some(Link::Writing(waiting)) = before {
            for (folder, name) in waiting {
                if let Err(error) = self.link(&place, &folder, &name) {
                    self.report(&folder, &name, &error.to_string());
                }
            }
        }
    }

    /// There will be no content of `link` under the name that was claimed.
    pub(super) fn failed(&self, link: LinkGroup) {
        let before = self.files().remove(&link);
        if let Some(Link::Writing(waiting)) = before {
            for (folder, name) in waiting {
                self.report(&folder, &name, "the file that it leads to was not restored");
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
        let temporary = folder.temporary(make).map_err(fail)?;
        let stat = rustix::fs::statat(folder.fd(), &temporary, AtFlags::SYMLINK_NOFOLLOW);
        let right = stat.is_ok_and(|stat| (stat.st_dev, stat.st_ino) == place.identity);
        let placed = if right {
            folder.place(&temporary, name, place.identity, false)
        } else {
            Err(Error::new(Kind::Refused, "make the hard link", path.display())
                .because("the file that it leads to was exchanged"))
        };
        if placed.is_err() {
            folder.discard(&temporary);
        }
        placed
    }

    /// The directory of a file that is in place, through no symbolic link.
    fn open(&self, place: &Place) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        if place.folder.as_os_str().is_empty() {
            return rustix::fs::openat(self.root.fd(), ".", flags, Mode::empty());
        }
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match rustix::fs::openat2(self.root.fd(), &place.folder, flags, Mode::empty(), resolve) {
            Err(Errno::NOSYS | Errno::PERM) => {
                let mut fd = rustix::fs::openat(self.root.fd(), ".", flags, Mode::empty())?;
                for component in &place.folder {
                    fd = rustix::fs::openat(&fd, component, flags, Mode::empty())?;
                }
                Ok(fd)
            }
            result => result,
        }
    }

    fn report(&self, folder: &Folder, name: &[u8], reason: &str) {
        if let Ok(path) = folder.path_of(name) {
            self.reporter.link(&path, reason);
        }
    }

    fn files(&self) -> MutexGuard<'_, HashMap<LinkGroup, Link>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
