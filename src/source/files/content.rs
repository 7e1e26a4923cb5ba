//! A regular file that the walk has met, and how its content is read: through SQLite or as it is.

use super::directory::Directory;
use super::generated::Unmeasured;
use super::logs::{Logged, Unlogged};
use super::metadata::{identity, size, stamp};
use super::open::{begins_as_database, is_regular, open_regular};
use super::options::OpenDatabase;
use super::stream::FileStream;
use super::xattrs::{XattrReader, with_xattrs};
use crate::error::{Attempt, Error, Kind, Result};
use crate::source::sqlite::{DatabaseFile, Opened};
use crate::source::{ByteStream, Xattrs};
use rustix::fs::Stat;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

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

/// The outcome of opening a file.
pub(super) enum OpenFile {
    /// It is read.
    Stream(Box<dyn ByteStream>),
    /// SQLite refuses it for what is in it, and this is why.
    Refused(Box<Unopened>, String),
}

impl Unopened {
    /// Opens it: through SQLite if it is a database and these are wanted as such.
    pub(super) fn open(self) -> Result<OpenFile> {
        let (fd, before) = self.open_file()?;
        let xattrs = self.xattrs();
        let stream: Box<dyn ByteStream> = match &self.sqlite {
            Some(open_database) if begins_as_database(&fd) => {
                // No descriptor of a database stays open here while SQLite reads it.
                drop(fd);
                let named = self.read_by.as_ref().map(|logged| logged.path.clone());
                let file = self.found(named.unwrap_or_else(|| self.path()), &before);
                match open_database(&file)? {
                    Opened::Refused(finding) => {
                        return Ok(OpenFile::Refused(Box::new(self), finding));
                    }
                    Opened::Pages(pages) if self.read_by.is_none() && before.st_nlink >= 2 => {
                        Box::new(Unlogged::new(pages, self.path(), stamp(&before)))
                    }
                    Opened::Pages(pages) => pages,
                }
            }
            _ => self.stream(fd, before),
        };
        Ok(OpenFile::Stream(with_xattrs(stream, xattrs)))
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
