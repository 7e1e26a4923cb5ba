//! Small objects as a store lists them at one time, each kind once, to account for all of them.

use super::snapshots::{OutcomesShown, VisitOutcome};
use super::together::both;
use super::writers::open_among;
use super::{Generations, Notes, Repository};
use crate::backend::Listed;
use crate::error::Result;
use crate::format::ObjectKind;
use crate::id::SnapshotId;
use std::collections::BTreeSet;

/// What was listed, in the order that chapter 11 asks for.
pub struct Inventory {
    writers: Vec<Listed>,
    /// Writers without an outcome.
    pub open_writers: BTreeSet<SnapshotId>,
    outcomes: OutcomesShown,
    notes: Vec<Listed>,
    collections: Vec<Listed>,
    /// What is in quarantine.
    pub quarantined: Vec<Listed>,
}

impl Inventory {
    /// Marks, collections, notes and what writers say of themselves.
    pub fn records(&self) -> Vec<Listed> {
        let kinds = [&self.writers, &self.outcomes.marks, &self.notes, &self.collections];
        kinds.into_iter().flatten().cloned().collect()
    }
}

impl Repository {
    /// Lists them.
    pub fn inventory(&self) -> Result<Inventory> {
        let store = &**self.backend();
        let list = |kind| move || store.list(kind);
        // Writers before outcomes: a writer that ends meanwhile has ended. Outcomes before marks: a forget
        // puts its mark first.
        let (writers, outcomes) =
            (store.list(ObjectKind::Writer)?, store.list(ObjectKind::Snapshot)?);
        let marks_and_notes = || both(store, list(ObjectKind::Forgotten), list(ObjectKind::Note));
        let others = || both(store, list(ObjectKind::Gc), list(ObjectKind::Quarantine));
        let ((marks, notes), (collections, quarantined)) = both(store, marks_and_notes, others)?;
        let open_writers = open_among(&writers, [&outcomes, &marks]);
        let mut outcomes = OutcomesShown::of(outcomes, marks);
        if !outcomes.given_up.is_empty() {
            // Notes after marks: a hold puts its note first.
            outcomes.retain_held(&self.holds()?);
        }
        Ok(Inventory { writers, open_writers, outcomes, notes, collections, quarantined })
    }

    /// Hands out the outcomes that were listed, all read from the store.
    ///
    /// # Errors
    /// Those of `visit`, and of a store that does not answer.
    pub fn each_outcome_in(&self, of: &Inventory, visit: &mut VisitOutcome<'_>) -> Result<()> {
        self.each_stored_outcome_of(&of.outcomes, visit)
    }

    /// The notes that were listed and hold.
    ///
    /// # Errors
    /// Those of a store that cannot be read.
    pub fn notes_in(&self, of: &Inventory) -> Result<Notes> {
        self.notes_of(of.notes.clone())
    }

    /// The chain of collections that were listed.
    ///
    /// # Errors
    /// As [`Repository::generations`].
    pub fn generations_in(&self, of: &Inventory) -> Result<Generations> {
        self.generations_of(of.collections.clone())
    }
}
