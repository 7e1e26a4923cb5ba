//! What is found out about a database in the transaction that its pages are read in.

use super::request::{Request, Verify};
use super::trouble::primary;
use crate::error::{Attempt, Result};
use crate::format::database::SqliteFacts;
use crate::format::record::to_cbor;
use crate::limits::SQLITE_FACTS_MAX;
use rusqlite::{Connection, ffi};
use std::collections::BTreeMap;
use std::io::Read;
use tempfile::NamedTempFile;

/// Longest finding that is kept, in characters.
const FINDING_MAX: usize = 1000;

/// The fields of the database header (SQLite file format 1.3) that are facts.
#[derive(Debug, Default)]
pub(super) struct Header {
    page_size: u32,
    pub(super) wal: bool,
    change_counter: u32,
    encoding: u32,
    user_version: u32,
    application_id: u32,
}

impl Header {
    /// The header at the front of page 1; a shorter one (an empty database) has zeros.
    pub(super) fn parse(page: &[u8]) -> Self {
        let byte = |at: usize| page.get(at).copied().unwrap_or(0);
        let word = |at| u32::from_be_bytes([byte(at), byte(at + 1), byte(at + 2), byte(at + 3)]);
        let page_size = match u32::from_be_bytes([0, 0, byte(16), byte(17)]) {
            1 => 65536,
            size => size,
        };
        Header {
            page_size,
            wal: byte(18) == 2,
            change_counter: word(24),
            encoding: word(56),
            user_version: word(60),
            application_id: word(68),
        }
    }

    /// The header of a whole database in a file.
    pub(super) fn of(file: &NamedTempFile) -> Result<Self> {
        let mut front = Vec::new();
        let file = file.reopen().attempt("read", "the temporary copy")?;
        file.take(100).read_to_end(&mut front).attempt("read", "the temporary copy")?;
        Ok(Header::parse(&front))
    }
}

/// What [`examine`] found.
pub(super) struct Findings {
    pub facts: SqliteFacts,
    pub taint: Option<String>,
}

/// Gathers the facts of `header` and schema, and what `request` asks for beyond.
pub(super) fn examine(
    connection: &Connection,
    request: &Request,
    header: &Header,
) -> Result<Findings> {
    let mut taint = None;
    let mut note = |what: &str, cause: &rusqlite::Error| {
        if taint.is_none() {
            taint = Some(format!("{what}: {cause}"));
        }
    };
    let schema_hash = schema_hash(connection).unwrap_or_else(|cause| {
        note("its schema cannot be read", &cause);
        String::new()
    });
    let row_counts = match request.row_counts.then(|| row_counts(connection)) {
        None => None,
        Some(Ok(counts)) => Some(counts),
        Some(Err(cause)) => {
            note("its rows cannot be counted", &cause);
            None
        }
    };
    let mut verified = None;
    match check(connection, request.verify) {
        Ok(None) => {}
        Ok(Some((name, None))) => verified = Some(name.to_owned()),
        Ok(Some((name, Some(finding)))) => taint = Some(format!("{name} check: {finding}")),
        Err(cause) => note("it cannot be checked", &cause),
    }
    let facts = SqliteFacts {
        page_size: header.page_size,
        page_count: 0,
        change_counter: header.change_counter,
        journal_mode: if header.wal { "wal" } else { "delete" }.to_owned(),
        encoding: encoding(header.encoding).to_owned(),
        user_version: signed(header.user_version),
        application_id: signed(header.application_id),
        schema_hash,
        reader: rusqlite::version().to_owned(),
        method: String::new(),
        verified,
        row_counts,
    };
    Ok(Findings { facts: bounded(facts)?, taint })
}

/// BLAKE3 over the SQL of every schema entry, by type and name, each followed by a newline.
fn schema_hash(connection: &Connection) -> rusqlite::Result<String> {
    let mut hasher = blake3::Hasher::new();
    let mut statement = connection
        .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        hasher.update(row.get_ref(0)?.as_bytes()?).update(b"\n");
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// Rows of each ordinary table; virtual ones have none of their own.
fn row_counts(connection: &Connection) -> rusqlite::Result<BTreeMap<String, u64>> {
    let mut statement = connection.prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0
         AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
    )?;
    let names: Vec<String> =
        statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut counts = BTreeMap::new();
    for name in names {
        let quoted = name.replace('"', "\"\"");
        let sql = format!("SELECT count(*) FROM \"{quoted}\"");
        let count: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
        counts.insert(name, u64::try_from(count).unwrap_or(0));
    }
    Ok(counts)
}

/// The name of the check that was asked for and its first finding, none if it passed.
fn check(
    connection: &Connection,
    verify: Verify,
) -> rusqlite::Result<Option<(&'static str, Option<String>)>> {
    let (name, pragma) = match verify {
        Verify::No => return Ok(None),
        Verify::Quick => ("quick", "quick_check"),
        Verify::Full => ("full", "integrity_check"),
    };
    let said = connection.query_row(&format!("PRAGMA {pragma}(1)"), [], |row| row.get(0));
    let said = said.or_else(|cause| match primary(&cause) {
        ffi::SQLITE_CORRUPT => Ok(cause.to_string()),
        _ => Err(cause),
    })?;
    Ok(Some((name, first_finding(&said))))
}

/// The first finding in what a check says, none if that is `ok`. A line of stars names the schema.
fn first_finding(said: &str) -> Option<String> {
    let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let finding = lines.find(|line| !line.starts_with("***")).unwrap_or(said);
    (finding != "ok").then(|| finding.chars().take(FINDING_MAX).collect())
}

/// Facts that fit into a directory entry: without row counts if there are too many tables.
fn bounded(mut facts: SqliteFacts) -> Result<SqliteFacts> {
    if to_cbor(&facts, "the facts")?.len() > SQLITE_FACTS_MAX {
        facts.row_counts = None;
    }
    Ok(facts)
}

fn encoding(code: u32) -> &'static str {
    match code {
        2 => "UTF-16le",
        3 => "UTF-16be",
        _ => "UTF-8",
    }
}

/// Both versions are signed 32-bit numbers in the file.
fn signed(word: u32) -> i64 {
    i64::from(i32::from_be_bytes(word.to_be_bytes()))
}
