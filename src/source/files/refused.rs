//! A database that SQLite refuses for what is in it, and that is stored as a file for that: it may
//! be an encrypted one, or be repaired later. What stands beside it may hold part of
//! it, so all of it is read as one set, whose stamps have to hold meanwhile.

use super::content::{OpenFile, Unopened};
use super::metadata::{metadata, stamp};
use super::open::{is_regular, open_regular};
use super::owners::Owners;
use super::xattrs::{XattrReader, with_xattrs};
use crate::error::{Attempt, Result};
use crate::format::directory::{Scrutiny, Stamp};
use crate::source::{ByteStream, Entry, FileItem, FileProof, Got, Opener, Xattrs};
use rustix::fs::{AtFlags, Stat, statat};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::PathBuf;

/// What belongs to a database besides its file. The index of the log (-shm) is made anew.
const SIBLINGS: [&[u8]; 2] = [b"-journal", b"-wal"];

/// How often a set is read that changes again and again.
const READINGS: u32 = 5;

/// Opens a file; with what stands beside it if SQLite refuses it.
pub(super) fn open(file: Unopened) -> Result<Box<dyn ByteStream>> {
    match file.open()? {
        OpenFile::Stream(stream) => Ok(stream),
        OpenFile::Refused(file, finding) => {
            Refused { file: *file, finding, left: READINGS - 1 }.open()
        }
    }
}

/// A refused database, not opened yet.
struct Refused {
    file: Unopened,
    finding: String,
    /// How often it may be read again.
    left: u32,
}

impl Refused {
    /// What stands beside it is read at once, and set aside; the file itself as a stream.
    fn open(self) -> Result<Box<dyn ByteStream>> {
        let before = self.stamps();
        let mut companions = Vec::new();
        for name in self.siblings() {
            companions.extend(self.set_aside(name)?);
        }
        let stream = self.file.open_as_file()?;
        Ok(Box::new(Reading { stream, set: self, before, companions }))
    }

    fn siblings(&self) -> [Vec<u8>; 2] {
        SIBLINGS.map(|suffix| [self.file.name.as_slice(), suffix].concat())
    }

    fn stat(&self, name: &[u8]) -> Option<Stat> {
        let stat = statat(self.file.directory.fd(), name, AtFlags::SYMLINK_NOFOLLOW).ok();
        stat.filter(is_regular)
    }

    /// The stamps of the whole set.
    fn stamps(&self) -> Vec<Option<Stamp>> {
        let names = std::iter::once(self.file.name.clone()).chain(self.siblings());
        names.map(|name| self.stat(&name).as_ref().map(stamp)).collect()
    }

    /// A sibling as an item whose content lies in an unlinked copy by now; none if it is not there.
    fn set_aside(&self, name: Vec<u8>) -> Result<Option<FileItem>> {
        let Some(stat) = self.stat(&name) else { return Ok(None) };
        let path = self.file.directory.join(&name);
        let file = open_regular(self.file.directory.fd(), &name, &stat);
        let mut file = File::from(file.attempt("open", path.display())?);
        let mut copy = tempfile::tempfile().attempt("copy to a temporary file", path.display())?;
        let length = io::copy(&mut file, &mut copy).attempt("set aside", path.display())?;
        let meta = metadata(&stat, &Owners::of_this_machine(), Xattrs::new());
        copy.rewind().attempt("read a copy of", path.display())?;
        let xattrs = XattrReader::new().read(self.file.directory.reach(), &name);
        let open: Opener =
            Box::new(move || Ok(with_xattrs(Box::new(SetAside { copy, path }), xattrs)));
        Ok(Some(FileItem::new(Entry { name, meta }, Some(length), open)))
    }
}

/// A copy of what stands beside a refused database.
struct SetAside {
    copy: File,
    path: PathBuf,
}

impl ByteStream for SetAside {
    fn read(&mut self, buffer: &mut [u8]) -> Result<Got> {
        Ok(match self.copy.read(buffer).attempt("read a copy of", self.path.display())? {
            0 => Got::End,
            got => Got::Data(got),
        })
    }

    fn finish(self: Box<Self>) -> Result<FileProof> {
        Ok(FileProof::default())
    }
}

/// A refused database that is being read.
struct Reading {
    stream: Box<dyn ByteStream>,
    set: Refused,
    before: Vec<Option<Stamp>>,
    companions: Vec<FileItem>,
}

impl ByteStream for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> Result<Got> {
        self.stream.read(buffer)
    }

    fn finish(self: Box<Self>) -> Result<FileProof> {
        let Reading { stream, mut set, before, companions } = *self;
        let mut proof = stream.finish()?;
        proof.scrutiny = Some(Scrutiny::Open);
        let mut finding = format!("SQLite refuses it, it is stored as a file: {}", set.finding);
        if proof.changed.is_some() || set.stamps() != before {
            finding.push_str("; it changed while it was read");
            proof.changed.get_or_insert("what stands beside it changed while it was read".into());
            if set.left > 0 {
                set.left -= 1;
                proof.again = Some(Box::new(move || set.open()));
            }
        }
        Ok(FileProof { taint: Some(finding), companions, ..proof })
    }
}
