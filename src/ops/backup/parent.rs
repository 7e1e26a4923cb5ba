//! The parents that a source leans on: the newest snapshots that hold its past, or some of it.

use crate::format::snapshot::{Part, Snapshot, SourceName};
use crate::id::SnapshotId;
use crate::ops::tree::{self, Entry};
use crate::repo::Reader;
use std::collections::BTreeSet;

/// Where deltas and unchanged files are looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ParentChoice {
    /// For each source in the newest snapshots that hold it, this machine's own first.
    #[default]
    Auto,
    /// Nowhere: everything is read, every new chunk is stored whole.
    None,
    /// In this snapshot.
    Snapshot(SnapshotId),
}

/// A snapshot that holds the past of a source, or some of it; or a capture of a moment ago.
pub(super) struct Parent {
    /// What parts name that lean on it: the snapshot, or what the capture leans on itself.
    pub(super) ids: BTreeSet<SnapshotId>,
    /// The host that made it, if that is another one. Then its stamps prove nothing.
    pub(super) foreign: Option<String>,
    /// Whether it is the warm-up of the same backup.
    pub(super) is_warm_up: bool,
    /// What stands in it where the source stands.
    pub(super) root: Entry,
}

/// The parents of one source, those to be asked first at the front.
pub(super) struct Parents {
    pub(super) list: Vec<Parent>,
    /// Why there is none, if so.
    pub(super) none: String,
}

/// What a part of a new snapshot leans on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parentage {
    /// The source.
    pub source: SourceName,
    /// The parents, as the part names them.
    pub parents: BTreeSet<SnapshotId>,
    /// Why there is none; or whose they are, if they are another host's.
    pub remark: Option<String>,
}

impl Parent {
    /// What a snapshot holds of a source; nothing if it cannot be read.
    pub(super) fn find(
        reader: &Reader<'_>,
        snapshot: &Snapshot,
        host: &str,
        source: &SourceName,
    ) -> Option<Self> {
        let root = tree::find(reader, snapshot, &source.path).ok()?.entry;
        let foreign = (snapshot.host != host).then(|| snapshot.host.clone());
        let ids = BTreeSet::from([snapshot.id]);
        Some(Parent { ids, foreign, is_warm_up: false, root })
    }
}

impl Parents {
    /// What is said of them, once it is known which of them were of use.
    pub(super) fn told(&self, part: &Part) -> Parentage {
        let is_used = |parent: &&Parent| !parent.ids.is_disjoint(&part.parents);
        let used = || self.list.iter().filter(is_used);
        let hosts: BTreeSet<&str> = used().filter_map(|parent| parent.foreign.as_deref()).collect();
        let remark = match (part.parents.is_empty(), hosts.is_empty()) {
            (true, _) => Some(self.none.clone()),
            (false, true) => None,
            (false, false) => {
                let hosts: Vec<&str> = hosts.into_iter().collect();
                Some(format!("of host {}, for deltas only", hosts.join(", ")))
            }
        };
        Parentage { source: part.source(), parents: part.parents.clone(), remark }
    }
}
