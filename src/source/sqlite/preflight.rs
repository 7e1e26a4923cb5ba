//! Where a database lies: on which file system, whose it is, and what stands beside it.

use super::identity::{DatabaseFile, sibling_path};
use super::is_database;
use super::trouble::NO_DATABASE;
use crate::env::file_system::magic;
use crate::error::{Attempt, Error, Kind, Result};
use crate::format::database::INDEX;
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;

/// What could be learned about a database before SQLite opened it.
pub(super) struct Preflight {
    /// The real path, no component of which is a link.
    pub path: PathBuf,
    /// Whether its header says that it keeps a write-ahead log.
    pub wal: bool,
    owner: u32,
}

impl Preflight {
    /// Looks at what was found. The file is closed again before it returns: later, that would drop the
    /// locks that SQLite holds for this process.
    pub(super) fn examine(found: &DatabaseFile, force: bool) -> Result<Self> {
        let path = found.path.canonicalize().attempt("find", "it")?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = rustix::fs::open(&path, flags, Mode::empty()).map_err(std::io::Error::from);
        let mut file = File::from(file.attempt("open", "it")?);
        let metadata = file.metadata().attempt("examine", "it")?;
        if !metadata.is_file() {
            return Err(Error::new(Kind::InvalidInput, "read", "it").because("it is not a file"));
        }
        found.is(metadata.dev(), metadata.ino())?;
        if !force {
            refuse_shared(&file)?;
        }
        let mut header = Vec::new();
        file.by_ref().take(100).read_to_end(&mut header).attempt("read", "its header")?;
        if !header.is_empty() && !is_database(&header) {
            return Err(Error::damaged("read", "it", NO_DATABASE));
        }
        Ok(Preflight { path, wal: header.get(18) == Some(&2), owner: metadata.uid() })
    }

    /// Whether SQLite would take a file for the index of its log (-shm) that is none, and overwrite it.
    pub(super) fn has_foreign_index(&self) -> bool {
        let open = || {
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            rustix::fs::open(sibling_path(&self.path, "-shm"), flags, Mode::empty()).ok()
        };
        self.wal && open().is_some_and(|file| !may_be_index(&File::from(file)))
    }

    /// Whether opening it here would leave -wal and -shm behind that its owner cannot write.
    /// (SQLite hands them to the owner when root creates them, and only then.)
    pub(super) fn would_leave_foreign_files(&self) -> bool {
        let me = rustix::process::geteuid();
        let stands = |suffix| sibling_path(&self.path, suffix).symlink_metadata().is_ok();
        self.wal
            && !me.is_root()
            && me.as_raw() != self.owner
            && !(stands("-wal") && stands("-shm"))
    }
}

/// An index grows by so much.
const INDEX_STEP: u64 = 32 << 10;
/// What SQLite leaves of an index that it begins anew.
const INDEX_BEGUN: u64 = 3;

/// Whether a file may be the index of a log (-shm; SQLite, `wal.c` and `os_unix.c`): else it is
/// the user's who named it so.
pub fn may_be_index(file: &File) -> bool {
    let Ok(length) = file.metadata().map(|found| found.len()) else { return true };
    let mut head = [0; 4];
    let head = match file.read_at(&mut head, 0) {
        Ok(got) => head.get(..got).unwrap_or_default(),
        Err(_) => return true,
    };
    (length % INDEX_STEP == 0 || length == INDEX_BEGUN)
        && INDEX.iter().chain([&[0; 4]]).any(|begin| begin.starts_with(head))
}

fn refuse_shared(file: &File) -> Result<()> {
    let magic = magic(file).attempt("examine the file system of", "it")?;
    match shared_file_system(magic) {
        None => Ok(()),
        Some(name) => Err(Error::new(Kind::Refused, "read", "it")
            .because(format!(
                "it lies on {name}, where locks and shared memory do not reach every process \
                 that may write to it"
            ))
            .hint(
                "back it up on the machine that runs it; --allow-network-fs reads it all the same",
            )),
    }
}

/// The name of a file system that other machines may write to, by its magic number (statfs(2)).
fn shared_file_system(magic: i64) -> Option<&'static str> {
    Some(match magic {
        0x6969 => "NFS",
        0xff53_4d42 | 0x517b => "SMB",
        0xfe53_4d42 => "SMB2",
        0x6573_5546 => "FUSE or virtiofs",
        0x0102_1997 => "9p",
        0x00c3_6400 => "Ceph",
        0x5346_414f | 0x6b41_4653 => "AFS",
        0x7375_7245 => "Coda",
        0x7461_636f => "OCFS2",
        0x0116_1970 => "GFS2",
        0x0bd0_0bd0 => "Lustre",
        0x1983_0326 => "BeeGFS",
        0x4750_4653 => "GPFS",
        0x786f_4256 => "a VirtualBox share",
        0xbacb_acbc => "a VMware share",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shares are known by their magic numbers, ordinary file systems are not refused.
    #[test]
    fn file_systems_of_other_machines_are_known() {
        assert_eq!(shared_file_system(0x6969), Some("NFS"));
        assert_eq!(shared_file_system(0x6573_5546), Some("FUSE or virtiofs"));
        for local in [0xef53, 0x9123_683e, 0x5846_5342, 0x0102_1994, 0x794c_7630, 0x2fc1_2fc1] {
            assert_eq!(shared_file_system(local), None, "{local:#x}");
        }
    }
}
