//! The bytes of one regular file: holes are told apart, and a change while it is read is noticed.

use super::generated::is_generated;
use super::metadata::{size, stamp};
use crate::error::{Attempt, Result};
use crate::source::{ByteStream, FileProof, Got, sqlite};
use rustix::fs::{SeekFrom, Stat};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

/// A hole of fewer bytes is read as the zeros that it stands for.
const HOLE_MIN: u64 = 64 << 10;

/// An open file, read up to the length that it had when it was opened.
pub(super) struct FileStream {
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
    pub(super) fn new(fd: OwnedFd, before: Stat, path: PathBuf) -> Self {
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
