//! What is proved of a restored application.

use super::app::{DATABASE, Sql, digest_of};
use crate::error::{Attempt, Error, Result};
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeMap;
use std::path::Path;

/// Digests of all files in a folder, by name.
pub(super) fn files(folder: &Path) -> Result<BTreeMap<String, blake3::Hash>> {
    let mut digests = BTreeMap::new();
    for entry in std::fs::read_dir(folder).attempt("list", folder.display())? {
        let path = entry.attempt("list", folder.display())?.path();
        let bytes = std::fs::read(&path).attempt("read", path.display())?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        digests.insert(name, blake3::hash(&bytes));
    }
    Ok(digests)
}

/// Proves a restored database: SQLite finds it sound, and its rows agree with the digest that
/// each transaction kept. Returns the number of rows.
pub(super) fn database(folder: &Path) -> Result<u64> {
    let path = folder.join(DATABASE);
    let wrong = |reason: String| Error::damaged("prove", path.display(), reason);
    let connection =
        Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).sql("open")?;
    let verdict: String =
        connection.query_row("pragma integrity_check", [], |row| row.get(0)).sql("check")?;
    if verdict != "ok" {
        return Err(wrong(format!("integrity_check says {verdict}")));
    }
    let kept: i64 =
        connection.query_row("select digest from state", [], |row| row.get(0)).sql("read")?;
    let mut select =
        connection.prepare("select id, tag, owner, notes, price from items").sql("read")?;
    let (mut rows, mut found) = (0, 0);
    for digest in select.query_map([], digest_of).sql("read")? {
        found ^= digest.sql("read")?;
        rows += 1;
    }
    if found != kept {
        return Err(wrong("its rows do not agree with the digest that was kept of them".into()));
    }
    Ok(rows)
}
