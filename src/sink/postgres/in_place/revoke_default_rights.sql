-- Takes away what is granted by default in the schemas of icecore.schemas, which would be granted on
-- the tables that come back, too; icecore.default_rights keeps the statements that grant it again.
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
    WHERE n.nspname = ANY (pg_catalog.current_setting('icecore.schemas')::text[])
      AND a.defaclobjtype IN ('r', 'S')
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
