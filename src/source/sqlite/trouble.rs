//! What an SQLite error means for a capture.

use crate::error::{Attempt, Error, Kind, Result};
use rusqlite::ffi;
use std::fmt::Display;

/// What SQLite has against a file without a proper header.
pub(super) const NO_DATABASE: &str = "it is no SQLite database, or an encrypted one";

impl<T> Attempt<T> for rusqlite::Result<T> {
    fn attempt(self, attempted: &str, subject: impl Display) -> Result<T> {
        self.map_err(|cause| {
            let error = Error::new(kind_of(&cause), attempted, subject);
            let error = match primary(&cause) {
                ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => error
                    .because("other processes kept it locked all the while")
                    .hint("try again later, or end what locks it"),
                ffi::SQLITE_NOTADB => error.because(NO_DATABASE),
                _ => error,
            };
            error.caused_by(cause)
        })
    }
}

/// The kind that an SQLite error falls under.
fn kind_of(cause: &rusqlite::Error) -> Kind {
    match primary(cause) {
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => Kind::Locked,
        ffi::SQLITE_NOTADB => Kind::InvalidInput,
        ffi::SQLITE_CORRUPT => Kind::Damaged,
        ffi::SQLITE_CANTOPEN | ffi::SQLITE_READONLY | ffi::SQLITE_PERM | ffi::SQLITE_AUTH => {
            Kind::Denied
        }
        ffi::SQLITE_FULL => Kind::NoSpace,
        _ => Kind::Failed,
    }
}

/// The primary result code, 0 for errors that are not SQLite's.
pub(super) fn primary(cause: &rusqlite::Error) -> i32 {
    match cause {
        rusqlite::Error::SqliteFailure(failure, _) => failure.extended_code & 0xff,
        _ => 0,
    }
}

/// Whether SQLite has something against the content, not the way to it: it calls a format from the
/// future a mere error.
pub(super) fn is_refusal(cause: &rusqlite::Error) -> bool {
    matches!(primary(cause), ffi::SQLITE_NOTADB | ffi::SQLITE_CORRUPT | ffi::SQLITE_ERROR)
}

/// Whether a database cannot be opened where it stands without writing there: a hot journal, or
/// a log without its index in a folder that takes no new files.
pub(super) fn needs_writing(cause: &rusqlite::Error) -> bool {
    matches!(primary(cause), ffi::SQLITE_READONLY | ffi::SQLITE_CANTOPEN)
}
