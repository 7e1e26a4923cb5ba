//! Files as a source and as a target: every kind of entry, changes while it is read, patterns.

use icecore::env::Env;
use icecore::error::Result;
use icecore::format::node::{Node, NodeKind, SqliteFacts};
use icecore::source::files::{Excludes, FilesOptions, FilesSource};
use icecore::source::stdin::StreamSource;
use icecore::source::{ByteStream, FileItem, FileProof, Got, Item, Source};
use icecore::target::files as target;
use rustix::fs::{CWD, FileType, Mode, XattrFlags};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

/// Data and holes of one file, and what its end proved.
struct Captured {
    data: Vec<(u64, Vec<u8>)>,
    size: u64,
    proof: FileProof,
}

fn capture(file: FileItem) -> Result<Captured> {
    let mut stream = (file.open)()?;
    let mut buffer = vec![0; 100_000];
    let (mut data, mut size) = (Vec::new(), 0);
    loop {
        match stream.read(&mut buffer)? {
            Got::Data(length) => {
                data.push((size, buffer[..length].to_vec()));
                size += length as u64;
            }
            Got::Hole(length) => size += length,
            Got::End => break,
        }
    }
    Ok(Captured { data, size, proof: stream.finish()? })
}

/// Everything that a walk gives: the nodes by path from the root, files with their items.
struct Walked {
    nodes: BTreeMap<PathBuf, Node>,
    files: BTreeMap<PathBuf, FileItem>,
    failed: Vec<String>,
}

fn walk(path: &Path, options: FilesOptions) -> Walked {
    let mut source = FilesSource::new(path, options).unwrap();
    let mut walked = Walked { nodes: BTreeMap::new(), files: BTreeMap::new(), failed: Vec::new() };
    let mut here: Vec<PathBuf> = Vec::new();
    while let Some(item) = source.next().unwrap() {
        let place = |node: &Node| match here.last() {
            Some(folder) => folder.join(OsStr::from_bytes(&node.name)),
            None => PathBuf::new(),
        };
        match item {
            Item::Enter(node) => {
                let path = place(&node);
                walked.nodes.insert(path.clone(), node);
                here.push(path);
            }
            Item::Leave => drop(here.pop().unwrap()),
            Item::File(file) => {
                let path = place(&file.node);
                walked.nodes.insert(path.clone(), file.node.clone());
                walked.files.insert(path, file);
            }
            Item::Other(node) => drop(walked.nodes.insert(place(&node), node)),
            Item::Failed(error) => walked.failed.push(error.to_string()),
        }
    }
    assert!(here.is_empty(), "every directory entered was left");
    walked
}

fn names(walked: &Walked) -> Vec<String> {
    walked.nodes.keys().map(|path| path.display().to_string()).collect()
}

/// Captures `from` and restores it to `to`, without a repository between.
fn copy(from: &Path, to: &Path, options: target::FilesOptions) -> target::Report {
    let mut source = FilesSource::new(from, FilesOptions::default()).unwrap();
    let mut target = target::FilesTarget::open(to, options).unwrap();
    let mut depth = 0;
    while let Some(item) = source.next().unwrap() {
        match item {
            Item::Enter(node) if depth == 0 => {
                target.root(&node);
                depth = 1;
            }
            Item::Enter(node) => {
                target.enter(&node).unwrap();
                depth += 1;
            }
            Item::Leave => {
                depth -= 1;
                if depth > 0 {
                    target.leave().unwrap();
                }
            }
            Item::File(file) => {
                let node = file.node.clone();
                let captured = capture(file).unwrap();
                if let target::Placed::Write(sink) = target.file(&node, captured.size).unwrap() {
                    for (offset, bytes) in &captured.data {
                        sink.write_at(*offset, bytes).unwrap();
                    }
                    sink.finish(&node).unwrap();
                }
            }
            Item::Other(node) => target.other(&node).unwrap(),
            Item::Failed(error) => panic!("{error}"),
        }
    }
    target.finish().unwrap()
}

/// Everything that a restore has to bring back, one line for each entry.
fn describe(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut lines = BTreeMap::new();
    let mut inodes = BTreeMap::new();
    let mut pending = vec![root.to_owned()];
    while let Some(path) = pending.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        let relative = path.strip_prefix(root).unwrap().to_owned();
        let mut line = format!(
            "{:o} {}:{} {}.{} rdev {}",
            meta.mode(),
            meta.uid(),
            meta.gid(),
            meta.mtime(),
            meta.mtime_nsec(),
            meta.rdev()
        );
        if meta.is_dir() {
            pending.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if meta.nlink() > 1 {
            let files: &mut Vec<PathBuf> = inodes.entry(meta.ino()).or_default();
            files.push(relative.clone());
        }
        if meta.is_file() {
            let content = fs::read(&path).unwrap();
            line += &format!(" {} {}", content.len(), blake3::hash(&content));
        }
        if meta.is_symlink() {
            line += &format!(" -> {:?}", fs::read_link(&path).unwrap());
        }
        let mut list = vec![0; 4096];
        let length = rustix::fs::llistxattr(&path, list.as_mut_slice()).unwrap_or(0);
        let mut attributes: Vec<&[u8]> = list[..length].split(|byte| *byte == 0).collect();
        attributes.sort_unstable();
        for name in attributes.into_iter().filter(|name| !name.is_empty()) {
            let mut value = vec![0; 4096];
            let length = rustix::fs::lgetxattr(&path, name, value.as_mut_slice()).unwrap();
            line += &format!(" {}={:?}", name.escape_ascii(), &value[..length]);
        }
        lines.insert(relative, line);
    }
    for mut files in inodes.into_values() {
        files.sort();
        for file in &files {
            *lines.get_mut(file).unwrap() += &format!(" same as {files:?}");
        }
    }
    lines
}

fn set_xattr(path: &Path, name: &str, value: &[u8]) {
    rustix::fs::lsetxattr(path, name, value, XattrFlags::empty()).unwrap();
}

/// An ACL that gives the user with number 12 the right to read.
fn acl() -> Vec<u8> {
    let mut bytes = 2u32.to_le_bytes().to_vec();
    let none = u32::MAX;
    for (tag, rights, id) in
        [(1u16, 6u16, none), (2, 4, 12), (4, 4, none), (0x10, 4, none), (0x20, 0, none)]
    {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(rights.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

fn root_here() -> bool {
    rustix::process::geteuid().is_root()
}

/// One of every kind of entry that this process can make.
fn every_kind(root: &Path) {
    fs::create_dir_all(root.join("a/b")).unwrap();
    fs::write(root.join("a/file"), b"content").unwrap();
    fs::write(root.join("a/empty"), b"").unwrap();
    fs::write(root.join("a.b"), vec![7; 300_000]).unwrap();
    fs::write(root.join(OsStr::from_bytes(b"\xff\xfe new\nline \\ *")), b"odd").unwrap();
    fs::hard_link(root.join("a/file"), root.join("a/b/link")).unwrap();
    fs::hard_link(root.join("a/file"), root.join("z-link")).unwrap();
    symlink("a/file", root.join("to file")).unwrap();
    symlink(OsStr::from_bytes(b"/nowhere/\xff"), root.join("dangling")).unwrap();
    rustix::fs::mkfifoat(CWD, root.join("fifo"), Mode::from_raw_mode(0o640)).unwrap();
    set_xattr(&root.join("a/file"), "user.colour", b"blue\0green");
    set_xattr(&root.join("a/b"), "user.folder", b"");
    set_xattr(&root.join("a/file"), "system.posix_acl_access", &acl());
    set_xattr(&root.join("a/b"), "system.posix_acl_default", &acl());
    let sparse = File::create(root.join("sparse")).unwrap();
    sparse.write_all_at(b"front", 0).unwrap();
    sparse.write_all_at(b"middle", 5 << 20).unwrap();
    sparse.set_len(64 << 20).unwrap();
    if root_here() {
        let null = rustix::fs::makedev(1, 3);
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(CWD, root.join("null"), FileType::CharacterDevice, mode, null).unwrap();
        fs::write(root.join("setuid"), b"#!/bin/sh\n").unwrap();
        rustix::fs::chown(
            root.join("setuid"),
            Some(rustix::fs::Uid::from_raw(12)),
            Some(rustix::fs::Gid::from_raw(34)),
        )
        .unwrap();
        fs::set_permissions(root.join("setuid"), fs::Permissions::from_mode(0o4755)).unwrap();
        rustix::fs::chownat(
            CWD,
            root.join("dangling"),
            Some(rustix::fs::Uid::from_raw(12)),
            None,
            rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
        )
        .unwrap();
        let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        set_xattr(&root.join("a.b"), "security.capability", &capability);
    }
    fs::set_permissions(root.join("a/b"), fs::Permissions::from_mode(0o555)).unwrap();
    fs::set_permissions(root.join("a/empty"), fs::Permissions::from_mode(0o000)).unwrap();
    let long_ago = std::time::UNIX_EPOCH + std::time::Duration::new(1_000_000_000, 123_456_789);
    for path in ["a/file", "a", "."] {
        File::open(root.join(path)).unwrap().set_modified(long_ago).unwrap();
    }
}

/// A tree with every kind of entry comes back the same: modes, owners, times, links, holes,
/// attributes, ACLs, odd names.
#[test]
fn round_trip() {
    let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    every_kind(from.path());
    let options = target::FilesOptions { devices_and_setuid: true, ..Default::default() };
    let report = copy(from.path(), to.path(), options);
    if root_here() {
        assert!(report.is_complete(), "{report:?}");
        assert_eq!(describe(from.path()), describe(to.path()));
    }
    let sparse = fs::metadata(to.path().join("sparse")).unwrap();
    assert!(sparse.blocks() * 512 < 1 << 20, "holes stay holes");
}

/// Without the flag, what gives privileges is left out, and said so; everything else comes back.
#[test]
fn privileges_only_by_flag() {
    if !root_here() {
        return;
    }
    let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    every_kind(from.path());
    let report = copy(from.path(), to.path(), target::FilesOptions::default());
    assert_eq!((report.special_modes, report.devices, report.xattrs), (1, 1, 1), "{report:?}");
    let (mut wanted, found) = (describe(from.path()), describe(to.path()));
    assert!(!found.contains_key(Path::new("null")));
    assert_eq!(fs::metadata(to.path().join("setuid")).unwrap().mode() & 0o7777, 0o755);
    for changed in ["null", "setuid", "a.b"] {
        wanted.remove(Path::new(changed));
    }
    for (path, line) in wanted {
        assert_eq!(Some(&line), found.get(&path), "{path:?}");
    }
}

/// The root comes first, then depth first in the order of bytes of names, each directory left
/// once.
#[test]
fn order() {
    let dir = TempDir::new().unwrap();
    for path in ["b/x", "a/z", "a.b", "a/y/deep", "c"] {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"").unwrap();
    }
    let mut source = FilesSource::new(dir.path(), FilesOptions::default()).unwrap();
    let mut steps = Vec::new();
    while let Some(item) = source.next().unwrap() {
        let name = |node: Node| String::from_utf8(node.name).unwrap();
        steps.push(match item {
            Item::Enter(node) => format!("+{}", name(node)),
            Item::Leave => "-".to_owned(),
            Item::File(file) => name(file.node),
            Item::Other(node) => name(node),
            Item::Failed(error) => panic!("{error}"),
        });
    }
    let root = format!("+{}", dir.path().file_name().unwrap().to_str().unwrap());
    let expected = [&root, "+a", "+y", "deep", "-", "z", "-", "a.b", "+b", "x", "-", "c", "-"];
    assert_eq!(steps, expected);
}

/// What is left out is left out, by pattern, marker and size, and nothing else.
#[test]
fn left_out() {
    let dir = TempDir::new().unwrap();
    let root = dir.path();
    for path in ["keep", "x.tmp", "cache/in", "sub/x.tmp", "sub/keep", "big", "tagged/data"] {
        fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        fs::write(root.join(path), b"").unwrap();
    }
    fs::write(root.join("big"), vec![0; 2000]).unwrap();
    fs::write(root.join("tagged/CACHEDIR.TAG"), b"Signature: 8a477f597d28d172").unwrap();
    fs::create_dir(root.join("fake")).unwrap();
    fs::write(root.join("fake/CACHEDIR.TAG"), b"none").unwrap();
    fs::write(root.join("fake/data"), b"").unwrap();
    let list = root.join("keep");
    fs::write(&list, b"# a comment\n\n  *.tmp  \n").unwrap();
    let mut patterns = Excludes::patterns_in(&list).unwrap();
    patterns.push(format!("{}/cache/*", root.display()));
    let walked = walk(
        root,
        FilesOptions {
            excludes: Excludes::new(patterns).unwrap(),
            exclude_if_present: vec![(b"CACHEDIR.TAG".to_vec(), Some(b"Signature: ".to_vec()))],
            larger_than: Some(1000),
            ..FilesOptions::default()
        },
    );
    let expected = [
        "",
        "cache",
        "fake",
        "fake/CACHEDIR.TAG",
        "fake/data",
        "keep",
        "sub",
        "sub/keep",
        "tagged",
        "tagged/CACHEDIR.TAG",
    ];
    assert_eq!(names(&walked), expected);
    assert!(walked.failed.is_empty());
}

/// A file that grows, shrinks, is written or vanishes while it is read is noticed, and what was
/// read is never longer than the file was; one that stays is not accused.
#[test]
fn changes_are_noticed() {
    type Change = fn(&Path);
    let changes: [(&str, Change, Option<&str>); 6] = [
        ("nothing", |_| {}, None),
        ("grows", |p| append(p, b"more"), Some("grew")),
        ("shrinks", |p| set_len(p, 1000), Some("shrank")),
        ("is written", |p| fs::write(p, vec![9; 500_000]).unwrap(), Some("written")),
        ("vanishes", |p| fs::remove_file(p).unwrap(), Some("removed")),
        ("is replaced", |p| fs::rename(other(p), p).unwrap(), Some("removed")),
    ];
    for (what, change, expected) in changes {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, vec![5; 500_000]).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(30));
        let mut walked = walk(&path, FilesOptions::default());
        let file = walked.files.remove(Path::new("")).unwrap();
        let mut stream = (file.open)().unwrap();
        let mut buffer = vec![0; 100_000];
        let mut total = match stream.read(&mut buffer).unwrap() {
            Got::Data(length) => length,
            got => panic!("{got:?}"),
        };
        let changing = path.clone();
        std::thread::spawn(move || change(&changing)).join().unwrap();
        while let Got::Data(length) = stream.read(&mut buffer).unwrap() {
            total += length;
        }
        assert!(total <= 500_000, "{what}");
        let proof = stream.finish().unwrap();
        match (expected, proof.changed) {
            (None, None) => {}
            (Some(word), Some(said)) => assert!(said.contains(word), "{what}: {said}"),
            (_, said) => panic!("{what}: {said:?}"),
        }
    }
}

fn append(path: &Path, bytes: &[u8]) {
    fs::OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

fn set_len(path: &Path, length: u64) {
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
}

fn other(path: &Path) -> PathBuf {
    let other = path.with_file_name("other");
    fs::write(&other, b"other").unwrap();
    other
}

/// Between the walk and the read a file may go, or become a link or a pipe: an error each time,
/// never another file's bytes and never a hang.
#[test]
fn exchanged_before_the_read() {
    type Change = fn(&Path);
    let changes: [Change; 4] = [
        |_| {},
        |p| symlink("/etc/passwd", p).unwrap(),
        |p| rustix::fs::mkfifoat(CWD, p, Mode::RUSR).unwrap(),
        |p| fs::rename(other(p), p).unwrap(),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, b"content").unwrap();
        let keep_inode = File::open(&path).unwrap();
        let mut walked = walk(dir.path(), FilesOptions::default());
        fs::remove_file(&path).unwrap();
        change(&path);
        let opened = (walked.files.remove(Path::new("file")).unwrap().open)();
        assert!(opened.is_err(), "change {number}");
        drop(keep_inode);
    }
}

/// A stamp proves something only when it is old enough; times that lie ahead never do.
#[test]
fn settled_stamps() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("file"), b"content").unwrap();
    let now = Env::real().now();
    for (seconds, expected) in [(0, false), (1, false), (-100, false), (4000, true)] {
        let (env, clock) = Env::seeded(1, now);
        clock.advance(seconds);
        let walked = walk(dir.path(), FilesOptions { env, ..FilesOptions::default() });
        let file = &walked.files[Path::new("file")];
        assert_eq!(file.settled, expected, "{seconds} s later");
        let meta = fs::metadata(dir.path().join("file")).unwrap();
        let stamp = file.stamp.unwrap();
        assert_eq!((stamp.size, stamp.inode), (7, meta.ino()));
        assert_eq!((stamp.ctime.0, i64::from(stamp.ctime.1)), (meta.ctime(), meta.ctime_nsec()));
    }
}

/// A stand-in for the reader of databases: the path is the content.
struct Fake(Option<Vec<u8>>);

impl ByteStream for Fake {
    fn read(&mut self, buffer: &mut [u8]) -> Result<Got> {
        let Some(bytes) = self.0.take() else { return Ok(Got::End) };
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok(Got::Data(bytes.len()))
    }

    fn finish(self: Box<Self>) -> Result<FileProof> {
        Ok(FileProof { sqlite: Some(SqliteFacts::default()), ..FileProof::default() })
    }
}

/// A database is captured through SQLite, without its siblings, and its stamp proves nothing
/// while it has a write-ahead log; look-alikes are files.
#[test]
fn databases() {
    let dir = TempDir::new().unwrap();
    let root = dir.path();
    for name in ["app.db", "other"] {
        fs::write(root.join(name), b"SQLite format 3\0 and so on").unwrap();
    }
    let siblings = ["app.db-wal", "app.db-shm", "app.db-journal", "app.db-mj0123AB9CD"];
    for name in siblings.iter().chain(&["text", "text-wal", "lone-journal"]) {
        fs::write(root.join(name), b"x").unwrap();
    }
    let open: icecore::source::files::OpenDatabase =
        Arc::new(|path| Ok(Box::new(Fake(Some(path.as_os_str().as_bytes().to_vec())))));
    let mut walked = walk(root, FilesOptions { sqlite: Some(open), ..FilesOptions::default() });
    assert_eq!(names(&walked), ["", "app.db", "lone-journal", "other", "text", "text-wal"]);
    assert!(walked.files[Path::new("app.db")].stamp.is_none());
    assert!(walked.files[Path::new("other")].stamp.is_some());
    let captured = capture(walked.files.remove(Path::new("app.db")).unwrap()).unwrap();
    assert_eq!(captured.data[0].1, root.join("app.db").as_os_str().as_bytes());
    assert!(captured.proof.sqlite.is_some());
    let captured = capture(walked.files.remove(Path::new("text")).unwrap()).unwrap();
    assert!(captured.proof.sqlite.is_none());

    let plain = walk(root, FilesOptions::default());
    assert!(siblings.iter().all(|name| plain.files.contains_key(Path::new(name))));
}

/// Folders nested far deeper than descriptors are kept open are walked to the end, and back.
#[test]
fn deep_folders() {
    let dir = TempDir::new().unwrap();
    let mut path = dir.path().to_owned();
    for _ in 0..300 {
        path.push("d");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("z"), b"").unwrap();
    }
    let walked = walk(dir.path(), FilesOptions::default());
    assert_eq!((walked.files.len(), walked.failed.len()), (300, 0));
}

/// A sparse file of 16 TiB is read in no time: its holes are told, not read.
#[test]
fn vast_holes() {
    let dir = TempDir::new().unwrap();
    let file = File::create(dir.path().join("vast")).unwrap();
    let size = 15 << 40;
    if file.set_len(size).is_err() {
        return; // This file system has no such files.
    }
    file.write_all_at(b"end", size - 3).unwrap();
    let mut walked = walk(dir.path(), FilesOptions::default());
    let captured = capture(walked.files.remove(Path::new("vast")).unwrap()).unwrap();
    assert_eq!(captured.size, size);
    let read: usize = captured.data.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(read <= 1 << 20, "{read} bytes were read");
}

/// Existing files are replaced, kept or refused as asked for.
#[test]
fn overwriting() {
    let from = TempDir::new().unwrap();
    fs::write(from.path().join("same"), b"same").unwrap();
    fs::write(from.path().join("old"), b"new content").unwrap();
    for (overwrite, same, old) in [
        (target::Overwrite::Always, &b"same"[..], &b"new content"[..]),
        (target::Overwrite::IfChanged, b"SAME", b"new content"),
        (target::Overwrite::IfNewer, b"SAME", b"ancient"),
    ] {
        let to = TempDir::new().unwrap();
        fs::write(to.path().join("same"), b"SAME").unwrap();
        fs::write(to.path().join("old"), b"ancient").unwrap();
        let time = fs::metadata(from.path().join("same")).unwrap().modified().unwrap();
        File::options()
            .write(true)
            .open(to.path().join("same"))
            .unwrap()
            .set_modified(time)
            .unwrap();
        let refused = target::FilesTarget::open(to.path(), target::FilesOptions::default());
        assert!(refused.is_err(), "a target that is not empty needs the word");
        copy(from.path(), to.path(), target::FilesOptions { overwrite, ..Default::default() });
        assert_eq!(fs::read(to.path().join("same")).unwrap(), same, "{overwrite:?}");
        assert_eq!(fs::read(to.path().join("old")).unwrap(), old, "{overwrite:?}");
    }
}

/// With the option, runs of zeros become holes and the content stays the same.
#[test]
fn zeros_become_holes() {
    let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let mut content = vec![0; 3 << 20];
    content[1_000_000..1_000_100].fill(1);
    content[2_500_000] = 1;
    fs::write(from.path().join("file"), &content).unwrap();
    let options = target::FilesOptions { sparse: true, ..Default::default() };
    copy(from.path(), to.path(), options);
    let restored = to.path().join("file");
    assert_eq!(fs::read(&restored).unwrap(), content);
    assert!(fs::metadata(&restored).unwrap().blocks() * 512 < 1 << 20);
}

/// Standard output of a command is its content; a failure of the command is an error with what
/// it said, however much was read before.
#[test]
fn commands() {
    let run = |script: &str| {
        let command = ["sh", "-c", script].map(Into::into);
        let mut source = StreamSource::command(b"dump", &command, &Env::real()).unwrap();
        assert_eq!(source.describe().path, b"/dump");
        let Some(Item::File(file)) = source.next().unwrap() else { panic!("no file") };
        assert!(matches!(file.node.kind, NodeKind::File { .. }) && file.stamp.is_none());
        assert!(source.next().unwrap().is_none());
        capture(file)
    };
    let captured = run("printf one; printf two").unwrap();
    let bytes: Vec<u8> = captured.data.into_iter().flat_map(|(_, bytes)| bytes).collect();
    assert_eq!(bytes, b"onetwo");
    let error = run("echo half; echo 'the disk is gone' >&2; exit 3").map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("the disk is gone"), "{error}");
    let error = run("kill -9 $$").map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("signal"), "{error}");
    assert!(StreamSource::stdin(b"a/b", &Env::real()).is_err());
}

/// A tree that changes all the time is walked to its end: no panic, no hang, and whatever was
/// captured without complaint has the length that it was said to have.
#[test]
fn a_restless_tree() {
    let dir = TempDir::new().unwrap();
    let root = dir.path().to_owned();
    let stop = Arc::new(AtomicBool::new(false));
    let restless = {
        let (root, stop) = (root.clone(), stop.clone());
        std::thread::spawn(move || {
            for round in 0.. {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let folder = root.join(format!("d{}", round % 5));
                let _ = fs::create_dir(&folder);
                let _ = fs::write(folder.join("f"), vec![1; round * 37 % 90_000]);
                let _ = symlink("/etc", folder.join("l"));
                if round % 3 == 0 {
                    let _ = fs::remove_dir_all(&folder);
                }
            }
        })
    };
    for _ in 0..200 {
        let walked = walk(&root, FilesOptions::default());
        for (_, file) in walked.files {
            let size = file.stamp.unwrap().size;
            if let Ok(captured) = capture(file)
                && captured.proof.changed.is_none()
            {
                let read: usize = captured.data.iter().map(|(_, bytes)| bytes.len()).sum();
                assert!(read as u64 == captured.size && (size <= 90_000));
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    restless.join().unwrap();
}
