//! Which databases of a server are dumped.

use crate::error::{Error, Kind, Result};
use crate::postgres::{Client, Pattern, Row, Settings, unconverted};
use std::collections::BTreeSet;

/// The choice of databases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseChoice {
    /// Those to be dumped; if there are none, the database that the connection string names, or
    /// else all but templates.
    pub include: Vec<Pattern>,
    /// Those that are left out.
    pub exclude: Vec<Pattern>,
    /// All, whatever the connection string names.
    pub all: bool,
}

impl DatabaseChoice {
    /// The database that the connection string names, if it is that which is chosen.
    fn named<'s>(&self, settings: &'s Settings) -> Option<&'s str> {
        settings.named_database().filter(|_| self.include.is_empty() && !self.all)
    }

    /// The choice in words: the same for the same choice.
    pub(super) fn words(&self, settings: &Settings) -> BTreeSet<String> {
        let named = self.named(settings).map(Pattern::exactly);
        let include = self.include.iter().chain(&named).map(|it| format!("database={it}"));
        let exclude = self.exclude.iter().map(|it| format!("exclude-database={it}"));
        include.chain(exclude).collect()
    }
}

/// A database that is to be dumped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Database {
    pub(super) name: String,
    /// Bytes on the server: about as long as the dump will be.
    pub(super) size: u64,
}

/// What was chosen.
pub(super) struct Chosen {
    pub(super) databases: Vec<Database>,
    pub(super) warnings: Vec<String>,
}

/// A session of the server, in the database that is named anywhere or else a usual one.
pub(super) fn connect(settings: &Settings) -> Result<Client> {
    match settings.has_database() {
        true => Client::connect(settings),
        false => Client::connect_anywhere(settings, &[]),
    }
}

/// The databases of the choice.
///
/// # Errors
/// A name or pattern that stands for none, and a choice of nothing.
pub(super) fn choose(
    client: &mut Client,
    settings: &Settings,
    choice: &DatabaseChoice,
) -> Result<Chosen> {
    let listed = list(client)?;
    let named = choice.named(settings);
    for pattern in &choice.include {
        if !listed.iter().any(|database| pattern.fits(&database.name)) {
            let names: Vec<&str> = listed.iter().map(|known| known.name.as_str()).collect();
            let sought = format!("{:?}", pattern.to_string());
            return Err(Error::new(Kind::NotFound, "find the database", sought)
                .because(format!("{} has none of that name", settings.server_name()))
                .hint(format!("it has {}", names.join(", "))));
        }
    }
    let wanted = |database: &&Listed| {
        let name = &database.name;
        let included = if let Some(named) = named {
            named == name
        } else if choice.include.is_empty() {
            database.is_ordinary
        } else {
            // A template has to be named in full.
            choice.include.iter().any(|pattern| pattern.is(name))
                || (database.is_ordinary && choice.include.iter().any(|it| it.fits(name)))
        };
        included && !choice.exclude.iter().any(|pattern| pattern.fits(name))
    };
    let chosen: Vec<&Listed> = listed.iter().filter(wanted).collect();
    if chosen.is_empty() {
        return Err(Error::new(Kind::InvalidInput, "back up", settings.server_name())
            .because("no database is left of the choice"));
    }
    let broken = listed.iter().filter(|database| database.is_broken);
    let warning = |database: &Listed| {
        format!("database {:?} is the rest of a broken DROP DATABASE and left out", database.name)
    };
    Ok(Chosen {
        warnings: broken.map(warning).collect(),
        databases: chosen.into_iter().map(Listed::chosen).collect(),
    })
}

struct Listed {
    name: String,
    size: u64,
    /// No template, and open to sessions.
    is_ordinary: bool,
    is_broken: bool,
}

impl Listed {
    fn chosen(&self) -> Database {
        Database { name: self.name.clone(), size: self.size }
    }
}

fn list(client: &mut Client) -> Result<Vec<Listed>> {
    let rows = client.query_unconverted(&format!(
        "SELECT {}, NOT datistemplate AND datallowconn AND datconnlimit <> -2,
         datconnlimit = -2,
         CASE WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) END
         FROM pg_database ORDER BY datname COLLATE \"C\"",
        unconverted("datname::text")
    ))?;
    let listed = |row: &Row| Listed {
        name: row.unconverted(0).unwrap_or_default(),
        is_ordinary: row.is_true(1),
        is_broken: row.is_true(2),
        size: row.text(3).parse().unwrap_or(0),
    };
    Ok(rows.iter().map(listed).collect())
}
