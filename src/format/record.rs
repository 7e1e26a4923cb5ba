//! Records: CBOR maps with text keys, wrapped so that each names its kind and version (chapter 1).
//! One value has one form: bytes that a writer of this format would not have written are refused.

use crate::error::{Error, Kind, Result};
use crate::limits::RECORD_MAX;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io;

/// A value that is stored as a record.
pub trait Record: Serialize + DeserializeOwned {
    /// The record's kind, as it stands in its envelope.
    const KIND: &'static str;
    /// The only version that this program reads and writes.
    const VERSION: u32 = 1;
}

#[derive(Serialize)]
struct Out<'a, T> {
    kind: &'a str,
    version: u32,
    body: &'a T,
}

#[derive(Deserialize)]
struct Head {
    kind: String,
    version: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct In<T> {
    #[serde(rename = "kind")]
    _kind: String,
    #[serde(rename = "version")]
    _version: u32,
    body: T,
}

/// The record's bytes.
pub fn encode<T: Record>(record: &T) -> Result<Vec<u8>> {
    to_cbor(&Out { kind: T::KIND, version: T::VERSION, body: record }, T::KIND)
}

/// The record in `bytes`.
///
/// # Errors
/// `Unsupported` for another kind or version or an unknown field or variant, `Damaged` for what is
/// no record, or not in canonical form.
pub fn decode<T: Record>(bytes: &[u8], subject: &str) -> Result<T> {
    if bytes.len() > RECORD_MAX {
        return Err(Error::damaged("decode", subject, "larger than a record may be"));
    }
    let head: Head = parse(bytes, subject)?;
    if head.kind != T::KIND || head.version != T::VERSION {
        return Err(Error::new(Kind::Unsupported, "decode", subject)
            .because(format!(
                "it is a record of kind {:?} and version {}; this program knows {:?} version {}",
                head.kind,
                head.version,
                T::KIND,
                T::VERSION
            ))
            .hint("a newer icecore may have written it: use that version"));
    }
    let record = parse::<In<T>>(bytes, subject)?.body;
    canonical(&Out { kind: T::KIND, version: T::VERSION, body: &record }, bytes, subject)?;
    Ok(record)
}

/// CBOR of a plain value, for entries that stand inside larger structures.
pub fn to_cbor<T: Serialize>(value: &T, subject: &str) -> Result<Vec<u8>> {
    serde_cbor::to_vec(value)
        .map_err(|cause| Error::new(Kind::InvalidInput, "encode", subject).caused_by(cause))
}

/// The plain value in `bytes`, all of them; errors as [`decode`].
pub fn from_cbor<T: Serialize + DeserializeOwned>(bytes: &[u8], subject: &str) -> Result<T> {
    let value = parse(bytes, subject)?;
    canonical(&value, bytes, subject)?;
    Ok(value)
}

/// Whether an optional text is left out: an empty one never stands in a record.
#[expect(clippy::ref_option, reason = "serde calls it so")]
pub(super) fn no_text(text: &Option<String>) -> bool {
    text.as_deref().is_none_or(str::is_empty)
}

/// What serde reads in `bytes`: also other forms than the canonical one.
fn parse<T: DeserializeOwned>(bytes: &[u8], subject: &str) -> Result<T> {
    serde_cbor::from_slice(bytes).map_err(|cause| {
        let kind = if is_unknown(&cause) { Kind::Unsupported } else { Kind::Damaged };
        Error::new(kind, "decode", subject).caused_by(cause)
    })
}

/// Whether a field or variant is not known. Serde tells its errors apart by their first words alone;
/// whatever of the input stands in them comes later.
fn is_unknown(cause: &serde_cbor::Error) -> bool {
    let text = cause.to_string();
    cause.is_data()
        && ["unknown field ", "unknown variant "].iter().any(|word| text.starts_with(word))
}

/// `value` must encode to exactly `bytes`. Nothing is copied: it may be a keyring.
fn canonical<T: Serialize>(value: &T, bytes: &[u8], subject: &str) -> Result<()> {
    let mut expected = Expected(bytes);
    let equal = serde_cbor::to_writer(&mut expected, value).is_ok() && expected.0.is_empty();
    equal.then_some(()).ok_or_else(|| Error::damaged("decode", subject, "not in canonical form"))
}

/// Bytes that must be written, in order.
struct Expected<'a>(&'a [u8]);

impl io::Write for Expected<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.strip_prefix(bytes).ok_or(io::ErrorKind::InvalidData)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
