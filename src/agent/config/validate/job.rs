//! What is captured together, where it goes, and what is done around it.

use super::At;
use super::hooks::{of_hooks, of_stop};
use super::source::{of_patterns, of_source};
use crate::agent::config::place::nearest;
use crate::agent::config::{JOB_LABEL, Job, TextOrTable};
use crate::error::Result;

/// What is wrong with it.
pub(super) fn of_job(job: &Job, known: &[&str], at: &At<'_>) -> Result<()> {
    let to = job.to.iter().flat_map(|to| to.all());
    if to.clone().next().is_none() {
        return Err(at.wrong("`to` is empty: a job needs a repository"));
    }
    of_names(to, known, at)?;
    of_repositories(job, at)?;
    if job.source.all().is_empty() {
        return Err(at.wrong("`source` is empty"));
    }
    job.sources().try_for_each(|source| of_source(&source, at))?;
    of_patterns(&job.exclude, at)?;
    of_facts(job, at)?;
    of_hooks(job.hooks.as_ref(), &["hooks"], at)?;
    job.stop.iter().try_for_each(|stop| of_stop(stop, at))?;
    let drill = job.drill.as_ref().and_then(|drill| drill.timeout.as_ref());
    at.lasting(&["drill", "timeout"], drill)?;
    match job.verify.iter().position(|verification| !verification.is_one()) {
        None => Ok(()),
        Some(number) => Err(at.wrong(&format!(
            "number {} of `verify` takes exactly one of `count`, `sql` (with `query` and `expect`), \
             `integrity`, `amcheck`, `http` (with `status`, `text` or `login`) and `command`",
            number + 1
        ))),
    }
}

/// What is wrong with the names of repositories in `to`.
pub(super) fn of_names<'n>(
    to: impl Iterator<Item = &'n String>,
    known: &[&str],
    at: &At<'_>,
) -> Result<()> {
    let mut named: Vec<&String> = Vec::new();
    for (number, name) in to.enumerate() {
        let wrong = |reason: String| at.wrong_at(&["to", &number.to_string()], &reason);
        if !known.contains(&name.as_str()) {
            return Err(
                wrong(format!("there is no repository `{name}`")).hint(nearest(name, known))
            );
        }
        if named.contains(&name) {
            return Err(wrong(format!("`{name}` is named twice")));
        }
        named.push(name);
    }
    Ok(())
}

/// What is wrong with what holds for some of its repositories.
fn of_repositories(job: &Job, at: &At<'_>) -> Result<()> {
    let names: Vec<&str> = job.repositories().collect();
    let foreign = |key: &str, of: &str| match names.contains(&of) {
        true => Ok(()),
        false => Err(at
            .wrong(&format!("{key} names `{of}`, which is not in `to`"))
            .hint(nearest(of, &names))),
    };
    if let Some(TextOrTable::Table(each)) = &job.rpo {
        each.keys().try_for_each(|name| foreign("rpo", name))?;
    }
    if let Some(TextOrTable::Table(each)) = &job.rto {
        each.keys().try_for_each(|name| foreign("rto", name))?;
    }
    if let Some(TextOrTable::Table(each)) = &job.prune {
        each.keys().try_for_each(|name| foreign("prune", name))?;
    }
    let mut allowed = names.iter().filter_map(|name| job.rpo.as_ref()?.of(name));
    if allowed.any(|rpo| rpo.value.0.is_zero()) {
        return Err(at.wrong("`rpo` must be longer than 0"));
    }
    let mut needed = names.iter().filter_map(|name| job.rto.as_ref()?.of(name));
    needed.try_for_each(|rto| at.lasting(&["rto"], Some(rto)))
}

/// What is wrong with what is recorded of its snapshots, and must be in them.
fn of_facts(job: &Job, at: &At<'_>) -> Result<()> {
    at.filled(&["tags"], &job.tags)?;
    if job.tags.iter().any(|tag| tag.contains(',')) {
        return Err(at.wrong_at(&["tags"], "a tag must not contain a comma"));
    }
    at.filled(&["labels"], job.labels.keys())?;
    if job.labels.contains_key(JOB_LABEL) {
        return Err(at.wrong("the label `job` is the name of the job, and is set by every run"));
    }
    for (name, label) in &job.labels {
        if let TextOrTable::Table(asked) = label {
            at.filled(&["labels", name, "command"], [&asked.command])?;
        }
    }
    at.filled(&["must_contain"], &job.must_contain)?;
    match job.must_contain.iter().any(|artifact| artifact == "volume:") {
        true => Err(at.wrong_at(&["must_contain"], "`volume:` needs a name")),
        false => Ok(()),
    }
}
