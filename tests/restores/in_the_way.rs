//! What comes into the place of a database, whatever it is: nothing of the old one stays beside it,
//! and one that is in use stays.

use super::{beside, torn_without_its_log, whole};
use crate::common::cli::{Cli, stderr};
use crate::common::target::{captured, file, link, names, open, write};
use icecore::error::{Error, Kind};
use icecore::sink::Sink;
use icecore::sink::files::Overwrite;
use rusqlite::Connection;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, SystemTime};

/// What stands in the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum There {
    /// SQLite, with a log.
    Wal,
    /// SQLite, with a hot journal.
    Journal,
    /// A database that SQLite does not know by its header, with a log.
    Encrypted,
    /// A log without its database.
    LogAlone,
    /// Any file.
    Other,
}

/// What the snapshot has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comes {
    Captured,
    Plain,
    Encrypted,
    Other,
    Link,
}

/// Makes the first bytes of a database such that it does not look like one.
fn encrypt(path: &Path) {
    File::options().write(true).open(path).unwrap().write_all_at(&[0x9c; 16], 0).unwrap();
}

fn hot_journal(path: &Path) {
    let made = tempfile::tempdir().unwrap();
    let from = made.path().join("db");
    whole(&from, 10);
    let database = Connection::open(&from).unwrap();
    database.execute_batch("PRAGMA synchronous = OFF; BEGIN; INSERT INTO t VALUES (1)").unwrap();
    for suffix in ["", "-journal"] {
        fs::copy(beside(&from, suffix), beside(path, suffix)).unwrap();
    }
}

fn make(there: There, path: &Path) {
    match there {
        There::Wal => torn_without_its_log(path, 77),
        There::Journal => hot_journal(path),
        There::Encrypted | There::LogAlone => {
            torn_without_its_log(path, 77);
            encrypt(path);
            fs::remove_file(beside(path, "-shm")).unwrap();
        }
        There::Other => fs::write(path, "any file").unwrap(),
    }
    if there == There::LogAlone {
        fs::remove_file(path).unwrap();
    }
}

/// A process that has the file open; ended with this.
struct User(Child);

impl User {
    fn of(path: &Path) -> Self {
        User(Command::new("sleep").arg("600").stdin(File::open(path).unwrap()).spawn().unwrap())
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Restores one entry `a.db` over what is in `folder`.
fn restore(comes: Comes, bytes: &[u8], folder: &Path) -> Option<Error> {
    let mut target = open(folder, Overwrite::Always);
    let placed = match comes {
        Comes::Captured => write(&mut target, &captured("a.db"), bytes),
        Comes::Link => target.other(&link("a.db", b"elsewhere")),
        _ => write(&mut target, &file("a.db"), bytes),
    };
    let trouble = placed.err().or_else(|| target.settle().into_iter().next());
    target.finish().unwrap();
    trouble
}

fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    names(folder)
        .into_iter()
        .map(|name| (name.clone(), fs::read(folder.join(name)).unwrap()))
        .collect()
}

/// Whatever comes, and whatever database is in the way: it is replaced with all that stands beside
/// it, and one in use stays with all of it. What nothing tells for a database is replaced.
#[test]
fn a_database_goes_with_its_log_or_stays() {
    use {Comes as C, There as T};
    let made = tempfile::tempdir().unwrap();
    whole(&made.path().join("db"), 10);
    let database = fs::read(made.path().join("db")).unwrap();
    let mut encrypted = database.clone();
    encrypted[..16].fill(0x9c);
    for there in [T::Wal, T::Journal, T::Encrypted, T::LogAlone, T::Other] {
        for comes in [C::Captured, C::Plain, C::Encrypted, C::Other, C::Link] {
            for in_use in [false, true] {
                let case = format!("{comes:?} over {there:?}, in use: {in_use}");
                let dir = tempfile::tempdir().unwrap();
                let path = dir.path().join("a.db");
                make(there, &path);
                let before = contents(dir.path());
                if in_use && there == T::LogAlone {
                    continue;
                }
                let _user = in_use.then(|| User::of(&path));
                let bytes: &[u8] = match comes {
                    C::Captured | C::Plain => &database,
                    C::Encrypted => &encrypted,
                    C::Other | C::Link => b"no database",
                };
                let refused = restore(comes, bytes, dir.path());
                let knows = there != T::Other || matches!(comes, C::Captured | C::Plain);
                if in_use && knows {
                    let refused = refused.expect(&case);
                    assert_eq!(refused.kind(), Kind::Locked, "{case}: {refused}");
                    assert_eq!(contents(dir.path()), before, "{case}");
                    continue;
                }
                assert!(refused.is_none(), "{case}: {refused:?}");
                assert_eq!(names(dir.path()), ["a.db"], "{case}");
                match comes {
                    C::Link => assert!(path.is_symlink(), "{case}"),
                    _ => assert_eq!(fs::read(&path).unwrap(), bytes, "{case}"),
                }
            }
        }
    }
}

/// An encrypted database is stored with its log, and the backup says what that is worth; it comes
/// back with it, in the place of a newer one and of its log; a rehearsal refuses one in use, too.
#[test]
fn an_encrypted_database_comes_back_with_its_own_log() {
    let cli = Cli::new();
    let (from, to) = (cli.path("src/a.db"), cli.path("out/a.db"));
    torn_without_its_log(&from, 10);
    encrypt(&from);
    let said = stderr(&cli.run(&["backup", "src"]).success());
    assert!(said.contains("a.db looks like an encrypted SQLite database"), "{said}");
    let said = stderr(&cli.run(&["backup", "src/a.db"]).success());
    assert!(said.contains("a.db looks like an encrypted SQLite database"), "{said}");
    let said = stderr(&cli.run(&["backup", "src", "--no-sqlite"]).success());
    assert!(!said.contains("encrypted"), "{said}");

    fs::create_dir(cli.path("out")).unwrap();
    let all = format!("latest:{}", cli.text("src"));
    let over = ["restore", all.as_str(), "-t", "out", "--overwrite", "always"];
    for newer in [77, 0] {
        // Without rows nothing stands beside it.
        match newer {
            0 => whole(&to, 5),
            rows => torn_without_its_log(&to, rows),
        }
        encrypt(&to);
        if newer > 0 {
            let _user = User::of(&to);
            for how in [&["--dry-run"][..], &[]] {
                let said = stderr(&cli.run(&[&over[..], how].concat()).code(3));
                assert!(said.contains("in use"), "{said}");
            }
        }
        cli.run(&[&over[..], &["--verify"]].concat()).success();
        for suffix in ["", "-wal"] {
            let pair = [&from, &to].map(|path| fs::read(beside(path, suffix)).unwrap());
            assert!(pair[0] == pair[1], "{newer}: {suffix}");
        }
        for name in names(&cli.path("out")) {
            let _ = fs::remove_file(cli.path("out").join(name));
        }
    }
}

/// A log that was chosen alone does not come beside an encrypted database of another moment, beside
/// which nothing stands; a folder does not replace a database in use.
#[test]
fn what_would_tear_an_encrypted_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    torn_without_its_log(&path, 10);
    let log = fs::read(beside(&path, "-wal")).unwrap();
    for name in ["a.db-wal", "a.db-shm"] {
        fs::remove_file(dir.path().join(name)).unwrap();
    }
    encrypt(&path);
    let mut target = open(dir.path(), Overwrite::Always);
    write(&mut target, &file("a.db-wal"), &log).unwrap();
    let refused = target.settle();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(refused[0].to_string().contains("another moment"), "{}", refused[0]);
    target.finish().unwrap();
    assert_eq!(names(dir.path()), ["a.db"]);

    fs::write(beside(&path, "-wal"), &log).unwrap();
    let _user = User::of(&path);
    let mut target = open(dir.path(), Overwrite::Always);
    let refused = target.enter(&crate::common::target::directory("a.db")).unwrap_err();
    assert_eq!(refused.kind(), Kind::Locked, "{refused}");
    target.finish().unwrap();
    assert_eq!(names(dir.path()), ["a.db", "a.db-wal"]);
}

/// An encrypted database that was kept, since it is newer, gets no older log beside it; one that is what the snapshot
/// has gets its own.
#[test]
fn what_was_kept_gets_no_older_log() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    torn_without_its_log(&path, 10);
    let log = fs::read(beside(&path, "-wal")).unwrap();
    fs::remove_file(beside(&path, "-shm")).unwrap();
    encrypt(&path);
    let database = fs::read(&path).unwrap();
    let node = file("a.db");
    let seconds = u64::try_from(node.meta.mtime.0).unwrap();
    let of_then = SystemTime::UNIX_EPOCH + Duration::new(seconds, node.meta.mtime.1);
    for (later, left) in [(0, &["a.db", "a.db-wal"][..]), (1, &["a.db"])] {
        fs::remove_file(beside(&path, "-wal")).unwrap();
        let there = File::options().write(true).open(&path).unwrap();
        there.set_modified(of_then + Duration::from_secs(later)).unwrap();
        let mut target = open(dir.path(), Overwrite::IfNewer);
        write(&mut target, &node, &database).unwrap();
        write(&mut target, &file("a.db-wal"), &log).unwrap();
        let report = target.finish().unwrap();
        assert_eq!(report.siblings, later, "{report:?}");
        assert_eq!(names(dir.path()), left);
    }
}

/// What a link led to stays when the link is replaced, and that is told, since others may go on using it.
#[test]
fn a_replaced_link_is_told() {
    let cli = Cli::new();
    fs::create_dir(cli.path("src/data")).unwrap();
    whole(&cli.path("src/data/app.db"), 10);
    cli.backup();
    cli.says(&["restore", "latest", "--target", "out"]);
    let source = fs::canonicalize(cli.path("src/data/app.db")).unwrap();
    let found = cli.path("out").join(source.strip_prefix("/").unwrap());
    fs::rename(&found, cli.path("live.db")).unwrap();
    std::os::unix::fs::symlink(cli.path("live.db"), &found).unwrap();
    let restore = ["restore", "latest", "--target", "out", "--overwrite", "always"];
    let told = stderr(&cli.run(&restore).success());
    assert!(told.contains("was a link to") && told.contains("live.db"), "{told}");
    assert!(found.is_file() && !found.is_symlink() && cli.path("live.db").exists());
}
