//! Buckets of S3: the promises of all stores.

use super::{in_a_process_with_credentials, is_measured_and_carries_much, keeps_the_contract};
use crate::common::seaweed::server;

/// Runs one of the tests below with an empty bucket.
fn in_a_bucket(test: &str) {
    let server = server();
    let place = format!("s3:http://127.0.0.1:{}/{}", server.port, server.bucket());
    in_a_process_with_credentials(&format!("stores::s3::{test}"), &place);
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
    keeps_the_contract("with space");
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
    is_measured_and_carries_much();
}
