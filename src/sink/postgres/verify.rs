//! Whether what is in a database now is what was dumped.

use super::toc::Toc;
use crate::error::{Error, Kind, Result};
use crate::format::database::PostgresFacts;
use crate::postgres::{Client, quoted};
use std::collections::{BTreeMap, BTreeSet};

/// Kinds of relations, which are compared by name.
const RELATIONS: [&str; 6] =
    ["TABLE", "VIEW", "MATERIALIZED VIEW", "FOREIGN TABLE", "SEQUENCE", "INDEX"];

/// Names shown of what is missing.
const SHOWN: usize = 5;

/// Everything that has a name of its own, by what it is; and how many there are of the rest in
/// each schema.
const PRESENT: &str = "
SELECT 'relation', n.nspname, c.relname FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_'
UNION ALL SELECT 'schema', '', nspname FROM pg_catalog.pg_namespace
UNION ALL SELECT 'extension', '', extname FROM pg_catalog.pg_extension
UNION ALL SELECT 'routines', n.nspname, count(*)::text FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace GROUP BY n.nspname
UNION ALL SELECT 'constraints', n.nspname, count(*)::text FROM pg_catalog.pg_constraint c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace GROUP BY n.nspname
UNION ALL SELECT 'types', n.nspname, count(*)::text FROM pg_catalog.pg_type t
  JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace GROUP BY n.nspname
UNION ALL SELECT 'triggers', n.nspname, count(*)::text FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE NOT t.tgisinternal GROUP BY n.nspname";

/// What an archive's kind is counted as, where it is not compared by name.
fn counted_as(kind: &str) -> Option<&'static str> {
    match kind {
        "FUNCTION" | "PROCEDURE" | "AGGREGATE" => Some("routines"),
        "CONSTRAINT" | "CHECK CONSTRAINT" | "FK CONSTRAINT" => Some("constraints"),
        "TYPE" | "DOMAIN" => Some("types"),
        "TRIGGER" => Some("triggers"),
        _ => None,
    }
}

/// Compares the objects of a database with the chosen ones of an archive.
pub fn objects(
    session: &mut Client,
    toc: &Toc,
    chosen: &BTreeSet<i64>,
    database: &str,
) -> Result<()> {
    let rows = session.query(PRESENT)?;
    let mut names = BTreeSet::new();
    let mut counts = BTreeMap::new();
    for row in &rows {
        let [what, schema, name] = [0, 1, 2].map(|column| row.text(column));
        match name.parse::<u64>() {
            Ok(count) if ["routines", "constraints", "types", "triggers"].contains(&what) => {
                counts.insert((what, schema), count);
            }
            _ => drop(names.insert((what, schema, name))),
        }
    }
    let mut missing = Vec::new();
    let mut expected: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for entry in toc.entries.iter().filter(|entry| chosen.contains(&entry.id)) {
        let place = match entry.kind.as_str() {
            kind if RELATIONS.contains(&kind) => ("relation", entry.schema.as_str()),
            "SCHEMA" => ("schema", ""),
            "EXTENSION" => ("extension", ""),
            kind => {
                if let Some(what) = counted_as(kind) {
                    *expected.entry((what, entry.schema.as_str())).or_default() += 1;
                }
                continue;
            }
        };
        // Names in another encoding than UTF-8 are not comparable here.
        let is_readable = !entry.tag.contains('\u{fffd}') && !entry.schema.contains('\u{fffd}');
        if is_readable && !names.contains(&(place.0, place.1, entry.tag.as_str())) {
            missing.push(format!("{} {}", entry.kind.to_lowercase(), entry.tag));
        }
    }
    for ((what, schema), number) in expected {
        let found = counts.get(&(what, schema)).copied().unwrap_or_default();
        if found < number && !schema.contains('\u{fffd}') {
            missing.push(format!("{} {what} of schema {schema}", number.saturating_sub(found)));
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let more = missing.len().saturating_sub(SHOWN);
    missing.truncate(SHOWN);
    let and_more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Err(Error::new(Kind::Failed, "verify", database)
        .because(format!("it lacks {}{and_more}", missing.join(", "))))
}

/// Counts the rows of the tables whose rows were counted when they were dumped; how many tables.
pub fn rows(session: &mut Client, facts: &PostgresFacts, database: &str) -> Result<u64> {
    let mut counted = 0;
    for table in facts.tables.iter().flatten() {
        let Some(expected) = table.rows.filter(|_| facts.exact) else { continue };
        let place = format!("{}.{}", quoted(&table.schema), quoted(&table.name));
        let found: u64 = session.number(&format!("SELECT count(*) FROM ONLY {place}"))?;
        if found != expected {
            return Err(Error::new(Kind::Failed, "verify", database)
                .because(format!("{place} has {found} rows, and had {expected}")));
        }
        counted += 1;
    }
    Ok(counted)
}
