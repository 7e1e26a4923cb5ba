//! Extended attributes: read with the names that lead to files, and given on with their content.

use crate::error::Result;
use crate::limits::XATTRS_MAX;
use crate::source::{ByteStream, FileProof, Got, Xattrs};
use rustix::fs::{lgetxattr, llistxattr};
use rustix::io::Errno;
use serde_bytes::ByteBuf;

/// Reads extended attributes, with buffers that are used again.
pub(super) struct XattrReader {
    names: Vec<u8>,
    value: Vec<u8>,
    path: Vec<u8>,
}

impl XattrReader {
    pub(super) fn new() -> Self {
        XattrReader { names: vec![0; 256], value: vec![0; 256], path: Vec::new() }
    }

    /// Those of `name` in the directory that `prefix` leads to; none where the file system
    /// has no such thing. ACLs are among them.
    pub(super) fn read(&mut self, prefix: &[u8], name: &[u8]) -> Result<Xattrs, String> {
        self.path.clear();
        self.path.extend_from_slice(prefix);
        self.path.extend_from_slice(name);
        let length = loop {
            match llistxattr(self.path.as_slice(), self.names.as_mut_slice()) {
                Ok(0) | Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::NOENT) => {
                    return Ok(Xattrs::new());
                }
                Ok(length) => break length,
                Err(Errno::RANGE) if self.names.len() < XATTRS_MAX => double(&mut self.names),
                Err(cause) => return Err(cause.to_string()),
            }
        };
        let names = self.names.get(..length).unwrap_or_default().to_vec();
        self.values_of(&names)
    }

    fn values_of(&mut self, names: &[u8]) -> Result<Xattrs, String> {
        let mut xattrs = Xattrs::new();
        let mut total = 0;
        for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            let Some(value) = self.value_of(name)? else { continue };
            total += name.len() + value.len();
            if total > XATTRS_MAX {
                return Err(format!("they take more than {XATTRS_MAX} bytes"));
            }
            xattrs.insert(ByteBuf::from(name), ByteBuf::from(value));
        }
        Ok(xattrs)
    }

    /// One value; none if it went away meanwhile.
    fn value_of(&mut self, name: &[u8]) -> Result<Option<Vec<u8>>, String> {
        loop {
            match lgetxattr(self.path.as_slice(), name, self.value.as_mut_slice()) {
                Ok(length) => return Ok(self.value.get(..length).map(<[u8]>::to_vec)),
                Err(Errno::NODATA | Errno::NOENT) => return Ok(None),
                Err(Errno::RANGE) if self.value.len() < XATTRS_MAX => double(&mut self.value),
                Err(cause) => {
                    return Err(format!("{}: {cause}", String::from_utf8_lossy(name)));
                }
            }
        }
    }
}

fn double(buffer: &mut Vec<u8>) {
    buffer.resize(buffer.len() * 2, 0);
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

    fn pin(&mut self) -> bool {
        self.stream.pin()
    }

    fn finish(self: Box<Self>) -> Result<FileProof> {
        let (xattrs, left_out) = match self.xattrs {
            Ok(xattrs) => (Some(xattrs), None),
            Err(reason) => (None, Some(format!("its extended attributes: {reason}"))),
        };
        Ok(FileProof { xattrs, left_out, ..self.stream.finish()? })
    }
}
