//! What is damaged at its source is stored, told wherever a person looks, and remembered.

use super::make;
use crate::common::cli::{Cli, lines, stderr, stdout};
use rusqlite::Connection;
use serde_json::Value;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

const FULL: [&str; 3] = ["backup", "--verify-source", "full"];

fn overwrite(path: &Path, bytes: &[u8], at: u64) {
    OpenOptions::new().write(true).open(path).unwrap().write_all_at(bytes, at).unwrap();
}

/// A database whose index has another value than its table, which only a full check can find.
fn lame_index(path: &Path) {
    drop(make(path, "delete", 4096, 200));
    let statement = "CREATE INDEX i ON t (body)";
    Connection::open(path).unwrap().execute_batch(statement).unwrap();
    let schema = |statement: &str| {
        let database = Connection::open(path).unwrap();
        database.execute_batch("PRAGMA writable_schema = ON").unwrap();
        database.execute_batch(statement).unwrap();
    };
    schema(
        "CREATE TABLE kept AS SELECT * FROM sqlite_schema WHERE name = 'i';
         DELETE FROM sqlite_schema WHERE name = 'i'",
    );
    Connection::open(path).unwrap().execute_batch("UPDATE t SET body = 'x' WHERE id = 7").unwrap();
    schema("INSERT INTO sqlite_schema SELECT * FROM kept");
}

/// Four broken databases and a good one, in `src`.
fn broken_desk() -> Cli {
    let cli = Cli::new();
    let at = |name: &str| cli.path("src").join(name);
    for name in ["page.db", "cut.db", "schema.db", "good.db"] {
        drop(make(&at(name), "delete", 4096, 2000));
    }
    overwrite(&at("page.db"), &[0xaa; 4096], 20 * 4096);
    OpenOptions::new().write(true).open(at("cut.db")).unwrap().set_len(10 * 4096).unwrap();
    overwrite(&at("schema.db"), &[0, 0, 0, 9], 44);
    lame_index(&at("index.db"));
    cli
}

const BROKEN: [&str; 4] = ["page.db", "cut.db", "schema.db", "index.db"];

/// The line of `text` that names `name`.
fn line_of<'t>(text: &'t str, name: &str) -> &'t str {
    text.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{name}: {text}"))
}

/// Databases that are broken in four ways are named with what is wrong with them by `backup`,
/// which ends with 3, and by `ls -l`, `restore`, `dump` and `check`, which do what they
/// were asked for and end well; `snapshots` says how many there are. What is sound is not named.
#[test]
fn damage_at_the_source_is_told_everywhere() {
    let cli = broken_desk();
    let saved = cli.run(&[&FULL[..], &["src"]].concat()).code(3);
    let heard = stderr(&saved);
    for name in BROKEN {
        let line = line_of(&heard, name);
        assert!(line.contains("damaged at its source: "), "{line}");
    }
    assert!(line_of(&heard, "index.db").contains("full check: "), "{heard}");
    assert!(!heard.contains("good.db"), "{heard}");
    assert!(stdout(&saved).contains("damaged at their source: 4 files"), "{}", stdout(&saved));

    assert!(cli.says(&["snapshots"]).contains("(damaged at the source: 4 files)"));
    let listed = cli.says(&["ls", "-l", "latest"]);
    let target = cli.text("back");
    let restored = stderr(&cli.run(&["restore", "latest", "--target", &target]).success());
    let checked = cli.run(&["check", "--read-data"]).success();
    assert!(stdout(&checked).contains("no errors were found"));
    for name in BROKEN {
        assert!(line_of(&listed, name).contains("damaged at its source, known since"), "{listed}");
        for heard in [&restored, &stderr(&checked)] {
            assert!(line_of(heard, name).contains("was damaged at its source"), "{heard}");
        }
        let wanted = format!("latest:{}", cli.path("src").join(name).display());
        let dumped = cli.run(&["dump", &wanted]).success();
        assert!(stderr(&dumped).contains("was damaged at its source"), "{name}");
        let source = fs::read(cli.path("src").join(name)).unwrap();
        // The backup interface, which serves where no table can be named, counts in the header.
        assert!(dumped.get_output().stdout[100..] == source[100..], "{name}");
    }
    assert!(!line_of(&listed, "good.db").contains("damaged"), "{listed}");
}

/// The same in JSON.
#[test]
fn damage_at_the_source_is_told_in_json() {
    let cli = broken_desk();
    let said = stdout(&cli.run(&[&["--json"], &FULL[..], &["src"]].concat()).code(3));
    let summary = lines(&said).pop().unwrap();
    assert_eq!(summary["tainted"], 4);
    assert_eq!(summary["taints"].as_array().unwrap().len(), 4);
    let part = &cli.json(&["snapshots"])[0]["parts"][0];
    assert_eq!(part["tainted"], 4);
    let taint = &part["taints"][0];
    assert!(taint["path"].is_string() && taint["finding"].is_string(), "{part}");
    let nodes = cli.json(&["ls", "latest"]);
    let marked = |node: &&Value| node["taint"].is_string() && node["tainted_since"].is_string();
    assert_eq!(nodes.iter().filter(marked).count(), 4);
    let target = cli.text("back");
    let restored = cli.json(&["restore", "latest", "--target", &target]).pop().unwrap();
    assert_eq!(restored["files_tainted"], 4);
    let checked = cli.json(&["check"]).pop().unwrap();
    assert_eq!(
        (&checked["num_errors"], checked["tainted"].as_array().unwrap().len()),
        (&0.into(), 4)
    );
}

/// The marks in the newest snapshot: of each path's last component, what was found and since when.
fn marks(cli: &Cli) -> Vec<(String, String, String)> {
    let nodes = cli.json(&["ls", "latest"]);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let marks = nodes.iter().filter(|node| node["taint"].is_string());
    marks.map(|n| (text(&n["name"]), text(&n["taint"]), text(&n["tainted_since"]))).collect()
}

/// A mark stays, with its date, through backups that do not look, or less deeply; through one
/// that compares with no parent, and through one that compares with a parent from before the mark;
/// whatever was written meanwhile. It goes when as deep a check passes, and stays away.
#[test]
fn a_mark_stays_until_a_verification_passes() {
    let cli = Cli::new();
    let path = cli.path("src/index.db");
    drop(make(&path, "wal", 4096, 50));
    let sound = cli.backup();
    fs::remove_file(&path).unwrap();
    lame_index(&path);
    cli.run(&[&FULL[..], &["src"]].concat()).code(3);
    let first = marks(&cli);
    assert_eq!(first.len(), 1, "{first:?}");
    let again: [&[&str]; 5] = [
        &["backup"],
        &["backup", "--verify-source", "quick"],
        &["backup", "--force"],
        &["backup", "--parent", &sound],
        &["backup", "--no-sqlite"],
    ];
    for how in again {
        let database = Connection::open(&path).unwrap();
        database.execute_batch("INSERT INTO t (body) VALUES ('y')").unwrap();
        drop(database);
        let heard = stderr(&cli.run(&[how, &["src"]].concat()).code(3));
        assert!(line_of(&heard, "index.db").contains("damaged at its source"), "{heard}");
        assert_eq!(marks(&cli), first, "{how:?}");
        cli.run(&[how, &["src"]].concat()).code(3);
        assert_eq!(marks(&cli), first, "{how:?}, unchanged");
    }
    Connection::open(&path).unwrap().execute_batch("REINDEX").unwrap();
    cli.run(&["backup", "src"]).code(3);
    assert_eq!(marks(&cli), first);
    cli.run(&[&FULL[..], &["src"]].concat()).code(0);
    assert_eq!(marks(&cli), []);
    for parent in ["--force", "-n", "--parent=latest~1", "--no-delta"] {
        cli.run(&["backup", parent, "src"]).code(0);
        assert_eq!(marks(&cli), [], "{parent}");
    }
}

/// What was found without a check, because SQLite could not make out the schema, goes when it can;
/// a mark goes with its file, and none comes back with another file of that name.
#[test]
fn what_no_check_found_needs_no_check_to_go() {
    let cli = Cli::new();
    let path = cli.path("src/a.db");
    drop(make(&path, "delete", 4096, 50));
    overwrite(&path, &[0, 0, 0, 9], 44);
    cli.run(&["backup", "src"]).code(3);
    assert_eq!(marks(&cli).len(), 1);
    overwrite(&path, &[0, 0, 0, 4], 44);
    cli.run(&["backup", "src"]).code(0);
    assert_eq!(marks(&cli), []);

    overwrite(&path, &[0, 0, 0, 9], 44);
    cli.run(&[&FULL[..], &["src"]].concat()).code(3);
    fs::remove_file(&path).unwrap();
    cli.run(&["backup", "src"]).code(0);
    drop(make(&path, "delete", 4096, 50));
    cli.run(&["backup", "src"]).code(0);
    assert_eq!(marks(&cli), []);
}

/// A name that a damaged file has got since then is marked like the first one, since the same date.
#[test]
fn a_mark_is_that_of_every_name() {
    let cli = Cli::new();
    lame_index(&cli.path("src/index.db"));
    cli.run(&[&FULL[..], &["src"]].concat()).code(3);
    let first = marks(&cli);
    fs::hard_link(cli.path("src/index.db"), cli.path("src/new.db")).unwrap();
    cli.run(&["backup", "src"]).code(3);
    let second = marks(&cli);
    let names: Vec<&str> = second.iter().map(|(name, _, _)| name.as_str()).collect();
    assert_eq!(names, ["index.db", "new.db"]);
    for (_, finding, since) in &second {
        assert_eq!((finding, since), (&first[0].1, &first[0].2));
    }
}

/// What was found on one host is not said of another one's files, which nobody has looked at.
#[test]
fn a_mark_is_that_of_its_host() {
    let cli = Cli::new();
    lame_index(&cli.path("src/index.db"));
    cli.run(&[&FULL[..], &["src", "--host", "one"]].concat()).code(3);
    assert_eq!(marks(&cli).len(), 1);
    cli.run(&["backup", "src", "--host", "other"]).success();
    assert_eq!(marks(&cli), []);
    cli.run(&["backup", "src", "--host", "one"]).code(3);
    assert_eq!(marks(&cli).len(), 1);
}

/// The mark of a file that is gone goes, although something else could not be captured; that of a
/// file whose folder is out of reach stays.
#[test]
fn marks_go_with_their_files_beside_failures() {
    let cli = broken_desk();
    let marked = |code| {
        let run = cli.command().args(["--key-file", "key", "--json", "backup", "src"]).assert();
        let summary = lines(&stdout(&run.code(code))).pop().unwrap();
        let paths = summary["taints"].as_array().unwrap().iter();
        paths.map(|taint| taint["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let before = marked(3).len();
    fs::remove_file(cli.path("src/cut.db")).unwrap();
    // What is named as a journal and is none cannot be captured, beside the mark and beneath.
    for folder in ["src", "src/sub"] {
        drop(make(&cli.path(folder).join("z.db"), "delete", 4096, 20));
        fs::write(cli.path(folder).join("z.db-journal"), "my own notes").unwrap();
    }
    let after = marked(3);
    assert_eq!(after.len(), before - 1, "{after:?}");
    assert!(!after.iter().any(|path| path.ends_with("cut.db")), "{after:?}");
}
