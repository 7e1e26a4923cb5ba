//! Which file is read, and as whom.

use super::{capture, count, make, open_image, reader};
use crate::common::aloud::is_root;
use crate::common::program::program;
use icecore::error::Kind;
use icecore::source::sqlite::{DatabaseFile, Opened};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const NOBODY: u32 = 65534;

/// The kind of the error of reading `file`.
fn refused(file: &DatabaseFile) -> Kind {
    match reader().read(file) {
        Err(error) => error.kind(),
        Ok(Opened::Refused(finding)) => panic!("{finding}"),
        Ok(Opened::Pages(_)) => panic!("it was read"),
    }
}

/// A file that is not the one that was found is not read: another one of the same name, one on another
/// device, one that a swapped link leads to, and one that a link took the place of.
#[test]
fn only_what_was_found_is_read() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["mine", "theirs"] {
        fs::create_dir(at(name)).unwrap();
        drop(make(&at(name).join("a.db"), "wal", 4096, 10));
    }
    let found = DatabaseFile::at(&at("mine/a.db")).unwrap();
    assert!(matches!(reader().read(&found).unwrap(), Opened::Pages(_)));
    let elsewhere = DatabaseFile { device: found.device + 1, ..found.clone() };
    assert_eq!(refused(&elsewhere), Kind::SourceChanged);
    let another = DatabaseFile { path: at("theirs/a.db"), ..found.clone() };
    assert_eq!(refused(&another), Kind::SourceChanged);

    symlink("mine", at("link")).unwrap();
    let through = DatabaseFile::at(&at("link/a.db")).unwrap();
    fs::remove_file(at("link")).unwrap();
    symlink("theirs", at("link")).unwrap();
    assert_eq!(refused(&through), Kind::SourceChanged);

    fs::rename(at("mine/a.db"), at("mine/old")).unwrap();
    symlink("../theirs/a.db", at("mine/a.db")).unwrap();
    assert_eq!(refused(&found), Kind::SourceChanged);
}

/// The users and groups of a child that reads `path`, seen while it waits for a lock.
fn reads_as(path: &Path) -> (String, String) {
    let database = rusqlite::Connection::open(path).unwrap();
    database.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let file = DatabaseFile::at(path).unwrap();
    let mut child = program()
        .arg("sqlite-read")
        .arg(path)
        .args(["--busy-wait", "3600000", "--file"])
        .arg(format!("{}:{}:{}:{}", file.device, file.inode, file.uid, file.gid))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = format!("/proc/{}/status", child.id());
    // It is who it is to be by the time that a second thread watches the pipe.
    let end = Instant::now() + Duration::from_secs(60);
    while fs::read_dir(format!("/proc/{}/task", child.id())).unwrap().count() < 2 {
        assert!(Instant::now() < end && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(5));
    }
    let status = fs::read_to_string(lines).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    (of("Uid:"), format!("{} ({})", of("Gid:"), of("Groups:")))
}

/// Root reads as the owner of the database, with none of root's rights left to take back; as root
/// only where the owner does not get: through a closed folder, into one that is not
/// the owner's to write, past an index of the log that is not. Either way it is read.
#[test]
fn root_reads_as_the_owner() {
    if !is_root("databases are read with the rights of their owners") {
        return;
    }
    let base = TempDir::new().unwrap();
    let owned = |name: &str| {
        let folder = base.path().join(name);
        fs::create_dir(&folder).unwrap();
        chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
        let path = folder.join("a.db");
        drop(make(&path, "delete", 4096, 50));
        chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
        path
    };
    let as_owner = ("65534 65534 65534 65534".to_owned(), "65534 65534 65534 65534 ()".to_owned());
    let paths = ["open", "closed", "foreign", "log"].map(owned);
    fs::set_permissions(base.path(), Permissions::from_mode(0o700)).unwrap();
    assert_eq!(reads_as(&paths[1]).0, "0 0 0 0");
    assert_eq!(count(&open_image(&capture(&paths[1]).0).1, "t"), 50);
    fs::set_permissions(base.path(), Permissions::from_mode(0o755)).unwrap();
    assert_eq!(reads_as(&paths[0]), as_owner);
    assert_eq!(count(&open_image(&capture(&paths[0]).0).1, "t"), 50);
    chown(paths[2].parent().unwrap(), Some(0), Some(0)).unwrap();
    assert_eq!(reads_as(&paths[2]).0, "0 0 0 0");
    fs::write(paths[3].with_file_name("a.db-shm"), b"").unwrap();
    fs::set_permissions(paths[3].with_file_name("a.db-shm"), Permissions::from_mode(0o600))
        .unwrap();
    assert_eq!(reads_as(&paths[3]).0, "0 0 0 0");
    let own = base.path().join("own.db");
    drop(make(&own, "delete", 4096, 50));
    assert_eq!(reads_as(&own).0, "0 0 0 0");
}
