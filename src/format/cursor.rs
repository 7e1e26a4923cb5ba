//! Bounded reading and writing of fixed-width little-endian fields (chapter 1).

use crate::error::{Error, Result};

/// Reads fields off the front of a slice; never past its end.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    subject: &'a str,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`, which are `subject` in messages.
    pub fn new(bytes: &'a [u8], subject: &'a str) -> Self {
        Reader { rest: bytes, subject }
    }

    /// The next `length` bytes.
    pub fn bytes(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(|| {
            self.damaged(format!("{length} bytes expected, {} left", self.rest.len()))
        })?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    /// An unsigned byte.
    pub fn u8(&mut self) -> Result<u8> {
        self.array().map(u8::from_le_bytes)
    }

    /// An unsigned 16-bit number.
    pub fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// An unsigned 32-bit number.
    pub fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// An unsigned 64-bit number.
    pub fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A 32-bit count or length of at most `max`.
    pub fn bounded(&mut self, max: usize, what: &str) -> Result<usize> {
        let number = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        if number > max {
            return Err(self.damaged(format!("{what} is {number}, the bound is {max}")));
        }
        Ok(number)
    }

    /// Bytes that have not been read.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Everything must have been read.
    pub fn end(self) -> Result<()> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(self.damaged(format!("{} bytes too many", self.rest.len())))
    }

    /// Everything that was not read must be zero.
    pub fn zero_to_end(self) -> Result<()> {
        if self.rest.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        Err(self.damaged("padding is not zero"))
    }

    /// An error about the bytes being read.
    pub fn damaged(&self, reason: impl Into<String>) -> Error {
        Error::damaged("decode", self.subject, reason)
    }
}

/// A length as the 8-bit field that it is stored in; errors as [`length32`].
pub fn length8(length: usize, what: &str) -> Result<u8> {
    u8::try_from(length).map_err(|_| too_long(length, what, 8))
}

/// A length as the 32-bit field that it is stored in.
///
/// # Errors
/// `InvalidInput` if it does not fit: the bounds of [`crate::limits`] were not kept.
pub fn length32(length: usize, what: &str) -> Result<u32> {
    u32::try_from(length).map_err(|_| too_long(length, what, 32))
}

fn too_long(length: usize, what: &str, bits: u32) -> Error {
    Error::new(crate::error::Kind::InvalidInput, "encode", what)
        .because(format!("{length} does not fit in {bits} bits"))
}
