//! Databases of real servers into snapshots: all of them, whole, and described as they are.

use super::store::{backup, facts, options, restored, url};
use crate::common::postgres::{SUPERUSER, Server, VERSIONS, quoted, server, unique};
use crate::common::repo::TempRepo;
use icecore::format::snapshot::PartKind;
use icecore::postgres::Pattern;
use icecore::source::postgres::{DatabaseChoice, DumpFormat, PostgresOptions};
use std::sync::atomic::{AtomicBool, Ordering};

/// Databases of any name and encoding, with a word that each encoding can hold.
const ODD: [(&str, &str, &str, &str); 5] = [
    ("we \"i'rd\" /%na=me\\", "UTF8", "we \"i'rd\" %2F%25na=me\\.dump", "Gr\u{fc}\u{df}e \u{65e5}"),
    ("..", "LATIN1", "%2E..dump", "Gr\u{fc}\u{df}e"),
    ("\u{dc}ml\u{e4}ut", "EUC_JP", "\u{dc}ml\u{e4}ut.dump", "\u{65e5}\u{672c}"),
    ("host=other dbname=x", "SQL_ASCII", "host=other dbname=x.dump", "ascii"),
    ("-h", "WIN1251", "-h.dump", "\u{43f}\u{440}\u{438}\u{432}\u{435}\u{442}"),
];

/// Every database of a server is found by itself, of whatever name and encoding, comes back as it
/// was, and is described; a new one is in the next snapshot; templates are left out.
#[test]
fn every_database_comes_whole_and_described() {
    for version in VERSIONS {
        let server = Server::start(version, &[]);
        for (name, encoding, _, word) in ODD {
            server.create(name, encoding);
            let statements = format!(
                "CREATE TABLE words (word text);
                 INSERT INTO words SELECT {} FROM generate_series(1, 100)",
                icecore::postgres::literal(word)
            );
            let mut psql = server.tool("psql", name);
            psql.env("PGCLIENTENCODING", "UTF8").args(["-Xq", "-c", &statements]);
            assert!(psql.status().unwrap().success(), "{name}");
        }
        server.sql(SUPERUSER, "CREATE DATABASE shape IS_TEMPLATE true");
        server.sql(SUPERUSER, "CREATE DATABASE closed ALLOW_CONNECTIONS false");
        server.sql(SUPERUSER, "CREATE ROLE icecore_someone PASSWORD 'x'");
        let repo = TempRepo::new(1);
        let options = options(&server);
        let first = backup(&repo, &server.url(""), options.clone()).unwrap();
        let part = &first.parts[0];
        assert_eq!(
            (part.kind, part.path.as_slice()),
            (PartKind::PostgresDump, &b"/postgres/db"[..])
        );
        assert!(part.facts["server"].starts_with(&version.major().to_string()));
        assert!(part.facts["system_identifier"].parse::<u64>().is_ok());
        assert!(part.facts["databases"].contains("postgres"));
        let found = facts(&repo, &first);
        let mut names: Vec<&str> = found.values().map(|facts| facts.name.as_str()).collect();
        names.sort_unstable();
        let mut wanted: Vec<&str> = ODD.iter().map(|(name, ..)| *name).collect();
        wanted.push("postgres");
        wanted.sort_unstable();
        assert_eq!(names, wanted);
        for (name, encoding, entry, _) in ODD {
            let path = format!("/postgres/db/databases/{entry}");
            let facts = &found[&path];
            assert_eq!((facts.name.as_str(), facts.encoding.as_str()), (name, encoding));
            assert_eq!((facts.collate.as_str(), facts.owner.as_str()), ("C", SUPERUSER));
            assert_eq!(facts.server / 10_000, version.major());
            assert!(
                facts.exact && facts.lsn.as_ref().unwrap().contains('/') && facts.size > 1 << 20
            );
            let table = &facts.tables.as_ref().unwrap()[0];
            assert_eq!(
                (table.schema.as_str(), table.name.as_str(), table.rows),
                ("public", "words", None)
            );
            let dump = repo.read(&first, &path).unwrap();
            let back = restored(&server, &dump, encoding);
            assert!(server.plain_dump(name) == server.plain_dump(&back), "{name}");
        }
        let globals = repo.read(&first, "/postgres/db/globals.sql").unwrap();
        let globals = String::from_utf8(globals).unwrap();
        assert!(
            globals.contains("CREATE ROLE icecore_someone") && globals.contains("SCRAM-SHA-256")
        );

        server.create("newcomer", "UTF8");
        let second = backup(&repo, &server.url(""), options).unwrap();
        assert!(facts(&repo, &second).contains_key("/postgres/db/databases/newcomer.dump"));
        assert_eq!((second.series, second.sequence), (first.series, 2));
    }
}

/// Databases are chosen by the URL, by names and by patterns; within each, schemas and tables;
/// and what was chosen is recorded.
#[test]
fn choices_are_heeded() {
    for version in VERSIONS {
        let server = server(version);
        let stem = unique("choice");
        let names = ["a", "b", "other"].map(|suffix| format!("{stem}_{suffix}"));
        for name in &names {
            server.create(name, "UTF8");
            server.sql(
                name,
                "CREATE SCHEMA s; CREATE TABLE s.kept AS SELECT 1 AS x; CREATE TABLE s.left_out (x int);
                 CREATE TABLE elsewhere (x int)",
            );
        }
        let repo = TempRepo::new(2);
        let dumped = |url: &str, databases: DatabaseChoice| {
            let options = PostgresOptions { databases, ..options(server) };
            let snapshot = backup(&repo, url, options).unwrap();
            facts(&repo, &snapshot).into_values().map(|facts| facts.name).collect::<Vec<_>>()
        };
        let choice = |include: &[&str], exclude: &[&str]| DatabaseChoice {
            include: include.iter().map(|text| Pattern::new(*text)).collect(),
            exclude: exclude.iter().map(|text| Pattern::new(*text)).collect(),
            all: false,
        };
        assert_eq!(dumped(&server.url(&names[0]), choice(&[], &[])), [names[0].clone()]);
        let (pattern, exclude) = (format!("{stem}_?"), format!("*{stem}_b"));
        assert_eq!(dumped(&server.url(""), choice(&[&pattern], &[])), names[..2]);
        assert_eq!(dumped(&server.url(&names[2]), choice(&[&pattern], &[&exclude])), names[..1]);
        assert_eq!(dumped(&server.url(""), choice(&[&names[2], &names[0]], &[])).len(), 2);

        let selection = vec!["--schema=s".to_owned(), "--exclude-table=*.left*".to_owned()];
        let plain = PostgresOptions {
            selection: selection.clone(),
            format: DumpFormat::Plain,
            without_globals: true,
            ..options(server)
        };
        let snapshot = backup(&repo, &server.url(&names[0]), plain).unwrap();
        let path = format!("/postgres/db/databases/{}.sql", names[0]);
        assert_eq!(facts(&repo, &snapshot)[&path].selection, selection);
        let text = String::from_utf8(repo.read(&snapshot, &path).unwrap()).unwrap();
        assert!(text.contains("CREATE TABLE s.kept"));
        assert!(!text.contains("left_out") && !text.contains("elsewhere"));
        assert!(repo.read(&snapshot, "/postgres/db/globals.sql").is_err());
    }
}

/// A database with every kind of object comes back as it was, in both forms, and is described in
/// full.
#[test]
fn every_kind_of_object_comes_back() {
    for version in VERSIONS {
        let server = server(version);
        let name = unique("kinds");
        super::restoring::full(server, &name);
        let statements = format!(
            "COMMENT ON DATABASE {name} IS 'all of it'; ALTER DATABASE {name} SET work_mem = '5MB';
             ALTER ROLE {SUPERUSER} IN DATABASE {name} SET random_page_cost = 3;
             GRANT TEMPORARY ON DATABASE {name} TO icecore_reader;
             ALTER DATABASE {name} CONNECTION LIMIT 7; ANALYZE"
        );
        for statement in statements.split(';') {
            server.sql(&name, statement);
        }
        let repo = TempRepo::new(3);
        for format in [DumpFormat::Custom, DumpFormat::Plain] {
            let options = PostgresOptions { format, row_counts: true, ..options(server) };
            let snapshot = backup(&repo, &server.url(&name), options).unwrap();
            assert!(
                snapshot.warnings.iter().all(|text| text.contains("password")),
                "{:?}",
                snapshot.warnings
            );
            let (path, facts) = facts(&repo, &snapshot).into_iter().next().unwrap();
            assert_eq!(facts.format, format.name());
            assert_eq!(facts.comment.as_deref(), Some("all of it"));
            assert_eq!(facts.connection_limit, Some(7));
            assert!(facts.acl.unwrap().iter().any(|item| item.starts_with("icecore_reader=T/")));
            let settings: Vec<_> = facts
                .settings
                .iter()
                .map(|it| (it.role.as_deref(), it.name.as_str(), it.value.as_str()))
                .collect();
            assert_eq!(
                settings,
                [(None, "work_mem", "5MB"), (Some(SUPERUSER), "random_page_cost", "3")]
            );
            assert!(facts.extensions.contains_key("hstore"));
            for kind in [
                "table",
                "view",
                "index",
                "sequence",
                "function",
                "trigger",
                "policy",
                "partitioned table",
                "materialized view",
                "enum",
                "domain",
                "large object",
                "rule",
            ] {
                assert!(facts.objects.contains_key(kind), "{kind}");
            }
            for table in facts.tables.unwrap().iter().filter(|table| table.rows.is_some()) {
                let table_name = format!("{}.{}", quoted(&table.schema), quoted(&table.name));
                let counted = server.sql(&name, &format!("SELECT count(*) FROM ONLY {table_name}"));
                assert_eq!(counted, table.rows.unwrap().to_string(), "{table_name}");
                assert!(table.estimate.is_some(), "{table_name} was analyzed");
            }
            let dump = repo.read(&snapshot, &path).unwrap();
            let back = restored(server, &dump, "UTF8");
            let (before, after) = (server.plain_dump(&name), server.plain_dump(&back));
            assert!(before == after, "{format:?}");
        }
    }
}

/// While rows are written, each dump and its facts are of one moment: what was counted is what
/// comes back, and everything of one transaction is there or nothing.
#[test]
fn writes_during_the_dump_do_not_show() {
    for version in VERSIONS {
        let server = server(version);
        let name = unique("busy");
        server.create(&name, "UTF8");
        server.sql(
            &name,
            "CREATE TABLE a AS SELECT n, repeat('x', 200) AS pad FROM generate_series(1, 50000) n;
             CREATE TABLE z AS SELECT * FROM a",
        );
        let done = AtomicBool::new(false);
        let repo = TempRepo::new(4);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    // A little in each transaction, the same in both tables.
                    server.sql(
                        &name,
                        "INSERT INTO z SELECT 0, 'w' FROM generate_series(1, 10);
                         INSERT INTO a SELECT 0, 'w' FROM generate_series(1, 10)",
                    );
                }
            });
            let mut moments = Vec::new();
            for _ in 0..3 {
                let options = PostgresOptions { row_counts: true, ..options(server) };
                let snapshot = backup(&repo, &server.url(&name), options).unwrap();
                let (path, facts) = facts(&repo, &snapshot).into_iter().next().unwrap();
                let counted: Vec<u64> =
                    facts.tables.unwrap().iter().map(|table| table.rows.unwrap()).collect();
                let dump = repo.read(&snapshot, &path).unwrap();
                let back = restored(server, &dump, "UTF8");
                let rows =
                    server.sql(&back, "SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM z)");
                assert_eq!(rows, format!("{}|{}", counted[0], counted[1]));
                assert_eq!(counted[0], counted[1]);
                moments.push(counted[0]);
            }
            done.store(true, Ordering::Relaxed);
            assert!(moments[0] < moments[2], "rows were written meanwhile: {moments:?}");
        });
    }
}

/// Databases and a folder stand in one snapshot, and the next one stores only what changed.
#[test]
fn databases_and_a_folder_in_one_snapshot() {
    let server = server(VERSIONS[0]);
    let stem = unique("four");
    for number in 0..4 {
        let name = format!("{stem}_{number}");
        server.create(&name, "UTF8");
        server.sql(
            &name,
            "CREATE TABLE t AS SELECT n, md5(n::text) AS m FROM generate_series(1, 30000) n",
        );
    }
    let repo = TempRepo::new(5);
    let mut tree = crate::common::memory::Tree::default();
    tree.put("upload", b"a file".to_vec());
    let mut snapshots = Vec::new();
    for _ in 0..2 {
        let databases = DatabaseChoice {
            include: vec![Pattern::new(format!("{stem}_*"))],
            ..Default::default()
        };
        let dumps = super::store::source(
            &url(server),
            PostgresOptions { databases, ..options(server) },
            &repo,
        );
        let report = repo.backup(vec![dumps, tree.source("/srv/volume")]).unwrap();
        snapshots.push(report.snapshot);
        server.sql(&format!("{stem}_2"), "UPDATE t SET m = 'new' WHERE n % 10000 = 5");
    }
    assert_eq!(snapshots[0].parts.len(), 2);
    assert_eq!(facts(&repo, &snapshots[1]).len(), 4);
    assert_eq!(repo.read(&snapshots[1], "/srv/volume/upload").unwrap(), b"a file");
    assert_eq!(snapshots[1].summary.databases, 4);
    let (first, second) = (&snapshots[0].summary, &snapshots[1].summary);
    assert!(second.packed * 5 < first.packed, "{} after {}", second.packed, first.packed);
}
