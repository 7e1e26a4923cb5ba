//! The servers of the tests themselves.

use crate::common::postgres::{
    SUPERUSER, Server, VERSIONS, as_user, clean, give, reachable, server, unique,
};
use std::process::Command;

/// Two versions run side by side, each reached by its socket without a password and by the
/// loopback with one only.
#[test]
fn two_versions_run_side_by_side() {
    for version in VERSIONS {
        let server = server(version);
        let major =
            server.sql(SUPERUSER, "select current_setting('server_version_num')::int / 10000");
        assert_eq!(major, version.major().to_string());
        let asked = |url: String| {
            let mut psql = clean(Command::new(server.bin().join("psql")));
            psql.args(["-XAtwc", "select 'in'", &url]).output().unwrap()
        };
        assert_eq!(asked(server.socket_url(SUPERUSER)).stdout, b"in\n");
        assert_eq!(asked(server.url(SUPERUSER)).stdout, b"in\n");
        let refused = asked(server.url_of(SUPERUSER, "wrong", SUPERUSER));
        assert!(!refused.status.success() && refused.stdout.is_empty());
    }
}

/// A server that a test has made for itself takes its settings, and leaves nothing when it is
/// dropped.
#[test]
fn a_server_leaves_nothing() {
    for version in VERSIONS {
        let server = Server::start(version, &["work_mem = 5MB"]);
        let name = unique("some \"name\"");
        server.create(&name, "LATIN1");
        assert!(server.has(&name));
        assert_eq!(server.sql(&name, "show work_mem"), "5MB");
        let (dir, port) = (server.socket(), server.port);
        drop(server);
        assert!(!dir.exists());
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    }
}

/// Programs that the servers' user may not reach, as below a private home, run from a copy, which
/// has the libraries of clients and servers.
#[test]
fn programs_in_a_private_home_run() {
    for version in VERSIONS {
        let [home, dir] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        give(dir.path());
        let private = home.path().join("postgresql");
        let mut copy = Command::new("cp");
        copy.arg("-r").arg(version.bin().parent().unwrap()).arg(&private);
        assert!(copy.status().unwrap().success());
        let bin = reachable(private.join("bin"), dir.path());
        for program in ["postgres", "psql", "pg_dump"] {
            let output =
                as_user(Command::new(bin.join(program))).arg("--version").output().unwrap();
            assert!(output.status.success(), "{program}: {output:?}");
        }
    }
}

/// Equal databases have equal plain dumps, run after run, and others have not.
#[test]
fn plain_dumps_can_be_compared() {
    for version in VERSIONS {
        let server = server(version);
        let [one, other] = [unique("one"), unique("other")];
        for name in [&one, &other] {
            server.create(name, "UTF8");
            server.sql(name, "create table t (id int primary key); insert into t values (1)");
        }
        assert!(server.plain_dump(&one).contains("CREATE TABLE public.t"));
        assert_eq!(server.plain_dump(&one), server.plain_dump(&other));
        server.sql(&other, "insert into t values (2)");
        assert_ne!(server.plain_dump(&one), server.plain_dump(&other));
    }
}
