//! The bytes of one regular file: holes are told apart, and a change while it is read is noticed.

use super::OpenDatabase;
use super::generated::{Unmeasured, is_generated};
use super::logs::{Logged, Unlogged};
use super::metadata::{XattrReader, identity, size, stamp};
use super::refused::Refused;
use super::walk::Directory;
use crate::error::{Attempt, Error, Kind, Result};
use crate::source::sqlite::{self, DatabaseFile, Opened};
use crate::source::{ByteStream, FileProof, Got, Xattrs};
use rustix::fs::{Mode, OFlags, SeekFrom, Stat};
use rustix::io::Errno;
use rustix::process::geteuid;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

/// A hole of fewer bytes is read as the zeros that it stands for.
const HOLE_MIN: u64 = 64 << 10;

/// A regular file as the walk saw it, not opened yet.
pub(super) struct Unopened {
    pub directory: Arc<Directory>,
    pub name: Vec<u8>,
    /// What the walk's `stat` said.
    pub stat: Stat,
    pub sqlite: Option<OpenDatabase>,
    /// The name by which it is read as a database, if that is another or has a log.
    pub read_by: Option<Logged>,
}

impl Unopened {
    /// Opens it: through SQLite if it is a database and these are wanted as such.
    pub(super) fn open(self) -> Result<Box<dyn ByteStream>> {
        let (fd, before) = self.open_file()?;
        let xattrs = self.xattrs();
        let stream: Box<dyn ByteStream> = match &self.sqlite {
            Some(open_database) if begins_as_database(&fd) => {
                // No descriptor of a database stays open here while SQLite reads it.
                drop(fd);
                let named = self.read_by.as_ref().map(|logged| logged.path.clone());
                let file = self.found(named.unwrap_or_else(|| self.path()), &before);
                match open_database(&file)? {
                    Opened::Refused(finding) => return Refused::new(self, finding).open(),
                    Opened::Pages(pages) if self.read_by.is_none() && before.st_nlink >= 2 => {
                        Box::new(Unlogged::new(pages, self.path(), stamp(&before)))
                    }
                    Opened::Pages(pages) => pages,
                }
            }
            _ => self.stream(fd, before),
        };
        Ok(with_xattrs(stream, xattrs))
    }

    /// Opens it as a file like any other, whatever is in it.
    pub(super) fn open_as_file(&self) -> Result<Box<dyn ByteStream>> {
        let (fd, before) = self.open_file()?;
        Ok(with_xattrs(self.stream(fd, before), self.xattrs()))
    }

    fn stream(&self, fd: OwnedFd, before: Stat) -> Box<dyn ByteStream> {
        match size(&before) {
            0 => Box::new(Unmeasured::new(fd, self.path())),
            _ => Box::new(FileStream::new(fd, before, self.path())),
        }
    }

    fn open_file(&self) -> Result<(OwnedFd, Stat)> {
        let path = self.path();
        let fd = open_regular(self.directory.fd(), &self.name, &self.stat)
            .attempt("open", path.display())?;
        let before = rustix::fs::fstat(&fd).map_err(io::Error::from);
        let before = before.attempt("read", path.display())?;
        if identity(&before) != identity(&self.stat) || !is_regular(&before) {
            return Err(Error::new(Kind::SourceChanged, "read", path.display())
                .because("another file took its place"));
        }
        Ok((fd, before))
    }

    fn xattrs(&self) -> Result<Xattrs, String> {
        XattrReader::new().read(self.directory.reach(), &self.name)
    }

    fn found(&self, path: PathBuf, stat: &Stat) -> DatabaseFile {
        let (device, inode) = identity(stat);
        DatabaseFile { path, device, inode, uid: stat.st_uid, gid: stat.st_gid }
    }

    fn path(&self) -> PathBuf {
        self.directory.join(&self.name)
    }
}

/// The file that `stream` reads, with extended attributes or why they cannot be had.
pub(crate) fn with_xattrs(
    stream: Box<dyn ByteStream>,
    xattrs: Result<Xattrs, String>,
) -> Box<dyn ByteStream> {
    Box::new(WithXattrs { stream, xattrs })
}

struct WithXattrs {
    stream: Box<dyn ByteStream>,
    xattrs: Result<Xattrs, String>,
}

impl ByteStream for WithXattrs {
    fn read(&mut self, buffer: &mut [u8]) -> Result<Got> {
        self.stream.read(buffer)
    }

    fn finish(self: Box<Self>) -> Result<FileProof> {
        let (xattrs, left_out) = match self.xattrs {
            Ok(xattrs) => (Some(xattrs), None),
            Err(reason) => (None, Some(format!("its extended attributes: {reason}"))),
        };
        Ok(FileProof { xattrs, left_out, ..self.stream.finish()? })
    }
}

/// Whether the entry `name` of a directory is an SQLite database.
pub(super) fn is_database(directory: BorrowedFd<'_>, name: &[u8]) -> bool {
    let Ok(stat) = rustix::fs::statat(directory, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
    else {
        return false;
    };
    is_regular(&stat)
        && open_regular(directory, name, &stat).is_ok_and(|fd| begins_as_database(&fd))
}

pub(super) fn is_regular(stat: &Stat) -> bool {
    rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file()
}

/// Opens without following a link, without waiting for the other end of a pipe, and without
/// a trace in the access time where that is allowed (to the owner and to root).
pub(super) fn open_regular(
    directory: BorrowedFd<'_>,
    name: &[u8],
    stat: &Stat,
) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    open_quietly(directory, name, flags, stat.st_uid)
}

/// `openat` without a trace in the access time where that is allowed.
pub(super) fn open_quietly(
    directory: BorrowedFd<'_>,
    name: &[u8],
    flags: OFlags,
    owner: u32,
) -> io::Result<OwnedFd> {
    let user = geteuid();
    if user.is_root() || user.as_raw() == owner {
        match rustix::fs::openat(directory, name, flags | OFlags::NOATIME, Mode::empty()) {
            Err(Errno::PERM) => {}
            result => return Ok(result?),
        }
    }
    Ok(rustix::fs::openat(directory, name, flags, Mode::empty())?)
}

/// Whether the file `name` begins with `header`; any file does with none.
pub(super) fn begins_with(directory: BorrowedFd<'_>, name: &[u8], header: Option<&[u8]>) -> bool {
    let Some(header) = header else { return true };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(fd) = rustix::fs::openat(directory, name, flags, Mode::empty()) else {
        return false;
    };
    let mut head = vec![0; header.len()];
    matches!(rustix::io::pread(&fd, &mut head, 0), Ok(read) if read == head.len() && head == header)
}

fn begins_as_database(fd: &OwnedFd) -> bool {
    let mut head = [0; 16];
    matches!(rustix::io::pread(fd, &mut head, 0), Ok(16)) && sqlite::is_database(&head)
}

/// An open file, read up to the length that it had when it was opened.
struct FileStream {
    fd: OwnedFd,
    path: PathBuf,
    begins_as_database: bool,
    /// What `fstat` said before the first read.
    before: Stat,
    size: u64,
    offset: u64,
    /// Bytes up to here are to be read without looking for holes.
    data_end: u64,
    changed: Option<String>,
}

impl FileStream {
    fn new(fd: OwnedFd, before: Stat, path: PathBuf) -> Self {
        let size = size(&before);
        let allocated = u64::try_from(before.st_blocks).unwrap_or(0).saturating_mul(512);
        let data_end = if allocated < size { 0 } else { size };
        let begins_as_database = false;
        FileStream {
            fd,
            path,
            begins_as_database,
            before,
            size,
            offset: 0,
            data_end,
            changed: None,
        }
    }

    /// The hole at the offset if a worthwhile one begins there; otherwise finds out how far
    /// data reaches.
    fn hole(&mut self) -> Option<u64> {
        let data = self.seek(SeekFrom::Data(self.offset));
        if data - self.offset >= HOLE_MIN {
            return Some(data - self.offset);
        }
        let mut data = data;
        while data < self.size {
            let hole = self.seek(SeekFrom::Hole(data));
            data = self.seek(SeekFrom::Data(hole));
            if data - hole >= HOLE_MIN {
                self.data_end = hole;
                return None;
            }
        }
        self.data_end = self.size;
        None
    }

    /// The place that a seek finds, never before the one asked for; the end if there is none.
    fn seek(&self, place: SeekFrom) -> u64 {
        let (SeekFrom::Data(from) | SeekFrom::Hole(from)) = place else { return self.size };
        match rustix::fs::seek(&self.fd, place) {
            Ok(found) => found.clamp(from, self.size.max(from)),
            Err(Errno::NXIO) => self.size.max(from),
            // A file system that cannot tell: all is data.
            Err(_) if matches!(place, SeekFrom::Data(_)) => from,
            Err(_) => self.size.max(from),
        }
    }

    fn how_it_changed(&self, after: &Stat) -> Option<String> {
        let (old, new) = (stamp(&self.before), stamp(after));
        if new.size < old.size {
            Some(format!("it shrank from {} to {} bytes while it was read", old.size, new.size))
        } else if new.size > old.size {
            Some(format!("it grew from {} to {} bytes while it was read", old.size, new.size))
        } else if new.mtime != old.mtime {
            Some("it was written while it was read".to_owned())
        } else if after.st_nlink == 0 {
            Some("it was removed while it was read".to_owned())
        } else if new.ctime != old.ctime {
            Some("it was changed while it was read".to_owned())
        } else {
            None
        }
    }
}

impl ByteStream for FileStream {
    fn read(&mut self, buffer: &mut [u8]) -> Result<Got> {
        loop {
            if self.offset >= self.size {
                return Ok(Got::End);
            }
            if self.offset >= self.data_end
                && let Some(length) = self.hole()
            {
                self.offset += length;
                return Ok(Got::Hole(length));
            }
            let length = usize::try_from(self.data_end - self.offset).unwrap_or(usize::MAX);
            let length = length.min(buffer.len());
            let front = buffer.get_mut(..length).unwrap_or_default();
            match rustix::io::pread(&self.fd, &mut *front, self.offset) {
                Ok(0) if is_generated(self.fd.as_fd()) => return Ok(Got::End),
                Ok(0) => {
                    self.changed = Some(format!("it ended early, at byte {}", self.offset));
                    return Ok(Got::End);
                }
                Ok(read) => {
                    if self.offset == 0 {
                        self.begins_as_database = sqlite::is_database(front);
                    }
                    self.offset += u64::try_from(read).unwrap_or(u64::MAX);
                    return Ok(Got::Data(read));
                }
                Err(Errno::INTR) => {}
                Err(cause) => {
                    return Err(io::Error::from(cause)).attempt("read", self.path.display());
                }
            }
        }
    }

    fn finish(self: Box<Self>) -> Result<FileProof> {
        let after = rustix::fs::fstat(&self.fd).map_err(io::Error::from);
        let after = after.attempt("read", self.path.display())?;
        // Where the kernel makes content up, it makes up times and lengths, too.
        let changed = self.how_it_changed(&after).filter(|_| !is_generated(self.fd.as_fd()));
        let changed = changed.or(self.changed);
        let begins_as_database = self.begins_as_database;
        Ok(FileProof { changed, begins_as_database, ..FileProof::default() })
    }
}
