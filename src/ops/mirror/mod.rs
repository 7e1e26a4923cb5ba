//! `mirror`: copies of a repository elsewhere, object by object and without any key (chapter 11,
//! Mirrors). What is copied first is what the rest leans on, so that a mirror is a repository whenever
//! the copying stops; the next run goes on from there.

mod ahead;
mod delete;
mod proof;
mod survey;
mod target;
mod transfer;

pub use delete::{DeleteLimit, delete_given_up};
pub use target::TargetReport;

use crate::backend::Backend;
use crate::crypto::Secret;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::id::RepoId;
use crate::monitor::{Counter, Monitor};
use crate::repo::unproved_config;
use std::sync::Arc;
use survey::{COPIED, Survey};
use target::Target;
use transfer::Transfer;

/// What a mirror is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct MirrorOptions<'o> {
    /// Whether nothing is copied, and only counted what would be.
    pub dry_run: bool,
    /// A clock and a key, if one is at hand: then what only a mirror has can be told apart.
    pub key: Option<(&'o Env, &'o Secret)>,
}

/// What a mirror did.
#[derive(Debug)]
pub struct MirrorReport {
    /// The repository.
    pub repository: RepoId,
    /// The outcomes of the targets, in their order.
    pub targets: Vec<TargetReport>,
    /// What is damaged in the source, or cannot be read there, and was not copied.
    pub troubles: Vec<Error>,
}

/// The source is copied anew so often, while others delete at the same time.
const ROUNDS: usize = 8;

/// Copies to each target what it lacks of the source. A target that fails does not stop the others.
///
/// # Errors
/// Those of the source; the user's wish to stop. All that was copied stays, and need not be again.
pub fn mirror(
    source: &Arc<dyn Backend>,
    targets: Vec<Arc<dyn Backend>>,
    options: MirrorOptions<'_>,
    monitor: &dyn Monitor,
) -> Result<MirrorReport> {
    let config = unproved_config(&**source)?;
    let repository = config.repository;
    if !config.listing_after_write {
        monitor.warn(
            "the source's store lists late: a snapshot may be there before all that it needs, until it \
             is mirrored again",
        );
    }
    let mut targets: Vec<Target> = targets.into_iter().map(Target::new).collect();
    for _ in 0..ROUNDS {
        let survey = Survey::take(&**source)?;
        targets
            .iter_mut()
            .for_each(|target| target.look(&**source, repository, &survey, options.key));
        let copied = match options.dry_run {
            true => Some(count(&survey, &targets)),
            false => copy(&**source, &survey, &targets, monitor)?,
        };
        if let Some(troubles) = copied {
            targets.iter().for_each(|target| target.retain(&survey));
            let targets = targets.into_iter().map(Target::into_report).collect();
            return Ok(MirrorReport { repository, targets, troubles });
        }
    }
    Err(Error::unavailable("mirror", source.describe(), "what it lists is gone when it is read"))
}

/// Counts what would be copied; nothing is known to be wrong with it.
fn count(survey: &Survey, targets: &[Target]) -> Vec<Error> {
    for target in targets.iter().filter(|target| !target.has_failed()) {
        survey.all().filter(|object| target.lacks(object)).for_each(|object| target.count(object));
    }
    Vec::new()
}

/// Copies kind by kind (M2): what could not be. Nothing, if the source has changed in between, so that
/// it has to be listed again (M1).
fn copy(
    source: &dyn Backend,
    survey: &Survey,
    targets: &[Target],
    monitor: &dyn Monitor,
) -> Result<Option<Vec<Error>>> {
    let lacking = targets.iter().filter(|target| !target.has_failed()).flat_map(|target| {
        survey.all().filter(|object| target.lacks(object)).map(|object| object.size)
    });
    monitor.begin("mirror", Some((Counter::Bytes, lacking.sum())));
    let transfer = Transfer::new(source, targets, monitor);
    for kind in COPIED {
        transfer.carry(kind, survey.of(kind))?;
        if transfer.has_vanished() {
            return Ok(None);
        }
    }
    monitor.end();
    Ok(Some(transfer.into_troubles()))
}
