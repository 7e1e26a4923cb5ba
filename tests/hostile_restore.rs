//! Hostile trees and hostile targets: whatever a repository holds and whatever is planted in a
//! target, nothing outside the target changes.

use crate::common::target::{captured, directory, file, link, names, node, open, write};
use icecore::error::Kind;
use icecore::format::content::Content;
use icecore::format::database::DatabaseFacts;
use icecore::format::directory::{FileTime, LinkGroup, NodeKind};
use icecore::sink::files::{FilesOptions, FilesSink, Overwrite};
use icecore::sink::{Placed, Sink};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

/// A target and, beside it, what must stay as it is.
struct Rig {
    dir: TempDir,
}

impl Rig {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        fs::create_dir_all(dir.path().join("target")).unwrap();
        fs::create_dir_all(dir.path().join("outside/folder")).unwrap();
        fs::write(dir.path().join("outside/precious"), b"precious").unwrap();
        Rig { dir }
    }

    fn target(&self) -> std::path::PathBuf {
        self.dir.path().join("target")
    }

    fn outside(&self) -> std::path::PathBuf {
        self.dir.path().join("outside")
    }

    fn open(&self, overwrite: Overwrite) -> Box<FilesSink> {
        open(&self.target(), overwrite)
    }

    fn nothing_outside_changed(&self, what: &str) {
        assert_eq!(names(self.dir.path()), ["outside", "target"], "{what}");
        assert_eq!(fs::read(self.outside().join("precious")).unwrap(), b"precious", "{what}");
        let mode = fs::metadata(self.outside().join("precious")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644, "{what}");
        assert_eq!(names(&self.outside()), ["folder", "precious"], "{what}");
        assert!(names(&self.outside().join("folder")).is_empty(), "{what}");
    }
}

/// A name that is none is refused for every kind of entry, before anything is made.
#[test]
fn bad_names() {
    let long = vec![b'x'; 5000];
    let bad: [&[u8]; 10] =
        [b"", b".", b"..", b"/", b"/etc/x", b"a/b", b"../x", b"a\0b", b"x/", &long];
    for name in bad {
        let rig = Rig::new();
        let mut target = rig.open(Overwrite::Never);
        let shown = name.escape_ascii().to_string();
        assert!(target.enter(&directory(name)).is_err(), "{shown}");
        assert!(write(&mut target, &file(name), b"evil").is_err(), "{shown}");
        assert!(target.other(&link(name, b"/etc")).is_err(), "{shown}");
        assert!(target.other(&node(name, NodeKind::Fifo)).is_err(), "{shown}");
        assert!(target.leave().is_err(), "nothing was entered");
        target.finish().unwrap();
        assert!(names(&rig.target()).is_empty(), "{shown}");
        rig.nothing_outside_changed(&shown);
    }
}

/// A symbolic link and then a file through it, within one restore: the second is refused.
#[test]
fn link_then_through_it() {
    for overwrite in [Overwrite::Never, Overwrite::Always, Overwrite::IfChanged] {
        let rig = Rig::new();
        let mut target = rig.open(overwrite);
        let outside = rig.outside();
        let to = outside.as_os_str().as_encoded_bytes();
        target.other(&link(b"a", to)).unwrap();
        assert!(target.enter(&directory(b"a")).is_err());
        target.other(&link(b"b", &[to, b"/precious"].concat())).unwrap();
        let error = write(&mut target, &file(b"b"), b"evil").unwrap_err();
        assert_eq!(error.kind(), Kind::AlreadyExists, "{error}");
        assert!(target.other(&link(b"b", b"/")).is_err(), "twice the same name");
        target.finish().unwrap();
        rig.nothing_outside_changed(&format!("{overwrite:?}"));
    }
}

/// Links planted in the target are replaced where that was asked for, and never followed:
/// for files, folders, and the names that metadata is set by.
#[test]
fn planted_links() {
    for overwrite in [Overwrite::Always, Overwrite::IfChanged, Overwrite::IfNewer] {
        let rig = Rig::new();
        symlink(rig.outside().join("folder"), rig.target().join("folder")).unwrap();
        symlink(rig.outside().join("precious"), rig.target().join("file")).unwrap();
        symlink(rig.outside().join("new"), rig.target().join("dangling")).unwrap();
        fs::hard_link(rig.outside().join("precious"), rig.target().join("hard")).unwrap();
        let mut target = rig.open(overwrite);
        target.enter(&directory(b"folder")).unwrap();
        write(&mut target, &file(b"in"), b"in").unwrap();
        target.leave().unwrap();
        for name in [&b"file"[..], b"dangling"] {
            write(&mut target, &file(name), b"content").unwrap();
        }
        let mut hard = file(b"hard");
        hard.meta.mtime = FileTime(4_000_000_000, 0);
        write(&mut target, &hard, b"content").unwrap();
        target.finish().unwrap();
        rig.nothing_outside_changed(&format!("{overwrite:?}"));
        assert_eq!(fs::read(rig.target().join("folder/in")).unwrap(), b"in");
        assert!(!fs::symlink_metadata(rig.target().join("folder")).unwrap().is_symlink());
        for name in ["file", "dangling", "hard"] {
            assert_eq!(fs::read(rig.target().join(name)).unwrap(), b"content", "{name}");
        }
    }
}

/// A hard link is only ever made to a file of this restore: not to what stands there already,
/// and not to what took its place.
#[test]
fn hard_links() {
    let rig = Rig::new();
    let mut target = rig.open(Overwrite::Always);
    let mut first = file(b"first");
    first.meta.link_group = Some(LinkGroup { device: 1, inode: 2, born: None });
    write(&mut target, &first, b"content").unwrap();
    fs::remove_file(rig.target().join("first")).unwrap();
    fs::hard_link(rig.outside().join("precious"), rig.target().join("first")).unwrap();
    let mut second = first.clone();
    second.name = b"second".to_vec();
    let error = write(&mut target, &second, b"content").unwrap_err();
    assert_eq!(error.kind(), Kind::Refused, "{error}");
    assert!(!names(&rig.target()).contains(&"second".to_owned()));
    target.finish().unwrap();
    rig.nothing_outside_changed("hard links");
}

/// A name that waits for a file which then fails is reported as missing.
#[test]
fn link_to_a_file_given_up() {
    let rig = Rig::new();
    let mut target = rig.open(Overwrite::Never);
    let mut first = file(b"first");
    first.meta.link_group = Some(LinkGroup { device: 1, inode: 2, born: None });
    let Placed::Write(sink) = target.file(&first, 7, &mut |_| false).unwrap() else {
        panic!("not placed")
    };
    let mut second = first.clone();
    second.name = b"second".to_vec();
    assert!(matches!(target.file(&second, 7, &mut |_| false).unwrap(), Placed::Linked));
    drop(sink);
    assert_eq!(target.finish().unwrap().links, 1);
    assert!(names(&rig.target()).is_empty(), "nothing stays of what was given up");
}

/// Content past the size that was given is refused, whatever the arithmetic.
#[test]
fn past_the_end() {
    let rig = Rig::new();
    let mut target = rig.open(Overwrite::Never);
    let Placed::Write(sink) = target.file(&file(b"a"), 10, &mut |_| false).unwrap() else {
        panic!("not placed")
    };
    sink.write_at(4, b"123456").unwrap();
    assert!(sink.write_at(5, b"123456").is_err());
    assert!(sink.write_at(u64::MAX, b"1").is_err());
}

/// While folders of the target are exchanged for links to the outside, and back, everything
/// written lands inside or fails.
#[test]
fn exchanged_in_a_race() {
    let rig = Rig::new();
    let stop = Arc::new(AtomicBool::new(false));
    let attacker = {
        let (target, outside, stop) = (rig.target(), rig.outside(), stop.clone());
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let (a, aside) = (target.join("a"), target.join("aside"));
                let _ = fs::rename(&a, &aside);
                let _ = symlink(outside.join("folder"), &a);
                let _ = symlink(outside.join("precious"), target.join("f"));
                let _ = fs::remove_file(&a);
                let _ = fs::rename(&aside, &a);
                let _ = fs::remove_dir_all(&aside);
            }
        })
    };
    let mut entered = 0;
    for _ in 0..500 {
        let mut target = rig.open(Overwrite::Always);
        if target.enter(&directory(b"a")).is_ok() {
            entered += 1;
            let _ = write(&mut target, &file(b"in"), b"evil");
            let _ = target.other(&link(b"l", b"x"));
            let _ = target.leave();
        }
        let _ = write(&mut target, &file(b"f"), b"evil");
        let _ = target.finish();
    }
    stop.store(true, Ordering::Relaxed);
    attacker.join().unwrap();
    assert!(entered > 0, "the race was one");
    rig.nothing_outside_changed("race");
}

/// Names that one file system takes for two and another for one end in an error, and the first
/// file stays as it was written.
#[test]
fn the_same_name_twice() {
    for overwrite in [Overwrite::Never, Overwrite::Always] {
        let rig = Rig::new();
        let mut target = rig.open(overwrite);
        let Placed::Write(one) = target.file(&file(b"a"), 3, &mut |_| false).unwrap() else {
            panic!()
        };
        let Placed::Write(two) = target.file(&file(b"a"), 3, &mut |_| false).unwrap() else {
            panic!()
        };
        one.write_at(0, b"one").unwrap();
        two.write_at(0, b"two").unwrap();
        one.finish(&file(b"a")).unwrap();
        assert_eq!(two.finish(&file(b"a")).unwrap_err().kind(), Kind::AlreadyExists);
        target.enter(&directory(b"d")).unwrap();
        target.leave().unwrap();
        assert!(target.enter(&directory(b"d")).is_err(), "twice the same folder");
        target.finish().unwrap();
        assert_eq!(fs::read(rig.target().join("a")).unwrap(), b"one");
        assert_eq!(names(&rig.target()).len(), 2, "no temporary file stays");
    }
}

/// A journal or a write-ahead log of another database does not survive beside a restored one.
#[test]
fn journals_of_another() {
    let rig = Rig::new();
    let siblings = ["app.db-wal", "app.db-shm", "app.db-journal"];
    for name in siblings {
        fs::write(rig.target().join(name), b"old").unwrap();
    }
    fs::write(rig.target().join("app.db"), b"old database").unwrap();
    let mut target = rig.open(Overwrite::Always);
    write(&mut target, &captured("app.db"), b"restored").unwrap();
    target.finish().unwrap();
    assert_eq!(names(&rig.target()), ["app.db"]);
    assert_eq!(fs::read(rig.target().join("app.db")).unwrap(), b"restored");
}

/// As a user, owners, setuid bits, devices and capabilities are left out with a report even
/// where the flag asks for them; folders that end up read-only are filled all the same.
#[test]
fn as_a_user() {
    if !rustix::process::geteuid().is_root() {
        return as_a_user_child();
    }
    let dir = TempDir::new().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let program = dir.path().join("tests");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(&program)
        .args(["--exact", "--ignored", "hostile_restore::as_a_user_child"])
        .env("TMPDIR", dir.path())
        .current_dir(dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// The part of `as_a_user` that runs as one.
#[test]
#[ignore = "started by as_a_user"]
fn as_a_user_child() {
    let rig = Rig::new();
    let options = FilesOptions { devices_and_setuid: true, ..FilesOptions::default() };
    let mut target = Box::new(FilesSink::open(&rig.target(), options).unwrap());
    let mut locked = directory(b"locked");
    locked.meta.mode = 0o555;
    target.enter(&locked).unwrap();
    let mut setuid = file(b"setuid");
    setuid.meta.mode = 0o6755;
    setuid.meta.xattrs.insert(b"security.capability".to_vec().into(), vec![1; 20].into());
    write(&mut target, &setuid, b"program").unwrap();
    target.other(&node(b"null", NodeKind::CharDevice { device: (1, 3) })).unwrap();
    target.leave().unwrap();
    let report = target.finish().unwrap();
    assert_eq!((report.special_modes, report.devices, report.xattrs), (1, 1, 1), "{report:?}");
    assert_eq!(report.owners, 2, "the folder and the file were root's");
    let mode = |path: &str| fs::metadata(rig.target().join(path)).unwrap().permissions().mode();
    assert_eq!(mode("locked/setuid") & 0o7777, 0o755);
    assert_eq!(mode("locked") & 0o7777, 0o555);
    // A read-only folder that is there already is filled again.
    let options = FilesOptions { overwrite: Overwrite::Always, ..FilesOptions::default() };
    let mut target = Box::new(FilesSink::open(&rig.target(), options).unwrap());
    target.enter(&locked).unwrap();
    write(&mut target, &file(b"more"), b"more").unwrap();
    target.leave().unwrap();
    target.finish().unwrap();
    assert_eq!(mode("locked") & 0o7777, 0o555);
    fs::set_permissions(rig.target().join("locked"), fs::Permissions::from_mode(0o755)).unwrap();
    rig.nothing_outside_changed("as a user");
}

/// Two names that the file system takes for one, by case or by normalisation: the second entry is
/// refused whatever it is, and the first keeps its content. A second link to the first stands in
/// for the second name, since that is all that such a file system shows of it.
#[test]
fn names_that_fold_into_one() {
    let database = Some(DatabaseFacts::Sqlite(Box::default()));
    let sqlite = NodeKind::File { content: Content::default(), database };
    let pairs: [(&[u8], &[u8]); 3] =
        [(b"Readme", b"README"), ("\u{e9}".as_bytes(), "e\u{301}".as_bytes()), (b"x", b"X")];
    for overwrite in [Overwrite::Never, Overwrite::Always, Overwrite::IfChanged] {
        for (first, second) in pairs {
            for kind in 0..5 {
                let rig = Rig::new();
                let at = |name: &[u8]| rig.target().join(OsStr::from_bytes(name));
                let mut target = rig.open(overwrite);
                // This one is begun before the first is in place.
                let Placed::Write(early) = target.file(&file(second), 5, &mut |_| false).unwrap()
                else {
                    panic!()
                };
                write(&mut target, &file(first), b"first").unwrap();
                fs::hard_link(at(first), at(second)).unwrap();
                let refused = match kind {
                    0 => write(&mut target, &file(second), b"other"),
                    1 => write(&mut target, &node(second, sqlite.clone()), b"other"),
                    2 => target.other(&link(second, b"elsewhere")),
                    3 => target.other(&node(second, NodeKind::Fifo)),
                    _ => target.enter(&directory(second)).map(drop),
                };
                let what = format!("{overwrite:?}, kind {kind}");
                let error = refused.expect_err(&what);
                assert_eq!(error.kind(), Kind::AlreadyExists, "{what}: {error}");
                assert!(error.hint_text().unwrap().contains("both names"), "{what}: {error}");
                early.write_at(0, b"early").unwrap();
                let error = early.finish(&file(second)).expect_err(&what);
                assert_eq!(error.kind(), Kind::AlreadyExists, "{what}: {error}");
                target.finish().unwrap();
                assert_eq!(fs::read(at(first)).unwrap(), b"first", "{what}");
                assert_eq!(names(&rig.target()).len(), 2, "{what}: something was left");
                rig.nothing_outside_changed(&what);
            }
        }
    }
}
