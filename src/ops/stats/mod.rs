//! `stats`: what lies in a repository, and what each snapshot holds and costs.

mod snapshots;
mod stored;

#[cfg(feature = "testing")]
pub use snapshots::Totals;
pub use snapshots::{SnapshotStats, measure};
pub use stored::{StoredStats, stored};

use crate::format::snapshot::Stored;
use crate::repo::BlobLocation;

/// How many times `after` goes into `before`: 3.0 is "a third is left". None of nothing.
pub fn ratio(before: u64, after: u64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let ratio = (after > 0).then(|| before as f64 / after as f64);
    ratio
}

/// Counts a blob.
fn count(sum: &mut Stored, place: &BlobLocation) {
    sum.blobs += 1;
    sum.plain += u64::from(place.plain);
    sum.stored += u64::from(place.stored);
}
