//! Which file is read, and as whom. A path may come to mean another file at any time, and a process that
//! may write beside a database may choose the moment: so what SQLite opened is compared with what
//! was found, and root takes the rights of the owner.

use super::open_files::{OpenFile, OpenFiles};
use crate::error::{Attempt, Error, Kind, Result};
use crate::format::database::SIBLINGS;
use rustix::fs::{Access, access};
use rustix::process::{Gid, Uid, geteuid, getgroups};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A database file as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseFile {
    /// Its path.
    pub path: PathBuf,
    /// The device that it lies on.
    pub device: u64,
    /// Its inode.
    pub inode: u64,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

impl DatabaseFile {
    /// What stands at `path` now. Links are followed.
    ///
    /// # Errors
    /// If nothing does, or it cannot be reached.
    pub fn at(path: &Path) -> Result<Self> {
        let found = path.metadata().attempt("find", path.display())?;
        Ok(DatabaseFile {
            path: path.to_owned(),
            device: found.dev(),
            inode: found.ino(),
            uid: found.uid(),
            gid: found.gid(),
        })
    }

    /// All but the path, as an argument of the reading child.
    pub(super) fn argument(&self) -> String {
        format!("{}:{}:{}:{}", self.device, self.inode, self.uid, self.gid)
    }

    /// The file at `path` that `argument` describes.
    pub(super) fn parse(path: PathBuf, argument: &str) -> Option<Self> {
        let mut numbers = argument.split(':');
        let mut number = || numbers.next()?.parse::<u64>().ok();
        let (device, inode) = (number()?, number()?);
        let (uid, gid) = (number()?.try_into().ok()?, number()?.try_into().ok()?);
        Some(DatabaseFile { path, device, inode, uid, gid })
    }

    /// That `device` and `inode` are its own.
    pub(super) fn is(&self, device: u64, inode: u64) -> Result<()> {
        if (device, inode) == (self.device, self.inode) {
            return Ok(());
        }
        Err(replaced())
    }

    /// That among the files opened after `before` was taken is this one, and that all others
    /// stand beside it.
    pub(super) fn is_open(&self, before: &OpenFiles) -> Result<()> {
        let Some(opened) = before.opened_since() else {
            let found = self.path.metadata().attempt("examine", "it")?;
            return self.is(found.dev(), found.ino());
        };
        let own = |file: &&OpenFile| (file.device, file.inode) == (self.device, self.inode);
        let Some(main) = opened.values().find(own) else { return Err(replaced()) };
        let names = SIBLINGS.map(|suffix| sibling_path(&main.path, suffix));
        if opened.values().all(|file| file.path == main.path || names.contains(&file.path)) {
            return Ok(());
        }
        Err(Error::new(Kind::Locked, "read", "it")
            .because("what stands beside it was replaced while it was opened"))
    }
}

/// The error for a file that another one took the place of.
pub(super) fn replaced() -> Error {
    Error::new(Kind::SourceChanged, "read", "it").because("another file took its place")
}

/// Gives up root's rights for those of the owner of `file`, if they are enough to read it in
/// place. Where they are not, as in folders that only root can pass, root reads it. Must run before
/// there is a second thread.
///
/// # Errors
/// If root's rights cannot be taken back.
pub(super) fn become_owner(file: &DatabaseFile, scratch: &Path) -> Result<()> {
    let is_no_change = |id: u32| id == u32::MAX;
    if !geteuid().is_root() || file.uid == 0 || is_no_change(file.uid) || is_no_change(file.gid) {
        return Ok(());
    }
    let (uid, gid) = (Uid::from_raw(file.uid), Gid::from_raw(file.gid));
    let (root, wheel) = (geteuid(), rustix::process::getegid());
    let groups = getgroups().map_err(io::Error::from).attempt("list", "the groups of root")?;
    let taken = set_thread_groups(&[])
        .and_then(|()| set_thread_res_gid(gid, gid, wheel))
        .and_then(|()| set_thread_res_uid(uid, uid, root));
    if taken.is_ok() && is_within_reach(&file.path, scratch) {
        let kept =
            set_thread_res_gid(gid, gid, gid).and_then(|()| set_thread_res_uid(uid, uid, uid));
        return kept.map_err(io::Error::from).attempt("give up", "the rights of root");
    }
    let back = set_thread_res_uid(root, root, root)
        .and_then(|()| set_thread_res_gid(wheel, wheel, wheel))
        .and_then(|()| match taken {
            Ok(()) => set_thread_groups(&groups),
            // Without the right to change them they are as they were.
            Err(_) => Ok(()),
        });
    back.map_err(io::Error::from).attempt("take back", "the rights of root")
}

/// Whether who this process is can read the database at `path` with what stands beside it, and
/// write there as SQLite has to.
fn is_within_reach(path: &Path, scratch: &Path) -> bool {
    let Ok(path) = path.canonicalize() else { return false };
    let folder = path.parent().unwrap_or(Path::new("/"));
    let room = Access::WRITE_OK | Access::EXEC_OK;
    let usable = |suffix| {
        let sibling = sibling_path(&path, suffix);
        let both = Access::READ_OK | Access::WRITE_OK;
        !sibling.exists() || access(&sibling, both).is_ok()
    };
    access(&path, Access::READ_OK).is_ok()
        && access(folder, room).is_ok()
        && access(scratch, room).is_ok()
        && SIBLINGS.into_iter().all(usable)
}

/// The path of a sibling.
pub(super) fn sibling_path(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told to the child arrives, and nonsense is no file.
    #[test]
    fn a_file_survives_as_an_argument() {
        let file = DatabaseFile::at(Path::new("/")).unwrap();
        assert_eq!(DatabaseFile::parse("/".into(), &file.argument()), Some(file));
        for wrong in ["", "1:2:3", "1:2:3:x", "1:2:3:4294967296", "-1:2:3:4"] {
            assert_eq!(DatabaseFile::parse("/".into(), wrong), None, "{wrong}");
        }
    }

    /// Among the files opened meanwhile the right one is known, wherever its path leads by then; one
    /// that is not open is missed, and so is a stranger that was opened with it.
    #[test]
    fn what_was_opened_is_known() {
        let folder = tempfile::TempDir::new().unwrap();
        let make = |name: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, "x").unwrap();
            path
        };
        let (path, log, stranger) = (make("a"), make("a-wal"), make("b-wal"));
        let file = DatabaseFile::at(&path).unwrap();
        let before = OpenFiles::now();
        assert_eq!(file.is_open(&before).unwrap_err().kind(), Kind::SourceChanged);
        let main = std::fs::File::open(&path).unwrap();
        let wal = std::fs::File::open(&log).unwrap();
        // Other tests of this process open files at the same time.
        let outcome = file.is_open(&before).map_err(|error| error.kind());
        assert!(matches!(outcome, Ok(()) | Err(Kind::Locked)), "{outcome:?}");
        let other = std::fs::File::open(&stranger).unwrap();
        assert_eq!(file.is_open(&before).unwrap_err().kind(), Kind::Locked);
        drop((main, wal, other));
        assert_eq!(file.is_open(&before).unwrap_err().kind(), Kind::SourceChanged);
    }
}
