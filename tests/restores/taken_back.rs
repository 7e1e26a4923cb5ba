//! A restore of a database that cannot end leaves what stood there as it was; one that is killed
//! leaves the old one, the new one, or something that nobody takes for either.

use super::{beside, rows, torn_without_its_log, whole};
use crate::common::aloud::{is_root, not_run};
use crate::common::target::names;
use icecore::error::{Kind, Result};
use icecore::sink::sqlite::{Written, place};
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

const OLD: u32 = 77;
const NEW: u32 = 10;

/// A folder with an old database `a.db`, all of it in its log, and a new one under another name.
fn stage() -> TempDir {
    let dir = TempDir::new().unwrap();
    stage_at(dir.path());
    dir
}

fn stage_at(folder: &Path) {
    torn_without_its_log(&folder.join("a.db"), OLD);
    whole(&folder.join("new"), NEW);
}

fn replace(folder: &Path) -> Result<()> {
    let database = Written { at: b"new".to_vec(), name: b"a.db".to_vec() };
    place(File::open(folder).unwrap(), &database, &[])
}

/// Everything is as `stage` made it; then SQLite, which removes a log that it has read, proves that
/// the old database is whole.
fn is_as_it_was(folder: &Path, beside_it: &[&str]) {
    let mut expected = vec!["a.db", "a.db-shm", "a.db-wal", "new"];
    expected.extend(beside_it);
    expected.sort_unstable();
    assert_eq!(names(folder), expected);
    assert_eq!(rows(&folder.join("a.db")), Ok(OLD));
}

fn run(program: &str, args: &[&str], path: &Path) -> bool {
    Command::new(program).args(args).arg(path).output().is_ok_and(|ran| ran.status.success())
}

/// A folder beside a database is no sibling: the database is replaced and the folder stays.
#[test]
fn a_folder_beside_it_stays() {
    let dir = stage();
    fs::create_dir(dir.path().join("a.db-journal")).unwrap();
    replace(dir.path()).unwrap();
    assert_eq!(names(dir.path()), ["a.db", "a.db-journal"]);
    fs::remove_dir(dir.path().join("a.db-journal")).unwrap();
    assert_eq!(rows(&dir.path().join("a.db")), Ok(NEW));
}

/// What may not be removed or renamed stops the replacement, and what was done before is taken
/// back: a log that nobody may change, the database itself, the folder.
#[test]
fn what_may_not_change_stays() {
    for held in ["a.db-wal", "a.db-shm", "a.db", "."] {
        let dir = stage();
        let path = dir.path().join(held);
        if !run("chattr", &["+i"], &path) {
            not_run("what nobody may change stays: `chattr +i` is not allowed");
            return;
        }
        let error = replace(dir.path()).unwrap_err();
        assert!(run("chattr", &["-i"], &path));
        assert_eq!(error.kind(), Kind::Denied, "{held}: {error}");
        is_as_it_was(dir.path(), &[]);
    }
}

/// A log of somebody else in a folder where everybody removes only his own.
#[test]
fn a_sticky_folder() {
    let dir = TempDir::new().unwrap();
    let program = dir.path().join("tests");
    if !is_root("a log of somebody else in a sticky folder") {
        return;
    }
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let folder = dir.path().join("folder");
    fs::create_dir(&folder).unwrap();
    stage_at(&folder);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o1777)).unwrap();
    for name in names(&folder) {
        fs::set_permissions(folder.join(&name), fs::Permissions::from_mode(0o666)).unwrap();
        if name != "a.db-wal" {
            std::os::unix::fs::chown(folder.join(name), Some(65534), Some(65534)).unwrap();
        }
    }
    let child = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(&program)
        .args(["--exact", "--ignored", "restores::taken_back::fails_in_a_child"])
        .env("FOLDER", &folder)
        .current_dir(dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
    is_as_it_was(&folder, &[]);
}

/// The part of `a_sticky_folder` that runs as another user.
#[test]
#[ignore = "started by a_sticky_folder"]
fn fails_in_a_child() {
    let folder = std::env::var_os("FOLDER").unwrap();
    assert_eq!(replace(Path::new(&folder)).unwrap_err().kind(), Kind::Denied);
}

/// A folder at the name of the database: an empty one is replaced, any other stays, and so does
/// what stands beside it.
#[test]
fn a_folder_in_its_place() {
    let dir = stage();
    let at = dir.path().join("a.db");
    fs::remove_file(&at).unwrap();
    fs::create_dir(&at).unwrap();
    fs::write(at.join("in"), b"in").unwrap();
    replace(dir.path()).unwrap_err();
    assert_eq!(names(dir.path()), ["a.db", "a.db-shm", "a.db-wal", "new"]);
    fs::remove_file(at.join("in")).unwrap();
    replace(dir.path()).unwrap();
    assert_eq!(names(dir.path()), ["a.db"]);
    assert_eq!(rows(&at), Ok(NEW));
}

/// A file system that was mounted for reading, and one that is full.
#[test]
fn a_folder_that_takes_nothing() {
    let dir = TempDir::new().unwrap();
    if !run("mount", &["-t", "tmpfs", "-o", "size=1m", "tmpfs"], dir.path()) {
        not_run("a folder that takes nothing: `mount` is not allowed");
        return;
    }
    stage_at(dir.path());
    assert!(run("mount", &["-o", "remount,ro"], dir.path()));
    let failed = replace(dir.path());
    assert!(run("mount", &["-o", "remount,rw"], dir.path()));
    let as_it_was = names(dir.path());
    // Neither blocks nor inodes are left.
    let full = fs::write(dir.path().join("full"), vec![1; 2 << 20]);
    let replaced = replace(dir.path());
    let now = rows(&dir.path().join("a.db"));
    assert!(run("umount", &[], dir.path()));
    failed.unwrap_err();
    assert_eq!(as_it_was, ["a.db", "a.db-shm", "a.db-wal", "new"]);
    assert!(full.is_err());
    // Names need no room: either it goes through, or all is as it was.
    assert_eq!(now, Ok(if replaced.is_ok() { NEW } else { OLD }));
}

/// Somebody opens the old database while it is being replaced: it stays.
#[test]
fn a_database_in_use_stays() {
    let dir = stage();
    let held = File::open(dir.path().join("a.db")).unwrap();
    let mut holder = Command::new("sleep").arg("60").stdin(held).spawn().unwrap();
    let error = replace(dir.path()).unwrap_err();
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert_eq!(error.kind(), Kind::Locked, "{error}");
    is_as_it_was(dir.path(), &[]);
}

/// A link at the name of the database is replaced; what it leads to, and what stands beside that,
/// stays.
#[test]
fn a_link_in_its_place() {
    let (dir, elsewhere) = (stage(), stage());
    fs::remove_file(dir.path().join("a.db")).unwrap();
    symlink(elsewhere.path().join("a.db"), dir.path().join("a.db")).unwrap();
    replace(dir.path()).unwrap();
    assert_eq!(names(dir.path()), ["a.db"]);
    assert_eq!(rows(&dir.path().join("a.db")), Ok(NEW));
    is_as_it_was(elsewhere.path(), &[]);
}

/// Killed before each of its system calls that change anything, in turn: what is left is the old
/// database, the new one, or one that does not open; and whatever is left, the next restore goes
/// through.
#[test]
fn killed_between_two_steps() {
    let calls = "renameat,renameat2,linkat,symlinkat,unlinkat,fsync";
    let mut seen = [false; 3];
    for number in 1..100 {
        let dir = stage();
        let child = Command::new("strace")
            .args(["-f", "-o", "/dev/null", "-e", &format!("trace={calls}")])
            .args(["-e", &format!("inject={calls}:signal=KILL:when={number}")])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored", "restores::taken_back::ends_in_a_child"])
            .env("FOLDER", dir.path())
            .output();
        let child = child.expect("strace runs: tests/run.sh installs it");
        let ended = child.status.success();
        let found = rows(&dir.path().join("a.db"));
        let which = match &found {
            Ok(found) if *found == OLD => 0,
            Ok(found) if *found == NEW => 1,
            Err(_) => 2,
            other => panic!("{number}: {other:?}"),
        };
        seen[which] = true;
        if ended {
            assert_eq!(found, Ok(NEW));
            assert_eq!(seen, [true; 3], "the faults came too late or too early");
            return;
        }
        if !dir.path().join("new").exists() {
            whole(&dir.path().join("new"), NEW);
        }
        replace(dir.path()).unwrap();
        assert_eq!(rows(&dir.path().join("a.db")), Ok(NEW), "{number}");
        assert!(!beside(&dir.path().join("a.db"), "-wal").exists(), "{number}");
    }
    panic!("it never ended");
}

/// The part of `killed_between_two_steps` that is killed.
#[test]
#[ignore = "started by killed_between_two_steps"]
fn ends_in_a_child() {
    let folder = std::env::var_os("FOLDER").unwrap();
    replace(Path::new(&folder)).unwrap();
}
