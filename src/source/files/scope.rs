//! What one source captures of the file system: where it begins, and what it leaves out by the
//! user's word.

use super::excludes::Excludes;
use super::metadata::size;
use super::open::{begins_with, is_database};
use super::options::FilesOptions;
use super::servers;
use crate::error::Error;
use crate::source::Together;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Which files are captured as databases.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Databases {
    None,
    /// Those that begin like one.
    Met,
    /// The root, whatever it begins with.
    Named,
}

/// What one source captures.
pub(crate) struct Scope {
    /// Where it begins: the path at which it stands in the snapshot.
    root: PathBuf,
    /// The same through no link; none if nothing stands there.
    real: OnceLock<Option<PathBuf>>,
    excludes: Excludes,
    exclude_if_present: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    larger_than: Option<u64>,
    one_file_system: bool,
    refuse_servers: bool,
    is_quiesced: bool,
    databases: Databases,
}

impl Scope {
    /// The scope of a walk.
    pub(super) fn of_files(root: &Path, options: &mut FilesOptions) -> Arc<Self> {
        Arc::new(Scope {
            root: root.to_owned(),
            real: OnceLock::new(),
            excludes: std::mem::take(&mut options.excludes),
            exclude_if_present: std::mem::take(&mut options.exclude_if_present),
            larger_than: options.larger_than,
            one_file_system: options.one_file_system,
            refuse_servers: options.refuse_servers,
            is_quiesced: options.is_quiesced,
            databases: if options.sqlite.is_some() { Databases::Met } else { Databases::None },
        })
    }

    /// The scope of a database that is named alone.
    pub(crate) fn of_database(path: &Path) -> Arc<Self> {
        Arc::new(Scope {
            root: path.to_owned(),
            real: OnceLock::new(),
            excludes: Excludes::default(),
            exclude_if_present: Vec::new(),
            larger_than: None,
            one_file_system: false,
            refuse_servers: false,
            is_quiesced: false,
            databases: Databases::Named,
        })
    }

    /// Where it really begins.
    pub(super) fn real(&self) -> Option<&Path> {
        self.real.get_or_init(|| self.root.canonicalize().ok()).as_deref()
    }

    /// Where what is walked as `stored` really lies.
    pub(super) fn real_of(&self, stored: &Path) -> PathBuf {
        let beneath = stored.strip_prefix(&self.root).ok();
        match (self.real(), beneath) {
            (Some(real), Some(beneath)) => real.join(beneath),
            _ => stored.to_owned(),
        }
    }

    /// Where in the walk that stands which lies `beneath` the real root.
    pub(super) fn stored(&self, beneath: &Path) -> PathBuf {
        // Joined to a file, an empty path would make a folder of it.
        if beneath.as_os_str().is_empty() { self.root.clone() } else { self.root.join(beneath) }
    }

    /// Whether the walk surely comes to `path` and leaves out nothing beneath it but what a walk from
    /// there would leave out: a walk follows no link but its root.
    pub(super) fn reaches(&self, path: &Path) -> bool {
        let Ok(beneath) = path.strip_prefix(&self.root) else { return false };
        let on_root =
            |stat: &Stat| rustix::fs::stat(&self.root).is_ok_and(|root| root.st_dev == stat.st_dev);
        let mut at = self.root.clone();
        beneath.components().all(|name| {
            at.push(name);
            let Ok(stat) = rustix::fs::lstat(&at) else { return false };
            !is(&stat, FileType::Symlink)
                && (!self.one_file_system || on_root(&stat))
                && !self.leaves_out_name(&at)
                && self.exclude_if_present.is_empty()
                && self.larger_than.is_none()
        })
    }

    /// Whether the entry at the absolute path `stored` is left out by its name.
    pub(super) fn leaves_out_name(&self, stored: &Path) -> bool {
        self.excludes.leave_out(stored.as_os_str().as_bytes())
    }

    /// The same of what lies at `real`, a path beneath the real root.
    pub(super) fn leaves_out_real(&self, real: &Path) -> bool {
        let beneath = self.real().and_then(|root| real.strip_prefix(root).ok());
        beneath.is_some_and(|beneath| self.leaves_out_name(&self.root.join(beneath)))
    }

    /// Whether the names of a folder matter at all.
    pub(super) fn asks_for_names(&self) -> bool {
        !self.excludes.is_empty()
    }

    /// The only entry that is captured of a folder, if one of its entries marks it as left out.
    pub(super) fn marker(
        &self,
        folder: BorrowedFd<'_>,
        holds: impl Fn(&[u8]) -> bool,
    ) -> Option<&[u8]> {
        let found = self.exclude_if_present.iter().find(|(marker, header)| {
            holds(marker) && begins_with(folder, marker, header.as_deref())
        });
        found.map(|(marker, _)| marker.as_slice())
    }

    /// Whether nobody writes to any of it meanwhile.
    pub(super) fn is_quiesced(&self) -> bool {
        self.is_quiesced
    }

    /// Why a folder that holds such names is refused: a database server keeps its data there.
    pub(super) fn server_in(&self, folder: &Path, holds: impl Fn(&[u8]) -> bool) -> Option<Error> {
        let is_there =
            |name: &str| holds(name.as_bytes()) && !self.leaves_out_name(&folder.join(name));
        self.refuse_servers.then(|| servers::refused(folder, is_there)).flatten()
    }

    /// Whether something is left out because of where it lies, under a root on `device`.
    pub(super) fn is_elsewhere(&self, stat: &Stat, device: u64) -> bool {
        self.one_file_system && stat.st_dev != device
    }

    /// Whether a file is left out for its length.
    pub(super) fn is_too_large(&self, stat: &Stat) -> bool {
        is(stat, FileType::RegularFile) && self.larger_than.is_some_and(|limit| size(stat) > limit)
    }

    /// Whether what lies at `real`, a path through no link, is captured as a database.
    pub(crate) fn captures_database_at(&self, together: &Together, real: &Path) -> bool {
        let beneath = self.real().and_then(|root| real.strip_prefix(root).ok());
        beneath.is_some_and(|beneath| self.captures_database(together, beneath))
    }

    /// Whether a database is stored at the path `stored`.
    pub(crate) fn stores_database_as(&self, together: &Together, stored: &Path) -> bool {
        let beneath = stored.strip_prefix(&self.root).ok();
        beneath.is_some_and(|beneath| self.captures_database(together, beneath))
    }

    /// Goes from the root down to what lies `beneath` it, and asks at each step what the walk
    /// asks there.
    fn captures_database(&self, together: &Together, beneath: &Path) -> bool {
        let Some(real) = self.real() else { return false };
        let (mut real, mut stored) = (real.to_owned(), self.root.clone());
        let Some(mut found) = lstat(&real) else { return false };
        let device = found.st_dev;
        for name in beneath {
            if !is(&found, FileType::Directory)
                || self.is_elsewhere(&found, device)
                || together.kept_out((found.st_dev, found.st_ino)).is_some()
                || !self.lists(&real, name.as_bytes())
            {
                return false;
            }
            real.push(name);
            stored.push(name);
            match lstat(&real) {
                Some(stat) if !self.leaves_out_name(&stored) => found = stat,
                _ => return false,
            }
        }
        let is_root = beneath.as_os_str().is_empty();
        is(&found, FileType::RegularFile)
            && !(self.is_elsewhere(&found, device) || self.is_too_large(&found) && !is_root)
            && match self.databases {
                Databases::None => false,
                Databases::Met => is_database(CWD, real.as_os_str().as_bytes()),
                Databases::Named => is_root,
            }
    }

    /// Whether `name` in the folder at `real` is not left out by a marker.
    fn lists(&self, real: &Path, name: &[u8]) -> bool {
        if self.exclude_if_present.is_empty() {
            return true;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Ok(folder) = rustix::fs::open(real, flags, Mode::empty()) else { return false };
        let folder = std::os::fd::AsFd::as_fd(&folder);
        let holds =
            |marker: &[u8]| rustix::fs::statat(folder, marker, AtFlags::SYMLINK_NOFOLLOW).is_ok();
        self.marker(folder, holds).is_none_or(|marker| marker == name)
    }
}

pub(super) fn is(stat: &Stat, kind: FileType) -> bool {
    FileType::from_raw_mode(stat.st_mode) == kind
}

fn lstat(path: &Path) -> Option<Stat> {
    rustix::fs::lstat(path).ok()
}
