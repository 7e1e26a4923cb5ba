//! A large stream that is watched: its bytes are counted while it is read, and it ends as soon
//! as the user wants to stop, also while nothing comes.

use crate::error::Result;
use crate::monitor::{Counter, Monitor, go_on};
use crate::source::{ByteStream, FileProof, Got};
use std::time::Duration;

/// How often we check whether the user asked to stop while no data comes.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// A stream that tells a monitor how far it is.
pub(super) struct ProgressStream<'m> {
    pub(super) stream: Box<dyn ByteStream>,
    pub(super) monitor: &'m dyn Monitor,
}

/// Waits until there is something to read, unless the user wants to stop.
pub(super) fn wait_for(stream: &dyn ByteStream, monitor: &dyn Monitor) -> Result<()> {
    loop {
        go_on(monitor, "back up")?;
        if stream.is_ready(POLL_INTERVAL) {
            return Ok(());
        }
    }
}

impl ByteStream for ProgressStream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<Got> {
        wait_for(&*self.stream, self.monitor)?;
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
