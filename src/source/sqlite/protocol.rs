//! What the reading child and its parent say to each other: typed frames, each one byte of tag,
//! a `u32` LE length, and so many bytes; no length is believed beyond its bound.

use crate::error::{Attempt, Error, Kind, Result};
use crate::format::database::SqliteFacts;
use crate::format::record::{from_cbor, to_cbor};
use crate::limits::{SQLITE_CONTROL_MAX, SQLITE_FRAME_MAX};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{ErrorKind, Read, Write};

const BEGIN: u8 = b'B';
const DATA: u8 = b'D';
const PROOF: u8 = b'P';
const FAILURE: u8 = b'E';
const REFUSED: u8 = b'R';
const HEAD: usize = 5;
/// Longest reason that is told, in characters.
const REASON_MAX: usize = 1000;

/// Who has to wait while the pages are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Hold {
    /// Nobody: it is a private copy.
    Nobody,
    /// Checkpoints: the write-ahead log grows.
    Checkpoints,
    /// Every writer.
    Writers,
}

/// Sent once the read transaction stands, before the pages.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Begin {
    pub hold: Hold,
}

/// Sent after the last page and everything that was looked into.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Proof {
    /// Bytes of it that were sent.
    pub bytes: u64,
    pub facts: SqliteFacts,
    /// Why what was read may be of several moments, if it may.
    pub changed: Option<String>,
    /// Whether another file has its name by now.
    pub is_replaced: bool,
    pub taint: Option<String>,
}

/// Sent instead of all else where SQLite refuses the database for what is in it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Refused {
    finding: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Failure {
    kind: String,
    reason: String,
    hint: Option<String>,
}

/// One frame, as the parent meets it.
pub(super) enum Frame {
    Begin(Begin),
    /// So many bytes of pages come next.
    Data(usize),
    Proof(Box<Proof>),
    /// What SQLite has against the database.
    Refused(String),
    /// What stopped the child; its subject is the parent's to name.
    Failure(Remote),
    /// The pipe ended between two frames.
    Nothing,
}

/// An error of the child.
pub(super) struct Remote {
    pub kind: Kind,
    pub reason: String,
    pub hint: Option<String>,
}

/// The child's end. Pages gather behind room for their head, so that each frame is one write.
pub(super) struct FrameWriter<W> {
    out: W,
    pages: Vec<u8>,
    /// Bytes of the database sent or gathered.
    pub sent: u64,
}

impl<W: Write> FrameWriter<W> {
    pub(super) fn new(out: W) -> Self {
        let mut pages = Vec::with_capacity(HEAD + SQLITE_FRAME_MAX);
        pages.extend_from_slice(&[0; HEAD]);
        FrameWriter { out, pages, sent: 0 }
    }

    pub(super) fn begin(&mut self, begin: &Begin) -> Result<()> {
        self.control(BEGIN, &to_cbor(begin, "the beginning")?)
    }

    /// Adds bytes of the database, no more than fit into one frame.
    pub(super) fn data(&mut self, bytes: &[u8]) -> Result<()> {
        if self.pages.len() + bytes.len() > HEAD + SQLITE_FRAME_MAX {
            self.flush()?;
        }
        self.pages.extend_from_slice(bytes);
        self.sent += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    pub(super) fn proof(&mut self, proof: &Proof) -> Result<()> {
        self.flush()?;
        self.control(PROOF, &to_cbor(proof, "the proof")?)
    }

    pub(super) fn refused(&mut self, error: &Error) -> Result<()> {
        let refused = Refused { finding: reason_of(error).chars().take(REASON_MAX).collect() };
        self.control(REFUSED, &to_cbor(&refused, "the finding")?)
    }

    pub(super) fn failure(&mut self, error: &Error) -> Result<()> {
        let failure = Failure {
            kind: name_of(error.kind()).to_owned(),
            reason: reason_of(error).chars().take(REASON_MAX).collect(),
            hint: error.hint_text().map(str::to_owned),
        };
        self.control(FAILURE, &to_cbor(&failure, "the error")?)
    }

    fn flush(&mut self) -> Result<()> {
        let length = self.pages.len() - HEAD;
        if length == 0 {
            return Ok(());
        }
        let head = head(DATA, length)?;
        if let Some(front) = self.pages.get_mut(..HEAD) {
            front.copy_from_slice(&head);
        }
        self.out.write_all(&self.pages).attempt("hand on", "its pages")?;
        self.pages.truncate(HEAD);
        Ok(())
    }

    fn control(&mut self, tag: u8, body: &[u8]) -> Result<()> {
        if body.len() > SQLITE_CONTROL_MAX {
            return Err(Error::new(Kind::Failed, "hand on", "what was found out about it")
                .because("it is too much"));
        }
        let mut frame = head(tag, body.len())?.to_vec();
        frame.extend_from_slice(body);
        self.out.write_all(&frame).attempt("hand on", "what was found out about it")
    }
}

fn head(tag: u8, length: usize) -> Result<[u8; HEAD]> {
    let length = u32::try_from(length)
        .map_err(|_| Error::new(Kind::Failed, "encode", "a frame").because("it is too long"))?;
    let [a, b, c, d] = length.to_le_bytes();
    Ok([tag, a, b, c, d])
}

/// Reads the next frame, but for pages, which are the caller's to read.
///
/// # Errors
/// `Damaged` for anything but whole frames of known tags within their bounds.
pub(super) fn read_frame(from: &mut impl Read) -> Result<Frame> {
    let Some([tag, a, b, c, d]) = read_head(from)? else {
        return Ok(Frame::Nothing);
    };
    let declared = u32::from_le_bytes([a, b, c, d]);
    let max = if tag == DATA { SQLITE_FRAME_MAX } else { SQLITE_CONTROL_MAX };
    let length = match usize::try_from(declared) {
        Ok(length) if length <= max => length,
        _ => return Err(garbled(format!("a frame of {declared} bytes"))),
    };
    if tag == DATA {
        return Ok(Frame::Data(length));
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).attempt("read", "the rest of a frame")?;
    match tag {
        BEGIN => control(&body).map(Frame::Begin),
        PROOF => control(&body).map(|proof| Frame::Proof(Box::new(proof))),
        REFUSED => control::<Refused>(&body).map(|refused| Frame::Refused(refused.finding)),
        FAILURE => control::<Failure>(&body).map(|failure| {
            Frame::Failure(Remote {
                kind: kind_of(&failure.kind),
                reason: failure.reason,
                hint: failure.hint,
            })
        }),
        _ => Err(garbled(format!("a frame of unknown kind {tag}"))),
    }
}

/// A head, or nothing if the pipe ends before it.
fn read_head(from: &mut impl Read) -> Result<Option<[u8; HEAD]>> {
    let mut head = [0; HEAD];
    let (first, rest) = head.split_at_mut(1);
    loop {
        match from.read(first) {
            Ok(0) => return Ok(None),
            Ok(_) => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error).attempt("read", "the pipe"),
        }
    }
    from.read_exact(rest).attempt("read", "the head of a frame")?;
    Ok(Some(head))
}

fn control<T: Serialize + DeserializeOwned>(body: &[u8]) -> Result<T> {
    from_cbor(body, "a frame of the reading process")
}

fn garbled(reason: String) -> Error {
    Error::damaged("understand", "the reading process", reason)
}

/// The kinds that a child reports by name; any other is plain failure.
const KINDS: [(Kind, &str); 10] = [
    (Kind::NotFound, "not-found"),
    (Kind::Damaged, "damaged"),
    (Kind::Locked, "locked"),
    (Kind::Unsupported, "unsupported"),
    (Kind::InvalidInput, "invalid-input"),
    (Kind::Refused, "refused"),
    (Kind::NoSpace, "no-space"),
    (Kind::Denied, "denied"),
    (Kind::SourceChanged, "source-changed"),
    (Kind::Unavailable, "unavailable"),
];

fn name_of(kind: Kind) -> &'static str {
    KINDS.iter().find(|(known, _)| *known == kind).map_or("failed", |(_, name)| name)
}

fn kind_of(name: &str) -> Kind {
    KINDS.iter().find(|(_, known)| *known == name).map_or(Kind::Failed, |(kind, _)| *kind)
}

/// What is wrong with the database; who names it need not say again what was attempted.
fn reason_of(error: &Error) -> String {
    let why = error.why();
    if error.subject() == "it" && !why.is_empty() { why } else { error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a child sends arrives as it was meant: pages joined to frames in order, the proof and
    /// the kind of an error intact.
    #[test]
    fn frames_survive_the_pipe() {
        let mut wire = Vec::new();
        let mut writer = FrameWriter::new(&mut wire);
        writer.begin(&Begin { hold: Hold::Checkpoints }).unwrap();
        let page = vec![7; 65536];
        for _ in 0..17 {
            writer.data(&page).unwrap();
        }
        let proof = Proof {
            bytes: writer.sent,
            facts: SqliteFacts { page_size: 65536, ..SqliteFacts::default() },
            changed: None,
            is_replaced: false,
            taint: Some("rotten".into()),
        };
        writer.proof(&proof).unwrap();
        writer.failure(&Error::new(Kind::Locked, "read", "it").hint("wait")).unwrap();
        writer.refused(&Error::damaged("read", "it", "no header")).unwrap();

        let mut from = wire.as_slice();
        let Frame::Begin(begin) = read_frame(&mut from).unwrap() else { panic!() };
        assert_eq!(begin.hold, Hold::Checkpoints);
        for pages in [16, 1] {
            let Frame::Data(length) = read_frame(&mut from).unwrap() else { panic!() };
            assert_eq!(from.split_off(..length).unwrap(), page.repeat(pages));
        }
        let Frame::Proof(found) = read_frame(&mut from).unwrap() else { panic!() };
        assert_eq!((found.bytes, found.facts), (17 * 65536, proof.facts));
        let Frame::Failure(remote) = read_frame(&mut from).unwrap() else { panic!() };
        assert_eq!((remote.kind, remote.hint.as_deref()), (Kind::Locked, Some("wait")));
        let Frame::Refused(finding) = read_frame(&mut from).unwrap() else { panic!() };
        assert_eq!(finding, "no header");
        assert!(matches!(read_frame(&mut from).unwrap(), Frame::Nothing));
    }

    /// Cut, oversized and unknown frames are errors, and the length is not believed.
    #[test]
    fn broken_frames_are_refused() {
        let refused = |bytes: &[u8]| read_frame(&mut &*bytes).is_err();
        assert!(refused(&[DATA, 1, 0]));
        assert!(refused(&[PROOF, 4, 0, 0, 0, 1, 2, 3]));
        assert!(refused(&[DATA, 0xff, 0xff, 0xff, 0xff]));
        assert!(refused(&[PROOF, 0xff, 0xff, 0xff, 0x7f]));
        assert!(refused(&[PROOF, 1, 0, 0, 0, 0xff]));
        assert!(refused(&[b'?', 0, 0, 0, 0]));
    }
}
