-- Drops the tables, views and sequences of icecore.relations, and fails if something needs them.
DO $icecore$
DECLARE
  relation text;
  kind text;
BEGIN
  FOREACH relation IN ARRAY pg_catalog.current_setting('icecore.relations')::text[] LOOP
    SELECT CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
      WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END INTO kind
    FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass(relation);
    IF kind IS NOT NULL THEN
      EXECUTE 'DROP ' || kind || ' ' || relation;
    END IF;
  END LOOP;
END $icecore$;
