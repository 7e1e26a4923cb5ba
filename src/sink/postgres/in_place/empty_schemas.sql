-- Drops what lies in the schemas of icecore.schemas, save what belongs to extensions; the schemas
-- stay. Fails if anything outside of them would go with it.
DO $icecore$
DECLARE
  outside CONSTANT text := $q$
    WITH others AS (
      SELECT oid FROM pg_catalog.pg_namespace
      WHERE nspname <> ALL (pg_catalog.current_setting('icecore.schemas')::text[])
        AND nspname !~ '^pg_' AND nspname <> 'information_schema'),
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
    WHERE n.nspname = ANY (pg_catalog.current_setting('icecore.schemas')::text[])
      AND pg_catalog.pg_has_role(a.defaclrole, 'USAGE')
  LOOP
    EXECUTE pg_catalog.format(
      'ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I REVOKE ALL ON %s FROM %s',
      granted.owner, granted.schema, granted.kind, granted.grantee);
  END LOOP;
  FOR object IN
    SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
    JOIN pg_catalog.pg_namespace n
      ON d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.refobjid = n.oid
    WHERE n.nspname = ANY (pg_catalog.current_setting('icecore.schemas')::text[])
      AND d.deptype = 'n'
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
