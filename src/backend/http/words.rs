//! What a service calls things, and what its answers mean.

use super::variables::Credentials;
use std::fmt;

/// A service's own words; it is shown as the place is written.
pub(super) trait Words: fmt::Display {
    /// What it is called.
    fn name(&self) -> &'static str;

    /// What is said where the bucket, container or folder is not there.
    fn absence(&self) -> String;

    /// Where its credentials are looked for.
    fn credentials(&self) -> Credentials;

    /// What an answer means that complains of something.
    fn meaning(&self, answer: &Answer<'_>) -> Option<Meaning>;
}

/// What a server says when it complains.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer<'a> {
    pub status: Option<u16>,
    /// Its word for what is wrong; empty if there is none.
    pub code: &'a str,
    pub message: &'a str,
}

/// What that means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// There is no such object.
    NoObject,
    /// The bucket, container or folder is not there.
    NoPlace,
    /// A name, a signature or a right is not accepted.
    Denied,
    /// The clocks differ too much.
    WrongClock,
    /// There is no more room.
    Full,
    /// It lies elsewhere, or is asked in the wrong way; and what helps.
    Misplaced(&'static str),
}
