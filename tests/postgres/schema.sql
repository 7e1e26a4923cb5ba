-- What a database may hold: each common type, and each kind of object that a dump must bring back.
-- The role icecore_reader exists.
CREATE SCHEMA app;
CREATE SCHEMA "My Schema; ""drop""";
CREATE EXTENSION hstore SCHEMA app;
CREATE EXTENSION citext;
CREATE EXTENSION ltree;
CREATE EXTENSION pg_trgm;
CREATE EXTENSION btree_gist;
CREATE EXTENSION unaccent;
CREATE EXTENSION postgres_fdw;

CREATE TYPE app.mood AS ENUM ('sad', 'it''s ok', 'happy');
CREATE TYPE app.pair AS (a integer, b text);
CREATE TYPE app.span AS RANGE (subtype = float8);
CREATE DOMAIN app.positive AS integer CHECK (VALUE > 0);
CREATE COLLATION app.plain FROM "C";

CREATE TABLE app.types (
  id bigserial PRIMARY KEY,
  i2 smallint, i4 integer, i8 bigint, num numeric, num2 numeric(20, 5),
  r4 real, r8 double precision, cash money, flag boolean,
  c char(5), vc varchar(10), txt text, name name, ci citext, coll text COLLATE app.plain,
  bin bytea, d date, t time, ttz time with time zone, ts timestamp, tstz timestamptz,
  iv interval, e app.mood, comp app.pair, pos app.positive,
  pt point, ln line, ls lseg, bx box, pa path, po polygon, ci2 circle,
  cd cidr, ip inet, mac macaddr, mac8 macaddr8, b bit(4), vb bit varying(9),
  tsv tsvector, tsq tsquery, u uuid, j json, jb jsonb, jp jsonpath,
  ia integer[], ta text[][], ca app.pair[], ir int4range, mr tstzmultirange, sp app.span,
  o oid, rc regclass, lsn pg_lsn, hs app.hstore, lt ltree
);
INSERT INTO app.types VALUES (
  DEFAULT, -32768, 2147483647, -9223372036854775808, 'NaN', 12345.67891,
  '-Infinity', 1e-300, '12.34', true,
  'ab', 'v''c', E'tab\t line\n back\\slash', 'n', 'CaSe', 'z',
  '\x00ff5c27', '4713-01-01 BC', '24:00', '12:34:56.789+05:30', 'infinity', '2024-02-29 23:59:60+00',
  '1 year -2 days 03:04:05.6', 'it''s ok', ROW(1, 'x,"y"'), 7,
  '(1,2)', '{1,-1,0}', '[(0,0),(1,1)]', '(1,1),(0,0)', '[(0,0),(1,1),(2,0)]', '((0,0),(1,1),(2,0))', '<(0,0),3>',
  '10.0.0.0/8', '::1/64', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', B'1010', B'101',
  'a:1 fat:2,4 cat:3B', 'fat & (rat | cat)', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
  '{"b": 1,  "a": null}', '{"b": 1, "a": [1, 2.50]}', '$.a[*] ? (@ > 1)',
  '{1,NULL,3}', '{{a,"b c"},{NULL,"\\"}}', ARRAY[ROW(1, 'a')::app.pair], '[1,10)', '{[2024-01-01,2024-02-01)}', '[0.5,1.5]',
  4294967295, 'app.types', '16/B374D848', 'k=>"v v", n=>NULL', 'Top.Sub.Leaf'
);
INSERT INTO app.types DEFAULT VALUES;

CREATE TABLE app.toasted (id integer PRIMARY KEY, body text, raw bytea);
ALTER TABLE app.toasted ALTER COLUMN raw SET STORAGE EXTERNAL;
INSERT INTO app.toasted
  SELECT n, (SELECT string_agg(md5((n * 1000 + k)::text), '') FROM generate_series(1, 8000) k),
    decode(repeat(md5(n::text), 20000), 'hex')
  FROM generate_series(1, 4) n;

CREATE TABLE app.made (
  a integer GENERATED ALWAYS AS IDENTITY (START 10 INCREMENT 5),
  b integer NOT NULL DEFAULT 2,
  twice integer GENERATED ALWAYS AS (b * 2) STORED,
  "Odd Name" text DEFAULT 'x;y'
);
INSERT INTO app.made (b) SELECT n FROM generate_series(1, 20) n;

CREATE TABLE app.events (at timestamptz NOT NULL, kind text NOT NULL, body jsonb) PARTITION BY RANGE (at);
CREATE TABLE app.events_2024 PARTITION OF app.events
  FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') PARTITION BY LIST (kind);
CREATE TABLE app.events_2024_a PARTITION OF app.events_2024 FOR VALUES IN ('a');
CREATE TABLE app.events_2024_rest PARTITION OF app.events_2024 DEFAULT;
CREATE TABLE app.events_rest PARTITION OF app.events DEFAULT;
CREATE INDEX ON app.events (at);
INSERT INTO app.events SELECT '2024-01-01'::timestamptz + n * interval '30 days',
  CASE n % 2 WHEN 0 THEN 'a' ELSE 'b' END, jsonb_build_object('n', n) FROM generate_series(0, 20) n;
CREATE TABLE app.hashed (k integer PRIMARY KEY, v text) PARTITION BY HASH (k);
CREATE TABLE app.hashed_0 PARTITION OF app.hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE app.hashed_1 PARTITION OF app.hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO app.hashed SELECT n, 'v' || n FROM generate_series(1, 50) n;

CREATE TABLE app.parent (id integer PRIMARY KEY, note text);
CREATE TABLE app.heir (more text) INHERITS (app.parent);
CREATE UNLOGGED TABLE app.fleeting (id integer);
CREATE TABLE app.child (
  id integer PRIMARY KEY,
  parent integer REFERENCES app.parent DEFERRABLE INITIALLY DEFERRED,
  during tstzrange,
  EXCLUDE USING gist (parent WITH =, during WITH &&)
);
ALTER TABLE app.child ADD CONSTRAINT later CHECK (id < 1000) NOT VALID;
INSERT INTO app.parent VALUES (1, 'one'), (2, NULL);
INSERT INTO app.heir VALUES (3, 'three', 'more');
INSERT INTO app.child VALUES (1, 1, '[2024-01-01,2024-01-02)'), (2, NULL, NULL);
INSERT INTO app.fleeting VALUES (1);
CREATE INDEX words ON app.parent USING gin (note gin_trgm_ops) WHERE note IS NOT NULL;
CREATE INDEX expression ON app.parent ((lower(note) || 'x') DESC NULLS LAST) INCLUDE (id);
CREATE STATISTICS app.together ON id, note FROM app.parent;
ALTER TABLE app.parent CLUSTER ON parent_pkey;
ALTER TABLE app.parent ALTER COLUMN note SET STATISTICS 500;

CREATE FUNCTION app.stamp() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  -- A body with 'quotes', $dollars$ and a semicolon;
  NEW.note := coalesce(NEW.note, 'none');
  RETURN NEW;
END $body$;
CREATE TRIGGER stamp BEFORE INSERT ON app.parent FOR EACH ROW EXECUTE FUNCTION app.stamp();
ALTER TABLE app.parent DISABLE TRIGGER stamp;
CREATE PROCEDURE app.nothing(INOUT x integer) LANGUAGE sql AS 'SELECT x';
CREATE FUNCTION app.standard(n integer) RETURNS integer IMMUTABLE RETURN n + 1;
CREATE AGGREGATE app.total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0');
CREATE OPERATOR app.=== (LEFTARG = integer, RIGHTARG = integer, FUNCTION = int4eq);
CREATE CAST (app.pair AS text) WITH INOUT;
CREATE TEXT SEARCH DICTIONARY app.simple (TEMPLATE = simple, STOPWORDS = english);
CREATE TEXT SEARCH CONFIGURATION app.search (COPY = simple);
CREATE SEQUENCE app.own AS smallint START 5 INCREMENT -1 MINVALUE -10 MAXVALUE 5 CYCLE;
SELECT nextval('app.own');
CREATE VIEW app.seen WITH (security_barrier) AS SELECT id, note FROM app.parent WHERE id > 0
  WITH LOCAL CHECK OPTION;
CREATE MATERIALIZED VIEW app.kept AS SELECT count(*) AS n FROM app.events;
CREATE UNIQUE INDEX ON app.kept (n);
CREATE MATERIALIZED VIEW app.empty AS SELECT 1 AS one WITH NO DATA;
CREATE RULE softly AS ON DELETE TO app.made DO INSTEAD NOTHING;
ALTER TABLE app.made ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON app.made FOR SELECT TO icecore_reader USING (b > 3);
CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'nowhere', dbname 'd');
CREATE USER MAPPING FOR icecore_reader SERVER far OPTIONS (user 'u', password 'p');
CREATE FOREIGN TABLE app.distant (id integer) SERVER far OPTIONS (table_name 't');
CREATE PUBLICATION news FOR TABLE app.parent WITH (publish = 'insert');

CREATE TABLE "My Schema; ""drop"""."weird ""table"" name" (
  "a column; with -- everything" text, "SELECT" integer PRIMARY KEY, "new
line" text);
INSERT INTO "My Schema; ""drop"""."weird ""table"" name" VALUES ('\.', 1, E'\\.\n');
CREATE INDEX "an ""index""" ON "My Schema; ""drop"""."weird ""table"" name" ("SELECT" DESC);
COMMENT ON TABLE "My Schema; ""drop"""."weird ""table"" name" IS E'it''s \\ a comment\nof two lines';

GRANT USAGE ON SCHEMA app TO icecore_reader;
GRANT SELECT (id), UPDATE (note) ON app.parent TO icecore_reader WITH GRANT OPTION;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA app TO icecore_reader;
REVOKE EXECUTE ON FUNCTION app.standard(integer) FROM PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO icecore_reader;
-- No table with a check still to come has its owner changed.
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE app.child OWNER TO icecore_reader;

SELECT lo_from_bytea(424242, decode(repeat('00ff5c', 300000), 'hex'));
SELECT lo_create(424243);
COMMENT ON LARGE OBJECT 424242 IS 'a large object';
GRANT SELECT ON LARGE OBJECT 424242 TO icecore_reader;
