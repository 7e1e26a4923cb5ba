//! What is a sibling of a database, and what becomes of it.

use super::{beside, rows, torn_without_its_log, whole};
use crate::common::cli::{Cli, stderr};
use crate::common::target::{captured, directory, file, names, node, open, write};
use icecore::error::Kind;
use icecore::format::directory::NodeKind;
use icecore::sink::files::Overwrite;
use icecore::sink::{Placed, Sink};
use std::fs;

const OVER: [&str; 4] = ["-t", "out", "--overwrite", "always"];

fn restore(cli: &Cli, more: &[&str]) -> assert_cmd::assert::Assert {
    let src = cli.text("src");
    cli.run(&[&["restore", &format!("latest:{src}")], &OVER[..], more].concat())
}

/// The log of another database does not survive beside one that was stored as a plain file.
#[test]
fn a_foreign_log_goes_beside_a_plain_file() {
    let cli = Cli::new();
    whole(&cli.path("src/a.db"), 10);
    cli.run(&["backup", "src", "--no-sqlite"]).success();
    fs::create_dir(cli.path("out")).unwrap();
    torn_without_its_log(&cli.path("out/a.db"), 77);
    fs::write(cli.path("out/a.db-journal"), b"old").unwrap();
    restore(&cli, &["--verify"]).success();
    assert_eq!(names(&cli.path("out")), ["a", "a.db", "link", "sub"]);
    assert_eq!(rows(&cli.path("out/a.db")), Ok(10));
}

/// A database from standard input is one, too, when it comes back.
#[test]
fn a_foreign_log_goes_beside_a_stream() {
    let cli = Cli::new();
    whole(&cli.path("a.db"), 10);
    let bytes = fs::read(cli.path("a.db")).unwrap();
    let mut command = cli.command();
    command.arg("--key-file").arg(cli.path("key")).args(["backup", "--stdin"]);
    command.args(["--stdin-filename", "a.db"]).write_stdin(bytes).assert().success();
    fs::create_dir(cli.path("out")).unwrap();
    torn_without_its_log(&cli.path("out/a.db"), 77);
    cli.run(&[&["restore", "latest:/a.db"], &OVER[..]].concat()).success();
    assert_eq!(names(&cli.path("out")), ["a.db"]);
    assert_eq!(rows(&cli.path("out/a.db")), Ok(10));
}

/// A second name of a database gets what the first one gets, captured through SQLite or not.
#[test]
fn a_foreign_log_goes_beside_a_second_name() {
    for how in [&["backup", "src"][..], &["backup", "src", "--no-sqlite"]] {
        let cli = Cli::new();
        whole(&cli.path("src/a.db"), 10);
        fs::hard_link(cli.path("src/a.db"), cli.path("src/sub/z.db")).unwrap();
        fs::hard_link(cli.path("src/a.db"), cli.path("src/z.db")).unwrap();
        cli.run(how).success();
        fs::create_dir_all(cli.path("out/sub")).unwrap();
        torn_without_its_log(&cli.path("out/sub/z.db"), 77);
        torn_without_its_log(&cli.path("out/z.db"), 78);
        restore(&cli, &[]).success();
        assert_eq!(names(&cli.path("out")), ["a", "a.db", "link", "sub", "z.db"], "{how:?}");
        assert_eq!(names(&cli.path("out/sub")), ["b", "z.db"], "{how:?}");
        assert_eq!(rows(&cli.path("out/sub/z.db")), Ok(10), "{how:?}");
        assert_eq!(rows(&cli.path("out/z.db")), Ok(10), "{how:?}");
    }
}

/// A database and its log that were stored as files come back together, and nothing of the old
/// stays between them; before the folder is complete, nothing of the old is touched.
#[test]
fn a_plain_file_comes_back_with_its_own_log() {
    let cli = Cli::new();
    torn_without_its_log(&cli.path("src/a.db"), 10);
    cli.run(&["backup", "src", "--no-sqlite"]).success();
    fs::create_dir(cli.path("out")).unwrap();
    torn_without_its_log(&cli.path("out/a.db"), 77);
    fs::write(cli.path("out/a.db-journal"), b"old").unwrap();
    restore(&cli, &["--verify"]).success();
    assert!(!cli.path("out/a.db-journal").exists());
    assert_eq!(rows(&cli.path("out/a.db")), Ok(10));

    let dir = tempfile::tempdir().unwrap();
    torn_without_its_log(&dir.path().join("a.db"), 77);
    let stored = [fs::read(cli.path("src/a.db")), fs::read(cli.path("src/a.db-wal"))];
    let mut target = open(dir.path(), Overwrite::Always);
    write(&mut target, &file("a.db"), stored[0].as_ref().unwrap()).unwrap();
    write(&mut target, &file("a.db-wal"), stored[1].as_ref().unwrap()).unwrap();
    // Given up before its end.
    drop(target);
    assert_eq!(names(dir.path()), ["a.db", "a.db-shm", "a.db-wal"]);
    assert_eq!(rows(&dir.path().join("a.db")), Ok(77));
}

/// A log alone, chosen by a pattern or by its path, is not put beside a database of another moment:
/// that one item is refused, with the reason; a rehearsal says the same.
#[test]
fn a_log_is_not_put_beside_another_moment() {
    let cli = Cli::new();
    torn_without_its_log(&cli.path("src/a.db"), 10);
    cli.run(&["backup", "src", "--no-sqlite"]).success();
    fs::create_dir(cli.path("out")).unwrap();
    whole(&cli.path("out/a.db"), 77);
    for more in [&["--include", "a.db-wal"][..], &["--include", "a.db-wal", "--dry-run"]] {
        let said = restore(&cli, more).code(3);
        assert!(stderr(&said).contains("another moment"), "{}", stderr(&said));
        assert_eq!(names(&cli.path("out")), ["a.db"]);
    }
    let wal = cli.text("src/a.db-wal");
    cli.run(&[&["restore", &format!("latest:{wal}")], &OVER[..]].concat()).code(3);
    assert_eq!(rows(&cli.path("out/a.db")), Ok(77));
    // Beside no database it is a file like any other.
    cli.run(&["restore", &format!("latest:{wal}"), "-t", "empty"]).success();
    assert_eq!(names(&cli.path("empty")), ["a.db-wal"]);
}

/// Beside a database that was captured whole, what a repository holds under the name of its log is
/// left out, and counted.
#[test]
fn a_captured_database_comes_back_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut target = open(dir.path(), Overwrite::Never);
    write(&mut target, &captured("a.db"), b"database").unwrap();
    write(&mut target, &file("a.db-wal"), b"log").unwrap();
    write(&mut target, &file("a.db-wallet"), b"no log").unwrap();
    let link = node("a.db-journal", NodeKind::Symlink { target: b"/etc/passwd".to_vec() });
    target.other(&link).unwrap();
    assert!(target.settle().is_empty());
    let report = target.finish().unwrap();
    assert_eq!(report.siblings, 2, "{report:?}");
    assert_eq!(names(dir.path()), ["a.db", "a.db-wallet"]);
}

/// A link under the name of a log is refused beside a plain database; a folder or a pipe of such a
/// name is no sibling, in a repository or in a target.
#[test]
fn only_files_are_siblings() {
    let made = tempfile::tempdir().unwrap();
    whole(&made.path().join("db"), 10);
    let bytes = fs::read(made.path().join("db")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("a.db-shm")).unwrap();
    let mut target = open(dir.path(), Overwrite::Always);
    write(&mut target, &file("a.db"), &bytes).unwrap();
    target.enter(&directory("a.db-journal")).unwrap();
    target.leave().unwrap();
    let link = node("a.db-wal", NodeKind::Symlink { target: b"/etc/passwd".to_vec() });
    target.other(&link).unwrap();
    let refused = target.settle();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].kind(), Kind::Refused);
    target.finish().unwrap();
    assert_eq!(names(dir.path()), ["a.db", "a.db-journal", "a.db-shm"]);
}

/// A database whose log is lost in the repository is not put in place without it; one that the rule
/// keeps keeps its own log.
#[test]
fn a_set_is_whole_or_not_there() {
    let made = tempfile::tempdir().unwrap();
    torn_without_its_log(&made.path().join("db"), 10);
    let read = |suffix: &str| fs::read(beside(&made.path().join("db"), suffix)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut target = open(dir.path(), Overwrite::Never);
    write(&mut target, &file("a.db"), &read("")).unwrap();
    let Placed::Write(sink) = target.file(&file("a.db-wal"), 10, &mut |_| false).unwrap() else {
        panic!()
    };
    drop(sink);
    assert_eq!(target.settle().len(), 1);
    target.finish().unwrap();
    assert!(names(dir.path()).is_empty());

    torn_without_its_log(&dir.path().join("a.db"), 77);
    let mut target = open(dir.path(), Overwrite::IfNewer);
    for (name, suffix) in [("a.db", ""), ("a.db-shm", "-shm"), ("a.db-wal", "-wal")] {
        write(&mut target, &file(name), &read(suffix)).unwrap();
    }
    let report = target.finish().unwrap();
    assert_eq!(report.siblings, 2, "{report:?}");
    assert_eq!(rows(&dir.path().join("a.db")), Ok(77));
}

/// A file that is merely named like a log is restored, replaced and kept like any other.
#[test]
fn a_name_alone_makes_no_log() {
    let dir = tempfile::tempdir().unwrap();
    for (overwrite, given, expected) in [
        (Overwrite::Never, "one", "one"),
        (Overwrite::Always, "two", "two"),
        (Overwrite::IfNewer, "three", "two"),
    ] {
        let mut target = open(dir.path(), overwrite);
        write(&mut target, &file("notes"), b"notes").unwrap();
        write(&mut target, &file("notes-wal"), given.as_bytes()).unwrap();
        target.finish().unwrap();
        let found = fs::read_to_string(dir.path().join("notes-wal")).unwrap();
        assert_eq!(found, expected, "{overwrite:?}");
    }
    assert_eq!(names(dir.path()), ["notes", "notes-wal"]);
}
