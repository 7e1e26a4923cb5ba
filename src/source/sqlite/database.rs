//! One database, open in one read transaction, in a process that opens nothing else of it:
//! closing any other descriptor of the file would drop the locks that SQLite holds.

use super::identity::replaced;
use super::open_files::{FilesRead, OpenFiles};
use super::preflight::Preflight;
use super::private_copy;
use super::protocol::Hold;
use super::request::Request;
use super::trouble::{NO_DATABASE, is_refusal, needs_writing, primary};
use crate::error::{Attempt, Error, Kind, Result};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, ffi};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The first SQLite without the fault that could lose a reset of the write-ahead log.
const VERSION_MIN: i32 = 3_051_003;

/// How long before a busy database is tried again.
const BUSY_STEP: Duration = Duration::from_millis(1);

/// An open database with its read transaction begun.
pub(super) struct Database {
    /// Closed before the private folder goes.
    pub connection: Connection,
    /// The file that it is read from.
    pub path: PathBuf,
    /// Who has to wait meanwhile.
    pub hold: Hold,
    /// Whether its tables can be named: else the backup interface has to serve.
    pub tables: bool,
    /// What was wrong with it although its pages can be read.
    pub taint: Option<String>,
    /// Where it was copied to, if it could not be opened in place.
    pub private: Option<TempDir>,
    /// The files that SQLite reads in the transaction, where the database lies. Closed after the
    /// connection.
    files: Option<FilesRead>,
}

impl Database {
    /// Opens what `request` names.
    ///
    /// # Errors
    /// `Damaged` if SQLite refuses it for what is in it, `SourceChanged` if another file stands in
    /// its place.
    pub(super) fn open(request: &Request) -> Result<Self> {
        check_version()?;
        let end = Instant::now() + request.busy_wait;
        loop {
            match Database::open_once(request) {
                // It may go away by itself.
                Err(error) if error.kind() == Kind::Locked && Instant::now() < end => {
                    std::thread::sleep(BUSY_STEP);
                }
                opened => return opened,
            }
        }
    }

    fn open_once(request: &Request) -> Result<Self> {
        let place = Preflight::examine(&request.file, request.force)?;
        if place.would_leave_foreign_files() || place.has_foreign_index() {
            return Database::open_copy(&place, request);
        }
        let before = OpenFiles::now();
        match begin(&place.path, OpenFlags::SQLITE_OPEN_READ_ONLY, request.busy_wait) {
            Ok(begun) => {
                let hold = if place.wal { Hold::Checkpoints } else { Hold::Writers };
                let mut database = Database::new(begun, place.path.clone(), hold, None);
                request.file.is_open(&before)?;
                database.files = FilesRead::opened_since(&before);
                // SQLite looks for -wal and -journal by name when the transaction begins. Where
                // another file has the name by then, they may be that one's. What the name comes
                // to mean later does not matter.
                match database.has_moved()? {
                    false => Ok(database),
                    true => Err(replaced()),
                }
            }
            Err(cause) if needs_writing(&cause) => {
                Database::open_copy(&place, request).map_err(|error| match error.kind() {
                    Kind::Damaged => error,
                    _ => error.within("read", "it where it stands"),
                })
            }
            Err(cause) if is_refusal(&cause) => Err(refused(cause)),
            Err(cause) => Err(cause).attempt("begin a read transaction on", "it"),
        }
    }

    fn open_copy(place: &Preflight, request: &Request) -> Result<Self> {
        let (folder, path) = private_copy::copy(place, &request.file, &request.scratch.folder()?)?;
        match begin(&path, OpenFlags::SQLITE_OPEN_READ_WRITE, request.busy_wait) {
            Ok(begun) => Ok(Database::new(begun, path, Hold::Nobody, Some(folder))),
            Err(cause) if is_refusal(&cause) => Err(refused(cause)),
            Err(cause) => Err(cause).attempt("recover a copy of", "it"),
        }
    }

    fn new(begun: Begun, path: PathBuf, hold: Hold, private: Option<TempDir>) -> Self {
        let Begun { connection, tables, taint } = begun;
        Database { connection, path, hold, tables, taint, private, files: None }
    }

    /// Whether others may have written where the transaction reads.
    pub(super) fn was_written_unseen(&self) -> bool {
        self.files.as_ref().is_some_and(FilesRead::were_written_unseen)
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

/// The error for content that SQLite does not take.
fn refused(cause: rusqlite::Error) -> Error {
    let error = Error::new(Kind::Damaged, "open", "it");
    match primary(&cause) {
        ffi::SQLITE_NOTADB => error.because(NO_DATABASE),
        _ => error.caused_by(cause),
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

/// A connection with its read transaction begun.
struct Begun {
    connection: Connection,
    /// Whether tables can be named: else pages come through the backup interface alone.
    tables: bool,
    taint: Option<String>,
}

/// Statements that begin a read transaction, and whether tables can be named in it. Each asks
/// less of the schema than the one before: nothing wrong with it; statements that do not parse;
/// no page of it that could be read, which leaves the header.
const WAYS: [(&str, &str, bool); 3] = [
    ("BEGIN", "SELECT count(*) FROM sqlite_schema", true),
    ("PRAGMA writable_schema = ON; BEGIN", "SELECT pgno FROM sqlite_dbpage LIMIT 1", true),
    ("BEGIN", "PRAGMA schema_version", false),
];

/// Begins in the first way that works, tainted if it is not the first.
fn begin(path: &Path, flags: OpenFlags, wait: Duration) -> rusqlite::Result<Begun> {
    let mut first = None;
    for (start, read, tables) in WAYS {
        let connection = connect(path, flags)?;
        match connection.execute_batch(start).and_then(|()| read_lock(&connection, read, wait)) {
            Ok(()) => {
                let taint = first.map(|cause| format!("it does not open in SQLite: {cause}"));
                return Ok(Begun { connection, tables, taint });
            }
            Err(cause) if is_broken(&cause) => drop(first.get_or_insert(cause)),
            Err(cause) => return Err(cause),
        }
    }
    Err(first.unwrap_or(rusqlite::Error::InvalidQuery))
}

/// Whether the schema, not the way to the file, is at fault: SQLite calls a format from the
/// future a mere error.
fn is_broken(cause: &rusqlite::Error) -> bool {
    matches!(primary(cause), ffi::SQLITE_CORRUPT | ffi::SQLITE_ERROR)
}

/// Takes the read lock by the first read of a transaction. Tried again in short steps: SQLite's own
/// waiting grows to 100 ms, in which busy writers of a rollback journal starve every reader.
fn read_lock(connection: &Connection, read: &str, wait: Duration) -> rusqlite::Result<()> {
    let end = Instant::now() + wait;
    loop {
        match connection.execute_batch(read) {
            Err(cause) if primary(&cause) == ffi::SQLITE_BUSY && Instant::now() < end => {
                std::thread::sleep(BUSY_STEP);
            }
            outcome => return outcome,
        }
    }
}

fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    // Never SQLITE_OPEN_URI: the path is absolute and means itself, whatever it contains.
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::ZERO)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    Ok(connection)
}

/// Whether this build can read pages as rows. A crate's user may build without the flag.
pub(super) fn has_dbpage(connection: &Connection) -> rusqlite::Result<bool> {
    connection
        .query_row("SELECT sqlite_compileoption_used('ENABLE_DBPAGE_VTAB')", [], |row| row.get(0))
}
