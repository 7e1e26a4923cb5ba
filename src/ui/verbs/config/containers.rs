//! What of containers the sources of a job are now, and which services it stops.

use crate::agent::config::{Job, SourceTable};
use crate::containers::{ContainerSource, Engine, ResolvedSource};
use crate::error::Result;
use crate::ui::verbs::run_context::containers;

/// A line for each source and for what is stopped. What cannot be found is told where it is looked for.
pub fn now(job: &Job) -> Vec<String> {
    let names = job
        .sources()
        .filter_map(|source| Some((ContainerSource::of(source.source.as_deref()?)?, source)));
    let mut lines: Vec<String> =
        names.filter_map(|(name, source)| of_source(job, &name, &source).ok()).collect();
    lines.extend(services(job).ok().flatten());
    lines
}

/// Which services are stopped, if there are some to be.
///
/// # Errors
/// Services that are not there or must not be stopped, and an engine that does not answer.
pub fn services(job: &Job) -> Result<Option<String>> {
    let Some(stop) = job.stop.as_ref().filter(|stop| !stop.services.is_empty()) else {
        return Ok(None);
    };
    let engine = Engine::connect(job.socket.as_deref())?;
    let running = engine.services(&stop.services, &job.projects())?;
    let names: Vec<String> = running.into_iter().map(|service| service.name).collect();
    Ok(Some(match names.is_empty() {
        true => "stops nothing: none of its services runs now".to_owned(),
        false => format!("stops, in this order: {}", names.join(", ")),
    }))
}

fn of_source(job: &Job, name: &ContainerSource, source: &SourceTable) -> Result<String> {
    let exclude = [job.exclude.clone(), source.exclude.clone()].concat();
    let (_, ResolvedSource { folders, servers, .. }) =
        containers(job, source.raw).find(name, &exclude)?;
    let servers = servers.into_iter().map(|server| format!("PostgreSQL {}", server.name));
    let folders = folders.into_iter().map(|folder| match folder.stored {
        Some(stored) => format!("{} ({})", stored.display(), folder.path.display()),
        None => folder.path.display().to_string(),
    });
    let parts: Vec<String> = servers.chain(folders).collect();
    Ok(format!("{} is now: {}", source.title(), parts.join(", ")))
}
