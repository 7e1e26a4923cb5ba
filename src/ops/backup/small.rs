//! Files that are small enough to be read whole, and what becomes of those that turn out not to be.

use super::progress_stream::wait_for;
use crate::error::Result;
use crate::monitor::Monitor;
use crate::source::{ByteStream, FileProof, Got, Opener};
use std::collections::VecDeque;
use std::io::Read;
use std::time::Duration;

/// A file up to this length is read whole.
pub(super) const SMALL: u64 = 256 << 10;

/// What reading a small file came to.
pub(super) enum Whole {
    /// All of it.
    Bytes(Vec<u8>, Box<FileProof>),
    /// It went on past [`SMALL`], or it has a hole: what was read, and what stopped the reading.
    TooLarge(Vec<u8>, Option<Got>, Box<dyn ByteStream>),
}

/// Reads a small file, again where that may give a better state of it.
pub(super) fn read_small(mut open: Opener, expected: u64, monitor: &dyn Monitor) -> Result<Whole> {
    loop {
        match read_whole(open()?, expected, monitor)? {
            Whole::Bytes(bytes, mut proof) => match proof.again.take() {
                Some(again) => open = again,
                None => return Ok(Whole::Bytes(bytes, proof)),
            },
            large => return Ok(large),
        }
    }
}

/// Reads a small file to its end.
fn read_whole(
    mut stream: Box<dyn ByteStream>,
    expected: u64,
    monitor: &dyn Monitor,
) -> Result<Whole> {
    let room = usize::try_from(expected.min(SMALL)).unwrap_or(0) + 1;
    let mut bytes = vec![0; room];
    let mut length = 0;
    loop {
        if length == bytes.len() {
            if length as u64 > SMALL {
                return Ok(Whole::TooLarge(bytes, None, stream));
            }
            bytes.resize((2 * length).max(4096), 0);
        }
        wait_for(&*stream, monitor)?;
        match stream.read(bytes.get_mut(length..).unwrap_or_default())? {
            Got::Data(read) => length += read,
            Got::End => {
                bytes.truncate(length);
                return Ok(Whole::Bytes(bytes, Box::new(stream.finish()?)));
            }
            hole => {
                bytes.truncate(length);
                return Ok(Whole::TooLarge(bytes, Some(hole), stream));
            }
        }
    }
}

/// A stream whose first bytes were read already.
pub(super) struct Resumed {
    front: VecDeque<u8>,
    then: Option<Got>,
    stream: Box<dyn ByteStream>,
}

impl Resumed {
    pub(super) fn new(front: Vec<u8>, then: Option<Got>, stream: Box<dyn ByteStream>) -> Self {
        Resumed { front: front.into(), then, stream }
    }
}

impl ByteStream for Resumed {
    fn is_ready(&self, most: Duration) -> bool {
        !self.front.is_empty() || self.then.is_some() || self.stream.is_ready(most)
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<Got> {
        if !self.front.is_empty() {
            return Ok(Got::Data(self.front.read(buffer).unwrap_or(0)));
        }
        match self.then.take() {
            Some(stop) => Ok(stop),
            None => self.stream.read(buffer),
        }
    }

    fn finish(self: Box<Self>) -> Result<FileProof> {
        self.stream.finish()
    }
}
