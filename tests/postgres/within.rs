//! Schemas and tables that come back within a database that stays: in one transaction, and saved
//! before.

use super::cli::{Cli, assert_same};
use super::restoring::{full, small};
use crate::common::postgres::{SUPERUSER, VERSIONS, Version, server, unique};

/// The rows of a query, as text.
const COUNTS: &str = "select (select count(*) from s.items), (select count(*) from s.lines), \
                      (select count(*) from other)";

/// A schema, then a table, comes back within a database whose other content stays; sessions
/// stay, too, and the database was saved before.
#[test]
fn a_part_comes_back_in_place() {
    for version in VERSIONS {
        let server = server(version);
        let name = unique("app");
        small(server, &name);
        let before = server.plain_dump(&name);
        let cli = Cli::new();
        cli.store_database(server, &name);
        let url = server.url(&name);
        server.sql(&name, "delete from s.lines; delete from s.items; delete from other");
        cli.restore(server, &url, &["--yes", "--schema", "s"]).failed("--replace");
        assert_eq!(server.sql(&name, COUNTS), "0|0|0");
        let ran = cli.restore(server, &url, &["--yes", "--replace", "--schema", "s"]).succeeded();
        assert!(ran.out.contains("replace within it schema s"), "{}", ran.out);
        assert_eq!(server.sql(&name, COUNTS), "100|1000|0");

        // What was there before is in the repository, under a tag of its own.
        let saved = cli.run(&["ls", "latest", "--tag", "before-restore"]).succeeded();
        assert!(saved.out.contains(&format!("/databases/{name}.dump")), "{}", saved.out);

        // It is not what `latest` means.
        let args = ["--yes", "--replace", "--table", "public.other"];
        cli.restore(server, &url, &args).succeeded();
        assert_eq!(server.sql(&name, COUNTS), "100|1000|1");
        assert_same(&server.plain_dump(&name), &before, "dump");
    }
}

/// What would take other things with it fails, names them, and changes nothing.
#[test]
fn nothing_else_goes_with_it() {
    for version in VERSIONS {
        let server = server(version);
        let name = unique("app");
        small(server, &name);
        let cli = Cli::new();
        cli.store_database(server, &name);
        server.sql(&name, "create view outside as select id from s.items; delete from s.lines");
        let before = server.plain_dump(&name);
        let url = server.url(&name);
        for (part, words) in [
            (["--schema", "s"], "this would be lost: column id of view outside"),
            (["--table", "s.items"], "constraint lines_item_fkey on table s.lines depends on"),
        ] {
            let ran = cli.restore(server, &url, &[&part[..], &["--yes", "--replace"]].concat());
            ran.failed(words);
            assert_same(&server.plain_dump(&name), &before, "dump");
        }
    }
}

/// A role that may not create databases gets back what is in its own one, large objects and
/// default rights included; extensions stay.
#[test]
fn without_the_right_to_create() {
    for version in VERSIONS {
        let server = server(version);
        let [name, role] = [unique("own"), unique("owner")];
        server.sql(SUPERUSER, &format!("create role {role} login password 'p'"));
        server.create(&name, "UTF8");
        server.sql(SUPERUSER, &format!("alter database {name} owner to {role}"));
        server.sql(&name, "create extension hstore; create extension lo");
        server.sql(
            &name,
            &format!(
                "set role {role}; create schema mine; create table mine.t (id int primary key);
                 create function mine.f() returns int language sql as 'select 1';
                 create domain mine.d as int; create sequence mine.own;
                 create table mine.parted (id int generated always as identity, h public.hstore)
                   partition by range (id);
                 create table mine.part partition of mine.parted default;
                 alter default privileges in schema mine grant select on tables to public;
                 create table mine.late (id int);
                 insert into mine.t select n from generate_series(1, 10) n;
                 insert into mine.parted (h) values ('a=>1');
                 select lo_from_bytea(4711, 'large')",
            ),
        );
        let before = server.plain_dump(&name);
        let cli = Cli::new();
        cli.store_database(server, &name);
        server.sql(
            &name,
            &format!(
                "set role {role}; drop function mine.f(); delete from mine.t;
                 create aggregate mine.total(int) (sfunc = int4pl, stype = int);
                 create view mine.v as select * from mine.t; create type mine.e as enum ('x');
                 select lo_put(4711, 0, 'LARGER'); select lo_create(4712)"
            ),
        );
        let url = server.url_of(&role, "p", &name);
        let ran = cli.restore(server, &url, &["--yes", "--replace"]).succeeded();
        assert!(ran.out.contains("schema mine"), "{}", ran.out);
        assert_same(&server.plain_dump(&name), &before, &format!("{version:?}"));
    }
}

/// All of a database of every kind of object is replaced in place, save what belongs to no
/// schema; what fails in the middle changes nothing.
#[test]
fn a_rich_database_in_place() {
    let server = server(Version::Eighteen);
    let name = unique("rich");
    full(server, &name);
    let cli = Cli::new();
    cli.store_database(server, &name);
    let before = server.plain_dump(&name);
    let url = server.url(&name);
    server.sql(
        &name,
        "truncate app.toasted; drop foreign table app.distant; create table app.new (id int)",
    );
    let changed = server.plain_dump(&name);
    let args = ["--yes", "--replace", "--schema", "app"];
    // A cast belongs to no schema, and would go with its type.
    cli.restore(server, &url, &args).failed("cast");
    assert_same(&server.plain_dump(&name), &changed, "dump");
    server.sql(&name, "drop cast (app.pair as text)");
    cli.restore(server, &url, &args).succeeded();
    server.sql(&name, "create cast (app.pair as text) with inout");
    assert_same(&server.plain_dump(&name), &before, "dump");
}
