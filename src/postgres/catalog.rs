//! What a database holds, counted, so that what comes back can be compared.

use super::Client;
use crate::error::Result;
use std::collections::BTreeMap;

/// A table with rows of its own, or a materialized view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The server's estimate of its rows, if it has one.
    pub estimate: Option<u64>,
    /// Whether it can be read now: not a view that was never filled, nor without the right to.
    pub readable: bool,
}

/// Schemas of users; `n` stands for `pg_namespace`.
const OF_USERS: &str = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

/// How many objects there are of each kind, without those of extensions and of the system.
pub fn objects(client: &mut Client) -> Result<BTreeMap<String, u64>> {
    // Name of the kind, catalog, its column of a schema, and which of its rows count.
    let kinds = [
        ("table", "pg_class", "relnamespace", "relkind = 'r'"),
        ("partitioned table", "pg_class", "relnamespace", "relkind = 'p'"),
        ("view", "pg_class", "relnamespace", "relkind = 'v'"),
        ("materialized view", "pg_class", "relnamespace", "relkind = 'm'"),
        ("sequence", "pg_class", "relnamespace", "relkind = 'S'"),
        ("index", "pg_class", "relnamespace", "relkind IN ('i', 'I')"),
        ("foreign table", "pg_class", "relnamespace", "relkind = 'f'"),
        ("composite type", "pg_class", "relnamespace", "relkind = 'c'"),
        ("function", "pg_proc", "pronamespace", "prokind IN ('f', 'w')"),
        ("procedure", "pg_proc", "pronamespace", "prokind = 'p'"),
        ("aggregate", "pg_proc", "pronamespace", "prokind = 'a'"),
        ("domain", "pg_type", "typnamespace", "typtype = 'd'"),
        ("enum", "pg_type", "typnamespace", "typtype = 'e'"),
        ("range", "pg_type", "typnamespace", "typtype = 'r'"),
        ("operator", "pg_operator", "oprnamespace", "true"),
        ("collation", "pg_collation", "collnamespace", "true"),
        ("text search configuration", "pg_ts_config", "cfgnamespace", "true"),
        ("statistics", "pg_statistic_ext", "stxnamespace", "true"),
        // What newer versions keep for NOT NULL, older ones do not have.
        ("constraint", "pg_constraint", "connamespace", "contype <> 'n'"),
    ];
    let of_schemas = kinds.map(|(kind, catalog, schema, which)| {
        format!(
            "SELECT '{kind}', count(*) FROM {catalog} x JOIN pg_namespace n ON n.oid = x.{schema}
             WHERE {OF_USERS} AND {which} AND {}",
            not_of_extension(catalog)
        )
    });
    // Those that belong to a table, or to no schema.
    let of_tables = [
        ("trigger", "pg_trigger", "tgrelid", "NOT tgisinternal"),
        ("policy", "pg_policy", "polrelid", "true"),
        ("rule", "pg_rewrite", "ev_class", "rulename <> '_RETURN'"),
    ]
    .map(|(kind, catalog, table, which)| {
        format!(
            "SELECT '{kind}', count(*) FROM {catalog} x JOIN pg_class c ON c.oid = x.{table}
             JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE {OF_USERS} AND {which} AND {}",
            not_of_extension(catalog)
        )
    });
    let alone = [
        format!(
            "SELECT 'schema', count(*) FROM pg_namespace n WHERE {OF_USERS} AND {}",
            not_of_extension("pg_namespace").replace("x.", "n.")
        ),
        "SELECT 'large object', count(*) FROM pg_largeobject_metadata".to_owned(),
        "SELECT 'event trigger', count(*) FROM pg_event_trigger".to_owned(),
        "SELECT 'publication', count(*) FROM pg_publication".to_owned(),
    ];
    let parts: Vec<String> = of_schemas.into_iter().chain(of_tables).chain(alone).collect();
    let rows = client.query(&parts.join("\nUNION ALL "))?;
    let count = |row: &super::Row| row.text(1).parse::<u64>().unwrap_or(0);
    let counted = rows.iter().map(|row| (row.text(0).to_owned(), count(row)));
    Ok(counted.filter(|(_, count)| *count > 0).collect())
}

/// Tables and materialized views, without those of extensions and of the system, by schema and
/// name.
pub fn tables(client: &mut Client) -> Result<Vec<Table>> {
    let rows = client.query(&format!(
        "SELECT n.nspname, x.relname, CASE WHEN x.reltuples >= 0 THEN x.reltuples::int8 END,
         x.relispopulated AND has_table_privilege(x.oid, 'SELECT')
         FROM pg_class x JOIN pg_namespace n ON n.oid = x.relnamespace
         WHERE x.relkind IN ('r', 'm') AND x.relpersistence <> 't' AND {OF_USERS} AND {}
         ORDER BY n.nspname COLLATE \"C\", x.relname COLLATE \"C\"",
        not_of_extension("pg_class")
    ))?;
    let table = |row: &super::Row| Table {
        schema: row.text(0).to_owned(),
        name: row.text(1).to_owned(),
        estimate: row.get(2).and_then(|text| text.parse().ok()),
        readable: row.is_true(3),
    };
    Ok(rows.iter().map(table).collect())
}

/// The rows of a table itself, those of tables that inherit from it left out.
pub fn rows(client: &mut Client, schema: &str, table: &str) -> Result<u64> {
    let name = format!("{}.{}", super::quoted(schema), super::quoted(table));
    client.number(&format!("SELECT count(*) FROM ONLY {name}"))
}

fn not_of_extension(catalog: &str) -> String {
    format!(
        "NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = '{catalog}'::regclass
         AND d.objid = x.oid AND d.deptype = 'e')"
    )
}
