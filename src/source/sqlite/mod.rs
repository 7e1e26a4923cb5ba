//! SQLite databases, captured live through SQLite: each is read in a child process that opens
//! nothing else of it, in one read transaction, and stored as the database file itself, with
//! what was committed to its write-ahead log.
//!
//! Reading a database in WAL mode that nobody else has open leaves its `-wal` (empty) and `-shm`
//! beside it, where there were none: a read-only connection cannot remove them when it closes. They
//! belong to the database's owner, and the next connection that writes takes them away. They are
//! not removed here: another process may be opening them at that very moment.
//!
//! Never for a database that this very process has open itself through SQLite: looking how a file
//! begins ends the locks that the process has on it, and with them what protects its connections (How
//! To Corrupt An SQLite Database File, 2.2).
//!
//! Root reads with the rights of the database's owner wherever those are enough, and what SQLite
//! opened is compared with the file that was found, before any page of it is believed.

mod child;
mod database;
mod facts;
mod identity;
mod open_files;
mod preflight;
mod private_copy;
mod protocol;
mod reader;
mod request;
mod spool;
mod tail;
mod trouble;
mod wal_index;
mod watch;

pub use identity::DatabaseFile;
pub use preflight::may_be_index;
pub use reader::{Opened, SqliteOptions, SqliteReader};
pub use request::Verify;
#[cfg(feature = "testing")]
pub use spool::SpoolLimits;

use crate::format::database::{SQLITE, sibling_of};
use std::fs::File;
use std::os::fd::AsFd;
use std::process::ExitCode;

/// Whether a file that begins with `head` (16 bytes are enough) is an SQLite database.
pub fn is_database(head: &[u8]) -> bool {
    head.starts_with(SQLITE)
}

/// The name of the database that a file named `name` would belong to, if it is named like a
/// sibling or super-journal (-mj and nine digits) of one.
pub fn database_of(name: &[u8]) -> Option<&[u8]> {
    sibling_of(name).or_else(|| {
        let (main, number) = name.split_at_checked(name.len().checked_sub(12)?)?;
        let number = number.strip_prefix(b"-mj")?;
        let hex = number.iter().all(|byte| byte.is_ascii_hexdigit());
        (hex && number.get(6) == Some(&b'9') && !main.is_empty()).then_some(main)
    })
}

/// Runs this process as a reading child if its arguments say so. The first thing that `main`
/// does.
pub fn run_as_child() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    if args.next()?.to_str() != Some(request::VERB) {
        return None;
    }
    // Straight into the pipe, not through the line buffer of standard output.
    let Ok(out) = std::io::stdout().as_fd().try_clone_to_owned() else {
        return Some(ExitCode::FAILURE);
    };
    Some(ExitCode::from(child::run(args, File::from(out))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names of siblings lead to their database, look-alikes do not.
    #[test]
    fn siblings_are_known_by_name() {
        assert_eq!(database_of(b"a.db-wal"), Some(&b"a.db"[..]));
        assert_eq!(database_of(b"a.db-shm"), Some(&b"a.db"[..]));
        assert_eq!(database_of(b"a.db-journal"), Some(&b"a.db"[..]));
        assert_eq!(database_of(b"a.db-mj0A1B2C9FF"), Some(&b"a.db"[..]));
        for other in [&b"a.db"[..], b"-wal", b"a.db-mj0A1B2C8FF", b"a.db-mj", b"", b"-mj0A1B2C9FF"]
        {
            assert_eq!(database_of(other), None);
        }
    }
}
