//! A repository on a full disk, and who may read what lies in it.

use crate::common::cli::{Cli, stderr};
use crate::common::program::{PROGRAM, with_own_state};
use icecore::backend::testing::{Call, CrashDisk, Disk, FailingDisk, How, Os, Plan};
use icecore::backend::{Backend, Handle, Local, Put};
use icecore::error::Kind;
use icecore::format::ObjectKind;
use icecore::id::{PackId, SnapshotId};
use rustix::io::Errno;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

const RESERVE: usize = 64 << 10;

fn mark(number: u8) -> Handle {
    Handle::forgotten(SnapshotId([number; 16]))
}

fn pack(number: u8) -> Handle {
    Handle::pack(PackId([number; 32]))
}

/// With not a byte left, a mark takes the room that was kept for it, and nothing else does; it is
/// kept again as soon as there is room.
#[test]
fn a_mark_has_room_on_a_full_disk() {
    let disk = CrashDisk::new();
    let local = Local::over(disk.clone()).unwrap();
    local.put_new(&pack(1), &[1; 100_000]).unwrap();
    disk.limit_space(100_000 + RESERVE);
    assert_eq!(local.put_new(&pack(2), &[2; 500]).unwrap_err().kind(), Kind::NoSpace);
    assert!(disk.entries("tmp").unwrap().iter().any(|entry| entry.name == "reserve"));
    // By another process, which did not make it.
    let other = Local::over(disk.clone()).unwrap();
    for number in 0..4 {
        assert_eq!(other.put_new(&mark(number), &[3; 700]).unwrap(), Put::Created);
    }
    assert!(disk.entries("tmp").unwrap().is_empty(), "a part of it was left");
    other.delete(&pack(1)).unwrap();
    let reserve = disk.entries("tmp").unwrap();
    assert_eq!(reserve.iter().map(|entry| entry.size).collect::<Vec<_>>(), [Some(RESERVE as u64)]);
}

/// Room that a crash left in part is made whole, room that grew old is not swept, and where there
/// was none a mark fails as on any full disk.
#[test]
fn the_room_is_kept_and_mended() {
    let disk = CrashDisk::new();
    let local = || Local::over(disk.clone()).unwrap();
    disk.make_dir("tmp").unwrap();
    let mut torn = disk.create("tmp/reserve").unwrap();
    disk.write(&mut torn, b"torn").unwrap();
    local().put_new(&pack(1), b"x").unwrap();
    let size = |disk: &CrashDisk| disk.entries("tmp").unwrap().pop().and_then(|entry| entry.size);
    assert_eq!(size(&disk), Some(RESERVE as u64));
    disk.remove("tmp/reserve").unwrap();
    disk.limit_space(1);
    assert_eq!(local().put_new(&mark(1), &[3; 700]).unwrap_err().kind(), Kind::NoSpace);

    let folder = tempfile::tempdir().unwrap();
    Local::open(folder.path()).unwrap().put_new(&pack(1), b"x").unwrap();
    let reserve = folder.path().join("tmp/reserve");
    let file = fs::File::options().write(true).open(&reserve).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    Local::open(folder.path()).unwrap().put_new(&pack(2), b"x").unwrap();
    assert!(reserve.exists());
}

/// Whichever call first says that the disk or the quota is full, and whether or not what it was
/// to do was done: a mark is there afterwards, and nothing was deleted before it.
#[test]
fn a_mark_survives_any_call_that_says_full() {
    for errno in [Errno::NOSPC, Errno::DQUOT] {
        for first in 0.. {
            let disk = CrashDisk::new();
            Local::over(disk.clone()).unwrap().put_new(&pack(1), b"x").unwrap();
            let plan = Plan { call: None, first, lasting: false, how: How::Fails(errno) };
            let failing = FailingDisk::new(disk.clone(), plan);
            let put = Local::over(failing.clone()).unwrap().put_new(&mark(1), b"mark");
            // After a failed sync of a folder nothing more is changed (see `disk`).
            let is_sync = put.as_ref().is_err_and(|error| {
                error.to_string().contains("sync the directory")
                    || error.to_string().contains("could not be synced")
            });
            assert!(put.is_ok() || is_sync, "{errno:?} at call {first}: {put:?}");
            if !failing.has_struck() {
                break;
            }
        }
    }
    let plan =
        Plan { call: Some(Call::Write), first: 0, lasting: true, how: How::Fails(Errno::IO) };
    let disk = CrashDisk::new();
    Local::over(disk.clone()).unwrap().put_new(&pack(1), b"x").unwrap();
    let local = Local::over(FailingDisk::new(disk.clone(), plan)).unwrap();
    assert_eq!(local.put_new(&mark(1), b"mark").unwrap_err().kind(), Kind::Failed);
    assert_eq!(disk.entries("tmp").unwrap().len(), 1, "given up for a disk that is not full");
}

/// A file system of its own in memory, unmounted at the end; none where mounting is not allowed.
struct Small(PathBuf);

impl Small {
    fn new(at: &Path, options: &str) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at);
        let done = mount.output().is_ok_and(|output| output.status.success());
        done.then(|| Small(at.to_owned()))
    }

    /// Writes until not a byte more fits.
    fn fill(&self) {
        let fill = |name: &str, piece: usize| {
            let mut file = fs::File::create(self.0.join(name)).unwrap();
            while std::io::Write::write_all(&mut file, &vec![7; piece]).is_ok() {}
        };
        fill("fill-1", 1 << 20);
        fill("fill-2", 1);
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).status().unwrap();
    }
}

/// On a file system that is really full, of bytes or of files, a backup fails and `forget` works;
/// where something was removed, backups go on.
#[test]
fn a_full_file_system_lets_snapshots_go() {
    for options in ["size=8m,mode=700", "size=64m,nr_inodes=60,mode=700"] {
        let cli = Cli::bare();
        let Some(small) = Small::new(&cli.path("repo"), options) else {
            println!("not allowed to mount: only the failing disk was tried");
            return;
        };
        cli.command().args(["init", "--new-key-file", "key"]).assert().success();
        let (first, second) = (cli.backup(), cli.backup());
        if options.contains("nr_inodes") {
            for number in 0.. {
                if fs::write(small.0.join(format!("fill-{number}")), b"").is_err() {
                    break;
                }
            }
        } else {
            small.fill();
        }
        fs::write(cli.path("src/new"), vec![5; 300_000]).unwrap();
        let said = stderr(&cli.run(&["backup", "src"]).code(1));
        assert!(said.contains("No space left"), "{said}");
        cli.run(&["forget", &first]).success();
        let marks = small.0.join("forgotten");
        assert!(marks.join(&first).exists() && !small.0.join("snapshots").join(&first).exists());
        cli.run(&["forget", &second, "--force"]).success();
        assert!(marks.join(&second).exists());
        for entry in fs::read_dir(&small.0).unwrap() {
            let path = entry.unwrap().path();
            if path.to_str().unwrap().contains("fill-") {
                fs::remove_file(path).unwrap();
            }
        }
        cli.backup();
        assert_eq!(fs::metadata(small.0.join("tmp/reserve")).unwrap().len(), RESERVE as u64);
        cli.run(&["check", "--read-data"]).success();
    }
}

/// Modes of everything in a folder, and of the folder itself.
fn modes(root: &Path) -> Vec<(PathBuf, u32)> {
    let mut found = vec![(root.to_owned(), fs::metadata(root).unwrap().mode() & 0o7777)];
    for entry in fs::read_dir(root).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(modes(&entry.path()));
        } else {
            found.push((entry.path(), entry.metadata().unwrap().mode() & 0o7777));
        }
    }
    found
}

/// Whatever the umask, and whatever others may see of the folder, objects are for their owner
/// alone; in a folder that was made to be shared the group has the rights that it has there.
#[test]
fn objects_are_private_unless_shared_on_purpose() {
    for (umask, root, folder, file) in [
        ("0", None, 0o700, 0o600),
        ("077", None, 0o700, 0o600),
        ("0", Some(0o755), 0o700, 0o600),
        ("022", Some(0o701), 0o700, 0o600),
        ("077", Some(0o2770), 0o2770, 0o640),
        ("022", Some(0o770), 0o770, 0o640),
        ("0", Some(0o2750), 0o2750, 0o640),
        ("0", Some(0o777), 0o770, 0o640),
    ] {
        let cli = Cli::bare();
        let repo = cli.path("repo");
        if let Some(mode) = root {
            fs::create_dir(&repo).unwrap();
            fs::set_permissions(&repo, Permissions::from_mode(mode)).unwrap();
        }
        let script = format!(
            "umask {umask}; {0} -r repo init --new-key-file key -q && \
             {0} -r repo --key-file key -q backup src && \
             {0} -r repo --key-file key -q forget latest --force && \
             {0} -r repo --key-file key -q backup src",
            PROGRAM
        );
        let done = with_own_state(Command::new("sh"))
            .arg("-c")
            .arg(script)
            .current_dir(cli.folder())
            .status();
        assert!(done.unwrap().success());
        let found = modes(&repo);
        assert_eq!(found[0].1, root.unwrap_or(0o700), "umask {umask}");
        for (path, mode) in &found[1..] {
            let wanted = if path.is_dir() { folder } else { file };
            assert_eq!(*mode, wanted, "umask {umask}, root {root:?}: {} {mode:o}", path.display());
        }
        assert!(found.len() > 12);
        assert_eq!(fs::metadata(cli.path("key")).unwrap().mode() & 0o777, 0o600);
    }
}

/// Folders made by the real disk below a shared root are entered by the group, also the fans.
#[test]
fn shared_folders_pass_the_group_on() {
    let root = tempfile::tempdir().unwrap();
    fs::set_permissions(root.path(), Permissions::from_mode(0o2770)).unwrap();
    let local = Local::over(Os::new(root.path())).unwrap();
    local.put_new(&pack(0xab), b"x").unwrap();
    let fan = fs::metadata(root.path().join("packs/ab")).unwrap().mode() & 0o7777;
    assert_eq!(fan, 0o2770);
    assert_eq!(local.list(ObjectKind::Pack).unwrap().len(), 1);
}
