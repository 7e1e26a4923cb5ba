//! Objects sealed with a fixed key, as a hostile holder of a key would make them.

use icecore::backend::Handle;
use icecore::crypto::object::{open_object, seal_index, seal_object};
use icecore::crypto::{Keyring, Secret, slot};
use icecore::env::{Env, Time};
use icecore::format::index::Segment;
use icecore::format::note::Note;
use icecore::format::record;
use icecore::format::snapshot::Outcome;
use icecore::id::{IndexId, NoteId, RepoId, SlotId, SnapshotId};
use icecore::limits::RECORD_MAX;
use std::sync::LazyLock;
use zeroize::Zeroizing;

const REPOSITORY: RepoId = RepoId([1; 16]);
const SALT: [u8; 32] = [2; 32];

static KEYRING: LazyLock<Keyring> =
    LazyLock::new(|| Keyring::generate(&Env::seeded(1, Time(0)).0).expect("a keyring"));

/// Any payload that was sealed opens to itself, and what it holds is decoded without a panic.
pub fn round_trip(payload: &[u8]) {
    if payload.len() > RECORD_MAX / 2 {
        return;
    }
    let id = [3; 16];
    for handle in [Handle::snapshot(SnapshotId(id)), Handle::note(NoteId(id)), Handle::verdict(7)] {
        let bytes = seal_object(&KEYRING, &handle, REPOSITORY, &SALT, 0, payload).expect("sealed");
        let opened = open_object(&KEYRING, &handle, REPOSITORY, &bytes).expect("opened");
        assert_eq!(opened, payload);
    }
    let (id, bytes) = seal_index(&KEYRING, REPOSITORY, &SALT, 0, payload).expect("sealed");
    let opened = open_object(&KEYRING, &Handle::index(id), REPOSITORY, &bytes).expect("opened");
    assert_eq!(opened, payload);
    let _ = record::decode::<Outcome>(&opened, "x");
    let _ = record::decode::<Note>(&opened, "x");
    let _ = Segment::decode(opened, "x");
}

/// Bytes that nobody sealed open as nothing.
pub fn refuse(bytes: &[u8]) {
    let id = [3; 16];
    let segment = IndexId(*blake3::hash(bytes).as_bytes());
    for handle in
        [Handle::snapshot(SnapshotId(id)), Handle::note(NoteId(id)), Handle::index(segment)]
    {
        assert!(open_object(&KEYRING, &handle, REPOSITORY, bytes).is_err());
    }
    let secret = Secret::KeyFile(Zeroizing::new([5; 32]));
    assert!(slot::unwrap(bytes, SlotId(id), &secret, REPOSITORY).is_err());
}
