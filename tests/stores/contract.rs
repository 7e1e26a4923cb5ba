//! The promises of all stores.

use super::{carries_much, in_a_process_with_credentials, place};
use crate::common::seaweed::server;
use icecore::backend::testing::contract;
use icecore::backend::{Counting, Verb, probe};
use icecore::env::Env;
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

    carries_much(&store);
    // Two of the probe.
    assert_eq!(store.total(Verb::Delete).calls, 3);
}
