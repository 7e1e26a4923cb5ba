//! What is captured.

use super::At;
use super::hooks::of_hooks;
use crate::agent::config::SourceTable;
use crate::agent::config::place::nearest;
use crate::error::Result;
use crate::source::files::Excludes;
use std::path::Path;

/// What the name of a source may begin with that is no path.
const SCHEMES: [&str; 5] = ["compose", "container", "postgres-dump", "sqlite", "volume"];

/// What is wrong with it.
pub(super) fn of_source(source: &SourceTable, at: &At<'_>) -> Result<()> {
    let title = source.title();
    match (&source.source, &source.command, &source.name) {
        (Some(source), None, None) => named(source, at)?,
        (None, Some(command), Some(name)) => at.filled(&["source"], [command, name])?,
        _ => {
            return Err(at.wrong(&format!(
                "{title} takes `source` alone, or a `command` and the `name` of its output"
            )));
        }
    }
    let is_server = |source: &String| source.starts_with("postgres-dump:");
    let of_server = source.source.as_ref().is_some_and(is_server);
    let says_of_server = !source.databases.is_empty()
        || !source.exclude_databases.is_empty()
        || source.pg_bin.is_some()
        || source.pg_command.is_some();
    if says_of_server && !of_server && !source.is_of_containers() {
        return Err(at.wrong(&format!(
            "{title} is no PostgreSQL server: `databases`, `exclude_databases`, `pg_bin` and `pg_command` are for those alone"
        )));
    }
    of_patterns(&source.exclude, at)?;
    of_hooks(source.hooks.as_ref(), &["source", "hooks"], at)
}

/// What is wrong with the name of something that is captured.
fn named(source: &str, at: &At<'_>) -> Result<()> {
    let Some((scheme, name)) = source.split_once(':').filter(|_| !source.starts_with('/')) else {
        return at.absolute("source", Path::new(source));
    };
    let of_password = "put the passwords of PostgreSQL into ~/.pgpass";
    at.without_password("source", source, of_password)?;
    match scheme {
        _ if !SCHEMES.contains(&scheme) => Err(at
            .wrong_at(
                &["source"],
                &format!("there is no kind of source `{scheme}:`, and a path must begin with `/`"),
            )
            .hint(nearest(scheme, &SCHEMES))),
        "postgres-dump" => Ok(()),
        _ if name.is_empty() => Err(at.wrong_at(&["source"], &format!("`{scheme}:` needs a name"))),
        "sqlite" => at.absolute("source", Path::new(name)),
        _ => Ok(()),
    }
}

/// Patterns that cannot be understood are found before a run needs them.
pub(super) fn of_patterns(patterns: &[String], at: &At<'_>) -> Result<()> {
    at.filled(&["exclude"], patterns)?;
    Excludes::new(patterns).map(drop).map_err(|error| at.refused("exclude", &error))
}
