//! Which entries of an archive are restored when only some schemas or tables are wanted.

use super::toc::{Entry, Toc};
use crate::error::{Error, Kind, Result};
use std::collections::{BTreeMap, BTreeSet};

/// The schemas and tables that are wanted; none of either means everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Names of schemas.
    pub schemas: Vec<String>,
    /// `schema.table`, or `table` where only one schema has one of that name.
    pub tables: Vec<String>,
}

/// Kinds that have rows or show some, and so can be asked for as a table.
const RELATIONS: [&str; 5] = ["TABLE", "VIEW", "MATERIALIZED VIEW", "FOREIGN TABLE", "SEQUENCE"];

/// Kinds that are a part of the table that they need, and mean nothing without it.
const PARTS: [&str; 21] = [
    "TABLE DATA",
    "MATERIALIZED VIEW DATA",
    "DEFAULT",
    "CONSTRAINT",
    "CHECK CONSTRAINT",
    "FK CONSTRAINT",
    "INDEX",
    "INDEX ATTACH",
    "TRIGGER",
    "RULE",
    "POLICY",
    "ROW SECURITY",
    "STATISTICS",
    "STATISTICS DATA",
    "SEQUENCE",
    "SEQUENCE OWNED BY",
    "SEQUENCE SET",
    "COMMENT",
    "ACL",
    "SECURITY LABEL",
    PUBLISHED,
];

/// That a table is a part of a publication, which is the database's.
const PUBLISHED: &str = "PUBLICATION TABLE";

/// Those of them whose tag begins with the name of their table.
const BEAR_A_TABLES_NAME: [&str; 8] = [
    "DEFAULT",
    "CONSTRAINT",
    "CHECK CONSTRAINT",
    "FK CONSTRAINT",
    "TRIGGER",
    "RULE",
    "POLICY",
    "ROW SECURITY",
];

/// What belongs to the database itself, which is made apart.
const OF_THE_DATABASE: [&str; 2] = ["DATABASE", "DATABASE PROPERTIES"];

impl Filter {
    /// Whether everything is wanted.
    pub fn is_all(&self) -> bool {
        self.schemas.is_empty() && self.tables.is_empty()
    }
}

impl Toc {
    /// The entries of the database itself, its comment and rights among them.
    fn of_the_database(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| {
            OF_THE_DATABASE.contains(&entry.kind.as_str())
                || (entry.schema.is_empty() && entry.tag.starts_with("DATABASE "))
        })
    }

    /// The schemas that have anything in them.
    pub fn schemas(&self) -> BTreeSet<&str> {
        let within = self.entries.iter().map(|entry| entry.schema.as_str());
        let named = self.entries.iter().filter(|entry| entry.kind == "SCHEMA");
        let all = within.chain(named.map(|entry| entry.tag.as_str()));
        all.filter(|name| !name.is_empty()).collect()
    }

    /// The tables, views and sequences that are wanted.
    ///
    /// # Errors
    /// If a name means none, or several.
    pub fn relations(&self, filter: &Filter) -> Result<Vec<&Entry>> {
        let of_name = |name: &String| {
            let is_meant = |entry: &&Entry| {
                RELATIONS.contains(&entry.kind.as_str())
                    && (entry.tag == *name || format!("{}.{}", entry.schema, entry.tag) == *name)
            };
            let mut meant = self.entries.iter().filter(is_meant);
            match (meant.next(), meant.next()) {
                (Some(entry), None) => Ok(entry),
                (None, _) => Err(missing("table", name, &self.database)),
                (Some(one), Some(other)) => {
                    Err(Error::new(Kind::InvalidInput, "choose the table", name)
                        .because(format!("schemas {} and {} have one", one.schema, other.schema))
                        .hint(format!("name it with its schema: {}.{}", one.schema, one.tag)))
                }
            }
        };
        filter.tables.iter().map(of_name).collect()
    }

    /// The numbers of what is wanted: schemas with all that lies in them, tables with their
    /// columns' defaults, constraints, indexes, triggers, sequences, partitions, comments, rights
    /// and rows. With `complete` also what these need in their turn (types, functions, extensions,
    /// schemas), and no foreign key to a table that does not come with its rows.
    ///
    /// # Errors
    /// If a name means nothing in this archive.
    pub fn chosen(&self, filter: &Filter, complete: bool) -> Result<BTreeSet<i64>> {
        let known = self.schemas();
        if let Some(name) = filter.schemas.iter().find(|name| !known.contains(name.as_str())) {
            return Err(missing("schema", name, &self.database));
        }
        let of_database: BTreeSet<i64> = self.of_the_database().map(|entry| entry.id).collect();
        if filter.is_all() {
            let all = self.entries.iter().map(|entry| entry.id);
            return Ok(all.filter(|id| !of_database.contains(id)).collect());
        }
        let is_wanted = |entry: &&Entry| {
            filter.schemas.contains(&entry.schema)
                || (entry.kind == "SCHEMA" && filter.schemas.contains(&entry.tag))
        };
        let mut chosen: BTreeSet<i64> =
            self.entries.iter().filter(is_wanted).map(|entry| entry.id).collect();
        let tables = self.relations(filter)?;
        let mut whole: BTreeSet<i64> = tables.iter().map(|entry| entry.id).collect();
        self.add_partitions(&mut whole);
        chosen.extend(&whole);
        self.add_parts(&mut chosen);
        if complete {
            self.without_dangling_keys(&mut chosen);
            for entry in self.entries.iter().filter(|entry| entry.kind == PUBLISHED) {
                chosen.remove(&entry.id);
            }
            self.add_needs(&mut chosen);
        }
        Ok(chosen.difference(&of_database).copied().collect())
    }

    /// Adds the partitions of chosen tables, and theirs.
    fn add_partitions(&self, tables: &mut BTreeSet<i64>) {
        let by_id: BTreeMap<i64, &Entry> =
            self.entries.iter().map(|entry| (entry.id, entry)).collect();
        loop {
            let before = tables.len();
            for attach in self.entries.iter().filter(|entry| entry.kind == "TABLE ATTACH") {
                let is_child = |id: &&i64| {
                    by_id.get(id).is_some_and(|table| {
                        table.tag == attach.tag && table.schema == attach.schema
                    })
                };
                let parent = attach.needs.iter().find(|id| !is_child(id) && tables.contains(id));
                if parent.is_some() {
                    tables.extend(attach.needs.iter().filter(is_child));
                    tables.insert(attach.id);
                }
            }
            if tables.len() == before {
                return;
            }
        }
    }

    /// Adds what is a part of something chosen; entries stand after what they need.
    fn add_parts(&self, chosen: &mut BTreeSet<i64>) {
        let names: BTreeSet<(&str, &str)> = self
            .entries
            .iter()
            .filter(|entry| chosen.contains(&entry.id))
            .map(|entry| (entry.schema.as_str(), entry.tag.as_str()))
            .collect();
        for entry in &self.entries {
            let is_part = PARTS.contains(&entry.kind.as_str())
                && entry.needs.iter().any(|need| chosen.contains(need));
            // Another table's foreign key or default may need this one, and goes with the other.
            let is_named = || {
                let tag = entry.tag.as_str();
                let ends = tag.match_indices(' ').map(|(at, _)| at).chain([tag.len()]);
                let mut beginnings = ends.filter_map(|end| tag.get(..end));
                beginnings.any(|name| names.contains(&(entry.schema.as_str(), name)))
            };
            if is_part && (!BEAR_A_TABLES_NAME.contains(&entry.kind.as_str()) || is_named()) {
                chosen.insert(entry.id);
            }
        }
    }

    /// Takes out foreign keys to tables whose rows are not chosen.
    fn without_dangling_keys(&self, chosen: &mut BTreeSet<i64>) {
        let kind_of: BTreeMap<i64, &str> =
            self.entries.iter().map(|entry| (entry.id, entry.kind.as_str())).collect();
        for key in self.entries.iter().filter(|entry| entry.kind == "FK CONSTRAINT") {
            let dangles =
                |need: &i64| kind_of.get(need) == Some(&"TABLE") && !chosen.contains(need);
            if key.needs.iter().any(dangles) {
                chosen.remove(&key.id);
            }
        }
    }

    /// Adds what chosen entries need.
    fn add_needs(&self, chosen: &mut BTreeSet<i64>) {
        let by_id: BTreeMap<i64, &Entry> =
            self.entries.iter().map(|entry| (entry.id, entry)).collect();
        let schemas = self.entries.iter().filter(|entry| entry.kind == "SCHEMA");
        let schemas: BTreeMap<&str, i64> =
            schemas.map(|entry| (entry.tag.as_str(), entry.id)).collect();
        let mut waiting: Vec<i64> = chosen.iter().copied().collect();
        while let Some(entry) = waiting.pop().and_then(|id| by_id.get(&id)) {
            let schema = schemas.get(entry.schema.as_str()).copied();
            let present = |id: &i64| by_id.contains_key(id);
            for need in entry.needs.iter().copied().filter(present).chain(schema) {
                if chosen.insert(need) {
                    waiting.push(need);
                }
            }
        }
    }
}

fn missing(what: &str, name: &str, database: &str) -> Error {
    Error::new(Kind::NotFound, format!("find the {what}"), name)
        .because(format!("the dump of {database} has none of that name"))
}
