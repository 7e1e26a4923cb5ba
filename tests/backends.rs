//! Every backend keeps the same promises; wrappers, faults, the probe and locations do their part.

use icecore::backend::testing::{Call, CrashDisk, FailingDisk, Fault, Faulty, How, Plan, contract};
use icecore::backend::{
    Backend, Counting, Handle, Local, Location, Memory, Put, Verb, probe, probe_thoroughly,
};
use icecore::env::{Env, Time};
use icecore::error::Kind;
use icecore::format::ObjectKind;
use icecore::id::PackId;
use rustix::io::Errno;
use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

/// Fails these calls from the first on.
fn always(call: Call, how: How) -> Plan {
    Plan { call: Some(call), first: 0, lasting: true, how }
}

/// A disk that knows no hard links.
fn without_links() -> FailingDisk<CrashDisk> {
    FailingDisk::new(CrashDisk::new(), always(Call::Link, How::Fails(Errno::PERM)))
}

/// A disk that knows no way to give a name exclusively.
fn without_exclusion() -> FailingDisk<FailingDisk<CrashDisk>> {
    FailingDisk::new(without_links(), always(Call::RenameNew, How::Fails(Errno::INVAL)))
}

fn pack(number: u8) -> Handle {
    Handle::pack(PackId([number; 32]))
}

/// Objects in memory keep the contract.
#[test]
fn memory_keeps_the_contract() {
    contract(&|| Ok(Box::new(Memory::new()))).unwrap();
}

/// A directory of the real file system keeps the contract, and no temporary file is left in it.
#[test]
fn local_keeps_the_contract() {
    let folders = RefCell::new(Vec::new());
    contract(&|| {
        let folder = tempfile::tempdir().unwrap();
        let local = Local::open(folder.path())?;
        folders.borrow_mut().push(folder);
        Ok(Box::new(local))
    })
    .unwrap();
    for folder in folders.borrow().iter() {
        let Ok(left) = fs::read_dir(folder.path().join("tmp")) else { continue };
        let strays = left.filter(|file| file.as_ref().unwrap().file_name() != "reserve").count();
        assert_eq!(strays, 0, "temporary files are left");
    }
}

/// Local keeps the contract on every sort of file system, however it gives a file its name.
#[test]
fn local_keeps_the_contract_on_poor_disks() {
    contract(&|| Ok(Box::new(Local::over(CrashDisk::new())?))).unwrap();
    contract(&|| Ok(Box::new(Local::over(without_links())?))).unwrap();
    contract(&|| Ok(Box::new(Local::over(without_exclusion())?))).unwrap();
    let exclusive = |local: &dyn Backend| {
        local.put_new(&pack(1), b"x").unwrap();
        local.capabilities().exclusive_create
    };
    assert!(exclusive(&Local::over(without_links()).unwrap()));
    assert!(!exclusive(&Local::over(without_exclusion()).unwrap()));
}

/// Reads and writes that are always cut short change nothing.
#[test]
fn local_keeps_the_contract_when_calls_fall_short() {
    for call in [Call::Write, Call::ReadAt] {
        contract(&|| {
            let disk = FailingDisk::new(CrashDisk::new(), always(call, How::Short));
            Ok(Box::new(Local::over(disk)?))
        })
        .unwrap();
    }
}

/// Two processes on one directory: of two creators one wins, and each sees what the other put.
#[test]
fn two_openings_of_one_directory_agree() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Local::open(folder.path()).unwrap();
    let (one, other) = (open(), open());
    for number in 0..100 {
        let (first, second) = std::thread::scope(|scope| {
            let first = scope.spawn(|| one.put_new(&pack(number), b"one").unwrap());
            (other.put_new(&pack(number), b"other").unwrap(), first.join().unwrap())
        });
        assert_ne!(first, second, "object {number}");
        let bytes = one.get(&pack(number), None).unwrap();
        let expected: &[u8] = if first == Put::Created { b"other" } else { b"one" };
        assert_eq!(bytes, expected, "object {number}");
        assert_eq!(other.list(ObjectKind::Pack).unwrap().len(), usize::from(number) + 1);
    }
}

/// Wrappers keep the contract, listings in any order and with objects twice included.
#[test]
fn wrappers_keep_the_contract() {
    contract(&|| Ok(Box::new(Counting::new(Memory::new())))).unwrap();
    contract(&|| Ok(Box::new(Arc::new(Faulty::new(Memory::new(), 1))))).unwrap();
    for fault in [Fault::Shuffles, Fault::Duplicates] {
        contract(&|| Ok(Box::new(Faulty::new(Memory::new(), 2).from(0, fault)))).unwrap();
    }
}

/// The suite can fail: a store that breaks a promise is found by it.
#[test]
fn the_contract_finds_broken_stores() {
    use Fault::{DoneButFails, Fails, FlipsBit, ListsLate, Overwrites, SaysExists, Truncates};
    for fault in [Fails, DoneButFails, SaysExists, Overwrites, FlipsBit, Truncates, ListsLate] {
        let outcome = contract(&|| Ok(Box::new(Faulty::new(Memory::new(), 3).from(0, fault))));
        assert!(outcome.is_err(), "{fault:?} was not noticed");
    }
}

/// A put whose answer was lost is seen to exist on the retry, with our bytes to compare; exactly
/// one object stands there.
#[test]
fn a_put_whose_answer_was_lost_can_be_told() {
    let store = Faulty::new(Memory::new(), 5).once(0, Fault::DoneButFails);
    assert!(store.put_new(&pack(1), b"ours").is_err());
    assert_eq!(store.put_new(&pack(1), b"ours").unwrap(), Put::Exists);
    assert_eq!(store.get(&pack(1), None).unwrap(), b"ours");
    assert_eq!(store.list(ObjectKind::Pack).unwrap().len(), 1);
    assert_eq!(store.calls(), 4);
}

/// The probe believes a good store, a real directory too, and leaves nothing behind.
#[test]
fn the_probe_believes_good_stores() {
    let folder = tempfile::tempdir().unwrap();
    let stores: [Box<dyn Backend>; 2] =
        [Box::new(Memory::new()), Box::new(Local::open(folder.path()).unwrap())];
    for store in stores {
        let found = probe(&store, &Env::real()).unwrap();
        assert!(found.exclusive_create && found.list_after_write, "{}", store.describe());
        assert!(store.list(ObjectKind::Writer).unwrap().is_empty());
    }
}

/// The probe finds a store that overwrites, and one that lists late.
#[test]
fn the_probe_finds_liars() {
    for seed in 0..20 {
        let (env, _) = Env::seeded(seed, Time(0));
        let careless = Faulty::new(Memory::new(), seed).from(0, Fault::Overwrites);
        assert!(!probe(&careless, &env).unwrap().exclusive_create, "seed {seed}");
        let late = Faulty::new(Memory::new(), seed).from(0, Fault::ListsLate);
        let found = probe(&late, &env).unwrap();
        assert!(!found.list_after_write && found.exclusive_create, "seed {seed}");
    }
}

/// Before a repository is made a store is asked for no more than two rounds; at length, for eight.
#[test]
fn the_probe_is_short_and_can_be_long() {
    for (probed, rounds) in [(probe as fn(&dyn Backend, &Env) -> _, 2), (probe_thoroughly, 8)] {
        let store = Counting::new(Memory::new());
        let found = probed(&store, &Env::real()).unwrap();
        assert!(found.exclusive_create && found.list_after_write);
        assert_eq!(store.total(Verb::Put).calls, 9 * rounds);
        assert_eq!(store.total(Verb::List).calls, rounds);
    }
}

/// A store that lets a latecomer overwrite, once, is found too.
#[test]
fn the_probe_finds_a_single_overwrite() {
    let (env, _) = Env::seeded(1, Time(0));
    let store = Faulty::new(Memory::new(), 1).once(8, Fault::Overwrites);
    assert!(!probe(&store, &env).unwrap().exclusive_create);
}

/// A store that denies every delete passes the probe, and says that it denied.
#[test]
fn a_store_that_keeps_everything_is_fine() {
    let store = Faulty::new(Memory::new(), 7).from(0, Fault::Denies);
    let found = probe(&store, &Env::real()).unwrap();
    assert!(found.exclusive_create && found.list_after_write);
    store.put_new(&pack(1), b"kept").unwrap();
    assert_eq!(store.delete(&pack(1)).unwrap_err().kind(), Kind::Denied);
    assert_eq!(store.get(&pack(1), None).unwrap(), b"kept");
}

/// Wrong bytes differ in one bit, cut ones are a true beginning, and a seed repeats both.
#[test]
fn faults_are_what_they_say() {
    for seed in 0..50 {
        let read = |fault| {
            let store = Faulty::new(Memory::new(), seed).once(1, fault);
            store.put_new(&pack(1), &[0x55; 100]).unwrap();
            store.get(&pack(1), None).unwrap()
        };
        let flipped = read(Fault::FlipsBit);
        let wrong: u32 = flipped.iter().map(|byte| (byte ^ 0x55).count_ones()).sum();
        assert_eq!((flipped.len(), wrong), (100, 1), "seed {seed}");
        let cut = read(Fault::Truncates);
        assert!(cut.len() < 100 && cut.iter().all(|byte| *byte == 0x55), "seed {seed}");
        assert_eq!((flipped, cut), (read(Fault::FlipsBit), read(Fault::Truncates)));
    }
}

/// Traffic is counted by verb and kind, and only what was created counts as written.
#[test]
fn traffic_is_counted() {
    let store = Counting::new(Memory::new());
    store.put_new(&pack(1), &[1; 100]).unwrap();
    store.put_new(&pack(1), &[2; 50]).unwrap();
    store.put_new(&Handle::gc(0), &[3; 10]).unwrap();
    store.get(&pack(1), Some(10..30)).unwrap();
    store.get(&pack(2), None).unwrap_err();
    store.list(ObjectKind::Pack).unwrap();
    assert_eq!(store.tally(Verb::Put, ObjectKind::Pack).calls, 2);
    assert_eq!((store.written(), store.read()), (110, 20));
    assert_eq!(store.total(Verb::Get).calls, 2);
    assert_eq!(store.total(Verb::List).calls, 1);
    store.reset();
    assert_eq!(store.total(Verb::Put).calls, 0);
}

/// A location that is not there is no repository; `create` makes it, parents too.
#[test]
fn locations_open_and_create() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("a/b/c");
    let location: Location = format!("local:{}", place.display()).parse().unwrap();
    assert_eq!(location.open().err().unwrap().kind(), Kind::NoRepository);
    assert!(!place.exists(), "opening made something");
    location.create().unwrap().put_new(&Handle::config(0), b"c").unwrap();
    assert_eq!(location.open().unwrap().get(&Handle::config(0), None).unwrap(), b"c");
    let mode = fs::metadata(&place).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "others are let in");
    let file: Location = place.join("config/0").display().to_string().parse().unwrap();
    assert_eq!(file.open().err().unwrap().kind(), Kind::NoRepository);
}
