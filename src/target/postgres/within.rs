//! Replacing schemas or tables within a database that stays: a script for psql, one transaction
//! from the first `DROP` to the last row.

use super::choose::Wanted;
use super::plan::{Existing, Way};
use super::toc::Toc;
use crate::error::Result;
use crate::postgres::{literal, quoted};
use std::collections::BTreeSet;

/// What opens the transaction; without `COMMIT` at the end nothing of it holds.
const BEGIN: &str = "BEGIN;\nSET LOCAL client_min_messages = warning;\n";

/// What makes it hold.
const COMMIT: &str = "\nCOMMIT;\n";

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
pub fn part(toc: &Toc, wanted: &Wanted, existing: &Existing) -> Result<Part> {
    let mut part = Part::default();
    let chosen = toc.chosen(wanted, false)?;
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
pub fn opening(way: &Way, large_objects: bool) -> String {
    let mut script = String::from(BEGIN);
    let Way::Within { schemas, tables } = way else { return script };
    if !schemas.is_empty() {
        let names: Vec<String> = schemas.iter().map(|name| literal(name)).collect();
        script.push_str(&EMPTY_SCHEMAS.replace("{schemas}", &names.join(", ")));
    }
    if !tables.is_empty() {
        let names: BTreeSet<String> = tables.iter().map(|(schema, _)| literal(schema)).collect();
        let names: Vec<String> = names.into_iter().collect();
        script.push_str(&WITHOUT_DEFAULT_RIGHTS.replace("{schemas}", &names.join(", ")));
    }
    for (schema, table) in tables {
        let place = format!("{}.{}", quoted(schema), quoted(table));
        script.push_str(&DROP_RELATION.replace("{relation}", &literal(&place)));
    }
    if large_objects {
        script.push_str(
            "SELECT count(pg_catalog.lo_unlink(oid)) FROM pg_catalog.pg_largeobject_metadata;\n",
        );
    }
    script
}

/// The last lines of the script.
pub fn closing(way: &Way) -> String {
    let restores = matches!(way, Way::Within { tables, .. } if !tables.is_empty());
    let first = if restores { WITH_DEFAULT_RIGHTS } else { "" };
    format!("{first}{COMMIT}")
}

/// Sets aside what is granted by default in these schemas: it would be granted on the tables that
/// come back, too.
const WITHOUT_DEFAULT_RIGHTS: &str = r"
DO $icecore$
DECLARE
  again text := '';
  granted record;
BEGIN
  FOR granted IN
    SELECT x.privilege_type AS rights, x.is_grantable,
      pg_catalog.format('FOR ROLE %I IN SCHEMA %I',
        pg_catalog.pg_get_userbyid(a.defaclrole), n.nspname) AS place,
      CASE a.defaclobjtype WHEN 'r' THEN 'TABLES' ELSE 'SEQUENCES' END AS kind,
      CASE x.grantee WHEN 0 THEN 'PUBLIC'
        ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END AS grantee
    FROM pg_catalog.pg_default_acl a
    JOIN pg_catalog.pg_namespace n ON n.oid = a.defaclnamespace,
      pg_catalog.aclexplode(a.defaclacl) x
    WHERE n.nspname IN ({schemas}) AND a.defaclobjtype IN ('r', 'S')
      AND pg_catalog.pg_has_role(a.defaclrole, 'USAGE')
  LOOP
    again := again || pg_catalog.format(
      'ALTER DEFAULT PRIVILEGES %s GRANT %s ON %s TO %s%s;',
      granted.place, granted.rights, granted.kind, granted.grantee,
      CASE WHEN granted.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END);
    EXECUTE pg_catalog.format('ALTER DEFAULT PRIVILEGES %s REVOKE %s ON %s FROM %s',
      granted.place, granted.rights, granted.kind, granted.grantee);
  END LOOP;
  PERFORM pg_catalog.set_config('icecore.default_rights', again, true);
END $icecore$;
";

/// Grants it by default again.
const WITH_DEFAULT_RIGHTS: &str = r"
DO $icecore$
BEGIN
  IF pg_catalog.current_setting('icecore.default_rights') <> '' THEN
    EXECUTE pg_catalog.current_setting('icecore.default_rights');
  END IF;
END $icecore$;
";

/// Drops what lies in the schemas, save what belongs to extensions; the schemas stay.
const EMPTY_SCHEMAS: &str = r"
DO $icecore$
DECLARE
  outside CONSTANT text := $q$
    WITH others AS (
      SELECT oid FROM pg_catalog.pg_namespace
      WHERE nspname NOT IN ({schemas}) AND nspname !~ '^pg_' AND nspname <> 'information_schema'),
    relations AS (
      SELECT oid FROM pg_catalog.pg_class WHERE relnamespace IN (SELECT oid FROM others))
    SELECT pg_catalog.pg_describe_object(tableoid, oid, 0)
      FROM pg_catalog.pg_class WHERE oid IN (SELECT oid FROM relations)
    UNION ALL SELECT pg_catalog.pg_describe_object(tableoid, oid, 0)
      FROM pg_catalog.pg_proc WHERE pronamespace IN (SELECT oid FROM others)
    UNION ALL SELECT pg_catalog.pg_describe_object(tableoid, oid, 0)
      FROM pg_catalog.pg_type WHERE typnamespace IN (SELECT oid FROM others)
    UNION ALL SELECT pg_catalog.pg_describe_object(tableoid, oid, 0)
      FROM pg_catalog.pg_constraint WHERE connamespace IN (SELECT oid FROM others)
    UNION ALL SELECT pg_catalog.pg_describe_object(tableoid, oid, 0)
      FROM pg_catalog.pg_trigger WHERE tgrelid IN (SELECT oid FROM relations)
    UNION ALL SELECT pg_catalog.pg_describe_object(tableoid, oid, 0)
      FROM pg_catalog.pg_attrdef WHERE adrelid IN (SELECT oid FROM relations)
    UNION ALL SELECT pg_catalog.pg_describe_object(tableoid, oid, 0)
      FROM pg_catalog.pg_policy WHERE polrelid IN (SELECT oid FROM relations)
    UNION ALL SELECT pg_catalog.pg_describe_object(tableoid, oid, 0)
      FROM pg_catalog.pg_operator WHERE oprnamespace IN (SELECT oid FROM others)
    UNION ALL SELECT pg_catalog.pg_describe_object(tableoid, oid, 0)
      FROM pg_catalog.pg_opclass WHERE opcnamespace IN (SELECT oid FROM others)
    -- A range type's own cast goes with it.
    UNION ALL SELECT pg_catalog.pg_describe_object(c.tableoid, c.oid, 0) FROM pg_catalog.pg_cast c
      WHERE NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend d
        WHERE d.classid = c.tableoid AND d.objid = c.oid AND d.deptype = 'i')
    UNION ALL SELECT pg_catalog.pg_describe_object(tableoid, oid, 0)
      FROM pg_catalog.pg_event_trigger
    UNION ALL SELECT pg_catalog.pg_describe_object(tableoid, oid, 0)
      FROM pg_catalog.pg_extension
    UNION ALL SELECT pg_catalog.pg_describe_object(
        'pg_catalog.pg_class'::pg_catalog.regclass, attrelid, attnum)
      FROM pg_catalog.pg_attribute
      WHERE attnum > 0 AND NOT attisdropped AND attrelid IN (SELECT oid FROM relations) $q$;
  before text[];
  after text[];
  lost text;
  granted record;
  object record;
  named record;
BEGIN
  EXECUTE 'SELECT array_agg(d) FROM (' || outside || ') AS x (d)' INTO before;
  -- What is granted by default would be granted on what comes back.
  FOR granted IN
    SELECT DISTINCT pg_catalog.pg_get_userbyid(a.defaclrole) AS owner, n.nspname AS schema,
      CASE a.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES'
        WHEN 'f' THEN 'FUNCTIONS' ELSE 'TYPES' END AS kind,
      CASE x.grantee WHEN 0 THEN 'PUBLIC'
        ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END AS grantee
    FROM pg_catalog.pg_default_acl a
    JOIN pg_catalog.pg_namespace n ON n.oid = a.defaclnamespace,
      pg_catalog.aclexplode(a.defaclacl) x
    WHERE n.nspname IN ({schemas}) AND pg_catalog.pg_has_role(a.defaclrole, 'USAGE')
  LOOP
    EXECUTE pg_catalog.format(
      'ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I REVOKE ALL ON %s FROM %s',
      granted.owner, granted.schema, granted.kind, granted.grantee);
  END LOOP;
  FOR object IN
    SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
    JOIN pg_catalog.pg_namespace n
      ON d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.refobjid = n.oid
    WHERE n.nspname IN ({schemas}) AND d.deptype = 'n'
      AND d.classid <> 'pg_catalog.pg_extension'::pg_catalog.regclass
      -- Members of extensions, and sequences of identity columns.
      AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend e
        WHERE e.classid = d.classid AND e.objid = d.objid AND (e.deptype = 'e' OR (
          e.deptype = 'i' AND EXISTS (
            SELECT FROM pg_catalog.pg_class c
            WHERE e.classid = c.tableoid AND e.objid = c.oid AND c.relkind = 'S'))))
  LOOP
    -- None if it has gone with another.
    SELECT * INTO named FROM pg_catalog.pg_identify_object(object.classid, object.objid, 0);
    IF named.identity IS NOT NULL THEN
      EXECUTE pg_catalog.format('DROP %s IF EXISTS %s CASCADE',
        CASE named.type WHEN 'statistics object' THEN 'STATISTICS' ELSE named.type END,
        named.identity);
    END IF;
  END LOOP;
  EXECUTE 'SELECT array_agg(d) FROM (' || outside || ') AS x (d)' INTO after;
  SELECT string_agg(gone.d, ', ') INTO lost FROM (
    SELECT pg_catalog.unnest(before) EXCEPT SELECT pg_catalog.unnest(after) ORDER BY 1 LIMIT 5
  ) AS gone (d);
  IF lost IS NOT NULL THEN
    RAISE EXCEPTION 'outside of what is replaced this would be lost: %', lost;
  END IF;
END $icecore$;
";

/// Drops a table, view or sequence, and fails if something needs it.
const DROP_RELATION: &str = r"
DO $icecore$
DECLARE
  kind text;
BEGIN
  SELECT CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
    WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END INTO kind
  FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass({relation});
  IF kind IS NOT NULL THEN
    EXECUTE 'DROP ' || kind || ' ' || {relation};
  END IF;
END $icecore$;
";
