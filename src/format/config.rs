//! The repository's configuration (chapter 2): a chain of records under a MAC.

use super::record::Record;
use crate::env::Time;
use crate::id::{RepoId, SlotId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// `config/<n>`: an open object whose body is this record and then a 32-byte MAC of the record
/// under the config key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The repository.
    pub repository: RepoId,
    /// When it was created.
    pub created: Time,
    /// BLAKE3 of the object `config/<n-1>`; absent in the first.
    #[serde(with = "serde_bytes")]
    pub previous: Option<[u8; 32]>,
    /// The key slots that count: any other object among the keys is ignored.
    pub slots: BTreeSet<SlotId>,
    /// Features that a reader must know; any unknown one means "unsupported".
    pub features: BTreeSet<String>,
    /// Whether only one writer may be active, because the store cannot create exclusively.
    pub single_writer: bool,
    /// Whether a listing shows every object that was created before it: otherwise what it does
    /// not show may be there all the same.
    pub listing_after_write: bool,
}

impl Record for Config {
    const KIND: &'static str = "config";
}

/// Features that this program knows. None exist yet.
pub const FEATURES: [&str; 0] = [];
