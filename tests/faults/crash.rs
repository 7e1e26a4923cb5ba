//! Power is lost after every single call of the disk, and what is left is looked at.

use icecore::backend::testing::{CrashDisk, Disk};
use icecore::backend::{Backend, Handle, Local, Put};
use icecore::format::ObjectKind;
use icecore::id::{IndexId, PackId, SnapshotId};
use std::collections::BTreeMap;

/// Outcomes of the crash that are tried at each call; see [`CrashDisk::crash`].
const SEEDS: u64 = 36;

/// What a small backup puts, in its order: packs, then index, then snapshot.
fn objects() -> Vec<(Handle, Vec<u8>)> {
    let pattern = |salt: usize, length: usize| -> Vec<u8> {
        (0..length).map(|at| u8::try_from((at * 31 + salt) % 255 + 1).unwrap()).collect()
    };
    let id = SnapshotId([7; 16]);
    vec![
        (Handle::writer(id), pattern(1, 90)),
        (Handle::pack(PackId([1; 32])), pattern(2, 5000)),
        (Handle::pack(PackId([1; 32])), pattern(2, 5000)),
        (Handle::pack(PackId([2; 32])), pattern(3, 512)),
        (Handle::index(IndexId([3; 32])), pattern(4, 1500)),
        (Handle::snapshot(id), pattern(5, 700)),
    ]
}

/// Puts one after another until one fails; gives those that were reported done.
fn put_until_failure(store: &dyn Backend) -> Vec<Handle> {
    let put = |(handle, bytes): (Handle, Vec<u8>)| store.put_new(&handle, &bytes).map(|_| handle);
    objects().into_iter().map(put).take_while(Result::is_ok).map(Result::unwrap).collect()
}

/// Whatever was reported done is there whole after a crash at any call, in the order of the puts
/// too; nothing torn is ever visible; and the same puts then succeed without a hand.
#[test]
fn a_crash_at_any_call_loses_nothing_that_was_reported() {
    let expected: BTreeMap<Handle, Vec<u8>> = objects().into_iter().collect();
    for calls in 0.. {
        let disk = CrashDisk::new();
        disk.power_off_after(calls);
        let done = put_until_failure(&Local::over(disk.clone()).unwrap());
        for seed in 0..SEEDS {
            let what = format!("crash after call {calls}, seed {seed}");
            let after = Local::over(disk.crash(seed).unwrap()).unwrap();
            for handle in &done {
                let found = after.get(handle, None);
                assert!(found.is_ok_and(|bytes| bytes == expected[handle]), "{handle}: {what}");
            }
            for kind in ObjectKind::ALL {
                for object in after.list(kind).unwrap() {
                    let found = after.get(&object.handle, None).unwrap();
                    assert!(found == expected[&object.handle], "{}: {what}", object.handle);
                    assert_eq!(object.size, found.len() as u64, "{what}");
                }
            }
            assert_eq!(put_until_failure(&after).len(), objects().len(), "{what}");
        }
        if done.len() == objects().len() {
            assert!(calls > 40, "the crash never came: {calls}");
            return;
        }
    }
}

/// A deletion that returned is not undone by a crash, so that the order of deletions holds.
#[test]
fn a_deletion_survives_a_crash() {
    let disk = CrashDisk::new();
    let local = Local::over(disk.clone()).unwrap();
    put_until_failure(&local);
    let snapshot = Handle::snapshot(SnapshotId([7; 16]));
    local.delete(&snapshot).unwrap();
    for seed in 0..SEEDS {
        let after = Local::over(disk.crash(seed).unwrap()).unwrap();
        assert!(after.list(ObjectKind::Snapshot).unwrap().is_empty(), "seed {seed}");
        assert_eq!(after.put_new(&snapshot, b"x").unwrap(), Put::Created, "seed {seed}");
    }
}

/// The rig bites: a writer that forgets the sync of the file leaves torn objects, one that forgets
/// the sync of the directory loses them.
#[test]
fn the_crash_disk_punishes_a_forgotten_sync() {
    let content = [9; 4096];
    let write = |sync_file: bool, sync_folder: bool| {
        let disk = CrashDisk::new();
        let mut file = disk.create("object").unwrap();
        disk.write(&mut file, &content).unwrap();
        if sync_file {
            disk.sync(&mut file).unwrap();
        }
        if sync_folder {
            disk.sync_dir("").unwrap();
        }
        let found = |seed| {
            let after = disk.crash(seed).unwrap();
            let file = after.open("object").ok()?;
            let mut bytes = vec![0; usize::try_from(after.size(&file).unwrap()).unwrap()];
            after.read_at(&file, &mut bytes, 0).unwrap();
            Some(bytes)
        };
        (0..SEEDS).map(found).collect::<Vec<_>>()
    };
    let whole = |found: &Option<Vec<u8>>| found.as_deref() == Some(&content);
    let torn = |found: &Option<Vec<u8>>| {
        found.as_ref().is_some_and(|bytes| bytes.contains(&9) && bytes.contains(&0))
    };
    assert!(write(true, true).iter().all(whole));
    assert!(write(true, false).iter().any(Option::is_none));
    assert!(write(false, true).iter().all(Option::is_some));
    assert!(write(false, true).iter().any(torn));
}
