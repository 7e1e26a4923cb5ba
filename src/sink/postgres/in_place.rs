//! Replacing schemas or tables within a database that stays: a script for psql, one transaction
//! from the first `DROP` to the last row.

use super::plan::{Existing, Strategy};
use super::toc::Toc;
use super::toc_filter::Filter;
use crate::error::Result;
use crate::postgres::{literal, quoted};
use std::collections::BTreeSet;

/// What opens the transaction; without `COMMIT` at the end nothing of it holds.
const BEGIN: &str = "BEGIN;\nSET LOCAL client_min_messages = warning;\n";

/// What makes it hold.
const COMMIT: &str = "\nCOMMIT;\n";

const EMPTY_SCHEMAS: &str = include_str!("in_place/empty_schemas.sql");
const DROP_RELATIONS: &str = include_str!("in_place/drop_relations.sql");
const REVOKE_DEFAULT_RIGHTS: &str = include_str!("in_place/revoke_default_rights.sql");
const GRANT_DEFAULT_RIGHTS: &str = include_str!("in_place/grant_default_rights.sql");

/// Kinds without a schema that come with the schemas they are about.
const OF_SCHEMAS: [&str; 2] = ["SCHEMA", "EXTENSION"];

/// Kinds of large objects, by the versions of `pg_dump`.
const LARGE_OBJECTS: [&str; 3] = ["BLOB", "BLOB METADATA", "BLOBS"];

/// What is restored within a database, and what not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The numbers of the entries that are restored.
    pub chosen: BTreeSet<i64>,
    /// What of the dump belongs to the database as a whole and stays as it is there.
    pub left_out: Vec<String>,
    /// Whether large objects are replaced.
    pub large_objects: bool,
}

/// Chooses what of a dump is restored into a database that has these schemas and extensions.
pub fn part(toc: &Toc, filter: &Filter, existing: &Existing) -> Result<Part> {
    let mut part = Part::default();
    let chosen = toc.chosen(filter, false)?;
    for entry in toc.entries.iter().filter(|entry| chosen.contains(&entry.id)) {
        let kind = entry.kind.as_str();
        let about = |kind: &str| entry.tag.strip_prefix(kind).map(str::trim_start);
        let is_there = match kind {
            // Of a publication that is not there nothing can be a part.
            "PUBLICATION TABLE" => {
                let is_for = |name: &String| entry.tag.starts_with(&format!("{name} "));
                !existing.publications.iter().any(is_for)
            }
            "SCHEMA" => existing.schemas.contains_key(&entry.tag),
            "EXTENSION" => existing.extensions.contains(&entry.tag),
            "COMMENT" => about("EXTENSION ").is_some_and(|name| existing.extensions.contains(name)),
            _ => false,
        };
        let is_within = !entry.schema.is_empty()
            || OF_SCHEMAS.contains(&kind)
            || LARGE_OBJECTS.contains(&kind)
            || ["SCHEMA ", "EXTENSION ", "LARGE OBJECT"].into_iter().any(|of| about(of).is_some());
        if is_within && !is_there {
            part.large_objects |= LARGE_OBJECTS.contains(&kind);
            part.chosen.insert(entry.id);
        } else if !is_within && !["ENCODING", "STDSTRINGS", "SEARCHPATH"].contains(&kind) {
            part.left_out.push(format!("{} {}", kind.to_lowercase(), entry.tag));
        }
    }
    Ok(part)
}

/// The first lines of the script: what gives way goes. Nothing outside of the named schemas may
/// go with it: then the whole fails, and names what would have gone.
pub fn opening(strategy: &Strategy, large_objects: bool) -> String {
    let mut script = String::from(BEGIN);
    let Strategy::InPlace { schemas, tables } = strategy else { return script };
    if !schemas.is_empty() {
        script.push_str(&parameter("icecore.schemas", schemas));
        script.push_str(EMPTY_SCHEMAS);
    }
    if !tables.is_empty() {
        let schemas: BTreeSet<&String> = tables.iter().map(|(schema, _)| schema).collect();
        script.push_str(&parameter("icecore.schemas", schemas));
        script.push_str(REVOKE_DEFAULT_RIGHTS);
        let name =
            |(schema, table): &(String, String)| format!("{}.{}", quoted(schema), quoted(table));
        let relations: Vec<String> = tables.iter().map(name).collect();
        script.push_str(&parameter("icecore.relations", &relations));
        script.push_str(DROP_RELATIONS);
    }
    if large_objects {
        script.push_str(
            "SELECT count(pg_catalog.lo_unlink(oid)) FROM pg_catalog.pg_largeobject_metadata;\n",
        );
    }
    script
}

/// The last lines of the script.
pub fn closing(strategy: &Strategy) -> String {
    let restores = matches!(strategy, Strategy::InPlace { tables, .. } if !tables.is_empty());
    let first = if restores { GRANT_DEFAULT_RIGHTS } else { "" };
    format!("{first}{COMMIT}")
}

/// Sets a parameter of the transaction, a list, for the script that follows.
fn parameter<'n>(name: &str, values: impl IntoIterator<Item = &'n String>) -> String {
    let values: Vec<String> = values.into_iter().map(|value| literal(value)).collect();
    let values = values.join(",");
    format!("SELECT pg_catalog.set_config('{name}', (ARRAY[{values}]::text[])::text, true);\n")
}
