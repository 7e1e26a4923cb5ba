//! What a restore says before it begins, and when there is nothing to restore.

use crate::common::cli::{Cli, stderr, stdout};
use crate::common::target::names;
use rusqlite::Connection;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::{Duration, SystemTime};

/// A rehearsal refuses what the restore itself would refuse, with the same code and the same words.
#[test]
fn a_rehearsal_refuses_what_the_restore_refuses() {
    let cli = Cli::new();
    cli.backup();
    let src = cli.text("src");
    fs::create_dir_all(cli.path("full/a/in")).unwrap();
    fs::write(cli.path("file"), b"file").unwrap();
    let whole = format!("latest:{src}");
    let cases: [&[&str]; 6] = [
        &[&whole, "-t", "full"],
        &[&whole, "-t", "file"],
        &[&whole, "-t", "file/beneath"],
        &[&whole, "-t", "full", "--overwrite", "always"],
        &[&whole, "-t", "new", "--include", "nosuch"],
        &["latest:/nowhere", "-t", "new"],
    ];
    for case in cases {
        let rehearsed = cli.run(&[&["restore", "--dry-run"], case].concat());
        let restored = cli.run(&[&["restore"], case].concat());
        let (before, after) = (rehearsed.get_output(), restored.get_output());
        assert!(!after.status.success(), "{case:?}");
        assert_eq!(before.status.code(), after.status.code(), "{case:?}: {}", stderr(&rehearsed));
        let last = |said: &assert_cmd::assert::Assert| {
            stderr(said).lines().map(|line| line.replace(&src, "")).next_back().unwrap_or_default()
        };
        if after.status.code() == Some(1) && case[2] != "file/beneath" && case[2] != "file" {
            assert_eq!(last(&rehearsed), last(&restored), "{case:?}");
        }
        assert!(!cli.path("new").exists(), "{case:?}");
    }
    let kept =
        cli.says(&["restore", &whole, "-t", "src", "--overwrite", "if-changed", "--dry-run"]);
    assert!(kept.contains("would restore 2 items (0 files)"), "{kept}");
    assert!(kept.contains("would keep 2 files as they stand there"), "{kept}");
    let whole_twice = ["restore", &whole, "-t", "src", "--overwrite", "if-changed", "-v"];
    fs::write(cli.path("src/a"), "another").unwrap();
    let rehearsed = cli.says(&[&whole_twice[..], &["--dry-run"]].concat());
    let restored = cli.says(&whole_twice);
    for (said, verb) in [(&rehearsed, "would restore"), (&restored, "restored")] {
        let named = said.lines().nth(1).unwrap();
        assert!(named.starts_with(verb) && named.contains("/src/a ("), "{said}");
        assert!(said.contains("(1 file)") && said.contains("1 file as they stand"), "{said}");
    }
}

/// Patterns that leave nothing, or match nothing, are an error that says so; a path that does not
/// exist is one for every verb that takes one, and so is a name that is found nowhere.
#[test]
fn nothing_that_matches_is_an_error() {
    let cli = Cli::new();
    cli.backup();
    let src = cli.text("src");
    for patterns in [
        &["--include", "nosuch"][..],
        &["--exclude", "*"],
        &["--exclude", &src],
        &["--include", "a", "--exclude", "a"],
    ] {
        let said = cli.run(&[&["restore", "latest", "-t", "out"], patterns].concat()).code(1);
        let said = stderr(&said);
        assert!(said.contains("hint:") && said.contains("in it"), "{patterns:?}: {said}");
        assert!(!cli.path("out").exists(), "{patterns:?}");
    }
    for args in [
        &["restore", "latest:/nosuch", "-t", "out"][..],
        &["ls", "latest", "/nosuch"],
        &["ls", "latest:/nosuch"],
        &["dump", "latest:/nosuch"],
        &["find", "nosuch"],
    ] {
        let said = cli.run(args).code(1);
        assert!(stderr(&said).contains("hint:"), "{args:?}: {}", stderr(&said));
        let result = stdout(&said).lines().filter(|line| !line.starts_with("snapshot ")).count();
        assert_eq!(result, 0, "{args:?}");
    }
    // An empty folder is all there is of it.
    fs::create_dir(cli.path("empty")).unwrap();
    cli.run(&["backup", "empty"]).success();
    let empty = cli.text("empty");
    cli.run(&["restore", &format!("latest:{empty}"), "-t", "out"]).success();
}

/// Folders that only lead to what is restored are made as any folder is made now; those that are
/// there stay as they are.
#[test]
fn folders_on_the_way() {
    let cli = Cli::new();
    cli.backup();
    let src = cli.text("src");
    let parent = src.trim_start_matches('/').trim_end_matches("/src");
    let top = cli.path("out").join(parent.split('/').next().unwrap());
    cli.run(&["restore", "latest", "-t", "out"]).success();
    let made = fs::metadata(cli.path("out").join(parent)).unwrap();
    assert!(made.mtime() > 1_700_000_000, "{}", made.mtime());
    fs::set_permissions(&top, fs::Permissions::from_mode(0o701)).unwrap();
    let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    fs::File::open(&top).unwrap().set_modified(long_ago).unwrap();
    cli.run(&["restore", "latest", "-t", "out", "--overwrite", "always"]).success();
    let stayed = fs::metadata(&top).unwrap();
    assert_eq!((stayed.mode() & 0o777, stayed.mtime()), (0o701, 1_000_000_000));
}

/// A folder in use keeps its mode while it is written in, and after a restore that failed within.
#[test]
fn a_folder_in_use_keeps_its_mode() {
    use crate::common::target::{directory, file, open, write};
    use icecore::sink::Sink;
    use icecore::sink::files::Overwrite;
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("folder");
    for mode in [0o755, 0o555] {
        let _ = fs::create_dir(&folder);
        fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
        let now = || fs::metadata(&folder).unwrap().mode() & 0o777;
        let mut target = open(dir.path(), Overwrite::Always);
        target.enter(&directory("folder")).unwrap();
        assert_eq!(now() & 0o055, 0o055, "others still read it");
        write(&mut target, &file("in"), b"in").unwrap();
        drop(target);
        assert_eq!(now(), mode);
    }
    assert_eq!(names(&folder), ["in"]);
}

/// `--overwrite if-changed` keeps a database that is as it was captured, and one that only looks so
/// by its size and time comes back: what was committed to its log stands in its bytes alone.
#[test]
fn unchanged_databases_are_kept() {
    let cli = Cli::new();
    let database = Connection::open(cli.path("src/a.db")).unwrap();
    database
        .execute_batch(
            "PRAGMA journal_mode = wal; CREATE TABLE t (x); INSERT INTO t VALUES (1);
             PRAGMA wal_checkpoint(TRUNCATE)",
        )
        .unwrap();
    let (first, stamp) = (cli.backup(), fs::metadata(cli.path("src/a.db")).unwrap());
    database.execute_batch("UPDATE t SET x = 2").unwrap();
    let second = cli.backup();
    let now = fs::metadata(cli.path("src/a.db")).unwrap();
    assert_eq!((stamp.size(), stamp.mtime_nsec()), (now.size(), now.mtime_nsec()));
    let restore = |id: &str| {
        let place = format!("{id}:{}", cli.text("src"));
        let args = ["restore", &place, "-t", "out", "--overwrite", "if-changed"];
        let rehearsed = cli.says(&[&args[..], &["--dry-run"]].concat());
        let said = cli.says(&args);
        let kept = |said: &str, how: &str| said.split_once(how).map(|(_, files)| files.to_owned());
        assert_eq!(kept(&rehearsed, "would keep "), kept(&said, "kept "));
        let bytes = fs::read(cli.path("out/a.db")).unwrap();
        fs::write(cli.path("look.db"), bytes).unwrap();
        let look = Connection::open(cli.path("look.db")).unwrap();
        let x: i64 = look.query_row("SELECT x FROM t", [], |row| row.get(0)).unwrap();
        (x, fs::metadata(cli.path("out/a.db")).unwrap().ino())
    };
    let (x, inode) = restore(&first);
    assert_eq!((x, restore(&first)), (1, (1, inode)), "it was written again");
    let (x, other) = restore(&second);
    assert!(x == 2 && other != inode);
    fs::write(cli.path("out/a.db-wal"), "commits").unwrap();
    let (x, third) = restore(&second);
    assert!(x == 2 && third != other && !cli.path("out/a.db-wal").exists());
}

/// For `--overwrite if-newer` a database is as new as its log.
#[test]
fn a_newer_log_makes_a_newer_database() {
    let cli = Cli::new();
    drop(Connection::open(cli.path("src/a.db")).unwrap().execute_batch("CREATE TABLE t (x)"));
    let place = format!("{}:{}", cli.backup(), cli.text("src"));
    fs::create_dir(cli.path("out")).unwrap();
    let stamped = |name: &str, bytes: &[u8], seconds: u64| {
        fs::write(cli.path(name), bytes).unwrap();
        let file = fs::File::options().write(true).open(cli.path(name)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
    };
    let restore =
        || cli.run(&["restore", &place, "-t", "out", "--overwrite", "if-newer"]).success();
    let database = fs::read(cli.path("src/a.db")).unwrap();
    let older = [&database[..], &database].concat();
    stamped("out/a.db", &older, 1_000_000_000);
    stamped("out/a.db-wal", b"commits", 4_000_000_000);
    restore();
    assert!(fs::read(cli.path("out/a.db")).unwrap() == older, "its log is newer");
    stamped("out/a.db-wal", b"commits", 1_000_000_001);
    restore();
    assert!(fs::read(cli.path("out/a.db")).unwrap() == database);
}
