//! The databases of a PostgreSQL server as dumps: each a stream from `pg_dump`, described at the
//! very moment that the dump is of; and what belongs to no database, from `pg_dumpall`.

mod databases;
mod dump;
mod facts;
mod globals;
mod session;

use super::{Entry, FileItem, Item, Opener, PartProof, Source};
use crate::env::{Env, Time};
use crate::error::{Error, Kind, Result};
use crate::format::directory::{FileTime, Metadata, bad_name};
use crate::format::facts::{PartFacts, ServerFacts};
use crate::format::snapshot::{PartKind, SourceName};
use crate::postgres::{Client, Settings, ToolOptions, Tools, version_text};
use databases::Database;
pub use databases::DatabaseChoice;
pub use dump::DumpFormat;
use rustix::process::{getegid, geteuid};
use std::collections::VecDeque;

/// What a password on the command line earns.
const SHOWN: &str = "the password stands in the connection string, which other users of this \
                     machine can see: ~/.pgpass, PGPASSFILE or PGPASSWORD keep it to yourself";

/// The modes of folders and files in the snapshot: dumps are nobody else's business.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// What is dumped of a server, and how.
#[derive(Clone, Debug, Default)]
pub struct PostgresOptions {
    /// Which databases.
    pub databases: DatabaseChoice,
    /// What of each, as arguments of `pg_dump`: `--schema=..`, `--exclude-table=..`.
    pub selection: Vec<String>,
    /// The form of the dumps.
    pub format: DumpFormat,
    /// Whether roles and tablespaces are left out.
    pub without_globals: bool,
    /// Whether rows are counted, in the same moment.
    pub row_counts: bool,
    /// Whether each dump and its facts are left to be of two moments, as with a pooler between.
    pub without_snapshot: bool,
    /// The programs.
    pub tools: ToolOptions,
    /// What the server is called in the snapshot, instead of its host and port.
    pub name: Option<String>,
}

/// A part: databases of one server.
pub struct PostgresSource {
    settings: Settings,
    options: PostgresOptions,
    path: Vec<u8>,
    now: Time,
    items: Option<VecDeque<Item>>,
    proof: PartProof,
}

impl PostgresSource {
    /// The databases that `settings` and `options` choose; the server is not asked yet.
    pub fn new(settings: Settings, options: PostgresOptions, env: &Env) -> Result<Self> {
        let name = options.name.clone().unwrap_or_else(|| settings.server_name());
        if let Some(reason) = bad_name(name.as_bytes()) {
            return Err(Error::new(Kind::InvalidInput, "name a server", format!("{name:?}"))
                .because(reason));
        }
        let path = format!("/postgres/{name}").into_bytes();
        let mut proof = PartProof::default();
        if settings.shows_password() {
            proof.warnings.push(SHOWN.to_owned());
        }
        Ok(PostgresSource { settings, options, path, now: env.now(), items: None, proof })
    }

    /// Asks the server what there is, and finds the programs for its version.
    fn look(&mut self) -> Result<VecDeque<Item>> {
        let mut client = databases::connect(&self.settings)?;
        let tools = Tools::find(&self.options.tools, client.version())?;
        self.proof.warnings.extend(of_another_version(&tools, client.version()));
        let found = databases::choose(&mut client, &self.settings, &self.options.databases)?;
        self.proof.warnings.extend(found.warnings);
        let facts = server_facts(&mut client, &tools, &found.databases)?;
        self.proof.facts = PartFacts::Server(facts);
        let root = self.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let mut items = VecDeque::from([
            Item::Enter(self.entry(root, FOLDER_MODE)),
            Item::Enter(self.entry(b"databases", FOLDER_MODE)),
        ]);
        // A session leads to the very server that was asked, where several may be named.
        let settings = client.settings();
        let mut files: Vec<FileItem> =
            found.databases.iter().map(|database| self.dump(database, settings, &tools)).collect();
        files.sort_by(|a, b| a.entry.name.cmp(&b.entry.name));
        items.extend(files.into_iter().map(Item::File));
        items.push_back(Item::Leave);
        if !self.options.without_globals {
            let settings = settings.clone();
            let open: Opener = Box::new(move || globals::open(&tools, &settings));
            let entry = self.entry(b"globals.sql", FILE_MODE);
            items.push_back(Item::File(FileItem::new(entry, None, open)));
        }
        items.push_back(Item::Leave);
        Ok(items)
    }

    fn dump(&self, database: &Database, settings: &Settings, tools: &Tools) -> FileItem {
        let job = dump::Job {
            name: database.name.clone(),
            settings: settings.with_database(&database.name),
            tools: tools.clone(),
            format: self.options.format,
            selection: self.options.selection.clone(),
            row_counts: self.options.row_counts,
            without_snapshot: self.options.without_snapshot,
        };
        let name = entry_name(&database.name, self.options.format.suffix());
        let entry = self.entry(&name, FILE_MODE);
        let file = FileItem::new(entry, Some(database.size), Box::new(move || job.open()));
        // A row that is updated moves to another place.
        FileItem { changes_everywhere: true, ..file }
    }

    fn entry(&self, name: &[u8], mode: u32) -> Entry {
        let nanoseconds = u32::try_from(self.now.0.rem_euclid(Time::SECOND)).unwrap_or(0);
        let meta = Metadata {
            mode,
            uid: geteuid().as_raw(),
            gid: getegid().as_raw(),
            mtime: FileTime(self.now.0.div_euclid(Time::SECOND), nanoseconds),
            ..Metadata::default()
        };
        Entry { name: name.to_vec(), meta }
    }
}

impl Source for PostgresSource {
    fn describe(&self) -> SourceName {
        let words = self.options.selection.iter().map(|word| word.trim_start_matches('-'));
        let mut selection = self.options.databases.words(&self.settings);
        selection.extend(words.map(str::to_owned));
        SourceName { kind: PartKind::PostgresDump, path: self.path.clone(), selection }
    }

    /// A server without one of its databases is not what was asked for.
    fn all_or_nothing(&self) -> bool {
        true
    }

    fn next(&mut self) -> Result<Option<Item>> {
        if self.items.is_none() {
            self.items = Some(self.look()?);
        }
        Ok(self.items.as_mut().and_then(VecDeque::pop_front))
    }

    fn finish(self: Box<Self>) -> Result<PartProof> {
        Ok(self.proof)
    }
}

/// What is recorded of the server itself.
fn server_facts(client: &mut Client, tools: &Tools, databases: &[Database]) -> Result<ServerFacts> {
    Ok(ServerFacts {
        version: client.text("SHOW server_version")?,
        pg_dump: version_text(tools.version()),
        databases: databases.iter().map(|it| escaped(&it.name)).collect(),
        // Some managed servers keep it to themselves.
        system_identifier: client.text("SELECT system_identifier FROM pg_control_system()").ok(),
    })
}

/// A newer `pg_dump` may write what only that very server understands.
fn of_another_version(tools: &Tools, server: u32) -> Option<String> {
    let major = server / 10_000;
    (tools.version() / 10_000 != major).then(|| {
        format!(
            "pg_dump of version {} dumps a server of version {}; what it writes may not restore \
             elsewhere: install the programs of version {major}, on Debian \
             postgresql-client-{major}, or name their folder with --pg-bin",
            version_text(tools.version()),
            version_text(server)
        )
    })
}

/// The entry of a database: its name, escaped, and the suffix of the dump's form.
fn entry_name(database: &str, suffix: &str) -> Vec<u8> {
    let mut name = escaped(database);
    name.push_str(suffix);
    name.into_bytes()
}

/// A database's name with `%`, `/`, commas, a leading `.` and control bytes escaped as in URLs, so
/// that it can stand in a directory and in a list.
fn escaped(database: &str) -> String {
    let is_special = |(at, letter): (usize, char)| {
        matches!(letter, '%' | '/' | ',') || letter.is_ascii_control() || (at == 0 && letter == '.')
    };
    let mut name = String::new();
    for (at, letter) in database.chars().enumerate() {
        match is_special((at, letter)) {
            true => name.push_str(&format!("%{:02X}", u32::from(letter))),
            false => name.push(letter),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Any database's name becomes a name that a directory can hold, and no two the same.
    #[test]
    fn entries_are_named() {
        let name = |text| String::from_utf8(entry_name(text, ".dump")).unwrap();
        assert_eq!(name("app"), "app.dump");
        assert_eq!(name("a/b%c\n"), "a%2Fb%25c%0A.dump");
        assert_eq!(name(".."), "%2E..dump");
        assert_eq!(name("a, b"), "a%2C b.dump");
        assert_eq!(name("My \"App\" \u{e4}"), "My \"App\" \u{e4}.dump");
    }
}
