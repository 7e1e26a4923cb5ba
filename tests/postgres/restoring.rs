//! Databases come back as they were, beside whatever is there.

use super::cli::{Cli, assert_same, dump};
use crate::common::postgres::{SUPERUSER, Server, VERSIONS, Version, server, unique};

/// A database of every common type and kind of object.
pub fn full(server: &Server, name: &str) {
    let role = "do $$ begin create role icecore_reader; exception when duplicate_object then null; \
                when unique_violation then null; end $$";
    server.sql(SUPERUSER, role);
    server.create(name, "UTF8");
    server.sql(name, include_str!("schema.sql"));
}

/// The same, with what only this version has, as the tests have it.
fn fuller(server: &Server, name: &str) {
    full(server, name);
    server.sql(
        name,
        match server.version {
            Version::Fifteen => {
                "alter table app.types add x xml; update app.types set x = '<a b=\"1\">x</a>';
                 create collation app.unicode (locale = 'C.utf8');
                 create table app.sorted (t text collate app.unicode primary key)"
            }
            Version::Eighteen => {
                "alter table app.made add thrice integer generated always as (b * 3) virtual;
                 create table app.named (id int constraint has_id not null);
                 create collation app.unicode (provider = builtin, locale = 'C.UTF-8');
                 create table app.sorted (t text collate app.unicode primary key)"
            }
        },
    );
}

/// A small database: two tables, one of them needing the other, and a view.
pub fn small(server: &Server, name: &str) {
    server.create(name, "UTF8");
    server.sql(
        name,
        "create schema s; create type s.kind as enum ('x', 'y');
         create table s.items (id int primary key, kind s.kind default 'x');
         create table s.lines (id serial primary key, item int references s.items, price numeric);
         create index on s.lines (item);
         create view s.total as select item, sum(price) from s.lines group by item;
         create table other (id int); insert into other values (7);
         insert into s.items select n from generate_series(1, 100) n;
         insert into s.lines (item, price) select n % 100 + 1, n from generate_series(1, 1000) n",
    );
}

/// Databases with these beginnings of names, as they are after a test.
fn named(server: &Server, stem: &str) -> Vec<String> {
    server.databases().into_iter().filter(|name| name.starts_with(stem)).collect()
}

/// Whatever a database holds is there again, from both formats, one connection or four: its own
/// dump is the same text.
#[test]
fn everything_comes_back() {
    for version in VERSIONS {
        let server = server(version);
        let name = unique("full");
        fuller(server, &name);
        let before = server.plain_dump(&name);
        let cli = Cli::new();
        cli.store_database(server, &name);
        for jobs in ["1", "4"] {
            let copy = unique("copy");
            let url = server.url(&copy);
            let ran = cli.restore(server, &url, &["--yes", "-j", jobs]).succeeded();
            assert!(ran.out.contains("restored 1 database"), "{}", ran.out);
            assert_same(&server.plain_dump(&copy), &before, &format!("{version:?}, {jobs} jobs"));
            assert_eq!(named(server, &copy), [copy]);
        }
        let plain = dump(server, &name, &[]);
        cli.store(&[("databases/x.sql", &plain)]);
        let copy = unique("copy");
        cli.restore(server, &server.socket_url(&copy), &["--yes"]).succeeded();
        assert_same(&server.plain_dump(&copy), &before, &format!("{version:?}, plain"));
    }
}

/// A dump of the older version comes back in the newer one: both dump the same text by the newer
/// one's `pg_dump`.
#[test]
fn a_newer_server_takes_an_older_dump() {
    let (old, new) = (server(Version::Fifteen), server(Version::Eighteen));
    let name = unique("full");
    full(old, &name);
    let cli = Cli::new();
    cli.store_database(old, &name);
    let copy = unique("copy");
    // The role that rights and owners name is not there before.
    new.sql(SUPERUSER, "drop role if exists icecore_elsewhere");
    cli.restore(new, &new.url(&copy), &["--yes", "--globals"]).succeeded();
    let text = |server: &Server, database: &str| {
        let mut pg_dump = new.tool("pg_dump", database);
        pg_dump.env("PGHOST", server.socket()).env("PGPORT", server.port.to_string());
        let output = pg_dump.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let differs = |line: &&str| {
            // Servers mark columns for themselves, by options that their own pg_dump hides.
            let own = line.is_empty() || line.contains("(pg_attver=");
            !own && !line.contains("restrict ")
                && !line.starts_with("-- Dumped from database version")
        };
        // Newer servers show a view's columns without the table's name where that is clear.
        let shown = |line: &str| line.replace("parent.id", "id").replace("parent.note", "note");
        text.lines().filter(differs).map(shown).collect::<Vec<_>>()
    };
    assert_eq!(text(new, &copy), text(old, &name));
}

/// What is there is refused without `--replace`; with it, it gives way to what was dumped, its
/// sessions end, and it stays under another name if that is asked for.
#[test]
fn a_database_is_replaced_only_when_asked() {
    for version in VERSIONS {
        let server = server(version);
        let name = unique("app");
        small(server, &name);
        let cli = Cli::new();
        cli.store_database(server, &name);
        let before = server.plain_dump(&name);
        server.sql(&name, "delete from s.lines; create table newer (id int)");
        let changed = server.plain_dump(&name);
        cli.restore(server, &server.url(""), &["--yes"]).failed("--replace");
        assert_same(&server.plain_dump(&name), &changed, "dump");

        let mut sleeper = server.tool("psql", &name);
        let mut sleeper = sleeper.args(["-Xc", "select pg_sleep(600)"]).spawn().unwrap();
        while server.sql(SUPERUSER, &sessions(&name)) == "0" {
            std::thread::yield_now();
        }
        let args = ["--yes", "--replace", "--keep-old"];
        let ran = cli.restore(server, &server.url(""), &args).succeeded();
        assert!(!sleeper.wait().unwrap().success());
        assert_same(&server.plain_dump(&name), &before, "dump");
        let old = format!("{name}_icecore_old_");
        assert!(ran.out.contains("ends 1 session") && ran.err.contains(&old), "{}", ran.err);
        let old = named(server, &old).pop().unwrap();
        assert_same(&server.plain_dump(&old), &changed, "dump");

        server.sql(&name, "drop table other");
        cli.restore(server, &server.url(&name), &["--yes", "--replace"]).succeeded();
        assert_same(&server.plain_dump(&name), &before, "dump");
        assert_eq!(named(server, &name), [name, old]);
    }
}

/// A dump that newer tools have made of an older server goes back into that server, by these
/// tools; its own are told to be too old.
#[test]
fn newer_tools_serve_an_older_server() {
    let (old, new) = (server(Version::Fifteen), server(Version::Eighteen));
    let name = unique("full");
    full(old, &name);
    let before = old.plain_dump(&name);
    let mut pg_dump = new.tool("pg_dump", &name);
    pg_dump.env("PGHOST", old.socket()).env("PGPORT", old.port.to_string());
    let plain = pg_dump.output().unwrap().stdout;
    let custom = pg_dump.arg("-Fc").output().unwrap().stdout;
    let cli = Cli::new();
    for (path, bytes) in [("databases/x.dump", &custom), ("databases/x.sql", &plain)] {
        cli.store(&[(path, bytes)]);
        let copy = unique("copy");
        cli.restore(new, &old.url(&copy), &["--yes", "-j", "2"]).succeeded();
        assert_same(&old.plain_dump(&copy), &before, path);
    }
    cli.store(&[("databases/x.dump", &custom)]);
    let args = ["--yes", "--replace", "--table", "app.toasted"];
    old.sql(&name, "truncate app.toasted");
    cli.restore(old, &old.url(&name), &args).failed("pg_dump of version 18 made the dump");
    cli.restore(new, &old.url(&name), &args).succeeded();
    assert_same(&old.plain_dump(&name), &before, "in place");
}

fn sessions(database: &str) -> String {
    format!("select count(*) from pg_stat_activity where datname = '{database}'")
}

/// Nothing happens without the right name typed, nor in a dry run, and the plan is shown.
#[test]
fn nothing_happens_unconfirmed() {
    let server = server(Version::Fifteen);
    let [one, two] = [unique("one"), unique("two")];
    let cli = Cli::new();
    small(server, &one);
    let bytes = dump(server, &one, &["-Fc"]);
    cli.store(&[("databases/a.dump", &bytes)]);
    let bin = server.bin();
    let url = server.url(&two);
    let args = ["restore", "latest", "--pg-bin", bin.to_str().unwrap(), "--into", &url];
    for typed in ["", "\n", "yes\n", &format!("{two} \n")] {
        let ran = cli.typing(typed, &args).failed("--yes");
        assert!(ran.out.contains(&two) && ran.out.contains("make it"), "{}", ran.out);
        assert_eq!(named(server, &two), Vec::<String>::new());
    }
    let ran = cli.run(&[&args[..], &["--dry-run"]].concat()).succeeded();
    assert!(ran.out.contains("make it"), "{}", ran.out);
    assert_eq!(named(server, &two), Vec::<String>::new());
    cli.typing(&format!("{two}\n"), &args).succeeded();
    assert!(server.has(&two));
    let ran = cli.run(&[&["--json"], &args[..], &["--yes", "--replace"]].concat()).succeeded();
    let kinds: Vec<serde_json::Value> =
        ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(kinds[0]["message_type"], "plan");
    assert_eq!(kinds[0]["databases"][0]["action"], "replace");
    assert_eq!(kinds.last().unwrap()["databases"][0], two.as_str());
}

/// One database of several is chosen by name, pattern or path; a pattern that means none is an
/// error, and so is one name for several.
#[test]
fn one_database_of_several() {
    let server = server(Version::Eighteen);
    let source = unique("source");
    small(server, &source);
    let bytes = dump(server, &source, &["-Fc"]);
    let [a, b] = [unique("a"), unique("b")];
    let cli = Cli::new();
    let [path_a, path_b] = [&a, &b].map(|name| format!("databases/{name}.dump"));
    cli.store(&[(&path_a, &bytes), (&path_b, &bytes)]);
    let server_url = server.url("");
    cli.restore(server, &server_url, &["--yes", "--database", "none"]).failed("none");
    cli.restore(server, &server.url("x"), &["--yes"]).failed("--database");
    cli.restore(server, &server_url, &["--yes", "--database", &a[..a.len() - 1]]).failed("dump");
    cli.restore(server, &server_url, &["--yes", "--database", &format!("{a}*")]).succeeded();
    assert!(server.has(&a) && !server.has(&b));
    let path = format!("latest:/postgres/db:5432/{path_b}");
    let bin = server.bin();
    let args =
        ["restore", &path, "--pg-bin", bin.to_str().unwrap(), "--into", &server_url, "--yes"];
    cli.run(&args).succeeded();
    assert!(server.has(&b));
    // Both at once change places together.
    server.sql(&a, "drop table other");
    let ran = cli.restore(server, &server_url, &["--yes", "--replace"]).succeeded();
    assert!(ran.out.contains("restored 2 databases"), "{}", ran.out);
    assert_eq!(server.sql(&a, "select id from other"), "7");
}

/// A schema or a table alone makes a database with what it needs and no more.
#[test]
fn a_part_makes_a_database_of_its_own() {
    for version in VERSIONS {
        let server = server(version);
        let source = unique("source");
        small(server, &source);
        let cli = Cli::new();
        cli.store_database(server, &source);
        let relations = |name: &str| {
            let query = "select string_agg(relname, ' ' order by relname) from pg_class where \
                         relnamespace::regnamespace::text in ('s', 'public')";
            server.sql(name, query)
        };
        let copy = unique("part");
        cli.restore(server, &server.url(&copy), &["--yes", "--schema", "s"]).succeeded();
        assert_eq!(
            relations(&copy),
            "items items_pkey lines lines_id_seq lines_item_idx lines_pkey total"
        );
        let copy = unique("part");
        cli.restore(server, &server.url(&copy), &["--yes", "--table", "s.lines"]).succeeded();
        assert_eq!(relations(&copy), "lines lines_id_seq lines_item_idx lines_pkey");
        assert_eq!(server.sql(&copy, "select count(*), max(id) from s.lines"), "1000|1000");
        assert_eq!(server.sql(&copy, "select nextval('s.lines_id_seq')"), "1001");
        let copy = unique("part");
        for (flag, value) in [("--table", "nothing"), ("--schema", "nothing")] {
            cli.restore(server, &server.url(&copy), &["--yes", flag, value]).failed("nothing");
        }
        assert!(!server.has(&copy));
    }
}
