//! What is found out about a database in the transaction beside its dump.

use crate::error::Result;
use crate::format::database::{PostgresFacts, PostgresSetting, PostgresTable};
use crate::format::record::to_cbor;
use crate::limits::POSTGRES_FACTS_MAX;
use crate::postgres::{Client, Row, catalog, unconverted};
use std::collections::BTreeMap;

/// Everything but what only the dump knows.
pub(super) fn describe(client: &mut Client, row_counts: bool) -> Result<PostgresFacts> {
    let facts = PostgresFacts {
        acl: acl(client)?,
        settings: settings(client)?,
        extensions: extensions(client)?,
        objects: catalog::objects(client)?,
        tables: Some(tables(client, row_counts)?),
        ..database(client)?
    };
    bounded(facts)
}

/// The row of `pg_database`, whose columns differ by version.
fn database(client: &mut Client) -> Result<PostgresFacts> {
    let server = client.version();
    let provider = if server >= 150_000 { "datlocprovider" } else { "'c'" };
    let (locale, rules) = match server / 10_000 {
        ..15 => ("NULL", "NULL"),
        15 => ("daticulocale", "NULL"),
        16 => ("daticulocale", "daticurules"),
        _ => ("datlocale", "daticurules"),
    };
    let rows = client.query_unconverted(&format!(
        "SELECT {}, {}, pg_encoding_to_char(encoding), {provider},
         datcollate, datctype, {locale}, {rules}, {}, nullif(datconnlimit, -1), {},
         pg_database_size(d.oid)
         FROM pg_database d JOIN pg_tablespace t ON t.oid = dattablespace
         WHERE datname = current_database()",
        unconverted("datname::text"),
        unconverted("pg_get_userbyid(datdba)::text"),
        unconverted("nullif(spcname, 'pg_default')::text"),
        unconverted("shobj_description(d.oid, 'pg_database')"),
    ))?;
    let Some(row) = rows.first() else { return Ok(PostgresFacts::default()) };
    let text = |column| row.text(column).to_owned();
    let optional = |column| row.get(column).map(str::to_owned);
    let shared = |column| row.unconverted(column);
    Ok(PostgresFacts {
        name: shared(0).unwrap_or_default(),
        server,
        owner: shared(1).unwrap_or_default(),
        encoding: text(2),
        provider: match row.text(3) {
            "i" => "icu",
            "b" => "builtin",
            _ => "libc",
        }
        .to_owned(),
        collate: text(4),
        ctype: text(5),
        locale: optional(6),
        icu_rules: optional(7),
        tablespace: shared(8),
        connection_limit: row.get(9).and_then(|text| text.parse().ok()),
        comment: shared(10),
        size: row.text(11).parse().unwrap_or(0),
        ..PostgresFacts::default()
    })
}

/// The rights, unless they are the default ones; an empty list where all were taken away.
fn acl(client: &mut Client) -> Result<Option<Vec<String>>> {
    let own = "FROM pg_database WHERE datname = current_database()";
    if client.text(&format!("SELECT datacl IS NULL {own}"))? == "t" {
        return Ok(None);
    }
    let item = unconverted("item::text");
    let rows =
        client.query(&format!("SELECT {item} FROM (SELECT unnest(datacl) AS item {own}) i"))?;
    Ok(Some(rows.iter().filter_map(|row| row.unconverted(0)).collect()))
}

fn settings(client: &mut Client) -> Result<Vec<PostgresSetting>> {
    let rows = client.query_unconverted(&format!(
        "SELECT {}, {} FROM pg_db_role_setting
         JOIN pg_database d ON d.oid = setdatabase LEFT JOIN pg_roles r ON r.oid = setrole,
         unnest(setconfig) WITH ORDINALITY AS s(setting, place)
         WHERE datname = current_database() ORDER BY setrole <> 0, rolname, place",
        unconverted("rolname::text"),
        unconverted("setting"),
    ))?;
    let setting = |row: &Row| {
        let setting = row.unconverted(1).unwrap_or_default();
        let (name, value) = setting.split_once('=').unwrap_or((&setting, ""));
        let role = row.unconverted(0);
        PostgresSetting { role, name: name.to_owned(), value: value.to_owned() }
    };
    Ok(rows.iter().map(setting).collect())
}

fn extensions(client: &mut Client) -> Result<BTreeMap<String, String>> {
    let rows = client.query("SELECT extname, extversion FROM pg_extension")?;
    Ok(rows.iter().map(|row| (row.text(0).to_owned(), row.text(1).to_owned())).collect())
}

fn tables(client: &mut Client, row_counts: bool) -> Result<Vec<PostgresTable>> {
    let listed = catalog::tables(client)?;
    let mut tables = Vec::with_capacity(listed.len());
    for table in listed {
        let rows = match row_counts && table.readable {
            true => Some(catalog::rows(client, &table.schema, &table.name)?),
            false => None,
        };
        let catalog::Table { schema, name, estimate, .. } = table;
        tables.push(PostgresTable { schema, name, estimate, rows });
    }
    Ok(tables)
}

/// Facts that fit into a directory entry: without tables if there are too many of them.
fn bounded(mut facts: PostgresFacts) -> Result<PostgresFacts> {
    if to_cbor(&facts, "the facts")?.len() > POSTGRES_FACTS_MAX {
        facts.tables = None;
    }
    Ok(facts)
}
