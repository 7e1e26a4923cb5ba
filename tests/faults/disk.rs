//! The local backend when the disk fails it, and when its folders hold what does not belong there.

use icecore::backend::testing::{Call, CrashDisk, Disk, FailingDisk, How, Os, Plan};
use icecore::backend::{Backend, Handle, Local, Put};
use icecore::error::Kind;
use icecore::format::ObjectKind;
use icecore::id::{PackId, SnapshotId};
use rustix::io::Errno;
use std::fs;

fn pack(number: u8) -> Handle {
    Handle::pack(PackId([number; 32]))
}

/// Fails these calls from the first on.
fn always(call: Call, how: How) -> Plan {
    Plan { call: Some(call), first: 0, lasting: true, how }
}

/// Fails the call numbered `first`, of any sort.
fn once(first: u64, how: How) -> Plan {
    Plan { call: None, first, lasting: false, how }
}

/// Bytes that are kept aside for marks.
const RESERVE: usize = 64 << 10;

/// The names of temporary files.
fn temporary(disk: &impl Disk) -> Vec<String> {
    disk.entries("tmp").unwrap().into_iter().map(|entry| entry.name).collect()
}

/// Whatever call fails, once or from then on: a put that returned is durable, one that failed
/// left nothing or the whole object, and no other name appears.
#[test]
fn every_failing_call_leaves_all_or_nothing() {
    let bytes: Vec<u8> = (0..=255).cycle().take(3000).collect();
    for errno in [Errno::NOSPC, Errno::DQUOT, Errno::ROFS, Errno::MFILE, Errno::IO] {
        for (how, lasting) in [
            (How::Fails(errno), false),
            (How::Fails(errno), true),
            (How::DoneButFails(errno), false),
            (How::DoneButFails(errno), true),
        ] {
            for first in 0.. {
                let what = format!("{errno:?} {how:?} lasting {lasting} at call {first}");
                let disk = CrashDisk::new();
                let failing = FailingDisk::new(disk.clone(), Plan { lasting, ..once(first, how) });
                let local = Local::over(failing.clone()).unwrap();
                let outcome = local.put_new(&pack(1), &bytes);
                for seed in 0..9 {
                    let after = Local::over(disk.crash(seed).unwrap()).unwrap();
                    let listed = after.list(ObjectKind::Pack).unwrap();
                    match after.get(&pack(1), None) {
                        Ok(found) => assert!(found == bytes, "torn after {what}, seed {seed}"),
                        Err(error) => {
                            assert_eq!(error.kind(), Kind::NotFound, "{what}");
                            assert!(outcome.is_err(), "lost after {what}, seed {seed}");
                            assert!(listed.is_empty(), "{what}, seed {seed}");
                        }
                    }
                }
                if !failing.has_struck() {
                    break;
                }
            }
        }
    }
}

/// A full disk is named as such, the temporary file is gone, and space can still be freed.
#[test]
fn a_full_disk_is_told_and_left_tidy() {
    let disk = CrashDisk::new();
    Local::over(disk.clone()).unwrap().put_new(&pack(1), b"old").unwrap();
    let full = FailingDisk::new(disk.clone(), always(Call::Write, How::Fails(Errno::NOSPC)));
    let local = Local::over(full).unwrap();
    assert_eq!(local.put_new(&pack(2), b"new").unwrap_err().kind(), Kind::NoSpace);
    assert_eq!(temporary(&disk), ["reserve"]);
    local.delete(&pack(1)).unwrap();
    assert!(local.list(ObjectKind::Pack).unwrap().is_empty());
}

/// Wherever a disk becomes full, the put fails as such, nothing of it stays, and after a deletion
/// the same put succeeds.
#[test]
fn a_disk_full_at_any_byte_recovers() {
    for space in (0..4000).step_by(97) {
        let disk = CrashDisk::new();
        let local = Local::over(disk.clone()).unwrap();
        local.put_new(&pack(1), &[1; 4000]).unwrap();
        disk.limit_space(4000 + RESERVE + space);
        let error = local.put_new(&pack(2), &[2; 4000]).unwrap_err();
        assert_eq!(error.kind(), Kind::NoSpace, "with {space} bytes free");
        assert!(error.hint_text().is_some_and(|hint| hint.contains("icecore prune")));
        assert_eq!(local.list(ObjectKind::Pack).unwrap().len(), 1);
        local.delete(&pack(1)).unwrap();
        assert_eq!(local.put_new(&pack(2), &[2; 4000]).unwrap(), Put::Created);
        assert_eq!(local.get(&pack(2), None).unwrap(), [2; 4000], "with {space} bytes free");
    }
}

/// What a crash left is removed by the next writer once it is old, and not before: a young file
/// may be another writer's.
#[test]
fn old_strays_are_swept() {
    let folder = tempfile::tempdir().unwrap();
    Local::open(folder.path()).unwrap().put_new(&pack(1), b"x").unwrap();
    let [old, young] = ["old", "young"].map(|name| folder.path().join("tmp").join(name));
    fs::write(&young, b"may be in use").unwrap();
    let long_ago = std::time::SystemTime::UNIX_EPOCH;
    fs::File::create(&old).unwrap().set_modified(long_ago).unwrap();
    Local::open(folder.path()).unwrap().put_new(&pack(2), b"x").unwrap();
    assert!(young.exists() && !old.exists());
}

/// A call interrupted by a signal is repeated, whichever it is, except a sync.
#[test]
fn interrupted_calls_are_repeated() {
    for first in 0.. {
        let plan = once(first, How::Fails(Errno::INTR));
        let disk = FailingDisk::new(CrashDisk::new(), plan);
        let local = Local::over(disk.clone()).unwrap();
        match local.put_new(&pack(1), b"content") {
            Ok(put) => assert_eq!(put, Put::Created, "call {first}"),
            Err(error) => assert!(error.to_string().contains("sync"), "call {first}: {error}"),
        }
        if !disk.has_struck() {
            break;
        }
    }
}

/// A file whose sync failed is given up: the put fails although a second sync would succeed, and
/// the next put writes everything under a new temporary name.
#[test]
fn a_failed_sync_is_never_taken_for_success() {
    let disk = CrashDisk::new();
    let plan =
        Plan { call: Some(Call::Sync), first: 0, lasting: false, how: How::Fails(Errno::IO) };
    let local = Local::over(FailingDisk::new(disk.clone(), plan)).unwrap();
    let error = local.put_new(&pack(1), &[7; 2000]).unwrap_err();
    assert!(error.to_string().contains("sync"), "{error}");
    assert!(local.list(ObjectKind::Pack).unwrap().is_empty());
    assert!(temporary(&disk).is_empty());
    assert_eq!(local.put_new(&pack(1), &[7; 2000]).unwrap(), Put::Created);
    let after = Local::over(disk.crash(0).unwrap()).unwrap();
    assert_eq!(after.get(&pack(1), None).unwrap(), [7; 2000]);
}

/// After a directory's sync failed nothing is changed any more, since a later sync may cover the
/// failure up; reading goes on.
#[test]
fn a_failed_directory_sync_ends_writing() {
    let disk = CrashDisk::new();
    Local::over(disk.clone()).unwrap().put_new(&pack(1), b"old").unwrap();
    let plan =
        Plan { call: Some(Call::SyncDir), first: 4, lasting: false, how: How::Fails(Errno::IO) };
    let local = Local::over(FailingDisk::new(disk, plan)).unwrap();
    let outcomes: Vec<bool> =
        (2..6).map(|number| local.put_new(&pack(number), b"new").is_ok()).collect();
    assert_eq!(outcomes, [true, false, false, false]);
    assert!(local.delete(&pack(1)).is_err(), "a deletion went on");
    assert_eq!(local.get(&pack(1), None).unwrap(), b"old");
}

/// "Exists" is durable too, although its creator failed before it had synced the directory.
#[test]
fn what_is_said_to_exist_is_durable() {
    let disk = CrashDisk::new();
    Local::over(disk.clone()).unwrap().put_new(&pack(1), b"first").unwrap();
    let other = Handle::snapshot(SnapshotId([1; 16]));
    let failing = FailingDisk::new(disk.clone(), always(Call::SyncDir, How::Fails(Errno::IO)));
    Local::over(failing).unwrap().put_new(&other, b"outcome").unwrap_err();
    let mut file = disk.create("tmp/by-hand").unwrap();
    disk.write(&mut file, b"outcome").unwrap();
    disk.sync(&mut file).unwrap();
    disk.link("tmp/by-hand", &other.path()).unwrap();
    assert_eq!(Local::over(disk.clone()).unwrap().put_new(&other, b"x").unwrap(), Put::Exists);
    let after = Local::over(disk.crash(0).unwrap()).unwrap();
    assert_eq!(after.get(&other, None).unwrap(), b"outcome");
}

/// Only regular files of the exact grammar in their right folder are listed; strays, look-alikes,
/// links and pipes are not, and nothing of it stops a listing or a read.
#[test]
fn only_the_exact_grammar_is_listed() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let local = Local::open(folder.path()).unwrap();
    local.put_new(&pack(0xaa), b"good").unwrap();
    let id = "00112233445566778899aabbccddeeff";
    let at = |path: &str| folder.path().join(path);
    let good = PackId([0xbb; 32]).to_string();
    fs::create_dir(at("packs/AA")).unwrap();
    fs::create_dir(at("packs/a")).unwrap();
    fs::create_dir(at(&format!("packs/aa/{}", PackId([0xab; 32])))).unwrap();
    fs::create_dir_all(at("snapshots")).unwrap();
    for stray in [
        format!("packs/aa/{good}"),
        format!("packs/AA/{good}"),
        format!("packs/{good}"),
        format!("packs/aa/{}.tmp", PackId([0xaa; 32])),
        format!("packs/aa/{}", PackId([0xaa; 32]).to_string().to_uppercase()),
        format!("snapshots/{id}.0"),
        format!("snapshots/{id}~"),
        "snapshots/.hidden".to_owned(),
        "tmp/crashed.0".to_owned(),
        id.to_owned(),
    ] {
        fs::write(at(&stray), b"stray").unwrap();
    }
    fs::write(at("snapshots").join(std::ffi::OsStr::from_bytes(b"\xff\xfe")), b"").unwrap();
    std::os::unix::fs::symlink(at(id), at(&format!("snapshots/{id}"))).unwrap();
    let pipe = Handle::snapshot(SnapshotId([9; 16]));
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, at(&pipe.path()), rustix::fs::FileType::Fifo, mode, 0)
        .unwrap();
    let listed: Vec<Handle> = ObjectKind::ALL
        .map(|kind| local.list(kind).unwrap())
        .concat()
        .into_iter()
        .map(|o| o.handle)
        .collect();
    assert_eq!(listed, [pack(0xaa)]);
    assert!(local.get(&pipe, None).is_err(), "a pipe was read");
    assert!(local.get(&Handle::parse(ObjectKind::Snapshot, id).unwrap(), None).is_err());
}

/// The real disk is as exclusive as it says: a second file, link or rename to a name fails.
#[test]
fn the_real_disk_never_replaces() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Os::new(folder.path());
    disk.create("a").unwrap();
    disk.create("b").unwrap();
    for result in [
        disk.create("a").map(drop),
        disk.link("b", "a"),
        disk.rename_new("b", "a"),
        disk.make_dir("a"),
    ] {
        assert_eq!(result.unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
    }
}
