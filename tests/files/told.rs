//! What of a file cannot be captured is told, and what can be is captured whole: attributes past
//! the bound, files that the kernel makes up, folders far down.

use crate::common::aloud::not_run;
use crate::common::cli::{Cli, stderr};
use rusqlite::Connection;
use rustix::fs::{CWD, Mode, OFlags, XattrFlags};
use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;

/// Gives it so many attributes of 64 KiB, the most that Linux takes; false where the file system
/// takes fewer.
fn weigh_down(path: &Path, count: usize) -> bool {
    (0..count).all(|number| {
        let name = format!("user.weight-{number}");
        rustix::fs::setxattr(path, name, &[7; 64 << 10], XattrFlags::empty()).is_ok()
    })
}

/// More extended attributes than an entry holds are left out, of files, folders and databases
/// however they were named; each time that is told, also with -q, and the exit code is 3.
#[test]
fn too_many_attributes_are_told() {
    let Ok(dir) = tempfile::tempdir_in("/dev/shm") else {
        return not_run("too many attributes are told: there is no /dev/shm");
    };
    let at = |name: &str| dir.path().join(name);
    for folder in ["file", "folder", "database", "fits"] {
        fs::create_dir(at(folder)).unwrap();
    }
    fs::write(at("file/it"), "content").unwrap();
    fs::write(at("fits/it"), "content").unwrap();
    fs::create_dir(at("folder/it")).unwrap();
    fs::write(at("folder/it/beneath"), "content").unwrap();
    let database = Connection::open(at("database/it")).unwrap();
    database.execute_batch("CREATE TABLE t (x)").unwrap();
    drop(database);
    for name in ["file/it", "folder/it", "database/it"] {
        if !weigh_down(&at(name), 17) {
            return not_run("too many attributes are told: /dev/shm takes no attributes");
        }
    }
    assert!(weigh_down(&at("fits/it"), 15));

    let cli = Cli::new();
    let text = |name: &str| at(name).to_str().unwrap().to_owned();
    let alone = format!("sqlite:{}", text("database/it"));
    for source in [text("file"), text("folder"), text("database"), alone, text("folder/it")] {
        let said = cli.run(&["-q", "backup", &source]).code(3);
        let told = stderr(&said);
        assert!(told.contains("extended attributes") && told.contains("/it"), "{source}: {told}");
        assert!(cli.says(&["snapshots", "latest"]).contains("incomplete"));
        // What is not all there is not taken for unchanged.
        cli.run(&["-q", "backup", &source]).code(3);
        assert!(!cli.json(&["ls", "latest"]).is_empty(), "{source}");
    }
    cli.run(&["backup", &text("fits")]).success();
    assert!(!cli.says(&["snapshots", "latest"]).contains("incomplete"));
}

/// Files whose length the kernel does not tell are read to their end, in one piece where only the
/// first read gives anything, and read again each time; they are not said to have changed.
#[test]
fn files_that_the_kernel_makes_up() {
    let cli = Cli::new();
    let paths = [
        "/proc/version",
        "/proc/sys/kernel/ostype",
        "/proc/kallsyms",
        "/sys/devices/system/cpu/possible",
        "/sys/kernel/mm/transparent_hugepage/enabled",
    ];
    for path in paths {
        let Ok(expected) = fs::read(path) else { continue };
        for _ in 0..2 {
            let said = cli.json(&["backup", path]);
            let read = said.last().unwrap()["bytes_read"].as_u64().unwrap();
            assert_eq!(read, expected.len() as u64, "{path}");
        }
        let dumped = cli.run(&["dump", "latest"]).success().get_output().stdout.clone();
        assert!(dumped == expected, "{path}: {} bytes", dumped.len());
    }
    fs::write(cli.path("src/nothing"), "").unwrap();
    cli.run(&["backup", "src/nothing"]).success();
    assert_eq!(cli.says(&["dump", "latest"]), "");
}

/// So many folders within each other, with a file in the last one.
fn nest(root: &Path, name: &str, levels: usize) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = |fd: Option<&OwnedFd>, path: &Path| match fd {
        Some(fd) => rustix::fs::openat(fd, path, flags, Mode::empty()).unwrap(),
        None => rustix::fs::openat(CWD, path, flags, Mode::empty()).unwrap(),
    };
    let mut here = open(None, root);
    for _ in 0..levels {
        rustix::fs::mkdirat(&here, name, Mode::RWXU).unwrap();
        here = open(Some(&here), Path::new(name));
    }
    let flags = OFlags::CREATE | OFlags::WRONLY;
    let file = rustix::fs::openat(&here, "bottom", flags, Mode::RUSR).unwrap();
    rustix::io::write(&file, b"deep").unwrap();
}

/// As deep as the format goes, and where paths are longer than the system takes, a tree is captured
/// whole and can be listed; what lies deeper is left out, and told.
#[test]
fn folders_far_down() {
    let cli = Cli::new();
    let long = "x".repeat(40);
    let root = cli.path("deep");
    let most = 1000 - (root.components().count() - 1);
    for (name, levels, whole) in [("d", most, true), (&long, most, true), ("d", most + 1, false)] {
        fs::create_dir(&root).unwrap();
        fs::write(root.join("top"), name).unwrap();
        nest(&root, name, levels);
        let said = cli.run(&["backup", "deep"]).code(if whole { 0 } else { 3 });
        let told = stderr(&said);
        assert_eq!(!whole, told.contains("directories deep"), "{levels}: {told}");
        for command in [&["find", "bottom"][..], &["stats"], &["check", "--read-data"]] {
            cli.says(command);
        }
        let path = format!("{}{}/bottom", root.display(), format!("/{name}").repeat(levels));
        let dumped = cli.run(&["dump", &format!("latest:{path}")]);
        assert_eq!(dumped.get_output().stdout, if whole { "deep" } else { "" }.as_bytes());
        assert!(Command::new("rm").arg("-rf").arg(&root).status().unwrap().success());
    }
}
