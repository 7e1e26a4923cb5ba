//! One database, open in one read transaction, in a process that opens nothing else of it:
//! closing any other descriptor of the file would drop the locks that SQLite holds.

use super::aside;
use super::child::Request;
use super::place::Place;
use super::trouble::{needs_writing, primary};
use super::wire::Hold;
use crate::error::{Attempt, Error, Kind, Result};
use crate::limits::SQLITE_BUSY_WAIT;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, ffi};
use std::path::Path;
use tempfile::TempDir;

/// The first SQLite without the fault that could lose a reset of the write-ahead log.
const VERSION_MIN: i32 = 3_051_003;

/// An open database with its read transaction begun.
pub(super) struct Database {
    /// Closed before the private folder goes.
    pub connection: Connection,
    /// Who has to wait meanwhile.
    pub hold: Hold,
    /// What was wrong with it although its pages can be read.
    pub taint: Option<String>,
    /// Where it was copied to, if it could not be opened in place.
    pub private: Option<TempDir>,
}

impl Database {
    /// Opens what `request` names.
    pub(super) fn open(request: &Request) -> Result<Self> {
        check_version()?;
        let place = Place::examine(&request.path, request.force)?;
        if place.would_leave_foreign_files() {
            return Database::open_copy(&place, request);
        }
        match begin(&place.path, OpenFlags::SQLITE_OPEN_READ_ONLY) {
            Ok((connection, taint)) => {
                let hold = if place.wal { Hold::Checkpoints } else { Hold::Writers };
                Ok(Database { connection, hold, taint, private: None })
            }
            Err(cause) if needs_writing(&cause) => Database::open_copy(&place, request)
                .map_err(|error| error.within("read", "it where it stands")),
            Err(cause) => Err(cause).attempt("begin a read transaction on", "it"),
        }
    }

    fn open_copy(place: &Place, request: &Request) -> Result<Self> {
        let (folder, path) = aside::copy(&place.path, &request.scratch)?;
        let (connection, taint) =
            begin(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).attempt("recover a copy of", "it")?;
        Ok(Database { connection, hold: Hold::Nobody, taint, private: Some(folder) })
    }

    /// Whether another file stands under the name by now.
    pub(super) fn has_moved(&self) -> Result<bool> {
        let mut moved: std::ffi::c_int = 0;
        // SAFETY: the handle is that of an open connection, which `self` keeps open and no other
        // thread uses; a null name means the main database; HAS_MOVED writes one int, to a local
        // that outlives the call.
        #[allow(unsafe_code)]
        let code = unsafe {
            ffi::sqlite3_file_control(
                self.connection.handle(),
                std::ptr::null(),
                ffi::SQLITE_FCNTL_HAS_MOVED,
                std::ptr::from_mut(&mut moved).cast(),
            )
        };
        if code != ffi::SQLITE_OK {
            return Err(Error::new(Kind::Failed, "find out whether", "it was replaced")
                .because(ffi::code_to_str(code)));
        }
        Ok(moved != 0)
    }
}

fn check_version() -> Result<()> {
    if rusqlite::version_number() >= VERSION_MIN {
        return Ok(());
    }
    Err(Error::new(Kind::Unsupported, "read", "databases with this build")
        .because(format!("its SQLite is {}, older than 3.51.3", rusqlite::version()))
        .hint("build icecore with the bundled SQLite"))
}

/// A connection with its read transaction begun, and what is wrong with the schema, if anything
/// is: then SQLite reads on when told that schemas may be broken.
fn begin(path: &Path, flags: OpenFlags) -> rusqlite::Result<(Connection, Option<String>)> {
    let connection = connect(path, flags)?;
    let read = "BEGIN; SELECT count(*) FROM sqlite_schema";
    match run(&connection, read) {
        Ok(()) => Ok((connection, None)),
        Err(cause) if primary(&cause) == ffi::SQLITE_CORRUPT && has_dbpage(&connection)? => {
            drop(connection);
            let connection = connect(path, flags)?;
            let read = "PRAGMA writable_schema = ON; BEGIN; SELECT pgno FROM sqlite_dbpage LIMIT 1";
            run(&connection, read)?;
            Ok((connection, Some(format!("it does not open in SQLite: {cause}"))))
        }
        Err(cause) => Err(cause),
    }
}

fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    // Never SQLITE_OPEN_URI: the path is absolute and means itself, whatever it contains.
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(SQLITE_BUSY_WAIT)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    Ok(connection)
}

/// Runs all statements of `sql` to their ends.
fn run(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.execute_batch(sql)
}

/// Whether this build can read pages as rows. A crate's user may build without the flag.
pub(super) fn has_dbpage(connection: &Connection) -> rusqlite::Result<bool> {
    connection
        .query_row("SELECT sqlite_compileoption_used('ENABLE_DBPAGE_VTAB')", [], |row| row.get(0))
}
