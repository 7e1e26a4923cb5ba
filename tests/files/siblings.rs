//! What stands beside a database that is captured is never stored as a file, even if it is named; and
//! what stands beside any other file is a file.

use crate::common::cli::{Cli, stderr, stdout};
use rusqlite::Connection;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// A database in WAL mode whose rows all stand in the log; `s` and a link to it, `link`.
fn live(cli: &Cli) -> Connection {
    fs::create_dir(cli.path("s")).unwrap();
    symlink("s", cli.path("link")).unwrap();
    let database = Connection::open(cli.path("s/app.db")).unwrap();
    database
        .execute_batch(
            "PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0;
             CREATE TABLE t (x); INSERT INTO t VALUES (1), (2), (3)",
        )
        .unwrap();
    fs::write(cli.path("s/app.db-mj0A1B2C9FF"), "master").unwrap();
    database
}

/// The paths of the newest snapshot's files, from the cli's folder.
fn files(cli: &Cli) -> Vec<String> {
    let all = cli.json(&["ls", "latest"]);
    let files = all.iter().filter(|node| node["type"] == "file");
    let path = |node: &serde_json::Value| node["path"].as_str().unwrap().to_owned();
    let root = format!("{}/", cli.folder().display());
    files.map(|node| path(node).replace(&root, "")).collect()
}

fn rows(path: &Path) -> i64 {
    let database = Connection::open(path).unwrap();
    let verdict: String = database.query_row("PRAGMA integrity_check", [], |r| r.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    database.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
}

/// What a shell makes of `s/*` while the database is in use, in any order and by any spelling, is
/// one source, the same as the database by itself; each name that is left out is told.
#[test]
fn a_glob_names_one_database() {
    let cli = Cli::new();
    let database = live(&cli);
    let all = ["s/app.db", "s/app.db-mj0A1B2C9FF", "s/app.db-shm", "s/app.db-wal"];
    let alone = format!("sqlite:{}", cli.text("s/app.db"));
    let cases: [(&[&str], usize); 6] = [
        (&all, 3),
        (&["s/app.db-wal", "s/app.db-shm", "s/app.db"], 2),
        (&["link/app.db-wal", "s/app.db"], 1),
        (&["s/app.db-shm", "link/../s/app.db-wal", "link/app.db"], 2),
        (&["s/app.db-wal", &alone], 1),
        (&[&alone, "link/app.db-shm"], 1),
    ];
    for (sources, left_out) in cases {
        let said = cli.run(&[&["backup"], sources].concat()).success();
        let told = stderr(&said);
        assert_eq!(told.matches("is left out: it belongs to").count(), left_out, "{told}");
        assert_eq!(files(&cli).len(), 1, "{sources:?}: {:?}", files(&cli));
        cli.run(&["restore", "latest", "-t", "out"]).success();
        let restored = files(&cli).remove(0);
        let out = cli.path("out").join(cli.path(&restored).strip_prefix("/").unwrap());
        assert_eq!(rows(&out), 3, "{sources:?}");
        fs::remove_dir_all(cli.path("out")).unwrap();
    }
    cli.run(&[&["backup"], &all[..]].concat()).success();
    let newest = &cli.json(&["snapshots", "latest"])[0];
    assert_eq!(newest["sequence"], 4, "whatever the glob gives, it is the series of s/app.db");
    drop(database);
}

/// A sibling is one whichever of the sources captures the database: by a walk that comes later,
/// by a name that the walk was told to leave out, or by a link whose own neighbour it would be.
#[test]
fn any_source_may_hold_the_database() {
    let cli = Cli::new();
    let database = live(&cli);
    cli.run(&["backup", "link/app.db-wal", "s"]).success();
    assert_eq!(files(&cli), ["s/app.db"]);

    let alone = format!("sqlite:{}", cli.text("link/app.db"));
    cli.run(&["backup", "s", "--exclude", "/**/s/app.db", &alone, "--allow-empty"]).success();
    assert_eq!(files(&cli), ["link/app.db"]);

    // Restored, this would stand beside what the link leads to.
    symlink("s/app.db", cli.path("current.db")).unwrap();
    fs::write(cli.path("current.db-wal"), "of another").unwrap();
    cli.run(&["backup", "current.db", "current.db-wal"]).success();
    assert_eq!(files(&cli), ["current.db"]);
    cli.run(&["backup", "current.db-wal"]).success();
    assert_eq!(files(&cli), ["current.db-wal"]);
    drop(database);
}

/// Where the database is not captured as one, the files beside it are files: excluded by name, by
/// size or by a marker, or databases that are not told from files. Look-alikes are files always.
#[test]
fn beside_any_other_file_it_is_a_file() {
    let cli = Cli::new();
    let database = live(&cli);
    for name in ["text", "text-wal", "lone-journal"] {
        fs::write(cli.path("s").join(name), "x").unwrap();
    }
    fs::create_dir(cli.path("s/folder")).unwrap();
    fs::write(cli.path("s/folder-shm"), "x").unwrap();
    let others = ["s/folder-shm", "s/lone-journal", "s/text", "s/text-wal"];
    let siblings = ["s/app.db-mj0A1B2C9FF", "s/app.db-shm", "s/app.db-wal"];
    cli.run(&["backup", "s"]).success();
    assert_eq!(files(&cli), [&["s/app.db"], &others[..]].concat());
    cli.run(&["backup", "s", "--exclude", "app.db"]).success();
    assert_eq!(files(&cli), [&siblings[..], &others].concat());
    cli.run(&["backup", "s", "--no-sqlite"]).success();
    assert_eq!(files(&cli), [&["s/app.db"], &siblings[..], &others].concat());
    cli.run(&["backup", "s/app.db-wal"]).success();
    assert_eq!(files(&cli), ["s/app.db-wal"]);
    database.execute_batch("PRAGMA wal_checkpoint(truncate)").unwrap();
    cli.run(&["backup", "s", "--exclude-larger-than", "4k", "--exclude", "*-shm"]).success();
    assert!(files(&cli).contains(&"s/app.db-wal".to_owned()), "{:?}", files(&cli));
    // Two sources, one of which takes databases for files: the other one's word counts.
    let folder = cli.path("t");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("CACHEDIR.TAG"), "Signature: 8a477f597d28d172789f06886806bc55").unwrap();
    drop(Connection::open(folder.join("b.db")).unwrap().execute_batch("CREATE TABLE t (x)"));
    fs::write(folder.join("b.db-wal"), "").unwrap();
    let marker = ["--exclude-if-present", "CACHEDIR.TAG"];
    cli.run(&[&["backup", "t", "link/app.db"], &marker[..]].concat()).success();
    assert_eq!(files(&cli), ["link/app.db", "t/CACHEDIR.TAG"]);
    symlink("t", cli.path("other")).unwrap();
    cli.run(&[&["backup", "other/b.db-wal", "t"], &marker[..]].concat()).success();
    assert_eq!(files(&cli), ["other/b.db-wal", "t/CACHEDIR.TAG"]);
    drop(database);
}

/// The repository in a folder that is captured is left out with a word, also where another path
/// leads to it, and so is the cache; named itself, it is dropped, or refused if there is nothing else.
#[test]
fn the_repository_is_left_out() {
    let cli = Cli::new();
    for folder in [".", &cli.text("")] {
        let said = cli.run(&["backup", folder, "--exclude", "key"]).success();
        assert!(stderr(&said).contains("repo is the repository itself"), "{}", stderr(&said));
        let all = stdout(&cli.run(&["ls", "latest"]).success());
        assert!(all.contains("/src/sub/b") && !all.contains("/repo"), "{all}");
        assert!(cli.path("cache").exists() && !all.contains("/cache"), "{all}");
    }
    symlink("repo", cli.path("another")).unwrap();
    for repository in ["repo", "another", "repo/packs", "another/config"] {
        let said = cli.run(&["backup", "src", repository]).success();
        assert!(stderr(&said).contains("the repository itself"), "{}", stderr(&said));
        assert_eq!(cli.json(&["snapshots", "latest"])[0]["parts"].as_array().unwrap().len(), 1);
        let said = cli.run(&["backup", repository]).code(1);
        assert!(stderr(&said).contains("the repository itself"), "{}", stderr(&said));
    }
    // Another repository is a folder like any other.
    fs::create_dir(cli.path("src/old")).unwrap();
    fs::rename(cli.path("repo"), cli.path("src/old/repo")).unwrap();
    cli.command().args(["init", "--new-key-file", "new"]).assert().success();
    cli.command().args(["--key-file", "new", "backup", "src"]).assert().success();
    let listed = cli.command().args(["--key-file", "new", "ls", "latest"]).assert().success();
    assert!(stdout(&listed).contains("/src/old/repo/config"), "{}", stdout(&listed));
}

/// A source that does not stand there costs itself alone where the others are to be kept, whatever
/// the order and the kind; otherwise, and where nothing is left, the backup fails.
#[test]
fn a_source_that_is_not_there() {
    let cli = Cli::new();
    let database = live(&cli);
    let alone = format!("sqlite:{}", cli.text("none.db"));
    for missing in ["none", "src/../none", "none/deeper", &alone] {
        for sources in [["src", missing], [missing, "src"]] {
            let said = cli.run(&["backup", sources[0], sources[1]]).code(1);
            assert!(stderr(&said).contains("none"), "{}", stderr(&said));
            let said = cli.run(&["backup", "--keep-going", sources[0], sources[1]]).code(3);
            assert!(stderr(&said).contains("none"), "{}", stderr(&said));
            let newest = &cli.json(&["snapshots", "latest"])[0];
            assert_eq!(newest["parts"].as_array().unwrap().len(), 1, "{newest}");
            assert!(newest["missing"].to_string().contains("none"), "{newest}");
        }
        cli.run(&["backup", "--keep-going", missing]).code(1);
    }
    drop(database);
}

/// A file that is only named like a log of a database is neither taken for one nor dropped in
/// silence: it is named, and the backup is incomplete.
#[test]
fn a_file_that_is_only_named_like_a_log_is_told() {
    let cli = Cli::new();
    let path = cli.path("s/work");
    fs::create_dir_all(cli.path("s")).unwrap();
    let database = rusqlite::Connection::open(&path).unwrap();
    database.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)").unwrap();
    drop(database);
    fs::write(cli.path("s/work-wal"), "my notes of the wall").unwrap();
    let said = cli.run(&["backup", "s"]).code(3);
    let said = String::from_utf8_lossy(&said.get_output().stderr).into_owned();
    assert!(said.contains("work-wal") && said.contains("rename it"), "{said}");
    fs::write(cli.path("s/work-wal"), "").unwrap();
    cli.run(&["backup", "s"]).success();
}
