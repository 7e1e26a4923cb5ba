//! The database file of the history: opened, or, if it is broken, set aside and rebuilt.

use crate::env::state;
use crate::error::{Attempt, Error, Kind, Result};
use rusqlite::{Connection, ErrorCode};
use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The version of the tables; it grows with every change.
pub const FORMAT_VERSION: i64 = 1;

/// The tables.
pub const SCHEMA: &str = include_str!("schema.sql");

/// How long another process is waited for that writes.
const PATIENCE: Duration = Duration::from_secs(30);

/// The endings of what SQLite keeps beside a database.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// Turns what SQLite says into an error.
pub trait Sql<T> {
    /// As an error of attempting this with the history.
    fn sql(self, attempted: &str) -> Result<T>;
}

impl<T> Sql<T> for rusqlite::Result<T> {
    fn sql(self, attempted: &str) -> Result<T> {
        self.map_err(|cause| {
            Error::new(kind_of(&cause), attempted, "the history of runs").caused_by(cause)
        })
    }
}

fn kind_of(cause: &rusqlite::Error) -> Kind {
    match cause.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Kind::Damaged,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Kind::Locked,
        Some(ErrorCode::DiskFull) => Kind::NoSpace,
        Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => Kind::Denied,
        _ => Kind::Failed,
    }
}

/// The file, open.
pub struct Opened {
    /// The file.
    pub connection: Connection,
    /// Where it is.
    pub file: PathBuf,
    /// Whether there is nothing in it yet.
    pub is_new: bool,
    /// Where a broken one was put.
    pub put_aside: Option<PathBuf>,
    /// Nobody else opens it meanwhile.
    _alone: File,
}

/// Opens it; a new one has no tables yet.
///
/// # Errors
/// `Unsupported` if a newer version of this program made it; what the disk says.
pub fn open(folder: &Path) -> Result<Opened> {
    state::private_folder(folder)?;
    let alone = alone(&folder.join("history.lock"))?;
    let path = folder.join("history.sqlite");
    let mut put_aside = None;
    let (connection, is_new) = match connect(&path) {
        Err(error) if error.kind() == Kind::Damaged => {
            put_aside = Some(set_aside(&path)?);
            connect(&path)?
        }
        opened => opened?,
    };
    Ok(Opened { connection, file: path, is_new, put_aside, _alone: alone })
}

fn connect(path: &Path) -> Result<(Connection, bool)> {
    let attempted = "open";
    // For its owner alone, as the reports are; what SQLite keeps beside it has the same rights.
    let mut options = File::options();
    let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(path).attempt(attempted, path.display())?;
    let connection = Connection::open(path).sql(attempted)?;
    connection.busy_timeout(PATIENCE).sql(attempted)?;
    let version: i64 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).sql(attempted)?;
    if version > FORMAT_VERSION {
        return Err(Error::new(Kind::Unsupported, "read", path.display())
            .because(format!("a newer icecore made it: its format version is {version}, and this one knows {FORMAT_VERSION}"))
            .hint("use that version, or remove the file: a new one is made from the reports"));
    }
    connection.pragma_update(None, "foreign_keys", true).sql(attempted)?;
    if version == FORMAT_VERSION {
        // Most of what breaks a file is found here, and the rest when it is read.
        let said: String =
            connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).sql(attempted)?;
        let is_whole = said == "ok" && has_tables(&connection)?;
        return match is_whole {
            true => Ok((connection, false)),
            false => Err(Error::damaged(attempted, path.display(), said)),
        };
    }
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).sql(attempted)?;
    Ok((connection, true))
}

fn has_tables(connection: &Connection) -> Result<bool> {
    let count = "SELECT count(*) FROM sqlite_schema WHERE name IN ('runs', 'run_tasks', 'works')";
    let tables: i64 = connection.query_row(count, [], |row| row.get(0)).sql("open")?;
    Ok(tables == 3)
}

/// Gives a broken file another name, in the place of one that was broken before; where it is then.
fn set_aside(path: &Path) -> Result<PathBuf> {
    let aside = path.with_extension("broken.sqlite");
    fs::rename(path, &aside).attempt("put aside", path.display())?;
    for ending in BESIDE {
        let named = |path: &Path| {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        // They need not be there.
        let _ = fs::rename(named(path), named(&aside));
    }
    Ok(aside)
}

/// Waits until nobody else opens it.
fn alone(path: &Path) -> Result<File> {
    state::lock_within(path, PATIENCE)?.ok_or_else(|| {
        Error::new(Kind::Locked, "open", "the history of runs")
            .because("another process has been opening it all the while")
    })
}
