//! The handful of system calls that the local backend needs, behind a trait so that tests can
//! stand in for them; and how to make them in full.

use super::Capabilities;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::OnceLock;

/// Interruptions of one system call that are taken in patience.
const INTERRUPTIONS: u32 = 1000;

/// System calls on paths relative to the repository's root (`""`), `/` between their parts.
/// Each method is one call that may be interrupted, be cut short, or fail.
pub trait Disk: Send + Sync {
    /// An open file.
    type File;

    /// Where the root is, for messages.
    fn describe(&self) -> String;

    /// What the calls can be trusted with, and how they are best made.
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    /// So many calls of one kind are worth making at once, where each waits for an answer.
    fn at_once(&self) -> usize {
        1
    }

    /// Creates a file to write; `AlreadyExists` if anything has this name.
    fn create(&self, path: &str) -> io::Result<Self::File>;

    /// Appends some of `bytes`, and tells how many.
    fn write(&self, file: &mut Self::File, bytes: &[u8]) -> io::Result<usize>;

    /// Makes content and length durable. After a failure nothing is known about either.
    fn sync(&self, file: &mut Self::File) -> io::Result<()>;

    /// Opens a regular file to read.
    fn open(&self, path: &str) -> io::Result<Self::File>;

    /// The length of an open file in bytes.
    fn size(&self, file: &Self::File) -> io::Result<u64>;

    /// Reads some bytes at `offset`, and tells how many; none at the end.
    fn read_at(&self, file: &Self::File, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Gives a file a second name; `AlreadyExists` if anything has it.
    fn link(&self, from: &str, to: &str) -> io::Result<()>;

    /// Renames a file; `AlreadyExists` if anything has the new name.
    fn rename_new(&self, from: &str, to: &str) -> io::Result<()>;

    /// Renames a file over whatever has the new name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &str) -> io::Result<()>;

    /// Makes a directory; `AlreadyExists` if anything has this name.
    fn make_dir(&self, path: &str) -> io::Result<()>;

    /// Makes the names in a directory durable.
    fn sync_dir(&self, path: &str) -> io::Result<()>;

    /// The regular files and directories in a directory whose names are text.
    fn entries(&self, path: &str) -> io::Result<Vec<DiskEntry>>;
}

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskEntry {
    /// Its name in the directory.
    pub name: String,
    /// The length in bytes of a regular file; `None` for a directory.
    pub size: Option<u64>,
    /// When it was last written to, in seconds of the file system's own clock.
    pub modified: i64,
}

/// The operating system's own. What it makes is for its owner alone, whatever the umask says; and
/// for the root's group, with the rights that it has there, if the root was made to be shared:
/// setgid, or writable by the group.
#[derive(Debug)]
pub struct Os {
    root: PathBuf,
    shared: OnceLock<Option<u32>>,
}

/// What the root of a shared repository may pass on to its folders, and to its files.
pub(super) const SHARED_FOLDER: u32 = 0o2070;
pub(super) const SHARED_FILE: u32 = 0o040;

/// The mode of the root, if it was made to be shared.
pub(super) fn passed_on_by(root: u32) -> Option<u32> {
    (root & 0o2020 != 0).then_some(root)
}

impl Os {
    /// Calls that act below `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Os { root: root.into(), shared: OnceLock::new() }
    }

    fn at(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.root.clone() } else { self.root.join(path) }
    }

    /// Lets the group in, if the root is shared. A file system that knows no modes has its own ways.
    fn share(&self, path: &str, mine: u32, passed_on: u32) {
        let shared = self.shared.get_or_init(|| {
            let root = fs::metadata(&self.root).ok()?;
            passed_on_by(root.mode())
        });
        if let Some(root) = shared {
            let mode = Permissions::from_mode(mine | root & passed_on);
            let _ = fs::set_permissions(self.at(path), mode);
        }
    }
}

impl Disk for Os {
    type File = File;

    fn describe(&self) -> String {
        self.root.display().to_string()
    }

    fn create(&self, path: &str) -> io::Result<File> {
        let file = File::options().write(true).create_new(true).mode(0o600).open(self.at(path))?;
        self.share(path, 0o600, SHARED_FILE);
        Ok(file)
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<usize> {
        file.write(bytes)
    }

    fn sync(&self, file: &mut File) -> io::Result<()> {
        file.sync_all()
    }

    fn open(&self, path: &str) -> io::Result<File> {
        // Without NONBLOCK a FIFO planted here would hold us for ever.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = File::from(rustix::fs::open(self.at(path), flags, Mode::empty())?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        Ok(file)
    }

    fn size(&self, file: &File) -> io::Result<u64> {
        Ok(file.metadata()?.len())
    }

    fn read_at(&self, file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        file.read_at(buffer, offset)
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.at(from), self.at(to));
        Ok(rustix::fs::linkat(CWD, from, CWD, to, AtFlags::empty())?)
    }

    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.at(from), self.at(to));
        Ok(rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.at(from), self.at(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.at(path))
    }

    fn make_dir(&self, path: &str) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(self.at(path))?;
        self.share(path, 0o700, SHARED_FOLDER);
        Ok(())
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        match File::open(self.at(path))?.sync_all() {
            // Some network file systems know no such call; there is nothing more to be had.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            result => result,
        }
    }

    fn entries(&self, path: &str) -> io::Result<Vec<DiskEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(self.at(path))? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            match entry.metadata() {
                Ok(facts) if facts.is_file() || facts.is_dir() => {
                    let size = facts.is_file().then_some(facts.len());
                    entries.push(DiskEntry { name, size, modified: facts.mtime() });
                }
                Ok(_) => {}
                // Removed since the directory was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(entries)
    }
}

/// Appends all of `bytes`.
pub(super) fn write_all<D: Disk>(disk: &D, file: &mut D::File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = patiently(|| disk.write(file, bytes))?;
        bytes = match bytes.get(written..) {
            Some(rest) if written > 0 => rest,
            _ => return Err(io::ErrorKind::WriteZero.into()),
        };
    }
    Ok(())
}

/// Fills the buffer as far as the file reaches, and tells how far that is.
pub(super) fn read_all<D: Disk>(
    disk: &D,
    file: &D::File,
    buffer: &mut [u8],
    at: u64,
) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match patiently(|| disk.read_at(file, rest, at.saturating_add(filled as u64)))? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

/// Repeats a call that a signal interrupted.
pub(super) fn patiently<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    for _ in 0..INTERRUPTIONS {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
    call()
}

/// A path below the disk's root, for messages.
pub(super) fn place<D: Disk>(disk: &D, path: &str) -> String {
    format!("{}/{path}", disk.describe())
}
