-- Grants again what revoke_default_rights.sql took away.
DO $icecore$
BEGIN
  IF pg_catalog.current_setting('icecore.default_rights') <> '' THEN
    EXECUTE pg_catalog.current_setting('icecore.default_rights');
  END IF;
END $icecore$;
