//! Files whose content the kernel makes up when they are read (procfs, sysfs and their like): what
//! `stat` says of them proves nothing.

use super::metadata::size;
use crate::env::file_system::magic;
use crate::error::{Attempt, Result};
use crate::source::{ByteStream, FileProof, Got};
use rustix::fs::Stat;
use rustix::io::Errno;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

/// Bytes asked for at a time: some of these files give nothing after the first read.
const BUFFER: usize = 64 << 10;

/// Whether the file system of `fd` holds no files but such.
pub(super) fn is_generated(fd: BorrowedFd<'_>) -> bool {
    const GENERATED: [i64; 11] = [
        0x9FA0,      // procfs
        0x6265_6572, // sysfs
        0x6462_6720, // debugfs
        0x7472_6163, // tracefs
        0x7363_6673, // securityfs
        0x0027_E0EB, // cgroup
        0x6367_7270, // cgroup2
        0x6265_6570, // configfs
        0xF97C_FF8C, // selinuxfs
        0x4249_4E4D, // binfmt_misc
        0x1980_0202, // mqueue
    ];
    magic(fd).is_ok_and(|found| GENERATED.contains(&found))
}

/// A file that claims to be empty, read to wherever its end is.
pub(super) struct Unmeasured {
    fd: OwnedFd,
    path: PathBuf,
    offset: u64,
    /// What was read and not yet given.
    ready: io::Cursor<Vec<u8>>,
}

impl Unmeasured {
    pub(super) fn new(fd: OwnedFd, path: PathBuf) -> Self {
        Unmeasured { fd, path, offset: 0, ready: io::Cursor::default() }
    }

    /// Reads on, once what was read before is given.
    fn fill(&mut self) -> Result<()> {
        let mut bytes = vec![0; BUFFER];
        let read = loop {
            match rustix::io::pread(&self.fd, &mut bytes, self.offset) {
                Err(Errno::INTR) => {}
                read => break read.map_err(io::Error::from),
            }
        };
        let read = read.attempt("read", self.path.display())?;
        bytes.truncate(read);
        self.offset += u64::try_from(read).unwrap_or(u64::MAX);
        self.ready = io::Cursor::new(bytes);
        Ok(())
    }
}

impl ByteStream for Unmeasured {
    fn read(&mut self, buffer: &mut [u8]) -> Result<Got> {
        loop {
            let got = self.ready.read(buffer).attempt("read", self.path.display())?;
            if got > 0 {
                return Ok(Got::Data(got));
            }
            self.fill()?;
            if self.ready.get_ref().is_empty() {
                return Ok(Got::End);
            }
        }
    }

    fn finish(self: Box<Self>) -> Result<FileProof> {
        let after = rustix::fs::fstat(&self.fd).map_err(io::Error::from);
        let after: Stat = after.attempt("read", self.path.display())?;
        let (read, path) = (self.offset, self.path.display());
        let mut proof = FileProof::default();
        if size(&after) > 0 {
            let grew = format!("it grew from 0 to {} bytes while it was read", size(&after));
            proof.changed = Some(grew);
        } else if read > 0 && !is_generated(self.fd.as_fd()) {
            proof.warning = Some(format!("{path} claims to be empty, and {read} bytes are in it"));
        }
        Ok(proof)
    }
}
