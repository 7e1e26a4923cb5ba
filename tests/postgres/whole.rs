//! A whole server, by the program alone: backed up, and brought back into another.

use super::cli::{Cli, assert_same};
use super::restoring::{full, small};
use crate::common::postgres::{SUPERUSER, Server, VERSIONS, Version, quoted, server, unique};
use std::process::Stdio;

/// A server of its own with databases of several encodings and names that need quoting, whose
/// owners, rights, comments and settings are their own.
fn busy(version: Version) -> Server {
    let server = Server::start(version, &[]);
    full(&server, "full");
    small(&server, "small");
    server.sql(
        SUPERUSER,
        "create role \"Odd Owner\" login password 'it''s; secret' createdb;
         create role reader; grant reader to \"Odd Owner\";
         alter role reader set work_mem = '7MB'",
    );
    for (name, encoding, word) in [
        ("latin 1", "LATIN1", r"\xe9t\xe9"),
        ("win%2F/1252", "WIN1252", r"\x80\x99"),
        ("kanji\"euc", "EUC_JP", r"\xb4\xc1\xbb\xfa"),
        (".ascii", "SQL_ASCII", r"\xff\xfe any"),
        ("utf=8 \u{e9}", "UTF8", r"\xe6\xbc\xa2"),
    ] {
        server.create(name, encoding);
        let table = format!(
            "set client_encoding to {encoding}; create table t (id int primary key, word text);
             insert into t values (1, e'{word}')"
        );
        server.sql(name, &table);
        let database = quoted(name);
        server.sql(
            SUPERUSER,
            &format!(
                "alter database {database} owner to \"Odd Owner\";
                 comment on database {database} is 'it''s \\ {encoding}';
                 alter database {database} set search_path to \"$user\", public, \"a, b\";
                 alter database {database} connection limit 9;
                 alter role reader in database {database} set work_mem to '9MB';
                 revoke connect on database {database} from public;
                 grant connect on database {database} to reader with grant option"
            ),
        );
    }
    server
}

/// The text of `pg_dump --create`, without what differs between two runs.
fn created(server: &Server, database: &str) -> String {
    let output = server.tool("pg_dump", database).arg("--create").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<&str> = text.lines().filter(|line| !line.contains("restrict ")).collect();
    lines.join("\n")
}

/// Every database of a server comes back on another one with its encoding, owner, rights and
/// settings; the rows are counted; roles and their passwords come first.
#[test]
fn a_server_comes_back() {
    for version in VERSIONS {
        let cli = Cli::new();
        let old = busy(version);
        let bin = old.bin();
        let bin = ["--pg-bin", bin.to_str().unwrap()];
        let source = format!("postgres-dump:{}", old.url(""));
        let name = ["--postgres-name", "main", "--row-counts", "--all-databases"];
        cli.run(&[&["backup", &source], &bin[..], &name[..]].concat()).succeeded();
        let new = Server::start(version, &[]);
        let into = ["restore", "latest", "--into", &new.url(""), "--globals", "--yes"];
        let ran = cli.run(&[&into[..], &bin[..]].concat()).succeeded();
        assert!(ran.out.contains("roles made: Odd Owner"), "{}", ran.out);
        assert!(ran.out.contains("were counted, all as dumped"), "{}", ran.out);
        assert_eq!(new.databases(), old.databases(), "{version:?}");
        for database in old.databases().iter().filter(|name| !name.starts_with("template")) {
            let [before, after] = [&old, &new].map(|server| created(server, database));
            assert_same(&after, &before, &format!("{version:?}: {database}"));
        }
        let roles = "select rolname, rolpassword, rolcreatedb from pg_authid \
                     where rolname !~ '^pg_' and rolname <> 'postgres' order by 1";
        assert_eq!(new.sql(SUPERUSER, roles), old.sql(SUPERUSER, roles));
        // A second time, everything is there.
        let again = cli.run(&[&into[..], &bin[..]].concat()).failed("--replace");
        assert!(!again.err.contains("secret"), "{}", again.err);
        let replaced = [&into[..], &bin[..], &["--replace", "-j", "2"]].concat();
        cli.run(&replaced).succeeded();
        assert_eq!(new.databases(), old.databases(), "{version:?}");
        assert_eq!(created(&new, "latin 1"), created(&old, "latin 1"));
    }
}

/// `dump` streams what psql and pg_restore take.
#[test]
fn dumps_are_streamed() {
    for version in VERSIONS {
        let server = server(version);
        let name = unique("app");
        small(server, &name);
        let before = server.plain_dump(&name);
        let cli = Cli::new();
        let source = format!("postgres-dump:{}", server.url(&name));
        let bin = server.bin();
        for (format, tool, suffix) in [("custom", "pg_restore", "dump"), ("plain", "psql", "sql")] {
            let backup = ["backup", &source, "--dump-format", format, "--postgres-name", "db"];
            let tools = ["--pg-bin", bin.to_str().unwrap()];
            cli.run(&[&backup[..], &tools[..]].concat()).succeeded();
            let copy = unique("copy");
            server.create(&copy, "UTF8");
            let path = format!("/postgres/db/databases/{name}.{suffix}");
            let mut dump = cli.command(&["dump", "latest", &path]);
            let mut dump = dump.stdout(Stdio::piped()).spawn().unwrap();
            let mut taker = server.tool(tool, &copy);
            let taken = taker.args(["-d", &copy]).stdin(dump.stdout.take().unwrap()).output();
            assert!(taken.unwrap().status.success() && dump.wait().unwrap().success());
            assert_same(&server.plain_dump(&copy), &before, &format!("{version:?}, {format}"));
        }
    }
}

/// While a restore runs, no password stands in any process's arguments.
#[test]
fn no_password_is_in_the_process_list() {
    let server = server(Version::Fifteen);
    let cli = Cli::new();
    let [name, role] = [unique("slow"), unique("shy")];
    let password = "sesame-in-no-list";
    server.sql(SUPERUSER, &format!("create role {role} superuser login password '{password}'"));
    cli.store(&[("databases/x.sql", b"select pg_sleep(1);")]);
    let pass = cli.path("pgpass");
    std::fs::write(&pass, format!("127.0.0.1:{}:*:{role}:{password}\n", server.port)).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&pass, private).unwrap();
    let url = format!("postgres://{role}@127.0.0.1:{}/{name}", server.port);
    let bin = server.bin();
    let args = ["restore", "latest", "--pg-bin", bin.to_str().unwrap(), "--into", &url, "--yes"];
    let mut command = cli.command(&args);
    command.env("PGPASSFILE", &pass).stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut seen = String::new();
    while child.try_wait().unwrap().is_none() {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        // One that has ended meanwhile has nothing to show.
        let arguments = processes.filter_map(|one| std::fs::read(one.path().join("cmdline")).ok());
        arguments.for_each(|bytes| seen.push_str(&String::from_utf8_lossy(&bytes)));
    }
    assert!(child.wait().unwrap().success());
    assert!(seen.contains("psql") && !seen.contains(password));
}
