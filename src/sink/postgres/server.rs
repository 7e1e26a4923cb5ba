//! What a server has, before anything is done to it.

use super::plan::{Existing, Server};
use super::{Connection, globals::Known};
use crate::error::Result;
use std::collections::{BTreeMap, BTreeSet};

const SERVER: &str = "
SELECT pg_catalog.current_setting('server_version'), current_user, (
  SELECT rolsuper OR rolcreatedb FROM pg_catalog.pg_roles WHERE rolname = current_user)";

const DATABASES: &str = "
SELECT d.datname,
  CASE WHEN pg_catalog.has_database_privilege(d.oid, 'CONNECT')
    THEN pg_catalog.pg_database_size(d.oid) END,
  (SELECT count(*) FROM pg_catalog.pg_stat_activity a
    WHERE a.datid = d.oid AND a.pid <> pg_catalog.pg_backend_pid()),
  pg_catalog.pg_has_role(d.datdba, 'USAGE'),
  d.datistemplate
FROM pg_catalog.pg_database d";

/// The schemas of one database, and how much of a user's is in each.
const SCHEMAS: &str = "
SELECT n.nspname, (
  SELECT count(*) FROM pg_catalog.pg_depend d
  WHERE d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.refobjid = n.oid
    AND d.deptype = 'n' AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_depend e
      WHERE e.classid = d.classid AND e.objid = d.objid AND e.deptype = 'e'))
FROM pg_catalog.pg_namespace n
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

/// Looks at the server, and into those of its databases that are named.
pub fn look(connection: &Connection, into: &BTreeSet<String>) -> Result<Server> {
    let mut session = connection.any_session()?;
    let rows = session.query(SERVER)?;
    let text = |column| rows.first().map_or("", |row| row.text(column)).to_owned();
    let mut server = Server {
        name: connection.name().to_owned(),
        version: text(0).split(' ').next().unwrap_or_default().to_owned(),
        role: text(1),
        may_create: text(2) == "t",
        databases: BTreeMap::new(),
    };
    for row in session.query(DATABASES)? {
        let existing = Existing {
            bytes: row.text(1).parse().unwrap_or_default(),
            sessions: row.text(2).parse().unwrap_or_default(),
            is_own: row.is_true(3),
            is_template: row.is_true(4),
            ..Existing::default()
        };
        server.databases.insert(row.text(0).to_owned(), existing);
    }
    drop(session);
    for (name, existing) in &mut server.databases {
        if into.contains(name) && !existing.is_template {
            look_into(connection, name, existing)?;
        }
    }
    Ok(server)
}

fn look_into(connection: &Connection, name: &str, existing: &mut Existing) -> Result<()> {
    let mut session = connection.session(name)?;
    for row in session.query(SCHEMAS)? {
        let count = row.text(1).parse().unwrap_or_default();
        existing.schemas.insert(row.text(0).to_owned(), count);
    }
    for row in session.query("SELECT extname FROM pg_catalog.pg_extension")? {
        existing.extensions.insert(row.text(0).to_owned());
    }
    for row in session.query("SELECT pubname FROM pg_catalog.pg_publication")? {
        existing.publications.insert(row.text(0).to_owned());
    }
    Ok(())
}

/// The roles and tablespaces that it has.
pub fn known(connection: &Connection) -> Result<Known> {
    let mut session = connection.any_session()?;
    let mut names = |query: &str| -> Result<BTreeSet<String>> {
        Ok(session.query(query)?.iter().map(|row| row.text(0).to_owned()).collect())
    };
    Ok(Known {
        roles: names("SELECT rolname FROM pg_catalog.pg_roles")?,
        tablespaces: names("SELECT spcname FROM pg_catalog.pg_tablespace")?,
    })
}
