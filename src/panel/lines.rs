//! What child processes print: lines of bounded length, and the end of what they complain of.

use super::refusal::Refusal;
use crate::error::Kind;
use serde::Deserialize;
use std::io;
use std::process::ExitStatus;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

/// Longest line that is understood; longer ones are passed over.
const LINE: usize = 16 << 20;

/// Bytes of complaints that are kept, the last ones.
const KEPT: usize = 16 << 10;

/// Lines, one after the other.
pub struct Lines<R> {
    from: BufReader<R>,
    line: Vec<u8>,
    is_whole: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Of this.
    pub fn new(from: R) -> Self {
        Lines { from: BufReader::new(from), line: Vec::new(), is_whole: false }
    }

    /// The next one, without its end; empty in place of one that is too long. None at the end. A caller that stops
    /// waiting for it loses nothing.
    pub async fn next(&mut self) -> io::Result<Option<&[u8]>> {
        if std::mem::take(&mut self.is_whole) {
            self.line.clear();
        }
        let mut is_too_long = false;
        loop {
            let found = self.from.fill_buf().await?;
            if found.is_empty() {
                return Ok(None);
            }
            let end = found.iter().position(|byte| *byte == b'\n');
            let taken = found.get(..end.unwrap_or(found.len())).unwrap_or_default();
            is_too_long |= self.line.len() + taken.len() > LINE;
            match is_too_long {
                true => self.line.clear(),
                false => self.line.extend(taken),
            }
            let used = taken.len() + usize::from(end.is_some());
            self.from.consume(used);
            if end.is_some() {
                self.is_whole = true;
                return Ok(Some(&self.line));
            }
        }
    }
}

/// The end of what a child complains of.
pub async fn complaints(mut from: impl AsyncRead + Unpin) -> Vec<u8> {
    let (mut kept, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        kept.extend(buffer.get(..length).unwrap_or_default());
        let more = kept.len().saturating_sub(KEPT);
        kept.drain(..more);
    }
    kept
}

/// The last words of a child: an error, and what can be tried.
#[derive(Clone, Debug, Deserialize)]
pub struct LastWords {
    /// What sort of failure it is, if it says so.
    #[serde(default)]
    kind: Option<Kind>,
    /// What failed.
    pub message: String,
    /// What can be tried.
    pub hint: Option<String>,
}

impl LastWords {
    /// Of one that ended so, and complained of that.
    pub fn of(status: ExitStatus, complaints: &[u8]) -> Self {
        let lines = complaints.split(|byte| *byte == b'\n').rev();
        let mut errors = lines.filter_map(|line| serde_json::from_slice::<LastWords>(line).ok());
        errors.next().unwrap_or_else(|| LastWords {
            kind: None,
            message: format!("the process ended with {status}"),
            hint: None,
        })
    }

    /// As an answer.
    pub fn refusal(self) -> Refusal {
        let refusal = match self.kind {
            Some(Kind::NotFound) => Refusal::absent(&self.message),
            _ => Refusal::failed(self.message),
        };
        refusal.hint(self.hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines come one by one, the last without an end does not; a line without end takes no more memory than
    /// is allowed.
    #[test]
    fn lines_are_bounded() {
        let mut text = b"one\n\n".to_vec();
        text.extend(vec![b'x'; LINE + 1]);
        text.extend(b"\nlast\nhalf");
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut lines = Lines::new(text.as_slice());
            for expected in [&b"one"[..], b"", b"", b"last"] {
                assert_eq!(lines.next().await.unwrap().unwrap(), expected);
            }
            assert!(lines.next().await.unwrap().is_none());
            assert!(lines.line.capacity() <= 2 * LINE);
            assert_eq!(complaints(text.as_slice()).await.len(), KEPT);
        });
    }
}
