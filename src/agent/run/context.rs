//! What a run takes from the program that it is part of.

use crate::agent::config;
use crate::env::Env;
use crate::error::Result;
use crate::monitor::Monitor;
use crate::repo::Repository;
use crate::source::Source;
use std::path::PathBuf;

/// How repositories are opened and sources found; who listens.
pub trait RunContext: Sync {
    /// Clock and randomness.
    fn env(&self) -> &Env;

    /// Who hears what is done.
    fn monitor(&self) -> &dyn Monitor;

    /// Where this host remembers things.
    ///
    /// # Errors
    /// If there is no place for it; what says where.
    fn state(&self) -> Result<PathBuf>;

    /// What this machine is called.
    fn host(&self) -> String;

    /// Who runs this.
    fn user(&self) -> String;

    /// The repository, open, with this machine's cache, but for packs: what is checked is the store's.
    fn open(&self, repository: &config::Repository) -> Result<Repository>;

    /// The sources of a job, none of them read yet; none captures one of these repositories, what
    /// this host remembers, or a cache.
    fn sources(
        &self,
        job: &config::Job,
        repositories: &[&config::Repository],
    ) -> Result<Vec<Box<dyn Source>>>;
}
