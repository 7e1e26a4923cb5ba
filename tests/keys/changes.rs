//! Slots that count, slots that do not, and slots that cannot be read.

use super::{CHEAP, add, append, config, key_file, open, remove_object};
use crate::common::repo::{TempRepo, secret};
use icecore::backend::testing::{Fault, Faulty};
use icecore::backend::{Backend, Handle, Memory};
use icecore::crypto::slot;
use icecore::env::Env;
use icecore::error::{Kind, Result};
use icecore::repo::Repository;
use std::sync::Arc;

/// A slot that the configuration does not list opens nothing, although its secret is right; it
/// is shown as one that does not count, and can be removed.
#[test]
fn only_listed_slots_open() {
    let repo = TempRepo::new(1);
    let keys = crate::common::forge::Forger::new(&repo).keys;
    let id = repo.repository.config().repository;
    let (stray, bytes) = slot::wrap(&keys, &key_file(1), CHEAP, "", id, &repo.env).unwrap();
    repo.backend.put_new(&Handle::key(stray), &bytes).unwrap();
    assert_eq!(open(&repo.backend, 1).err().unwrap().kind(), Kind::WrongKey);
    let counts = |repo: &TempRepo| -> Vec<bool> {
        repo.repository.slots().unwrap().iter().map(|slot| slot.counts).collect()
    };
    assert_eq!(counts(&repo), [true, false]);
    assert!(repo.repository.remove_slot(stray).unwrap());
    assert_eq!(counts(&repo), [true]);
    assert_eq!(repo.repository.remove_slot(stray).unwrap_err().kind(), Kind::NotFound);
}

/// A removed slot whose object the store keeps counts no longer, and its key opens nothing.
#[test]
fn a_store_that_keeps_a_slot_does_not_keep_it_valid() {
    let repo = TempRepo::new(2);
    let [slot] = add(&repo, &[1])[..] else { panic!() };
    let faulty = Faulty::new(repo.backend.clone(), 0).from(0, Fault::Denies);
    let store: Arc<dyn Backend> = Arc::new(faulty);
    let denied = Repository::open(store, repo.env.clone(), &secret()).unwrap();
    assert!(!denied.remove_slot(slot).unwrap());
    assert!(repo.backend.size(&Handle::key(slot)).is_ok());
    assert_eq!(open(&repo.backend, 1).err().unwrap().kind(), Kind::WrongKey);
    assert!(repo.repository.remove_slot(slot).unwrap());
    assert!(repo.backend.size(&Handle::key(slot)).is_err());
}

/// Slots that are flipped, emptied, written under another name or gone are listed with the reason,
/// block neither opening nor changes, and can be given up.
#[test]
fn unreadable_slots_block_nobody() {
    let repo = TempRepo::new(3);
    let slots = add(&repo, &[1, 2, 3, 4, 5]);
    let bytes: Vec<Vec<u8>> =
        slots.iter().map(|id| repo.backend.get(&Handle::key(*id), None).unwrap()).collect();
    slots[..4].iter().for_each(|id| remove_object(&*repo.backend, *id));
    let mut flipped = bytes[0].clone();
    flipped[60] ^= 1;
    for (id, bytes) in [(slots[0], &flipped), (slots[1], &Vec::new()), (slots[2], &bytes[0])] {
        repo.backend.put_new(&Handle::key(id), bytes).unwrap();
    }
    let listed = repo.repository.slots().unwrap();
    let kind = |id| {
        let info = listed.iter().find(|slot| slot.id == id).unwrap();
        assert!(info.counts);
        info.slot.as_ref().err().map(|error| error.kind())
    };
    let damaged = Some(Kind::Damaged);
    let kinds: Vec<_> = slots.iter().map(|id| kind(*id)).collect();
    assert_eq!(kinds, [damaged, damaged, damaged, Some(Kind::NotFound), None]);
    assert!(open(&repo.backend, 5).is_ok());
    // Nobody knows whose slot the damaged ones were.
    assert_eq!(open(&repo.backend, 1).err().unwrap().kind(), Kind::Damaged);
    let findings = repo.check().findings;
    assert_eq!(findings.len(), 4, "{findings:#?}");
    add(&repo, &[6]);
    for id in &slots[..4] {
        assert!(repo.repository.remove_slot(*id).unwrap(), "{id}");
    }
    assert_eq!(open(&repo.backend, 1).err().unwrap().kind(), Kind::WrongKey);
    assert!(repo.repository.slots().unwrap().iter().all(|slot| slot.slot.is_ok()));
}

/// A process that opened the repository with a slot that was removed since changes no key any more, and
/// nobody removes the slot that they opened it with.
#[test]
fn the_removed_change_nothing() {
    let repo = TempRepo::new(4);
    add(&repo, &[1, 2]);
    let [one, two] = [1, 2].map(|byte| open(&repo.backend, byte).unwrap());
    assert_eq!(one.remove_slot(one.slot()).unwrap_err().kind(), Kind::Refused);
    two.remove_slot(one.slot()).unwrap();
    let refused: [Result<()>; 3] = [
        one.add_slot(&key_file(3), CHEAP, "").map(drop),
        one.replace_slot(&key_file(3), CHEAP, "").map(drop),
        one.remove_slot(two.slot()).map(drop),
    ];
    for result in refused {
        assert_eq!(result.unwrap_err().kind(), Kind::Refused);
    }
    assert_eq!(repo.repository.slots().unwrap().len(), 2);
}

/// Wherever the store fails a change of a key: the old key opens, or the new one does; and if the
/// change was said to have succeeded, only the new one.
#[test]
fn a_key_change_that_fails_anywhere_locks_nobody_out() {
    for fault in [Fault::Fails, Fault::DoneButFails, Fault::SaysExists] {
        for call in 0.. {
            let repo = TempRepo::over(Arc::new(Memory::new()), 5);
            add(&repo, &[1]);
            let opening = Arc::new(Faulty::new(repo.backend.clone(), call));
            Repository::open(opening.clone(), Env::real(), &key_file(1)).unwrap();
            let at = opening.calls() + call;
            let faulty = Arc::new(Faulty::new(repo.backend.clone(), call).once(at, fault));
            let changing = Repository::open(faulty.clone(), Env::real(), &key_file(1)).unwrap();
            let changed = changing.replace_slot(&key_file(2), CHEAP, "");
            let [old, new] = [1, 2].map(|byte| open(&repo.backend, byte).is_ok());
            let what = format!("{fault:?} at call {call}: {changed:?}");
            assert_ne!(old, new, "{what}");
            assert!(new || changed.is_err(), "{what}");
            if faulty.calls() <= at {
                break;
            }
        }
    }
}

/// A configuration that lists no slot, one with a feature from the future, and one whose MAC is
/// another's are each refused as what they are.
#[test]
fn senseless_configurations_are_refused() {
    let mut repo = TempRepo::new(6);
    repo.damaged = true;
    append(&repo, |config| {
        config.slots.clear();
    });
    assert_eq!(repo.reopen().err().unwrap().kind(), Kind::Damaged);
    let slot = repo.repository.slot();
    append(&repo, |config| {
        config.slots = [slot].into();
    });
    assert_eq!(config(&*repo.backend).0, 2);
    repo.reopen().unwrap();
    append(&repo, |config| {
        config.features.insert("colour".to_owned());
    });
    assert_eq!(repo.reopen().err().unwrap().kind(), Kind::Unsupported);
    let error = repo.repository.add_slot(&key_file(1), CHEAP, "").unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported, "a change by a program that does not know it all");
}
