//! What is known of a captured database, beside its bytes (chapter 7).

use super::record::no_text;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How the names of the files end that SQLite keeps beside a database, and would replay into
/// another that comes to stand in its place. A super-journal (-mj...) is not among them: it is looked
/// up only by a -journal that names it, and removing that of another set of databases would turn
/// their rollback into a commit.
pub const SIBLINGS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// The name of the database that a file named `name` would belong to, if it is named like one of
/// [`SIBLINGS`]. The name alone decides: whether such a database stands beside it is for the caller
/// to see.
pub fn sibling_of(name: &[u8]) -> Option<&[u8]> {
    let main = SIBLINGS.iter().find_map(|suffix| name.strip_suffix(suffix.as_bytes()))?;
    (!main.is_empty()).then_some(main)
}

/// How every SQLite database begins that is not encrypted (SQLite file format, 1.3.1).
pub const SQLITE: &[u8; 16] = b"SQLite format 3\0";
/// How a -wal begins (4.1), in either byte order of its checksums.
const WAL: [[u8; 4]; 2] = [[0x37, 0x7f, 6, 0x82], [0x37, 0x7f, 6, 0x83]];
/// How a -journal begins (3) that has not served yet.
const JOURNAL: [[u8; 4]; 1] = [[0xd9, 0xd5, 5, 0xf9]];
/// How the index of a log (-shm) begins: its version, in the byte order of its machine.
pub const INDEX: [[u8; 4]; 2] = [3_007_000_u32.to_le_bytes(), 3_007_000_u32.to_be_bytes()];

/// Whether a file of this name that begins with `head` was written by SQLite beside a database,
/// also beside an encrypted one: how these files begin is never encrypted.
pub fn begins_as_sibling(name: &[u8], head: &[u8]) -> bool {
    let begins: &[[u8; 4]] = match () {
        () if name.ends_with(b"-wal") => &WAL,
        () if name.ends_with(b"-journal") => &JOURNAL,
        () if name.ends_with(b"-shm") => &INDEX,
        () => &[],
    };
    begins.iter().any(|begin| head.starts_with(begin))
}

/// Facts of a database, by its engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DatabaseFacts {
    /// An SQLite database: the content is its file.
    Sqlite(Box<SqliteFacts>),
    /// A PostgreSQL database: the content is a dump.
    Postgres(Box<PostgresFacts>),
}

impl DatabaseFacts {
    /// Whether the content is an SQLite database file.
    pub fn is_sqlite(&self) -> bool {
        matches!(self, DatabaseFacts::Sqlite(_))
    }

    /// The facts of a PostgreSQL dump, if it is one.
    pub fn postgres(&self) -> Option<&PostgresFacts> {
        match self {
            DatabaseFacts::Postgres(facts) => Some(facts),
            DatabaseFacts::Sqlite(_) => None,
        }
    }
}

/// What was found out about an SQLite database, in the same read transaction as its pages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqliteFacts {
    /// Bytes of a page.
    pub page_size: u32,
    /// Pages.
    pub page_count: u32,
    /// File change counter, offset 24 of the header (SQLite file format 1.3.7).
    pub change_counter: u32,
    /// `wal`, `delete`, ...
    pub journal_mode: String,
    /// `UTF-8`, ...
    pub encoding: String,
    /// `PRAGMA user_version`.
    pub user_version: i64,
    /// `PRAGMA application_id`.
    pub application_id: i64,
    /// BLAKE3 over the SQL of the schema, in hex.
    pub schema_hash: String,
    /// Version of the SQLite that read it.
    pub reader: String,
    /// How the pages were read: `dbpage` or `backup`.
    pub method: String,
    /// `quick` or `full`, if a check of the source was asked for and passed.
    #[serde(default, skip_serializing_if = "no_text")]
    pub verified: Option<String>,
    /// Rows of each table, if asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_counts: Option<BTreeMap<String, u64>>,
}

/// What was found out about a PostgreSQL database that was dumped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresFacts {
    /// Its name, which the entry's name may have to escape.
    pub name: String,
    /// `server_version_num`: 150018 is 15.18.
    pub server: u32,
    /// Version of the `pg_dump` that wrote the content, in the same form.
    pub pg_dump: u32,
    /// `custom` or `plain`.
    pub format: String,
    /// What was dumped of it, as arguments of `pg_dump`; all of it if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub selection: Vec<String>,
    /// Whether the other facts, sizes apart, are of the very moment of the dump.
    pub exact: bool,
    /// The write-ahead log's place when the facts were gathered.
    #[serde(default, skip_serializing_if = "no_text")]
    pub lsn: Option<String>,
    /// Bytes that it takes on the server.
    pub size: u64,
    /// Its owner.
    pub owner: String,
    /// Its encoding: `UTF8`, ...
    pub encoding: String,
    /// `libc`, `icu` or `builtin`.
    pub provider: String,
    /// `LC_COLLATE`.
    pub collate: String,
    /// `LC_CTYPE`.
    pub ctype: String,
    /// The locale of other providers than `libc`.
    #[serde(default, skip_serializing_if = "no_text")]
    pub locale: Option<String>,
    /// Tailored rules of an `icu` locale.
    #[serde(default, skip_serializing_if = "no_text")]
    pub icu_rules: Option<String>,
    /// Its tablespace, unless that is the default one.
    #[serde(default, skip_serializing_if = "no_text")]
    pub tablespace: Option<String>,
    /// Its connection limit, unless there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_limit: Option<u32>,
    /// Its comment.
    #[serde(default, skip_serializing_if = "no_text")]
    pub comment: Option<String>,
    /// Its rights, as `aclitem`s; absent while they are the default ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acl: Option<Vec<String>>,
    /// What `ALTER DATABASE` and `ALTER ROLE .. IN DATABASE` have set, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<PostgresSetting>,
    /// Extensions and their versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extensions: BTreeMap<String, String>,
    /// How many objects it has, by kind; those of extensions and of the system are not counted.
    pub objects: BTreeMap<String, u64>,
    /// Its tables; absent if there are too many to be listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tables: Option<Vec<PostgresTable>>,
}

/// A setting of a PostgreSQL database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresSetting {
    /// The role that it is for, if it is for one only.
    #[serde(default, skip_serializing_if = "no_text")]
    pub role: Option<String>,
    /// The parameter's name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A table with rows of its own, or a materialized view.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresTable {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The server's estimate of its rows; absent if it has none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<u64>,
    /// Its rows, counted, if asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}
