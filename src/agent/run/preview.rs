//! What a prune would forget (`--dry-run`).

use super::Run;
use super::maintenance::judge;
use super::uncopied::uncopied;
use crate::agent::config::Repository;
use crate::error::Result;
use crate::text::utc;
use serde::Serialize;

/// What a prune would forget in a repository.
#[derive(Debug, Serialize)]
pub struct WouldForget {
    /// The repository, by its name in the file.
    pub repository: String,
    /// Why nothing would be forgotten.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether a rule says what is kept; without one, everything is.
    pub has_policy: bool,
    /// Snapshots that would be forgotten, the newest first.
    pub forget: Vec<Goes>,
    /// How many would stay.
    pub kept: usize,
}

/// A snapshot that would be forgotten.
#[derive(Debug, Serialize)]
pub struct Goes {
    /// Its id.
    pub id: String,
    /// When it was begun.
    pub time: String,
}

impl Run<'_> {
    /// What pruning the job would forget now, in each repository that this host prunes.
    pub fn would_forget(&self) -> Vec<WouldForget> {
        let ours = self.config.repositories_of(self.job).into_iter();
        let ours = ours.filter(|(name, _)| !self.job.is_pruned_elsewhere(name));
        ours.map(|(name, repository)| {
            let found = self.would_forget_in(name, repository);
            let error = found.as_ref().err().map(ToString::to_string);
            let (forget, kept) = found.unwrap_or_default();
            let has_policy = repository.keep.is_some();
            WouldForget { repository: name.to_owned(), error, has_policy, forget, kept }
        })
        .collect()
    }

    fn would_forget_in(&self, name: &str, repository: &Repository) -> Result<(Vec<Goes>, usize)> {
        let Some(keep) = &repository.keep else { return Ok((Vec::new(), 0)) };
        let opened = self.context.open(repository)?;
        let judged = judge(self, &opened, keep)?;
        let monitor = self.context.monitor();
        let lost = uncopied(self, &[], (name, &opened), &judged.plan)?;
        lost.iter().for_each(|lost| monitor.warn(lost));
        let goes = judged.plan.forget.keys();
        let goes = goes.map(|key| Goes { id: key.id.to_string(), time: utc(key.started) });
        Ok((goes.collect(), judged.stays().len()))
    }
}
