//! A part of a snapshot, as far as it was read.

use super::large::Large;
use super::taints::Taints;
use super::tree::Tree;
use crate::env::Time;
use crate::error::Result;
use crate::format::snapshot::{Part, SourceName, Summary};
use crate::id::SnapshotId;
use crate::repo::Session;
use crate::source::{PartProof, Source};
use std::collections::{BTreeSet, VecDeque};

/// A part as far as it was read.
pub(super) struct OpenPart {
    pub(super) source: SourceName,
    pub(super) tree: Tree,
    /// The numbers of the parents that files were found in.
    pub(super) used: BTreeSet<usize>,
    pub(super) counts: Summary,
    pub(super) warnings: Vec<String>,
    pub(super) taints: Taints,
    pub(super) incomplete: bool,
    /// Paths at which the parent has a database, and there is another file now.
    pub(super) lost_databases: Vec<Vec<u8>>,
    pub(super) all_or_nothing: bool,
    /// Whether it may have become empty.
    pub(super) allow_empty: bool,
    /// How many more files may be pinned.
    pub(super) pins_left: usize,
    /// Files that were, in the order of the walk.
    pub(super) pinned: VecDeque<PinnedFile>,
    /// What the source has found out, once it was walked.
    pub(super) proof: PartProof,
    started: Time,
}

/// A file that stands for the moment of the walk, and is not read yet.
pub(super) struct PinnedFile {
    /// The names of the directories that lead to it, without the root's; none if it is the root itself.
    pub(super) folder: Option<Vec<Vec<u8>>>,
    pub(super) file: Large,
}

/// A part, and what it cost.
pub(super) struct BuiltPart {
    pub(super) part: Part,
    pub(super) counts: Summary,
    pub(super) warnings: Vec<String>,
    pub(super) lost_databases: Vec<Vec<u8>>,
}

impl OpenPart {
    /// A part of which nothing was read yet; `newest` is the same part in the series' newest snapshot.
    pub(super) fn new(source: &dyn Source, newest: Option<&Part>, started: Time) -> Self {
        let source_name = source.describe();
        OpenPart {
            tree: Tree::at(&source_name.path),
            source: source_name,
            used: BTreeSet::new(),
            counts: Summary::default(),
            warnings: Vec::new(),
            taints: Taints::after(newest, started),
            incomplete: false,
            lost_databases: Vec::new(),
            all_or_nothing: source.all_or_nothing(),
            allow_empty: source.allow_empty(),
            pins_left: 0,
            pinned: VecDeque::new(),
            proof: PartProof::default(),
            started,
        }
    }

    /// Finishes the part; `parents` are the snapshots that it was compared with.
    pub(super) fn finish(
        mut self,
        session: &mut Session<'_>,
        parents: BTreeSet<SnapshotId>,
    ) -> Result<BuiltPart> {
        for path in self.tree.held_open() {
            self.taints.leave(&path);
        }
        let root = self.tree.finish(session)?;
        let (tainted, taints) = self.taints.finish(self.counts.failed > 0);
        let part = Part {
            kind: self.source.kind,
            path: self.source.path,
            root,
            started: self.started,
            finished: session.repository().env().now(),
            facts: self.proof.facts.into_texts(),
            selection: self.source.selection,
            parents,
            tainted,
            taints,
            incomplete: self.incomplete || self.proof.is_incomplete,
        };
        let mut warnings = self.warnings;
        warnings.extend(self.proof.warnings);
        let (counts, lost_databases) = (self.counts, self.lost_databases);
        Ok(BuiltPart { part, counts, warnings, lost_databases })
    }
}
