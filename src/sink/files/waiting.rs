//! What of a folder waits to come into its place together with what belongs to it.

use super::same::{Identity, Same};
use std::collections::{BTreeMap, HashMap, HashSet};

/// What a restored entry is to SQLite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// A database that was captured through its engine: it needs nothing beside it.
    Captured,
    /// The bytes of a database as they stood in a file: it may need what stood beside it.
    Plain,
    /// Another file.
    Other,
    /// No file: a link, a pipe, a device.
    Special,
}

/// What is known of one folder's databases.
#[derive(Default)]
pub(super) struct Databases {
    /// Those beside which nothing of the snapshot may come, and why.
    pub complete: HashMap<Vec<u8>, &'static str>,
    /// Those whose log or journal could not be restored.
    pub torn: HashSet<Vec<u8>>,
    /// What waits.
    pub held: Waiting,
}

pub(super) type Waiting = BTreeMap<Vec<u8>, Held>;

/// Something complete under a temporary name.
pub(super) struct Held {
    pub at: Vec<u8>,
    pub identity: Identity,
    pub sort: Sort,
    /// Whether what stands in its place is to be kept, should it belong to no database.
    pub keep: bool,
    /// Its key among the files of several names, if it is the first of them.
    pub first: Option<Same>,
}
