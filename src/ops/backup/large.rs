//! A large file, which is streamed when its turn comes, or pinned then and streamed later.

use super::progress_stream::ProgressStream;
use super::read_file::{ReadFile, Waiting, read_file};
use crate::error::{Kind, Result};
use crate::format::content::Content;
use crate::monitor::Monitor;
use crate::source::{ByteStream, FileItem, FileProof, Opener};
use crate::stream::{ContentWriter, StreamError, Written};

/// A large file, not read yet.
pub(super) struct Large {
    pub(super) file: Waiting,
    pub(super) size: u64,
    pub(super) changes_everywhere: bool,
    pub(super) stream: Opener,
}

impl Large {
    /// Opens the file and tries to pin its present state; tells whether that worked.
    pub(super) fn pin(mut self) -> Result<(Self, bool)> {
        let mut stream = (self.stream)()?;
        let is_pinned = stream.pin();
        self.stream = Box::new(|| Ok(stream));
        Ok((self, is_pinned))
    }

    /// The file and its companions, or why the source did not give it.
    pub(super) fn read(
        self,
        writer: &mut ContentWriter<'_, '_>,
        monitor: &dyn Monitor,
    ) -> Result<Result<(ReadFile, Vec<FileItem>)>> {
        let Large { file, size, changes_everywhere, stream: mut open } = self;
        loop {
            let before = file.before.as_ref();
            match store(open, size, changes_everywhere, before, writer, monitor)? {
                Ok((written, mut proof)) => match proof.again.take() {
                    Some(again) => open = again,
                    None => return Ok(Ok(read_file(file, written, proof))),
                },
                Err(error) => return Ok(Err(error)),
            }
        }
    }
}

/// Stores what `open` gives; its own trouble is apart from the repository's.
fn store(
    open: Opener,
    size: u64,
    changes_everywhere: bool,
    before: Option<&Content>,
    writer: &mut ContentWriter<'_, '_>,
    monitor: &dyn Monitor,
) -> Result<Result<(Written, FileProof)>> {
    let mut stream = match open() {
        Ok(stream) => Box::new(ProgressStream { stream, monitor }),
        Err(error) => return Ok(Err(error)),
    };
    let written = match writer.write_stream(&mut *stream, size, changes_everywhere, before) {
        Ok(written) => written,
        Err(StreamError::Source(error)) if error.kind() == Kind::Interrupted => {
            return Err(error);
        }
        Err(StreamError::Source(error)) => return Ok(Err(error)),
        Err(StreamError::Repository(error)) => return Err(error),
    };
    Ok(stream.finish().map(|proof| (written, proof)))
}
