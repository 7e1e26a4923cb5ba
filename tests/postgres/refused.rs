//! What goes wrong with a dump: a clear error that names it, and nothing is stored.

use super::store::{backup, options, source};
use crate::common::postgres::{
    PASSWORD, SUPERUSER, Server, VERSIONS, Version, quoted, server, unique,
};
use crate::common::repo::{TempRepo, options as backup_options};
use icecore::error::{Error, Kind};
use icecore::monitor::Recording;
use icecore::postgres::{Pattern, ToolOptions};
use icecore::source::postgres::{DatabaseChoice, PostgresOptions};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The error of a backup, after which the repository has no snapshot and is sound.
fn refused(url: &str, options: PostgresOptions) -> Error {
    let repo = TempRepo::new(6);
    let error = backup(&repo, url, options).unwrap_err();
    assert!(repo.repository.snapshots(|error| panic!("{error}")).unwrap().is_empty());
    let shown = format!("{error} {error:?} {:?}", error.hint_text());
    assert!(!shown.contains(PASSWORD) && !shown.contains("hunter2"), "{shown}");
    error
}

fn says(error: &Error, kind: Kind, words: &[&str]) {
    let shown = format!("{error}; {}", error.hint_text().unwrap_or_default());
    assert_eq!(error.kind(), kind, "{shown}");
    for word in words {
        assert!(shown.contains(word), "{word:?} is not in: {shown}");
    }
}

fn choice(name: &str) -> DatabaseChoice {
    DatabaseChoice { include: vec![Pattern::new(name)], ..DatabaseChoice::default() }
}

/// A program of a test's own that stands before PostgreSQL's.
fn script(folder: &Path, name: &str, text: &str) -> Vec<String> {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    vec![path.to_str().unwrap().to_owned()]
}

/// No server, a wrong password, an unknown role, a missing database: each is named.
#[test]
fn connections_that_fail_are_explained() {
    for version in VERSIONS {
        let server = server(version);
        let down = "postgres://127.0.0.1:1/x";
        says(&refused(down, options(server)), Kind::NotFound, &["127.0.0.1:1", "refused"]);
        let gone = "postgres://%2Fno%2Fsuch%2Ffolder/x";
        says(&refused(gone, options(server)), Kind::NotFound, &["/no/such/folder/.s.PGSQL.5432"]);
        let wrong = server.url_of(SUPERUSER, "hunter2", "postgres");
        says(
            &refused(&wrong, options(server)),
            Kind::Denied,
            &["password authentication failed", SUPERUSER],
        );
        let none = format!("postgres://{SUPERUSER}@127.0.0.1:{}/postgres", server.port);
        says(&refused(&none, options(server)), Kind::Denied, &["password", "~/.pgpass"]);
        says(&refused(&server.url("no_such"), options(server)), Kind::NotFound, &["no_such"]);
        let missing = PostgresOptions { databases: choice("no_such"), ..options(server) };
        says(&refused(&server.url("postgres"), missing), Kind::NotFound, &["no_such", "it has"]);
    }
}

/// A table, a database or the roles that may not be read fail the dump by name, unless it is the
/// roles' passwords alone: these are left out with a warning.
#[test]
fn rights_that_lack_are_named() {
    for version in VERSIONS {
        let server = server(version);
        let (name, role) = (unique("rights"), unique("reader"));
        server.create(&name, "UTF8");
        server.sql(&name, &format!("CREATE ROLE {role} LOGIN PASSWORD 'hunter2'"));
        server.sql(&name, "CREATE TABLE secret_table (x int); CREATE TABLE open_table (x int)");
        server.sql(&name, &format!("GRANT SELECT ON open_table TO {role}"));
        let url = server.url_of(&role, "hunter2", &name);
        let error = refused(&url, options(server));
        says(
            &error,
            Kind::Denied,
            &[&name, "secret_table", "permission denied", "pg_read_all_data"],
        );

        server.sql(&name, &format!("GRANT SELECT ON secret_table TO {role}"));
        let repo = TempRepo::new(7);
        let snapshot = backup(&repo, &url, options(server)).unwrap();
        assert!(snapshot.warnings.iter().any(|text| text.contains("passwords of roles")));
        let globals = repo.read(&snapshot, "/postgres/db/globals.sql").unwrap();
        let globals = String::from_utf8(globals).unwrap();
        assert!(globals.contains(&role) && !globals.contains("SCRAM"));

        server.sql(&name, &format!("REVOKE CONNECT ON DATABASE {name} FROM PUBLIC"));
        let all = PostgresOptions { databases: choice(&name), ..options(server) };
        let error = refused(&server.url_of(&role, "hunter2", "postgres"), all);
        says(&error, Kind::Denied, &[&name, "CONNECT"]);
    }
}

/// Programs older than the server are refused by the versions of both, and the package is named.
#[test]
fn older_programs_are_refused() {
    let server = server(Version::Eighteen);
    let tools = ToolOptions { bin: Some(Version::Fifteen.bin()), prefix: Vec::new() };
    let error = refused(&server.url("postgres"), PostgresOptions { tools, ..options(server) });
    says(&error, Kind::Unsupported, &["18.", "15.", "older", "postgresql-client-18"]);
    let tools = ToolOptions { bin: Some("/no/such/folder".into()), prefix: Vec::new() };
    let error = refused(&server.url("postgres"), PostgresOptions { tools, ..options(server) });
    says(&error, Kind::NotFound, &["/no/such/folder/pg_dump"]);
    let tools =
        ToolOptions { bin: None, prefix: vec!["sh".into(), "-c".into(), "exit 127".into()] };
    let error = refused(&server.url("postgres"), PostgresOptions { tools, ..options(server) });
    says(&error, Kind::NotFound, &["sh -c exit 127 pg_dump"]);

    let older = crate::common::postgres::server(Version::Fifteen);
    let newer = ToolOptions { bin: Some(Version::Eighteen.bin()), prefix: Vec::new() };
    let repo = TempRepo::new(8);
    let options = PostgresOptions { tools: newer, ..options(older) };
    let snapshot = backup(&repo, &older.url("postgres"), options).unwrap();
    let facts = super::store::facts(&repo, &snapshot);
    let facts = facts.values().next().unwrap();
    assert_eq!((facts.server / 10_000, facts.pg_dump / 10_000), (15, 18));
}

/// A server that dies in the middle of a dump fails it, and with it the dumps before it.
#[test]
fn a_server_that_dies_fails_the_snapshot() {
    for version in VERSIONS {
        let server = Server::start(version, &[]);
        server.create("a_small", "UTF8");
        server.create("b_large", "UTF8");
        server.sql("b_large", "CREATE TABLE t AS SELECT n, repeat('x', 1000) AS pad FROM generate_series(1, 100000) n");
        let dir = tempfile::tempdir().unwrap();
        let ready = dir.path().join("ready");
        // The dump stands still in its middle until the server is gone.
        let prefix = script(
            dir.path(),
            "slow",
            &format!(
                "case \"$*\" in *--dbname=b_large*) \"$@\" | {{ head -c 20000000; touch {0}; \
                 while [ -e {0} ]; do sleep 0.05; done; cat; }};; *) exec \"$@\";; esac",
                ready.display()
            ),
        );
        let tools = ToolOptions { bin: Some(server.bin()), prefix };
        let (url, options) = (server.url("postgres"), options(&server));
        let databases = DatabaseChoice { all: true, ..DatabaseChoice::default() };
        let options = PostgresOptions { tools, databases, ..options };
        let error = std::thread::scope(|scope| {
            let backup = scope.spawn(|| refused(&url, options));
            while !ready.exists() {
                assert!(!backup.is_finished(), "it ended too early");
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            drop(server);
            fs::remove_file(&ready).unwrap();
            backup.join().unwrap()
        });
        // The shell's status is that of its last command: what pg_dump said counts.
        says(&error, error.kind(), &["b_large", "pg_dump"]);
    }
}

/// Output that ends too early fails the dump although everything else looks well; so do errors
/// of a program that ends well, and a program that cannot be run.
#[test]
fn truncated_dumps_are_noticed() {
    let server = server(VERSIONS[0]);
    let name = unique("truncated");
    server.create(&name, "UTF8");
    server.sql(
        &name,
        "CREATE TABLE t AS SELECT n, md5(n::text) AS m FROM generate_series(1, 20000) n",
    );
    let dir = tempfile::tempdir().unwrap();
    let cases = [
        (
            "cut",
            "case \"$*\" in *version*|*dumpall*) exec \"$@\";; *) \"$@\" | head -c 300000;; esac",
            "as a dump does",
        ),
        (
            "globals",
            "case \"$*\" in *dumpall*) \"$@\" | head -c 300;; *) exec \"$@\";; esac",
            "roles and tablespaces",
        ),
        ("error", "\"$@\"; echo 'pg_dump: error: it broke' >&2; exit 0", "it broke"),
        (
            "status",
            "case \"$*\" in *version*) exec \"$@\";; *) \"$@\"; exit 3;; esac",
            "exit status: 3",
        ),
        ("killed", "case \"$*\" in *version*) exec \"$@\";; *) kill -9 $$;; esac", "signal: 9"),
        ("empty", "case \"$*\" in *version*) exec \"$@\";; esac", "as a dump does"),
    ];
    for (case, text, word) in cases {
        let tools = ToolOptions { bin: Some(server.bin()), prefix: script(dir.path(), case, text) };
        for format in [Default::default(), icecore::source::postgres::DumpFormat::Plain] {
            let tools = tools.clone();
            let options = PostgresOptions { tools, format, ..options(server) };
            let error = refused(&server.url(&name), options);
            let shown = error.to_string();
            assert!(shown.contains(word), "{case}: {shown}");
        }
    }
}

/// Told to keep going, a snapshot keeps the databases that could be dumped, and says that it is
/// not complete.
#[test]
fn keeping_going_keeps_what_there_is() {
    let server = server(VERSIONS[0]);
    let (good, bad, role) = (unique("good"), unique("bad"), unique("half"));
    server.sql(SUPERUSER, &format!("CREATE ROLE {role} LOGIN PASSWORD 'hunter2'"));
    for name in [&good, &bad] {
        server.create(name, "UTF8");
        server.sql(name, "CREATE TABLE t (x int)");
    }
    server.sql(&good, &format!("GRANT SELECT ON t TO {role}"));
    let repo = TempRepo::new(9);
    let databases = DatabaseChoice {
        include: vec![Pattern::new(&good), Pattern::new(&bad)],
        ..Default::default()
    };
    let options = PostgresOptions { databases, ..options(server) };
    let sources = vec![source(&server.url_of(&role, "hunter2", &good), options, &repo)];
    let heard = Recording::default();
    let going = icecore::ops::backup::BackupOptions { keep_going: true, ..backup_options() };
    let report = icecore::ops::backup::backup(&repo.repository, sources, &going, &heard).unwrap();
    assert!(report.incomplete && report.snapshot.parts[0].incomplete);
    assert!(heard.heard().iter().any(|text| text.contains(&quoted(&bad))), "{:?}", heard.heard());
    let facts = super::store::facts(&repo, &report.snapshot);
    assert_eq!(facts.values().map(|facts| &facts.name).collect::<Vec<_>>(), [&good]);
}

/// Without a shared snapshot a dump works as well, and its facts say that they are not exact.
#[test]
fn a_dump_without_a_shared_snapshot_says_so() {
    let server = server(VERSIONS[0]);
    let repo = TempRepo::new(10);
    let options = PostgresOptions { without_snapshot: true, ..options(server) };
    let snapshot = backup(&repo, &server.url("postgres"), options).unwrap();
    let facts = super::store::facts(&repo, &snapshot);
    assert!(facts.values().all(|facts| !facts.exact && facts.lsn.is_some()));
}
