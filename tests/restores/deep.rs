//! Trees as deep as they may be, and stacks as small as a shell sets them.

use crate::common::cli::Cli;
use crate::common::program::{PROGRAM, with_own_state};
use icecore::limits::DIRECTORY_DEPTH_MAX;
use std::fs;
use std::process::Command;

/// The deepest tree that a backup takes is restored, read back, checked, compared and measured whole,
/// on a stack of a mebibyte: without optimisation the parser of the command line alone takes more than half
/// of one.
#[test]
fn the_deepest_tree_on_a_small_stack() {
    let cli = Cli::new();
    let mut here = fs::File::open(cli.path("src")).unwrap();
    // Depth counts from the root of the snapshot.
    let above = cli.path("src").components().count() - 1;
    for _ in 0..DIRECTORY_DEPTH_MAX - above {
        rustix::fs::mkdirat(&here, "directory", rustix::fs::Mode::RWXU).unwrap();
        let flags = rustix::fs::OFlags::DIRECTORY;
        let next = rustix::fs::openat(&here, "directory", flags, rustix::fs::Mode::empty());
        here = next.unwrap().into();
    }
    let create = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY;
    for name in ["bottom", "one"] {
        let file = rustix::fs::openat(&here, name, create, rustix::fs::Mode::RUSR).unwrap();
        rustix::io::write(file, b"deep").unwrap();
    }
    rustix::fs::linkat(&here, "one", &here, "two", rustix::fs::AtFlags::empty()).unwrap();
    let run = |args: &[&str]| {
        let output = with_own_state(Command::new("sh"))
            .args(["-c", "ulimit -s 1024; exec \"$@\"", "sh", PROGRAM])
            .arg("--key-file")
            .arg(cli.path("key"))
            .args(args)
            .env("ICECORE_REPOSITORY", cli.path("repo"))
            .current_dir(cli.folder())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let end = said.len().saturating_sub(300);
        assert_eq!(output.status.code(), Some(0), "{args:?}: ...{}", &said[end..]);
        String::from_utf8(output.stdout).unwrap()
    };
    run(&["backup", "src"]);
    fs::write(cli.path("src/a"), b"other").unwrap();
    run(&["backup", "src"]);
    run(&["restore", "latest", "-t", "out", "--verify"]);
    let again = ["restore", "latest", "-t", "out", "--verify", "--overwrite", "if-changed"];
    let said = run(&again);
    assert!(said.contains("kept 5 files"), "both names of one file are kept, too: {said}");
    run(&["check", "--read-data"]);
    assert!(run(&["diff", "latest~1", "latest"]).contains("/src/a"));
    run(&["stats"]);
    assert!(run(&["find", "bottom"]).contains("/directory/bottom"));
    assert_eq!(run(&["ls", "latest"]).matches("/bottom").count(), 1);
}
