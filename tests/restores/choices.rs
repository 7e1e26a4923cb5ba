//! What a restore says before it begins, and when there is nothing to restore.

use crate::common::desk::{Desk, stderr, stdout};
use crate::common::target::names;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

/// A rehearsal refuses what the restore itself would refuse, with the same code and the same words.
#[test]
fn a_rehearsal_refuses_what_the_restore_refuses() {
    let desk = Desk::new();
    desk.backup();
    let src = desk.text("src");
    fs::create_dir_all(desk.path("full/a/in")).unwrap();
    fs::write(desk.path("file"), b"file").unwrap();
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
        let rehearsed = desk.run(&[&["restore", "--dry-run"], case].concat());
        let restored = desk.run(&[&["restore"], case].concat());
        let (before, after) = (rehearsed.get_output(), restored.get_output());
        assert!(!after.status.success(), "{case:?}");
        assert_eq!(before.status.code(), after.status.code(), "{case:?}: {}", stderr(&rehearsed));
        let last = |said: &assert_cmd::assert::Assert| {
            stderr(said).lines().map(|line| line.replace(&src, "")).next_back().unwrap_or_default()
        };
        if after.status.code() == Some(1) && case[2] != "file/beneath" && case[2] != "file" {
            assert_eq!(last(&rehearsed), last(&restored), "{case:?}");
        }
        assert!(!desk.path("new").exists(), "{case:?}");
    }
    let kept =
        desk.says(&["restore", &whole, "-t", "src", "--overwrite", "if-changed", "--dry-run"]);
    assert!(kept.contains("would restore 2 items (0 files)"), "{kept}");
    assert!(kept.contains("would keep 2 files as they stand there"), "{kept}");
    let whole_twice = ["restore", &whole, "-t", "src", "--overwrite", "if-changed", "-v"];
    fs::write(desk.path("src/a"), "another").unwrap();
    let rehearsed = desk.says(&[&whole_twice[..], &["--dry-run"]].concat());
    let restored = desk.says(&whole_twice);
    for (said, verb) in [(&rehearsed, "would restore"), (&restored, "restored")] {
        let named = said.lines().next().unwrap();
        assert!(named.starts_with(verb) && named.contains("/src/a ("), "{said}");
        assert!(said.contains("(1 file)") && said.contains("1 file as they stand"), "{said}");
    }
}

/// Patterns that leave nothing, or match nothing, are an error that says so; a path that does not
/// exist is one for every verb that takes one, and so is a name that is found nowhere.
#[test]
fn nothing_that_matches_is_an_error() {
    let desk = Desk::new();
    desk.backup();
    let src = desk.text("src");
    for patterns in [
        &["--include", "nosuch"][..],
        &["--exclude", "*"],
        &["--exclude", &src],
        &["--include", "a", "--exclude", "a"],
    ] {
        let said = desk.run(&[&["restore", "latest", "-t", "out"], patterns].concat()).code(1);
        let said = stderr(&said);
        assert!(said.contains("hint:") && said.contains("in it"), "{patterns:?}: {said}");
        assert!(!desk.path("out").exists(), "{patterns:?}");
    }
    for args in [
        &["restore", "latest:/nosuch", "-t", "out"][..],
        &["ls", "latest", "/nosuch"],
        &["ls", "latest:/nosuch"],
        &["dump", "latest:/nosuch"],
        &["find", "nosuch"],
    ] {
        let said = desk.run(args).code(1);
        assert!(stderr(&said).contains("hint:"), "{args:?}: {}", stderr(&said));
        assert!(stdout(&said).is_empty(), "{args:?}");
    }
    // An empty folder is all there is of it.
    fs::create_dir(desk.path("empty")).unwrap();
    desk.run(&["backup", "empty"]).success();
    let empty = desk.text("empty");
    desk.run(&["restore", &format!("latest:{empty}"), "-t", "out"]).success();
}

/// Folders that only lead to what is restored are made as any folder is made now; those that are
/// there stay as they are.
#[test]
fn folders_on_the_way() {
    let desk = Desk::new();
    desk.backup();
    let src = desk.text("src");
    let parent = src.trim_start_matches('/').trim_end_matches("/src");
    let top = desk.path("out").join(parent.split('/').next().unwrap());
    desk.run(&["restore", "latest", "-t", "out"]).success();
    let made = fs::metadata(desk.path("out").join(parent)).unwrap();
    assert!(made.mtime() > 1_700_000_000, "{}", made.mtime());
    fs::set_permissions(&top, fs::Permissions::from_mode(0o701)).unwrap();
    let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    fs::File::open(&top).unwrap().set_modified(long_ago).unwrap();
    desk.run(&["restore", "latest", "-t", "out", "--overwrite", "always"]).success();
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
