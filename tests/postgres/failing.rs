//! A restore that fails leaves the old database as it was, and nothing beside it.

use super::cli::{Cli, PART, Ran, dump};
use super::restoring::small;
use crate::common::memory::{Run, Tree, entry, folder, items};
use crate::common::postgres::{PASSWORD, SUPERUSER, Server, VERSIONS, Version, server, unique};
use icecore::error::Result;
use icecore::format::database::{DatabaseFacts, PostgresFacts, PostgresTable};
use icecore::source::{ByteStream, FileItem, FileProof, Got, Item, Source};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::Read;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A script that makes a table, stays where it is for a long time, and makes another.
const SLOW: &str = "create table first (id int); select pg_sleep(600); create table last (id int);";

/// What a database is, and what else begins with its name.
fn state(server: &Server, name: &str) -> (String, Vec<String>) {
    let beside = server.databases().into_iter().filter(|other| other.starts_with(name)).collect();
    (server.plain_dump(name), beside)
}

/// Broken dumps, and a disk that is full, are errors that say what is wrong.
#[test]
fn broken_dumps_change_nothing() {
    for version in VERSIONS {
        let server = server(version);
        let name = unique("kept");
        small(server, &name);
        let before = state(server, &name);
        let good = dump(server, &name, &["-Fc", "-Z0"]);
        let mut bad_rows = good.clone();
        let at = bad_rows.windows(4).rposition(|window| window == b"999\t").unwrap();
        bad_rows[at] = b'x';
        let wrong = "create table t (id int);\nselect 1/0;\ncreate table u (id int);".as_bytes();
        let full = "do $$ begin raise exception using errcode = '53100', message = \
                    'could not extend file: No space left on device'; end $$;";
        let cli = Cli::new();
        for (path, bytes, words) in [
            ("databases/x.dump", &good[..good.len() - 200], "pg_restore"),
            ("databases/x.dump", &good[..good.len() / 2], "pg_restore"),
            ("databases/x.dump", &good[..100], "table of contents"),
            ("databases/x.dump", &bad_rows[..], "invalid input syntax"),
            ("databases/x.sql", wrong, "division by zero"),
            ("databases/x.sql", full.as_bytes(), "No space left"),
        ] {
            cli.store(&[(path, bytes)]);
            for jobs in ["1", "2"] {
                let args = ["--yes", "--replace", "-j", jobs];
                cli.restore(server, &server.url(&name), &args).failed(words);
                assert!(state(server, &name) == before, "{version:?}: {words}, {jobs} jobs");
            }
        }
    }
}

/// A copy for several connections needs room, which is found out before any of it is written.
#[test]
fn a_spool_needs_room() {
    let server = server(Version::Eighteen);
    let name = unique("kept");
    small(server, &name);
    let before = state(server, &name);
    let mut tree = Tree::default();
    let bytes = Arc::new(dump(server, &name, &["-Fc"]));
    // More than any disk holds.
    let runs = vec![Run::Bytes(bytes), Run::Hole(1 << 55)];
    tree.files.insert("databases/x.dump".to_owned(), runs);
    let cli = Cli::new();
    cli.store_source(tree.source(PART));
    let ran = cli.restore(server, &server.url(&name), &["--yes", "--replace", "-j", "2"]);
    assert!(ran.failed("are free").err.contains("hint: set TMPDIR"));
    assert!(state(server, &name) == before);
}

/// A dump that brings back other rows than were counted, or lacks a table, is not put in place.
#[test]
fn what_is_not_as_dumped_is_not_put_in_place() {
    let server = server(Version::Fifteen);
    let name = unique("kept");
    small(server, &name);
    let before = state(server, &name);
    let bytes = dump(server, &name, &["-Fc"]);
    let facts = |table: &str, rows| {
        let (schema, name) = ("s".to_owned(), table.to_owned());
        let table = PostgresTable { schema, name, estimate: None, rows: Some(rows) };
        let tables = Some(vec![table]);
        PostgresFacts { name: "x".into(), exact: true, tables, ..PostgresFacts::default() }
    };
    let cli = Cli::new();
    for (facts, words) in
        [(facts("lines", 999), "has 1000 rows, and had 999"), (facts("gone", 1), "does not exist")]
    {
        cli.store_source(counted(&bytes, facts));
        let args = ["--yes", "--replace"];
        cli.restore(server, &server.url(&name), &args).failed(words);
        assert!(state(server, &name) == before, "{words}");
    }
    cli.store_source(counted(&bytes, facts("lines", 1000)));
    let ran = cli.restore(server, &server.url(&name), &["--yes", "--replace"]).succeeded();
    assert!(ran.out.contains("the rows of 1 table were counted"), "{}", ran.out);
}

/// A dump with facts that a test has chosen.
fn counted(bytes: &[u8], facts: PostgresFacts) -> Box<dyn Source> {
    struct Counted(Vec<u8>, usize, PostgresFacts);
    impl ByteStream for Counted {
        fn read(&mut self, buffer: &mut [u8]) -> Result<Got> {
            let left = &self.0[self.1..];
            let length = left.len().min(buffer.len());
            buffer[..length].copy_from_slice(&left[..length]);
            self.1 += length;
            Ok(if length == 0 { Got::End } else { Got::Data(length) })
        }

        fn finish(self: Box<Self>) -> Result<FileProof> {
            let database = Some(DatabaseFacts::Postgres(Box::new(self.2)));
            Ok(FileProof { database, ..FileProof::default() })
        }
    }
    let stream = Counted(bytes.to_vec(), 0, facts);
    let file = FileItem::new(entry("x.dump"), None, Box::new(|| Ok(Box::new(stream) as _)));
    let folders = [Item::Enter(folder("db:5432")), Item::Enter(folder("databases"))];
    let rest = [Item::File(file), Item::Leave, Item::Leave];
    items(PART, folders.into_iter().chain(rest).collect())
}

/// A role that is missing is named, with what helps; what helps, helps.
#[test]
fn missing_roles_are_named() {
    let server = server(Version::Fifteen);
    let [name, role, copy] = [unique("rich"), unique("gone"), unique("copy")];
    small(server, &name);
    server.sql(&name, &format!("create role {role}; alter table other owner to {role}"));
    let cli = Cli::new();
    cli.store_database(server, &name);
    server.sql(&name, &format!("drop owned by {role}; drop role {role}"));
    let ran = cli.restore(server, &server.url(&copy), &["--yes"]).failed(&role);
    assert!(ran.err.contains("hint: --globals"), "{}", ran.err);
    assert!(!server.has(&copy) && !server.has(&format!("{copy}_icecore")));
    cli.restore(server, &server.url(&copy), &["--yes", "--no-owner"]).succeeded();
    assert_eq!(server.sql(&copy, "select count(*) from other"), "1");
    let copy = unique("copy");
    let ran = cli.restore(server, &server.url(&copy), &["--yes", "--globals"]).succeeded();
    assert!(ran.out.contains(&format!("roles made: {role}")), "{}", ran.out);
}

/// A restore in the middle of a slow script, into `name`.
fn halfway(cli: &Cli, server: &Server, name: &str) -> Child {
    cli.store(&[("databases/x.sql", SLOW.as_bytes())]);
    let bin = server.bin();
    let url = server.url(name);
    let bin = bin.to_str().unwrap();
    let args = ["restore", "latest", "--pg-bin", bin, "--into", &url, "--yes", "--replace"];
    let mut command = cli.command(&args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let asleep = "select count(*) from pg_stat_activity where query like '%pg_sleep(600)%' \
                  and pid <> pg_backend_pid() and datname like ";
    while server.sql(SUPERUSER, &format!("{asleep} '{name}\\_icecore\\_%'")) == "0" {
        sleep(Duration::from_millis(10));
    }
    child
}

/// The tool, its session or the program itself may end in the middle.
#[test]
fn an_end_in_the_middle_changes_nothing() {
    for version in VERSIONS {
        let server = server(version);
        let name = unique("kept");
        small(server, &name);
        let before = state(server, &name);
        let cli = Cli::new();

        let child = halfway(&cli, server, &name);
        let threads = fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
        let children = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("children"));
        let tools: String = threads.map(|thread| children(thread.unwrap()).unwrap()).collect();
        let tool: i32 = tools.trim().parse().unwrap();
        kill_process(Pid::from_raw(tool).unwrap(), Signal::KILL).unwrap();
        Ran::of(child).failed("psql");
        assert!(state(server, &name) == before, "{version:?}: the tool was killed");

        let child = halfway(&cli, server, &name);
        let end = "select pg_terminate_backend(pid) from pg_stat_activity where datname like ";
        server.sql(SUPERUSER, &format!("{end} '{name}\\_icecore\\_%'"));
        Ran::of(child).failed("psql");
        assert!(state(server, &name) == before, "{version:?}: the session was ended");

        let child = halfway(&cli, server, &name);
        let pid = i32::try_from(child.id()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
        let ran = Ran::of(child);
        assert_eq!(ran.code, 130, "{}", ran.err);
        assert!(state(server, &name) == before, "{version:?}: the program was asked to stop");
    }
}

/// A server that goes away in the middle is an error, soon.
#[test]
fn a_server_may_die_in_the_middle() {
    let server = Server::start(Version::Fifteen, &[]);
    let cli = Cli::new();
    let child = halfway(&cli, &server, "x");
    drop(server);
    Ran::of(child).failed("psql");
}

/// What is wrong with the server, the password or the request is said before anything is done.
#[test]
fn wrong_requests_are_refused() {
    let server = server(Version::Fifteen);
    let [name, poor] = [unique("app"), unique("poor")];
    small(server, &name);
    let cli = Cli::new();
    cli.store_database(server, &name);
    server.sql(SUPERUSER, &format!("create role {poor} login password 'p'"));
    for (url, words) in [
        (server.url_of(SUPERUSER, "wrong", ""), "password"),
        (format!("postgres://{SUPERUSER}@127.0.0.1:1/"), "127.0.0.1"),
        (server.url_of(&poor, "p", "new"), "CREATEDB"),
        (server.url("template1"), "template"),
    ] {
        let ran = cli.restore(server, &url, &["--yes", "--replace"]).failed(words);
        assert!(!ran.err.contains(PASSWORD) && !ran.err.contains("wrong"), "{}", ran.err);
    }
    let empty = Cli::new();
    std::fs::write(empty.path("file"), "x").unwrap();
    empty.run(&["backup", "file"]).succeeded();
    empty.restore(server, &server.url(""), &["--yes"]).failed("no part of the snapshot");
    for flags in [&["--replace", "-t", "x"][..], &["--replace"], &["--into", "x", "-t", "x"]] {
        cli.run(&[&["restore", "latest"], flags].concat()).failed("--target");
    }
}

/// Ctrl-C instead of the name ends the program at once, and nothing has changed.
#[test]
fn the_question_can_be_interrupted() {
    let server = server(VERSIONS[0]);
    let name = unique("kept");
    small(server, &name);
    let before = state(server, &name);
    let cli = Cli::new();
    cli.store(&[("databases/x.sql", SLOW.as_bytes())]);
    let (bin, url) = (server.bin(), server.url(&name));
    let bin = bin.to_str().unwrap();
    let args = ["restore", "latest", "--pg-bin", bin, "--into", &url, "--replace"];
    let mut command = cli.command(&args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut asked = Vec::new();
    let mut said = child.stderr.take().unwrap();
    while !String::from_utf8_lossy(&asked).contains("to go on:") {
        let mut byte = [0];
        assert_eq!(said.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&asked));
        asked.extend(byte);
    }
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < end, "it still waits");
        sleep(Duration::from_millis(10));
    }
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(state(server, &name) == before);
}
