//! What must hold between the keys of the file.

mod alert;
mod at;
mod hooks;
mod job;
mod repository;
mod source;

use super::Config;
use super::place::Text;
use crate::error::Result;
use at::At;

/// Everything.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub fn all(config: &Config, text: Text<'_>) -> Result<()> {
    for (name, repository) in &config.repository {
        let at = At::new(text, &["repository", name], format!("repository {name}"));
        at.name(name)?;
        repository::of_repository(repository, &at)?;
    }
    let known: Vec<&str> = config.repository.keys().map(String::as_str).collect();
    let defaults = At::new(text, &["defaults"], "defaults");
    defaults.filled(&["host"], &config.defaults.host)?;
    job::of_names(config.defaults.to.iter().flat_map(|to| to.all()), &known, &defaults)?;
    for (name, job) in &config.job {
        let at = At::new(text, &["job", name], format!("job {name}"));
        at.name(name)?;
        job::of_job(job, &known, &at)?;
    }
    alert::of_alert(config, text)
}
