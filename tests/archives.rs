//! Folders of snapshots as archives of tar, unpacked by GNU tar and read by Python.

use crate::common::cli::{Cli, stderr};
use rustix::fs::{CWD, FileType, Mode, XattrFlags, makedev, mknodat, setxattr};
use rustix::process::geteuid;
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

/// Files of the lengths around a block of tar, names longer than its header holds, and all kinds of entries.
fn fill(folder: &Path) {
    for length in [0, 1, 511, 512, 513, 1024, 3_000_000_u32] {
        let bytes: Vec<u8> = (0..length).map(|at| (at / 7) as u8).collect();
        fs::write(folder.join(format!("file-{length}")), bytes).unwrap();
    }
    let deep = folder.join("d".repeat(90)).join("e".repeat(200));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("f".repeat(250)), "deep").unwrap();
    let hundred = 99 - folder.to_str().unwrap().len();
    for length in [hundred - 1, hundred, hundred + 1] {
        fs::write(folder.join("n".repeat(length)), "name").unwrap();
    }
    fs::write(folder.join(OsStr::from_bytes(b"\xff \n\"'")), "odd").unwrap();
    fs::hard_link(folder.join("file-513"), folder.join("linked")).unwrap();
    fs::hard_link(folder.join("file-513"), deep.join("linked")).unwrap();
    symlink("t".repeat(300), folder.join("far")).unwrap();
    symlink("file-1", folder.join("near")).unwrap();
    setxattr(folder.join("file-1"), "user.note", b"a\0b=\n", XattrFlags::empty()).unwrap();
    let kinds = [(FileType::Fifo, 0), (FileType::CharacterDevice, makedev(1, 3))];
    for (kind, device) in kinds.into_iter().take(if geteuid().is_root() { 2 } else { 1 }) {
        mknodat(CWD, folder.join(format!("{kind:?}")), kind, Mode::from_raw_mode(0o640), device)
            .unwrap();
    }
    fs::set_permissions(folder.join("file-512"), Permissions::from_mode(0o4751)).unwrap();
    fs::set_permissions(&deep, Permissions::from_mode(0o1777)).unwrap();
    let old = UNIX_EPOCH + Duration::from_secs(1_000_000_007);
    File::options().write(true).open(folder.join("file-0")).unwrap().set_modified(old).unwrap();
}

/// Every path beneath, with all that an archive keeps of it.
fn listed(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(path) = waiting.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        let kind = meta.file_type();
        let content = match kind {
            _ if kind.is_dir() => {
                waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
                String::new()
            }
            _ if kind.is_file() => blake3::hash(&fs::read(&path).unwrap()).to_string(),
            _ if kind.is_symlink() => format!("{:?}", fs::read_link(&path).unwrap()),
            _ if kind.is_socket() => continue,
            _ => format!("{kind:?} {}", meta.rdev()),
        };
        let mut note = [0; 100];
        let note = rustix::fs::lgetxattr(&path, "user.note", &mut note)
            .map(|length| note[..length].to_vec());
        let names = if kind.is_dir() { 0 } else { meta.nlink() };
        let facts = (meta.mode(), meta.uid(), meta.gid(), meta.mtime(), names, note.ok(), content);
        found.push((path.strip_prefix(folder).unwrap().to_owned(), format!("{facts:?}")));
    }
    found.sort();
    found
}

/// What GNU tar unpacks is what was there, to the second: content, modes, owners, times, links, devices, extended
/// attributes, names of any bytes and any length. A socket is left out, and said to be.
#[test]
fn an_unpacked_archive_is_the_folder() {
    let cli = Cli::new();
    let src = cli.path("src/all");
    fs::create_dir(&src).unwrap();
    fill(&src);
    let _socket = UnixListener::bind(src.join("socket")).unwrap();
    cli.backup();
    let dumped = cli.run(&["dump", &format!("latest:{}", src.display()), "--target", "all.tar"]);
    assert!(stderr(&dumped.success()).contains("sockets"));
    fs::create_dir(cli.path("unpacked")).unwrap();
    let mut tar = Command::new("tar");
    tar.current_dir(cli.path("unpacked"));
    tar.args(["-xpf", "../all.tar", "--xattrs", "--numeric-owner", "--same-owner"]);
    assert!(tar.status().unwrap().success());
    let unpacked = cli.path("unpacked").join(src.strip_prefix("/").unwrap());
    assert_eq!(listed(&unpacked), listed(&src));

    let names =
        "import sys, tarfile; print(len(tarfile.open(sys.argv[1], errorlevel=2).getnames()))";
    let read =
        Command::new("python3").args(["-c", names]).arg(cli.path("all.tar")).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&read.stdout).trim(),
        listed(&src).len().to_string(),
        "{read:?}"
    );
}

/// The whole of a snapshot can be an archive, too, and one comes out of a pipe as out of a file.
#[test]
fn all_of_a_snapshot_is_an_archive() {
    let cli = Cli::new();
    cli.backup();
    cli.run(&["dump", "latest:/", "--target", "all.tar"]).success();
    let piped = cli.command().args(["--key-file", "key", "dump", "latest:/"]).output().unwrap();
    assert!(
        piped.stdout == fs::read(cli.path("all.tar")).unwrap(),
        "{}",
        String::from_utf8_lossy(&piped.stderr)
    );
    let listed =
        Command::new("tar").arg("-tf").arg(cli.path("all.tar")).stderr(Stdio::inherit()).output();
    let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
    let first = format!("{}/src/a", cli.folder().to_str().unwrap().trim_start_matches('/'));
    assert!(listed.lines().any(|line| line == first), "{listed}");
}

/// Where something cannot be read, the command fails, no file stays, and what came out of a pipe does not pass for a
/// whole archive.
#[test]
fn a_broken_archive_does_not_pass_for_a_whole_one() {
    let cli = Cli::new();
    let bytes: Vec<u8> = (0..300_000_u32)
        .flat_map(|at| blake3::hash(&at.to_le_bytes()).as_bytes()[..8].to_vec())
        .collect();
    fs::write(cli.path("src/large"), bytes).unwrap();
    cli.backup();
    let folder = cli.path("repo/packs");
    let mut packs: Vec<PathBuf> = Vec::new();
    let mut waiting = vec![folder];
    while let Some(path) = waiting.pop() {
        match path.is_dir() {
            true => waiting.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path())),
            false => packs.push(path),
        }
    }
    let largest = packs.iter().max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    let mut rotten = fs::read(largest).unwrap();
    let middle = rotten.len() / 2;
    rotten[middle] ^= 1;
    fs::set_permissions(largest, Permissions::from_mode(0o600)).unwrap();
    fs::write(largest, rotten).unwrap();
    let piped = cli.command().args(["--key-file", "key", "dump", "latest:/"]).output().unwrap();
    assert!(!piped.status.success() && !piped.stdout.ends_with(&[0; 1024]));
    cli.run(&["dump", "latest:/", "--target", "all.tar"]).failure();
    assert!(!cli.path("all.tar").exists());
}
