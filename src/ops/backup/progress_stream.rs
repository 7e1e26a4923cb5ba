//! A large stream that is watched: its bytes are counted while it is read, and it ends as soon
//! as the user wants to stop.

use crate::error::Result;
use crate::monitor::{Counter, Monitor, go_on};
use crate::source::{ByteStream, FileProof, Got};

/// A stream that tells a monitor how far it is.
pub(super) struct ProgressStream<'m> {
    pub(super) stream: Box<dyn ByteStream>,
    pub(super) monitor: &'m dyn Monitor,
}

impl ByteStream for ProgressStream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<Got> {
        go_on(self.monitor, "back up")?;
        let got = self.stream.read(buffer)?;
        match got {
            Got::Data(length) => self.monitor.count(Counter::Bytes, length as u64),
            Got::Hole(length) => self.monitor.count(Counter::Bytes, length),
            Got::End => {}
        }
        Ok(got)
    }

    fn finish(self: Box<Self>) -> Result<FileProof> {
        self.stream.finish()
    }
}
