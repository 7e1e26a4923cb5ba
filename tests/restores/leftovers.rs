//! What a restore that was killed has left behind, and what becomes of it.

use crate::common::cli::{Cli, stderr};
use crate::common::program::PROGRAM;
use crate::common::target::{directory, file, names, open, write};
use icecore::sink::files::{FilesSink, Overwrite};
use icecore::sink::{Placed, Sink};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Enters `sub` in the target.
fn enter(folder: &Path) -> Box<FilesSink> {
    let mut target = open(folder, Overwrite::Always);
    target.enter(&directory("sub")).unwrap();
    target
}

/// Temporary files go once no restore is alive in their folder, and not before; what was put aside
/// of the old stays, and is told; other names are nobody's business.
#[test]
fn nothing_goes_while_a_restore_is_alive() {
    let dir = tempfile::tempdir().unwrap();
    let sub = dir.path().join("sub");
    fs::create_dir(&sub).unwrap();
    let others =
        [".icecore-1-2.tmp.bak", ".icecore-one-2.tmp", ".icecore-1-7.old", "icecore-1-2.tmp"];
    for name in others {
        fs::write(sub.join(name), "stays").unwrap();
    }
    let count = || names(&sub).len();

    // It has let go of the folder, and of a file in it not yet.
    let mut living = enter(dir.path());
    let Placed::Write(unfinished) = living.file(&file("new"), 3, &mut |_| false).unwrap() else {
        panic!()
    };
    living.leave().unwrap();
    fs::write(sub.join(".icecore-4194999-7.tmp"), "of one that was killed").unwrap();
    let mut second = enter(dir.path());
    write(&mut second, &file("other"), b"other").unwrap();
    second.finish().unwrap();
    assert!(sub.join(".icecore-4194999-7.tmp").exists());
    unfinished.write_at(0, b"new").unwrap();
    unfinished.finish(&file("new")).unwrap();
    living.finish().unwrap();
    assert_eq!(fs::read(sub.join("new")).unwrap(), b"new");
    assert_eq!(count(), others.len() + 3);

    let report = enter(dir.path()).finish().unwrap();
    assert!(!sub.join(".icecore-4194999-7.tmp").exists());
    assert_eq!(count(), others.len() + 2);
    assert!(report.is_complete(), "{report:?}");
    assert!(report.lines[0].contains("killed, removed: 1"), "{report:?}");
    assert!(report.lines[1].contains("(.icecore-*.old): 1"), "{report:?}");
    assert_eq!(enter(dir.path()).finish().unwrap().lines.len(), 1);
}

/// A restore that is killed on the way leaves temporary files; the next one into the folder removes
/// them and says so.
#[test]
fn the_next_restore_removes_what_a_killed_one_left() {
    let cli = Cli::new();
    cli.backup();
    let latest = format!("latest:{}", cli.text("src"));
    let calls = "renameat,renameat2";
    let killed = Command::new("strace")
        .args(["-f", "-o", "/dev/null", "-e", &format!("trace={calls}")])
        .args(["-e", &format!("inject={calls}:signal=KILL:when=1")])
        .args([PROGRAM, "-r", "repo", "--key-file", "key", "--no-cache"])
        .args(["restore", &latest, "-t", "out"])
        .current_dir(cli.folder())
        .output();
    assert!(!killed.expect("strace runs: tests/run.sh installs it").status.success());
    let left = names(&cli.path("out"));
    assert!(left.iter().any(|name| name.starts_with(".icecore-")), "{left:?}");
    let said = cli.run(&["restore", &latest, "-t", "out", "--overwrite", "always"]).success();
    assert!(stderr(&said).contains("of a restore that was killed"), "{}", stderr(&said));
    assert_eq!(names(&cli.path("out")), ["a", "link", "sub"]);
}
