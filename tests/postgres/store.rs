//! Dumps into a repository in memory and out of it again, for tests.

use crate::common::postgres::{Server, unique};
use crate::common::repo::TempRepo;
use icecore::error::Result;
use icecore::format::database::{DatabaseFacts, PostgresFacts};
use icecore::format::snapshot::Snapshot;
use icecore::ops::tree::{self, Step};
use icecore::postgres::{Environment, Settings, ToolOptions};
use icecore::repo::Reader;
use icecore::source::Source;
use icecore::source::postgres::{PostgresOptions, PostgresSource};
use std::collections::BTreeMap;
use std::io::Write;
use std::process::Stdio;

/// Options with the server's own programs, and a name that does not depend on its port.
pub fn options(server: &Server) -> PostgresOptions {
    PostgresOptions {
        tools: ToolOptions { bin: Some(server.bin()), prefix: Vec::new() },
        name: Some("db".into()),
        ..PostgresOptions::default()
    }
}

/// A URL that names no database.
pub fn url(server: &Server) -> String {
    server.url("")
}

/// The source that a URL and options stand for, in environment without any variable.
pub fn source(url: &str, options: PostgresOptions, repo: &TempRepo) -> Box<dyn Source> {
    let settings = Settings::new(url, &Environment::default()).unwrap();
    Box::new(PostgresSource::new(settings, options, &repo.env).unwrap())
}

pub fn backup(repo: &TempRepo, url: &str, options: PostgresOptions) -> Result<Snapshot> {
    repo.backup(vec![source(url, options, repo)]).map(|report| report.snapshot)
}

/// The facts of each database of a snapshot, by the path of its dump.
pub fn facts(repo: &TempRepo, snapshot: &Snapshot) -> BTreeMap<String, PostgresFacts> {
    let index = repo.repository.load_index().unwrap();
    let reader = Reader::new(&repo.repository, &index);
    let root = tree::find(&reader, snapshot, b"/").unwrap();
    let mut found = BTreeMap::new();
    let mut visit = |path: &[u8], step: Step<'_>| {
        if let Step::Node(node) = step
            && let Some(DatabaseFacts::Postgres(facts)) = node.database()
        {
            found.insert(String::from_utf8(path.to_vec()).unwrap(), (**facts).clone());
        }
        Ok(true)
    };
    tree::walk(&reader, &root, &mut visit, &mut |error| panic!("{error}")).unwrap();
    found
}

/// A new database of the server, made from a dump by the server's own programs.
pub fn restored(server: &Server, dump: &[u8], encoding: &str) -> String {
    let name = unique("restored");
    server.create(&name, encoding);
    let mut command = match dump.starts_with(b"PGDMP") {
        true => server.tool("pg_restore", &name),
        false => server.tool("psql", &name),
    };
    match dump.starts_with(b"PGDMP") {
        true => command.args(["--exit-on-error", "--dbname", &name]),
        false => command.args(["-Xq", "-v", "ON_ERROR_STOP=1"]),
    };
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let fed = child.stdin.take().unwrap().write_all(dump);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    fed.unwrap();
    name
}
