//! Trees there and back: every kind of entry, existing files, holes.

use super::capture;
use crate::common::aloud::is_root;
use crate::common::chance::Chance;
use icecore::format::content::Content;
use icecore::format::directory::{Node, NodeKind};
use icecore::sink::files as target;
use icecore::sink::{Placed, Sink};
use icecore::source::files::{FilesOptions, FilesSource};
use icecore::source::{Entry, Item, Source};
use rustix::fs::{CWD, FileType, Mode, XattrFlags};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder as it is stored, but for its entries.
fn folder(entry: Entry) -> Node {
    entry.holding(NodeKind::Directory { entries: None })
}

/// Captures `from` and restores it to `to`, without a repository between.
fn copy(from: &Path, to: &Path, options: target::FilesOptions) -> target::Report {
    let mut source = FilesSource::new(from, FilesOptions::default()).unwrap();
    let mut target = Box::new(target::FilesSink::open(to, options).unwrap());
    let mut depth = 0;
    while let Some(item) = source.next().unwrap() {
        match item {
            Item::Enter(entry) if depth == 0 => {
                target.begin(&folder(entry));
                depth = 1;
            }
            Item::Enter(entry) => {
                target.enter(&folder(entry)).unwrap();
                depth += 1;
            }
            Item::Leave => {
                depth -= 1;
                if depth > 0 {
                    target.leave().unwrap();
                }
            }
            Item::File(file) => {
                let kind = NodeKind::File { content: Content::default(), database: None };
                let mut node = file.entry.clone().holding(kind);
                let captured = capture(file).unwrap();
                node.meta.xattrs = captured.proof.xattrs.unwrap();
                let placed = target.file(&node, captured.size, &mut |_| false).unwrap();
                if let Placed::Write(sink) = placed {
                    for (offset, bytes) in &captured.data {
                        sink.write_at(*offset, bytes).unwrap();
                    }
                    sink.finish(&node).unwrap();
                }
            }
            Item::Other(node) => target.other(&node).unwrap(),
            Item::HoldOpen => panic!("a folder has nothing that comes last"),
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
    // What is closed to its owner only root can read.
    let closed = if root_here() { 0o000 } else { 0o400 };
    fs::set_permissions(root.join("a/empty"), fs::Permissions::from_mode(closed)).unwrap();
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
    if is_root("devices, owners and capabilities come back") {
        assert!(report.is_complete(), "{report:?}");
        assert_eq!(describe(from.path()), describe(to.path()));
    }
    let sparse = fs::metadata(to.path().join("sparse")).unwrap();
    assert!(sparse.blocks() * 512 < 1 << 20, "holes stay holes");
}

/// Without the flag, what gives privileges is left out, and said so; everything else comes back.
#[test]
fn privileges_only_by_flag() {
    if !is_root("privileges come back only by flag") {
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
        let refused = target::FilesSink::open(to.path(), target::FilesOptions::default());
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

/// Whatever runs of zeros a file has, whole blocks of them or not, it is restored to the byte, as
/// holes or written out.
#[test]
fn runs_of_zeros_come_back() {
    let lengths = [1, 7, 100, 4095, 4096, 4097, 8192, 12_000, 70_000];
    let mut chance = Chance::new(37);
    for _ in 0..30 {
        let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let mut content = Vec::new();
        for run in 0..20_u8 {
            let length = lengths[chance.below(lengths.len())];
            content.resize(content.len() + length, if run % 2 == 0 { 0 } else { 200 + run });
        }
        fs::write(from.path().join("file"), &content).unwrap();
        for sparse in [true, false] {
            let options = target::FilesOptions {
                sparse,
                overwrite: target::Overwrite::Always,
                ..Default::default()
            };
            copy(from.path(), to.path(), options);
            assert!(fs::read(to.path().join("file")).unwrap() == content, "sparse: {sparse}");
        }
    }
}
