//! The promises of all stores.

use super::{in_a_process_with_credentials, place};
use crate::common::seaweed::server;
use icecore::backend::testing::contract;
use icecore::backend::{Backend, Counting, Handle, Put, Verb, probe};
use icecore::env::Env;
use icecore::format::ObjectKind;
use icecore::id::PackId;
use std::cell::Cell;

/// Runs one of the tests below with an empty bucket.
fn in_a_bucket(test: &str) {
    let server = server();
    let place = format!("s3:http://127.0.0.1:{}/{}", server.port, server.bucket());
    in_a_process_with_credentials(&format!("stores::contract::{test}"), &place);
}

/// A bucket keeps the contract.
#[test]
fn s3_keeps_the_contract() {
    in_a_bucket("the_contract");
}

/// The same, where there are credentials.
#[test]
#[ignore = "the test above runs it"]
fn the_contract() {
    let next = Cell::new(0);
    if place("").is_none() {
        return;
    }
    contract(&|| {
        next.set(next.get() + 1);
        place(&format!("with space/{}", next.get())).unwrap().create()
    })
    .unwrap();
}

/// A bucket is found to create exclusively; a pack of the largest size goes in one piece; what is
/// listed comes page by page, and what is deleted goes so.
#[test]
fn s3_is_measured_and_carries_much() {
    in_a_bucket("much");
}

/// The same, where there are credentials.
#[test]
#[ignore = "the test above runs it"]
fn much() {
    let Some(place) = place("much") else { return };
    let store = Counting::new(place.open().unwrap());
    let found = probe(&store, &Env::real()).unwrap();
    assert!(found.exclusive_create && found.list_after_write);
    assert_eq!(found.connections, 5);

    let large = Handle::pack(PackId([1; 32]));
    let bytes: Vec<u8> = (0..64 << 20).map(|at: u32| (at % 253) as u8).collect();
    assert_eq!(store.put_new(&large, &bytes).unwrap(), Put::Created);
    assert_eq!(store.put_new(&large, &bytes).unwrap(), Put::Exists);
    assert!(store.get(&large, None).unwrap() == bytes);
    let part = store.get(&large, Some(40 << 20..(40 << 20) + 7)).unwrap();
    assert_eq!(part, bytes[40 << 20..][..7]);

    let many: Vec<Handle> = (0..1100).map(Handle::gc).collect();
    std::thread::scope(|scope| {
        for some in many.chunks(many.len() / 8) {
            let store = &store;
            let create = |one| assert_eq!(store.put_new(one, b"x").unwrap(), Put::Created);
            scope.spawn(move || some.iter().for_each(create));
        }
    });
    assert_eq!(store.list(ObjectKind::Gc).unwrap().len(), many.len());
    store.delete_all(&many).unwrap();
    assert!(store.list(ObjectKind::Gc).unwrap().is_empty());
    assert_eq!(store.total(Verb::Delete).calls, 9);
}
