//! Slots that cost too much, or are too many.

use super::{CHEAP, add, append, key_file, open};
use crate::common::repo::TempRepo;
use icecore::backend::Handle;
use icecore::crypto::{Secret, slot};
use icecore::error::Kind;
use icecore::format::slot::{Kdf, Slot};
use icecore::format::{ObjectKind, frame, record};
use icecore::id::SlotId;
use icecore::repo::Repository;
use zeroize::Zeroizing;

fn passphrase(text: &str) -> Secret {
    Secret::Passphrase(Zeroizing::new(text.to_owned()))
}

/// Slots of this cost, which nobody can open, listed beside all others. Their ids sort first.
fn plant(repo: &TempRepo, number: u8, memory_kib: u32, passes: u32) {
    let id = repo.repository.slot();
    let bytes = repo.backend.get(&Handle::key(id), None).unwrap();
    let slot = slot::read(&bytes, id).unwrap();
    let planted: Vec<SlotId> = (0..number).map(|at| SlotId([at; 16])).collect();
    for id in &planted {
        let kdf = Kdf::Argon2id { memory_kib, passes, lanes: 1 };
        let slot = Slot { id: *id, kdf, ..slot.clone() };
        let bytes = frame::encode_open(ObjectKind::Key, &record::encode(&slot).unwrap());
        repo.backend.put_new(&Handle::key(*id), &bytes).unwrap();
    }
    append(repo, |config| config.slots.extend(planted));
}

/// The right password is tried before anything that is dearer: twenty legal slots of 64 MiB and
/// 64 passes, which together are past the bound, do not keep it from opening.
#[test]
fn the_cheapest_slot_is_tried_first() {
    let repo = TempRepo::new(1);
    let id = repo.repository.add_slot(&passphrase("right"), CHEAP, "").unwrap();
    plant(&repo, 20, 64 << 10, 64);
    let opened = Repository::open(repo.backend.clone(), repo.env.clone(), &passphrase("right"));
    assert_eq!(opened.unwrap().slot(), id);
}

/// A slot whose cost is out of bounds is not tried; with a wrong password that is what is told,
/// since the slot may have been meant. A key file costs nothing whatever stands beside it.
#[test]
fn absurd_slots_are_passed_over() {
    let repo = TempRepo::new(2);
    repo.repository.add_slot(&passphrase("right"), CHEAP, "").unwrap();
    plant(&repo, 3, 4 << 20, 64);
    let open = |text| Repository::open(repo.backend.clone(), repo.env.clone(), &passphrase(text));
    open("right").unwrap();
    assert_eq!(open("wrong").err().unwrap().kind(), Kind::Refused);
    repo.reopen().unwrap();
}

/// No slot is added past the bound on their number, and a configuration that lists more is
/// refused before any of them is read.
#[test]
fn the_number_of_slots_is_bounded() {
    let mut repo = TempRepo::new(3);
    repo.damaged = true;
    add(&repo, &(0..63).collect::<Vec<_>>());
    let error = repo.repository.add_slot(&key_file(99), CHEAP, "").unwrap_err();
    assert_eq!(error.kind(), Kind::Refused, "{error}");
    open(&repo.backend, 62).unwrap();
    append(&repo, |config| {
        config.slots.insert(SlotId([7; 16]));
    });
    assert_eq!(open(&repo.backend, 62).err().unwrap().kind(), Kind::Refused);
}

/// Where nothing but slots stands, the cheapest is tried first as well.
#[test]
fn a_stopped_init_beside_dear_slots_is_finished() {
    let mut repo = TempRepo::new(4);
    repo.damaged = true;
    plant(&repo, 20, 64 << 10, 64);
    for object in repo.backend.list(ObjectKind::Config).unwrap() {
        repo.backend.delete(&object.handle).unwrap();
    }
    let options = Default::default();
    let secret = crate::common::repo::secret();
    let again =
        Repository::init(repo.backend.clone(), repo.env.clone(), &secret, &options).unwrap();
    assert_eq!(again.config().repository, repo.repository.config().repository);
    assert_eq!(again.slots().unwrap().iter().filter(|slot| slot.counts).count(), 1);
}
