//! Key slots of whole repositories: races for the configuration, what is unreadable or absurd, and
//! where secrets come from.

mod absurd;
mod changes;
mod races;
mod secrets;

use crate::common::forge::Forger;
use crate::common::repo::TempRepo;
use icecore::backend::{Backend, Handle};
use icecore::crypto::{KdfCost, Secret, config_mac};
use icecore::env::Env;
use icecore::error::Result;
use icecore::format::config::Config;
use icecore::format::{ObjectKind, frame, record};
use icecore::id::SlotId;
use icecore::repo::Repository;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The least that is accepted, for speed.
const CHEAP: KdfCost = KdfCost { memory_kib: 19 << 10, passes: 2, lanes: 1 };

fn key_file(byte: u8) -> Secret {
    Secret::KeyFile(Zeroizing::new([byte; 32]))
}

fn open(backend: &Arc<dyn Backend>, byte: u8) -> Result<Repository> {
    Repository::open(backend.clone(), Env::real(), &key_file(byte))
}

/// Adds a slot for each of these key files.
fn add(repo: &TempRepo, bytes: &[u8]) -> Vec<SlotId> {
    let add = |byte: &u8| repo.repository.add_slot(&key_file(*byte), CHEAP, "").unwrap();
    bytes.iter().map(add).collect()
}

fn remove_object(backend: &dyn Backend, id: SlotId) {
    backend.delete(&Handle::key(id)).unwrap();
}

/// The configuration in force, as it stands in the store, and its number.
fn config(backend: &dyn Backend) -> (u64, Config) {
    let listed = backend.list(ObjectKind::Config).unwrap();
    let number = listed.iter().filter_map(|object| object.handle.number()).max().unwrap();
    let bytes = backend.get(&Handle::config(number), None).unwrap();
    let body = frame::decode_open(&bytes, ObjectKind::Config, "config").unwrap();
    let (text, _) = body.split_last_chunk::<32>().unwrap();
    (number, record::decode(text, "config").unwrap())
}

/// Writes the next configuration by hand, as a holder of the keys can.
fn append(repo: &TempRepo, change: impl FnOnce(&mut Config)) {
    let (number, mut next) = config(&*repo.backend);
    let before = repo.backend.get(&Handle::config(number), None).unwrap();
    next.previous = Some(*blake3::hash(&before).as_bytes());
    change(&mut next);
    let mut body = record::encode(&next).unwrap();
    let mac = config_mac(&Forger::new(repo).keys, &body).unwrap();
    body.extend_from_slice(&mac);
    let bytes = frame::encode_open(ObjectKind::Config, &body);
    repo.backend.put_new(&Handle::config(number + 1), &bytes).unwrap();
}
