//! Why a call of a server failed, as the system's own calls say it.

use crate::error::Error;
use russh_sftp::protocol::{Status, StatusCode};
use std::io;

/// Letters of a server's own words that are repeated.
const WORDS: usize = 200;

/// Why a call failed.
pub(super) enum Fault {
    /// The server says so.
    Said(Status),
    /// There is no connection.
    Gone(Error),
}

impl Fault {
    /// Whether the server says so.
    pub(super) fn is(&self, code: StatusCode) -> bool {
        matches!(self, Fault::Said(status) if status.status_code == code)
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        let status = match fault {
            Fault::Gone(error) => return io::Error::other(error),
            Fault::Said(status) => status,
        };
        let kind = match status.status_code {
            StatusCode::NoSuchFile => io::ErrorKind::NotFound,
            StatusCode::PermissionDenied => io::ErrorKind::PermissionDenied,
            StatusCode::OpUnsupported => io::ErrorKind::Unsupported,
            _ => io::ErrorKind::Other,
        };
        let letters = status.error_message.chars().filter(|letter| !letter.is_control());
        let said: String = letters.take(WORDS).collect();
        let said = if said.is_empty() { status.status_code.to_string() } else { said };
        io::Error::new(kind, format!("the server says: {said}"))
    }
}
