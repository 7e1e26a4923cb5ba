//! Databases of one server that are backed up by turns; names that look like patterns; and the
//! programs that are run, which may see another server or be of another version.

use super::cli::{Cli, Ran};
use super::restoring::small;
use super::store::{facts, options, source};
use crate::common::postgres::{SUPERUSER, Server, VERSIONS, Version, quoted, server, unique};
use crate::common::repo::TempRepo;
use icecore::format::snapshot::Snapshot;
use icecore::monitor::Silent;
use icecore::ops::forget::{forget, plan};
use icecore::ops::select::Filter;
use icecore::postgres::Pattern;
use icecore::source::postgres::{DatabaseChoice, PostgresOptions};

/// Databases of a few megabytes that do not compress well.
fn shops(server: &Server, stem: &str) -> [String; 2] {
    let names = ["shop", "crm"].map(|name| unique(&format!("{stem}_{name}")));
    for (number, name) in names.iter().enumerate() {
        server.create(name, "UTF8");
        let rows = format!(
            "CREATE TABLE t AS SELECT n, md5((n * 2 + {number})::text) || md5((n + {number})::text \
             || 'x') AS m FROM generate_series(1, 30000) n"
        );
        server.sql(name, &rows);
    }
    names
}

fn change(server: &Server, names: &[String], round: usize) {
    for name in names {
        server.sql(name, &format!("UPDATE t SET m = 'new' || m WHERE n % 10000 = {round}"));
    }
}

/// A snapshot of these databases, named one after another or by the URL if there is one.
fn take(repo: &TempRepo, server: &Server, names: &[String]) -> Snapshot {
    let (url, include) = match names {
        [one] => (server.url(one), Vec::new()),
        several => (server.url(""), several.iter().map(|name| Pattern::exactly(name)).collect()),
    };
    let databases = DatabaseChoice { include, ..DatabaseChoice::default() };
    let options = PostgresOptions { databases, without_globals: true, ..options(server) };
    repo.backup(vec![source(&url, options, repo)]).unwrap().snapshot
}

/// Two databases by turns are two series, each with its own past, and cost what one command for
/// both costs; one command for both finds both.
#[test]
fn by_turns_costs_what_one_command_costs() {
    for version in VERSIONS {
        let server = server(version);
        let names = shops(server, "turns");
        let [apart, together] = [220, 221].map(TempRepo::new);
        let mut series = Vec::new();
        let mut written = [0, 0];
        for round in 0..4 {
            let snapshots: Vec<Snapshot> =
                names.iter().map(|name| take(&apart, server, std::slice::from_ref(name))).collect();
            let both = take(&together, server, &names);
            // The first round stores everything, here and there.
            if round > 0 {
                written[0] += snapshots.iter().map(|it| it.summary.written).sum::<u64>();
                written[1] += both.summary.written;
            }
            series.push(snapshots.iter().map(|it| (it.series, it.sequence)).collect::<Vec<_>>());
            change(server, &names, round);
        }
        let [apart_bytes, together_bytes] = written;
        assert!(
            apart_bytes * 10 <= together_bytes * 11 + 10 * 40_000,
            "{version:?}: {apart_bytes} by turns, {together_bytes} at once"
        );
        let [shop, crm] = [series[0][0].0, series[0][1].0];
        assert_ne!(shop, crm);
        let expected: Vec<_> = (1..=4).map(|number| vec![(shop, number), (crm, number)]).collect();
        assert_eq!(series, expected);

        let both = take(&apart, server, &names);
        assert_eq!(both.parts[0].parents.len(), 2);
        assert_eq!(both.sequence, 1);
        assert!(both.summary.written < together_bytes, "{:?}", both.summary);
        assert_eq!(facts(&apart, &both).len(), 2);
    }
}

/// `forget` keeps the last snapshot of each database, whatever series it is in; one that misses a
/// database does not count for it, and another selection does not either.
#[test]
fn the_last_snapshot_of_each_database_is_kept() {
    let server = server(VERSIONS[0]);
    let [shop, crm] = shops(server, "kept");
    let repo = TempRepo::new(222);
    let both = take(&repo, server, &[shop.clone(), crm.clone()]);
    let refused = |snapshot: &Snapshot| {
        let names = [snapshot.id.to_string()];
        let plan = plan(&repo.repository, &names, &Filter::default(), false);
        plan.err().map(|error| error.to_string())
    };
    let alone = take(&repo, server, std::slice::from_ref(&shop));
    let again = take(&repo, server, std::slice::from_ref(&shop));
    assert_eq!(refused(&alone), None);
    assert!(refused(&both).unwrap().contains(&format!("database {crm} in /postgres/db")));
    let scoped = PostgresOptions { selection: vec!["--table=t".into()], ..options(server) };
    repo.backup(vec![source(&server.url(&crm), scoped, &repo)]).unwrap();
    assert!(refused(&both).unwrap().contains(&crm), "a part of it is not all of it");
    let last = take(&repo, server, std::slice::from_ref(&crm));
    // Now only its series keeps the one of both.
    assert!(refused(&both).unwrap().contains("of its sources"));
    assert!(refused(&last).unwrap().contains("of its sources") && refused(&again).is_none());
    let forced = plan(&repo.repository, &[both.id.to_string()], &Filter::default(), true).unwrap();
    forget(&repo.repository, &forced, &Silent).unwrap();
    assert!(refused(&last).unwrap().contains(&crm));
}

/// `snapshots` tells the databases of one server apart.
#[test]
fn lists_name_the_databases() {
    let server = server(VERSIONS[1]);
    let [shop, crm] = shops(server, "listed");
    let cli = Cli::new();
    let bin = server.bin();
    for name in [&shop, &crm] {
        let url = format!("postgres-dump:{}", server.url(name));
        cli.run(&["backup", "--pg-bin", bin.to_str().unwrap(), &url]).succeeded();
    }
    let said = cli.run(&["snapshots"]).succeeded().out;
    for name in [&shop, &crm] {
        assert!(said.contains(&format!("/postgres/127.0.0.1:{} [{name}]", server.port)), "{said}");
    }
    // The one that `latest` means has the other; a path chooses.
    let path = format!("/postgres/127.0.0.1:{}/databases/{shop}.dump", server.port);
    let url = server.url(&unique("copy"));
    cli.restore(server, &url, &["--yes", "--database", &shop]).failed("--path");
    cli.restore(server, &url, &["--yes", "--path", &path]).succeeded();
    let groups = cli.run(&["snapshots", "--group-by", "paths", "--json"]).succeeded().out;
    assert_eq!(groups.lines().count(), 2, "{groups}");
}

const WEIRD: &str = "we*ird[1]{a}?";

/// A name that looks like a pattern can be dumped, restored beside, and restored in place, where
/// the snapshot that is made before holds it and not its like.
#[test]
fn names_that_look_like_patterns() {
    for version in VERSIONS {
        let server = Server::start(version, &[]);
        let alike = "wexird1a!";
        for name in [WEIRD, alike, "we*ird[1]{a}b"] {
            small(&server, name);
        }
        let cli = Cli::new();
        let bin = server.bin();
        let bin = bin.to_str().unwrap();
        let ran = |args: &[&str]| cli.run(&[&["backup", "--pg-bin", bin], args].concat());
        let all = format!("postgres-dump:{}", server.url(""));
        let listed = |ran: Ran| {
            ran.succeeded();
            let nodes = cli.run(&["ls", "latest"]).succeeded().out;
            nodes.lines().filter(|line| line.ends_with(".dump")).count()
        };
        assert_eq!(listed(ran(&[&all, "--database", WEIRD])), 2, "it is a pattern, too");
        assert_eq!(listed(ran(&[&all, "--database", r"we\*ird[1]{a}\?"])), 1);
        assert_eq!(listed(ran(&[&format!("postgres-dump:{}", server.url(WEIRD))])), 1);
        let missing = ran(&[&all, "--database", "we[*]ird*"]);
        missing.failed("has none of that name");

        let before = server.plain_dump(WEIRD);
        server.sql(WEIRD, "delete from s.lines; delete from s.items");
        let args = ["--database", WEIRD, "--yes", "--replace", "--schema", "s"];
        cli.restore(&server, &server.url(WEIRD), &args).succeeded();
        assert!(server.plain_dump(WEIRD) == before);
        let saved = cli.run(&["ls", "latest", "--tag", "before-restore"]).succeeded().out;
        assert!(saved.contains(&format!("/{WEIRD}.dump")), "{saved}");
        assert_eq!(saved.matches(".dump").count(), 1, "{saved}");

        server.sql(SUPERUSER, &format!("drop database {}", quoted(WEIRD)));
        cli.restore(&server, &server.url(""), &["--database", "we*", "--yes"]).succeeded();
        assert!(server.plain_dump(WEIRD) == before);
        assert_eq!(server.databases().iter().filter(|name| name.starts_with("we")).count(), 3);
    }
}

/// The server's own version of the programs is taken, also where a newer one stands first on the
/// PATH.
#[test]
fn the_servers_own_version_comes_first() {
    let server = server(Version::Fifteen);
    let name = unique("own");
    server.create(&name, "UTF8");
    let cli = Cli::new();
    let mut command = cli.command(&["--quiet", "backup"]);
    let folders = [Version::Eighteen.bin(), Version::Fifteen.bin(), "/bin".into()];
    let path = std::env::join_paths(folders);
    command.env("PATH", path.unwrap()).arg(format!("postgres-dump:{}", server.url(&name)));
    assert!(command.status().unwrap().success());
    let said = cli.run(&["--json", "snapshots"]).succeeded().out;
    assert!(said.contains("\"pg_dump\":\"15."), "{said}");
}

/// What a newer `pg_dump` wrote of an older server, and the newer server refuses, is explained; a
/// command that does not hand settings on, too, to both directions; and it learns nothing of what
/// opens the repository.
#[test]
fn what_programs_miss_is_explained() {
    let server = server(Version::Eighteen);
    let name = unique("hints");
    small(server, &name);
    let cli = Cli::new();
    let plain = "create table t (c int); alter table t alter column c set (pg_attver=1);\n\
                 -- PostgreSQL database dump complete\n";
    cli.store(&[("databases/x.sql", plain.as_bytes())]);
    let ran = cli.restore(server, &server.url(&unique("copy")), &["--yes"]);
    let said = ran.failed("unrecognized parameter").err;
    assert!(said.contains("with its own version"), "{said}");

    let bin = server.bin();
    let bin = bin.to_str().unwrap();
    let url = format!("postgres-dump:{}", server.url(&name));
    let unset = "env -u PGHOST -u PGPORT -u PGHOSTADDR";
    let ran = cli.run(&["backup", &url, "--pg-bin", bin, "--pg-command", unset]);
    let said = ran.failed("connection to server").err;
    assert!(said.contains("-e PGHOST -e PGPORT"), "{said}");

    // The newer one is taken where it is named; it is said.
    let old = self::server(Version::Fifteen);
    let name = unique("newer");
    old.create(&name, "UTF8");
    let ran = cli.run(&["backup", "--pg-bin", bin, &format!("postgres-dump:{}", old.url(&name))]);
    let said = ran.succeeded().err;
    assert!(said.contains("postgresql-client-15"), "{said}");

    let seen = cli.path("seen");
    let tells = format!("sh -c 'env >>{}; exec \"$@\"' sh", seen.display());
    let mut command =
        cli.command(&["--quiet", "backup", &url, "--pg-bin", bin, "--pg-command", &tells]);
    command.env("ICECORE_LATER", "secret").env("OTHER", "seen");
    assert!(command.status().unwrap().success());
    let seen = std::fs::read_to_string(seen).unwrap();
    assert!(seen.contains("OTHER=seen") && !seen.contains("ICECORE_"), "{seen}");
}
