//! `config show`: what is preserved, how often, where, and in how many places.

use super::FileArgs;
use crate::agent::config::{Config, Job, Keep};
use crate::error::Result;
use crate::text;
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::out::Out;
use serde::Serialize;
use std::path::Path;

/// Shows it.
pub fn run(app: &App, args: &FileArgs) -> Result<Done> {
    let (config, path) = args.load()?;
    let mut out = Out::new();
    match app.global.json {
        true => json(&config, &path, &mut out)?,
        false => {
            for (name, job) in &config.job {
                artifacts(&config, name, job, &mut out)?;
            }
            if config.job.is_empty() {
                out.line(&format!("{} has no job", path.display()))?;
            }
        }
    }
    out.finish()?;
    Ok(Done::All)
}

fn json(config: &Config, path: &Path, out: &mut Out) -> Result<()> {
    #[derive(Serialize)]
    struct File<'c> {
        file: String,
        config: &'c Config,
    }
    out.json("config", &File { file: path.display().to_string(), config })
}

fn artifacts(config: &Config, name: &str, job: &Job, out: &mut Out) -> Result<()> {
    let environment = config.defaults.environment.as_ref();
    let of = environment.map_or_else(String::new, |environment| format!(" ({environment})"));
    out.line(&format!("{name}{of}"))?;
    for source in job.sources() {
        out.line(&format!("  what          {}", source.title()))?;
    }
    for artifact in &job.must_contain {
        out.line(&format!("  must contain  {artifact}"))?;
    }
    let schedules = job.schedules();
    let often = [
        ("captured", &schedules.backup),
        ("copied", &schedules.copy),
        ("pruned", &schedules.prune),
        ("checked", &schedules.check),
    ];
    let often: Vec<String> = often
        .into_iter()
        .filter_map(|(what, schedule)| Some(format!("{what} {}", schedule.as_ref()?)))
        .collect();
    out.line(&match often.is_empty() {
        true => "  how often     when `icecore run` is called".to_owned(),
        false => format!("  how often     {}", often.join(", ")),
    })?;
    for (name, repository) in config.repositories_of(job) {
        let keeps = repository.keep.as_ref().map_or_else(|| Ok("keeps all".to_owned()), kept)?;
        let rpo = job.rpo.as_ref().and_then(|rpo| rpo.of(name));
        let rpo = rpo.map_or_else(String::new, |rpo| format!(", at most {rpo} old"));
        let rto = job.rto.as_ref().and_then(|rto| rto.of(name));
        let rto = rto.map_or_else(String::new, |rto| format!(", back within {rto}"));
        out.line(&format!("  where         {name}: {}; {keeps}{rpo}{rto}", repository.url))?;
    }
    let places = job.repositories().count() as u64;
    out.line(&format!("  places        {} beside the original", text::count(places, "place")))
}

/// What a policy keeps, in words.
fn kept(keep: &Keep) -> Result<String> {
    let rules: Vec<String> = keep.policy()?.rules().iter().map(ToString::to_string).collect();
    let tags = keep.tags.iter().map(|tag| format!("tag {tag}"));
    Ok(format!("keeps {}", rules.into_iter().chain(tags).collect::<Vec<_>>().join(", ")))
}
